// A balanced host as every worker shares it: its identity, its load, and how often it was picked.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "core/counters.hpp"
#include "core/endpoint.hpp"
#include "core/types.hpp"

namespace sipfront::balancer {

// Which table a destination comes from. The same host in both has two destinations: two states, and load only in the first.
enum class Kind : std::uint8_t { load_balancer, dispatcher };
std::string_view name(Kind k) noexcept;

// What makes two rows the same destination over reloads and restarts: never a row id, and not how the URI is spelt.
struct Identity {
    Kind kind = Kind::load_balancer;
    std::uint32_t group = 0;  // group_id or setid
    core::Endpoint remote;
    core::Transport transport = core::Transport::udp;

    friend constexpr auto operator<=>(const Identity&, const Identity&) = default;
};

// Ids are given out below this bound, so that tables by id stay small.
inline constexpr std::size_t max_destinations = 4096;

// A resource name ("pstn") as an index; names are numbered once and keep their number while the process lives.
enum class ResourceId : std::uint8_t {};
inline constexpr std::size_t max_resources = 16;

// Which resources a call uses.
class ResourceSet {
public:
    constexpr ResourceSet() = default;
    constexpr void add(ResourceId r) noexcept { bits_ = static_cast<std::uint16_t>(bits_ | 1U << core::raw(r)); }
    [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
    [[nodiscard]] constexpr bool includes(ResourceSet other) const noexcept { return (bits_ & other.bits_) == other.bits_; }
    // The lowest one; the set is not empty.
    [[nodiscard]] constexpr ResourceId first() const noexcept { return static_cast<ResourceId>(std::countr_zero(bits_)); }
    [[nodiscard]] constexpr bool is_one() const noexcept { return std::has_single_bit(bits_); }
    // Calls f(ResourceId) in ascending order until one returns false; says whether none did.
    template <class F>
    constexpr bool all(F&& f) const noexcept {
        for (unsigned left = bits_; left != 0; left &= left - 1)
            if (!f(static_cast<ResourceId>(std::countr_zero(left)))) return false;
        return true;
    }
    friend constexpr bool operator==(ResourceSet, ResourceSet) = default;

private:
    std::uint16_t bits_ = 0;
};

// The count and the capacity of one resource of one destination. Both are halves of one word, so that a reservation is exact
// over all workers even while control resizes. Any thread may call anything. Nothing else is published through the word,
// hence relaxed order throughout.
class alignas(64) ResourceLoad {
public:
    struct Reading {
        std::uint32_t load = 0;
        std::uint32_t capacity = 0;

        [[nodiscard]] constexpr bool full() const noexcept { return load >= capacity; }
    };

    [[nodiscard]] Reading read() const noexcept { return split(word_.load(std::memory_order_relaxed)); }
    // One unit more, never above the capacity; false when there is none left.
    bool try_reserve() noexcept {
        auto word = word_.load(std::memory_order_relaxed);
        do {
            if (split(word).full()) return false;
        } while (!word_.compare_exchange_weak(word, word + 1, std::memory_order_relaxed));
        return true;
    }
    // One unit less, never below zero; false when there was none: somebody released twice.
    bool release() noexcept {
        auto word = word_.load(std::memory_order_relaxed);
        do {
            if (split(word).load == 0) return false;
        } while (!word_.compare_exchange_weak(word, word - 1, std::memory_order_relaxed));
        return true;
    }
    // One unit more whatever the capacity: the call exists already.
    void adopt() noexcept {
        auto word = word_.load(std::memory_order_relaxed);
        do {
            if (split(word).load == std::numeric_limits<std::uint32_t>::max()) return;
        } while (!word_.compare_exchange_weak(word, word + 1, std::memory_order_relaxed));
    }
    // Below the load it only keeps new calls out.
    void set_capacity(std::uint32_t capacity) noexcept {
        auto word = word_.load(std::memory_order_relaxed);
        while (!word_.compare_exchange_weak(word, join(split(word).load, capacity), std::memory_order_relaxed)) {
        }
    }

    // When it was last picked, in picks of its group: breaks ties towards the one that waited longest. Approximate between
    // workers that pick at the same instant. It shares the line because a pick has just made that line ours.
    [[nodiscard]] std::uint64_t last_pick() const noexcept { return last_pick_.load(std::memory_order_relaxed); }
    void set_last_pick(std::uint64_t turn) noexcept { last_pick_.store(turn, std::memory_order_relaxed); }

private:
    static constexpr Reading split(std::uint64_t word) noexcept {
        return {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)};
    }
    static constexpr std::uint64_t join(std::uint32_t load, std::uint32_t capacity) noexcept {
        return std::uint64_t{capacity} << 32 | load;
    }

    std::atomic<std::uint64_t> word_{0};
    std::atomic<std::uint64_t> last_pick_{0};
};

// The one thing that workers share on the way of a call. It outlives snapshots: the registry and every snapshot that names the
// destination hold it, so load and picks survive reloads, and a removed destination's last calls can still be given back.
class DestinationLoad {
public:
    explicit DestinationLoad(std::size_t workers) : picks_(workers) {}

    ResourceLoad& operator[](ResourceId r) noexcept { return resources_[core::raw(r)]; }
    const ResourceLoad& operator[](ResourceId r) const noexcept { return resources_[core::raw(r)]; }

    // One unit of each or none. While another worker takes its partial reservation back, a slot may look taken for an instant.
    bool try_reserve(ResourceSet need) noexcept;
    // One unit of each; false when any was at zero already (which then stays there).
    bool release(ResourceSet need) noexcept;
    void adopt(ResourceSet need) noexcept;
    [[nodiscard]] bool idle() const noexcept;

    // Worker w writes its own.
    void count_pick(core::WorkerId w) noexcept { picks_[core::raw(w)].n.add(); }
    // Any thread.
    [[nodiscard]] std::uint64_t picks() const noexcept;

private:
    struct alignas(64) PickLine {
        core::Counter n;
    };

    std::array<ResourceLoad, max_resources> resources_{};
    std::vector<PickLine> picks_;
};

}  // namespace sipfront::balancer

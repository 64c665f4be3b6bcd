// Immutable snapshots from the control thread to the workers: one atomic pointer, and an epoch per worker that says which
// snapshots nobody can still be looking at. Workers never wait and never free.
#pragma once

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "core/types.hpp"

namespace sipfront::core {

// Control thread (one): publish, reclaim, current. Worker w: acquire(w), leave(w). A worker that has never called acquire(),
// or has left, holds nothing back. Destroy it when every worker has left.
template <class T>
class Published {
public:
    // `workers`: acquire() takes the ids below it. `first` may be null; acquire() returns null until something is published.
    explicit Published(std::size_t workers, std::unique_ptr<const T> first = nullptr) : readers_(workers), owned_{std::move(first)} {
        current_.store(owned_.get(), std::memory_order_relaxed);
    }
    Published(const Published&) = delete;
    Published& operator=(const Published&) = delete;

    // --- control ---
    void publish(std::unique_ptr<const T> next) {
        const auto epoch = epoch_.load(std::memory_order_relaxed) + 1;
        retired_.reserve(retired_.size() + 1);
        current_.store(next.get(), std::memory_order_seq_cst);
        epoch_.store(epoch, std::memory_order_release);
        if (owned_) retired_.push_back({epoch, std::move(owned_)});
        owned_ = std::move(next);
    }
    // Frees the replaced snapshots that every worker has moved past; returns how many it freed.
    std::size_t reclaim() {
        auto oldest_in_use = away;
        for (const auto& r : readers_) oldest_in_use = std::min(oldest_in_use, r.seen.load(std::memory_order_seq_cst));
        return std::erase_if(retired_, [&](const Retired& r) { return r.replaced_at <= oldest_in_use; });
    }
    // The newest snapshot, for control itself.
    [[nodiscard]] const T* current() const noexcept { return owned_.get(); }
    // Replaced snapshots not freed yet.
    [[nodiscard]] std::size_t waiting() const noexcept { return retired_.size(); }

    // --- workers ---
    // The newest snapshot, valid until this worker's next acquire() or leave(). Call it once per poll loop.
    const T* acquire(WorkerId w) noexcept {
        auto& mine = reader(w);
        const auto epoch = epoch_.load(std::memory_order_acquire);
        if (mine.seen.load(std::memory_order_relaxed) == epoch) return mine.snapshot;
        // Announce first, look second; publish() and reclaim() do the reverse. In the single order of the four accesses
        // either reclaim() sees this epoch or we see the new pointer.
        mine.seen.store(epoch, std::memory_order_seq_cst);
        mine.snapshot = current_.load(std::memory_order_seq_cst);
        return mine.snapshot;
    }
    // This worker holds nothing any more, until it calls acquire() again.
    void leave(WorkerId w) noexcept { reader(w).seen.store(away, std::memory_order_release); }

private:
    static constexpr std::uint64_t away = std::numeric_limits<std::uint64_t>::max();

    struct alignas(64) Reader {
        std::atomic<std::uint64_t> seen{away};  // worker: writes, control: reads
        const T* snapshot = nullptr;            // worker only
    };
    struct Retired {
        std::uint64_t replaced_at;
        std::unique_ptr<const T> snapshot;
    };

    Reader& reader(WorkerId w) noexcept {
        assert(raw(w) < readers_.size());
        return readers_[raw(w)];
    }

    alignas(64) std::atomic<const T*> current_{nullptr};  // control: writes, workers: read
    std::atomic<std::uint64_t> epoch_{0};                 // control: writes, workers: read
    alignas(64) std::vector<Reader> readers_;
    std::unique_ptr<const T> owned_;
    std::vector<Retired> retired_;
};

}  // namespace sipfront::core

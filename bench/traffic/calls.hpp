// The calls of a run: a slab indexed by the number that every message carries. Both ends of a call live in one record.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "bench/traffic/datagrams.hpp"
#include "bench/traffic/number.hpp"
#include "core/reservation.hpp"

namespace sipfront::traffic {

struct alignas(64) Call {
    enum class State : std::uint8_t { ended, inviting, proceeding, up, leaving, registering };

    std::uint64_t placed = 0;    // ns; the first request
    std::uint64_t left = 0;      // ns; the BYE, or the second REGISTER
    std::uint64_t answered = 0;  // ns; the host's 200
    std::uint32_t generation = 0;
    std::uint32_t image = no_image;  // of the host's unacknowledged 200
    std::uint32_t next_free = 0;     // while ended
    std::uint16_t client = 0;
    Peer host_peer = 0;
    State state = State::ended;
    std::uint8_t host = no_host;
    std::uint8_t phase = 0;
    std::uint8_t route_length = 0;  // spilled: the route holds an index
    std::uint8_t attempt = 0;       // 1: the REGISTER with credentials
    bool responded = false;         // the client has seen a response
    // Copies sent and seen, for telling retransmissions from duplicates.
    std::uint8_t requests_sent = 0, acks_sent = 0, byes_sent = 0;
    std::uint8_t rings_sent = 0, answers_sent = 0, bye_answers_sent = 0;
    std::uint8_t requests_seen = 0, acks_seen = 0, byes_seen = 0;
    std::uint8_t rings_seen = 0, answers_seen = 0, bye_answers_seen = 0;
    char route[120] = {};  // Record-Route values as the host got them, separated by LF

    static constexpr std::uint32_t no_image = 0xffffffff;
    static constexpr std::uint8_t no_host = 0xff, spilled = 0xff;

    [[nodiscard]] bool open() const noexcept { return state != State::ended; }
};
static_assert(sizeof(Call) <= 192);

inline void count_up(std::uint8_t& n) noexcept { n = static_cast<std::uint8_t>(n + (n != 0xff)); }

// Memory is reserved for all calls and used as they are placed. An ended call's slot rests for a while, so that late messages are
// still recognised.
class Calls {
public:
    explicit Calls(std::uint32_t most) : memory_{sizeof(Call) * std::size_t{most}}, most_{most} {
        calls_ = static_cast<Call*>(memory_.data());
    }

    [[nodiscard]] bool exists(CallNumber n) const noexcept { return n.slot < used_; }
    Call& operator[](std::uint32_t slot) noexcept { return calls_[slot]; }
    [[nodiscard]] std::uint32_t open() const noexcept { return open_; }
    // All slots that were ever in use are below.
    [[nodiscard]] std::uint32_t used() const noexcept { return used_; }
    [[nodiscard]] std::size_t memory() const noexcept { return std::size_t{used_} * sizeof(Call); }
    void prefetch(std::uint32_t slot) const noexcept {
        const auto* p = reinterpret_cast<const char*>(calls_ + slot);
        __builtin_prefetch(p);
        __builtin_prefetch(p + 64);
        __builtin_prefetch(p + 128);
    }

    // False when all are in use.
    bool take(std::uint64_t now, CallNumber& out) noexcept {
        const bool rested = free_first_ != none && calls_[free_first_].left + rest <= now;
        if (!rested && used_ < most_) {
            out.slot = used_++;
        } else if (free_first_ != none) {
            out.slot = free_first_;
            free_first_ = calls_[out.slot].next_free;
            if (free_first_ == none) free_last_ = none;
        } else {
            return false;
        }
        auto& call = calls_[out.slot];
        out.generation = call.generation + 1;
        // The route is written before it is read.
        std::memset(static_cast<void*>(&call), 0, offsetof(Call, route));
        call.generation = out.generation;
        call.image = Call::no_image;
        call.host = Call::no_host;
        ++open_;
        return true;
    }
    void give_back(std::uint32_t slot, std::uint64_t now) noexcept {
        auto& call = calls_[slot];
        call.state = Call::State::ended;
        call.left = now;
        call.next_free = none;
        if (free_last_ != none) {
            calls_[free_last_].next_free = slot;
        } else {
            free_first_ = slot;
        }
        free_last_ = slot;
        --open_;
    }

private:
    static constexpr std::uint32_t none = 0xffffffff;
    static constexpr std::uint64_t rest = 1'000'000'000;

    core::Reservation memory_;
    Call* calls_ = nullptr;
    std::uint32_t most_;
    std::uint32_t used_ = 0, open_ = 0;
    std::uint32_t free_first_ = none, free_last_ = none;
};

// What a 200 must be built from again until its ACK has come: the request's Via and Record-Route lines.
class Images {
public:
    static constexpr std::size_t longest = 1000;

    explicit Images(std::uint32_t most) : memory_{sizeof(Image) * std::size_t{most}}, most_{most} {
        images_ = static_cast<Image*>(memory_.data());
    }
    // Call::no_image when the text is too long or all are in use.
    std::uint32_t keep(std::string_view text) noexcept {
        if (text.size() > longest) return Call::no_image;
        std::uint32_t i = free_;
        if (i != Call::no_image) {
            std::memcpy(&free_, images_[i].text, sizeof free_);
        } else if (used_ < most_) {
            i = used_++;
        } else {
            return Call::no_image;
        }
        images_[i].length = static_cast<std::uint32_t>(text.size());
        std::memcpy(images_[i].text, text.data(), text.size());
        return i;
    }
    [[nodiscard]] std::string_view view(std::uint32_t i) const noexcept { return {images_[i].text, images_[i].length}; }
    [[nodiscard]] std::size_t memory() const noexcept { return std::size_t{used_} * sizeof(Image); }
    void release(std::uint32_t& i) noexcept {
        if (i == Call::no_image) return;
        std::memcpy(images_[i].text, &free_, sizeof free_);
        free_ = i;
        i = Call::no_image;
    }

private:
    struct Image {
        std::uint32_t length;
        char text[longest];
    };

    core::Reservation memory_;
    Image* images_ = nullptr;
    std::uint32_t most_;
    std::uint32_t used_ = 0, free_ = Call::no_image;
};

// The route sets of calls: in the record when they fit, else apart.
class Routes {
public:
    [[nodiscard]] std::string_view of(const Call& call) const noexcept {
        if (call.route_length != Call::spilled) return {call.route, call.route_length};
        return long_[index(call)];
    }
    void keep(Call& call, std::string_view route) {
        if (route.size() <= sizeof call.route) {
            call.route_length = static_cast<std::uint8_t>(route.size());
            std::memcpy(call.route, route.data(), route.size());
            return;
        }
        std::uint32_t i = 0;
        if (free_.empty()) {
            i = static_cast<std::uint32_t>(long_.size());
            long_.emplace_back(route);
        } else {
            i = free_.back();
            free_.pop_back();
            long_[i].assign(route);
        }
        call.route_length = Call::spilled;
        std::memcpy(call.route, &i, sizeof i);
    }
    void release(Call& call) {
        if (call.route_length == Call::spilled) free_.push_back(index(call));
        call.route_length = 0;
    }
    [[nodiscard]] std::size_t memory() const noexcept {
        constexpr std::size_t allocator = 16;  // its own word, and rounding
        auto bytes = long_.capacity() * sizeof(std::string) + free_.capacity() * sizeof(std::uint32_t);
        for (const auto& route : long_) bytes += route.capacity() + allocator;
        return bytes;
    }

private:
    static std::uint32_t index(const Call& call) noexcept {
        std::uint32_t i = 0;
        std::memcpy(&i, call.route, sizeof i);
        return i;
    }

    std::vector<std::string> long_;
    std::vector<std::uint32_t> free_;
};

}  // namespace sipfront::traffic

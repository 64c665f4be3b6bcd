// Deadlines of one duration each: first in, first out. An entry is not taken back; who is woken looks whether it still matters.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/traffic/number.hpp"

namespace sipfront::traffic {

enum class Wake : std::uint8_t { invite, registration, bye, answer, hang_up };

class TimerFifo {
public:
    struct Entry {
        std::uint64_t due = 0;  // ns
        std::uint32_t slot = 0;
        std::uint32_t tag = 0;  // low bits of the generation, and what for
    };

    explicit TimerFifo(std::uint64_t duration) : duration_{duration}, ring_(first_size) {}

    [[nodiscard]] std::uint64_t duration() const noexcept { return duration_; }
    void push(std::uint64_t now, CallNumber call, Wake what) {
        if (tail_ - head_ == ring_.size()) grow();
        ring_[tail_++ & (ring_.size() - 1)] = {now + duration_, call.slot, call.generation << 3 | static_cast<std::uint32_t>(what)};
    }
    // The entry `ahead` places behind the first; null beyond the last.
    [[nodiscard]] const Entry* peek(std::size_t ahead = 0) const noexcept {
        return head_ + ahead < tail_ ? &ring_[(head_ + ahead) & (ring_.size() - 1)] : nullptr;
    }
    void pop() noexcept { ++head_; }
    [[nodiscard]] std::size_t size() const noexcept { return tail_ - head_; }
    void clear() noexcept { head_ = tail_; }
    [[nodiscard]] std::size_t memory() const noexcept { return ring_.size() * sizeof(Entry); }

    static Wake what(const Entry& e) noexcept { return static_cast<Wake>(e.tag & 7); }
    static bool names(const Entry& e, std::uint32_t generation) noexcept { return e.tag >> 3 == (generation << 3) >> 3; }

private:
    static constexpr std::size_t first_size = 1U << 14;

    void grow() {
        std::vector<Entry> larger(ring_.size() * 2);
        for (auto i = head_; i < tail_; ++i) larger[i & (larger.size() - 1)] = ring_[i & (ring_.size() - 1)];
        ring_.swap(larger);
    }

    std::uint64_t duration_;
    std::vector<Entry> ring_;
    std::size_t head_ = 0, tail_ = 0;
};

}  // namespace sipfront::traffic

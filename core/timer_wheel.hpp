// Millions of timers on one thread: a hierarchical wheel, O(1) to schedule and cancel, nothing to do for empty time.
#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "core/reservation.hpp"
#include "core/tick.hpp"
#include "core/types.hpp"

namespace sipfront::core {

struct TimerTag;
using TimerId = Handle<TimerTag>;

// A timer fires at the first advance() whose `now` has reached its due time, rounded up to the resolution: never early, and
// late by less than one resolution if advance() is called often enough. Timers of one tick fire in the order of scheduling.
// 32 octets per timer. No malloc after construction.
class TimerWheel {
public:
    TimerWheel(std::uint32_t capacity, Tick start, Duration resolution = 1ms);
    TimerWheel(const TimerWheel&) = delete;
    TimerWheel& operator=(const TimerWheel&) = delete;

    // `payload` is the caller's: a handle and a kind, say. Null when full. A due time in the past fires at the next advance().
    [[nodiscard]] TimerId schedule(Tick due, std::uint64_t payload) noexcept;
    // Makes `id` null. Harmless when the timer has fired already or `id` is null.
    void cancel(TimerId& id) noexcept;
    [[nodiscard]] bool is_pending(TimerId id) const noexcept;

    // Calls fire(std::uint64_t payload, Tick due) for up to `max` timers that are due, earliest tick first; returns how many. The
    // rest keeps until the next call. `fire` may schedule and cancel; what it schedules for the past fires in the next call.
    // Work between the levels of the wheel is bounded by `max` as well, so a call may return fewer than were due.
    template <class F>
    std::size_t advance(Tick now, F&& fire, std::size_t max = std::numeric_limits<std::size_t>::max());

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

private:
    // Eight digits of eight bits hold any 64-bit tick, so no distance needs a special case.
    static constexpr std::size_t levels = 8;
    static constexpr std::size_t slots = 256;
    static constexpr std::uint16_t ready = levels * slots;  // the list of timers whose tick has come
    static constexpr std::uint16_t late = ready + 1;        // scheduled for the past; joins `ready` after the running advance()
    static constexpr std::uint16_t nowhere = late + 1;
    static constexpr std::uint32_t nil = 0xffffffff;
    static constexpr std::size_t moves_per_fire = 4;

    struct Node {
        std::int64_t due;  // nanoseconds, as in Tick
        std::uint64_t payload;
        std::uint32_t next;
        std::uint32_t previous;
        std::uint32_t generation;  // odd while scheduled
        std::uint16_t list;
    };
    static_assert(sizeof(Node) == 32);
    struct List {
        std::uint32_t head = nil;
        std::uint32_t tail = nil;
    };
    using Occupied = std::array<std::uint64_t, slots / 64>;

    [[nodiscard]] Node& node(std::uint32_t index) const noexcept { return static_cast<Node*>(memory_.data())[index]; }
    // The tick at or after `due`; at or before `now`.
    [[nodiscard]] std::uint64_t tick_to_fire(std::int64_t due) const noexcept;
    [[nodiscard]] std::uint64_t tick_reached(Tick now) const noexcept;
    [[nodiscard]] Tick begin_of(std::uint64_t tick) const noexcept {
        return Tick{
            Duration{static_cast<std::int64_t>(static_cast<std::uint64_t>(start_) + tick * static_cast<std::uint64_t>(resolution_))}};
    }
    // The list for a timer of `tick`, seen from current_.
    [[nodiscard]] std::uint16_t list_for(std::uint64_t tick) const noexcept;
    void append(std::uint16_t list, std::uint32_t index) noexcept;
    void unlink(std::uint32_t index) noexcept;
    void release(std::uint32_t index) noexcept;
    void append_all(std::uint16_t from, std::uint16_t to) noexcept;
    // Moves current_ to the next occupied slot, or to `target` if there is none before; false when it was there already.
    bool step(std::uint64_t target) noexcept;
    // Spreads the slot of a higher level that current_ has entered over those below; false when `moves` ran out.
    bool cascade(std::size_t& moves) noexcept;
    // The next timer to fire at current_, or nil.
    [[nodiscard]] std::uint32_t first_due() const noexcept {
        const auto index = lists_[ready].head;
        return index == nil && entered_ < slots ? lists_[entered_].head : index;
    }

    std::uint32_t capacity_;
    std::uint32_t size_ = 0;
    std::uint32_t touched_ = 0;
    std::uint32_t free_ = nil;
    std::int64_t start_;
    std::int64_t resolution_;
    // Every timer of level k shares its digits above k with current_, and its digit k is greater than current_'s.
    std::uint64_t current_ = 0;
    // Before then nothing is due: set when an advance() has found no more, so that the many polls of one tick cost a comparison.
    Tick quiet_until_ = Tick::min();
    std::uint16_t entered_ = nowhere;  // the slot that begins at current_, until it is empty
    bool advancing_ = false;
    std::array<Occupied, levels> occupied_{};
    std::array<List, levels * slots + 2> lists_{};
    Reservation memory_;
};

template <class F>
std::size_t TimerWheel::advance(Tick now, F&& fire, std::size_t max) {
    assert(!advancing_ && "advance() called out of a timer");
    if (now < quiet_until_) return 0;
    advancing_ = true;
    const auto target = tick_reached(now);
    auto moves = max > std::numeric_limits<std::size_t>::max() / moves_per_fire ? max : max * moves_per_fire;
    std::size_t fired = 0;
    while (fired < max) {
        if (const auto index = first_due(); index != nil) {
            const auto payload = node(index).payload;
            const Tick due{Duration{node(index).due}};
            unlink(index);
            release(index);
            ++fired;
            fire(payload, due);
        } else if (entered_ != nowhere) {
            if (!cascade(moves)) break;
        } else if (!step(target)) {
            if (now < Tick::max() - Duration{resolution_}) quiet_until_ = begin_of(target + 1);
            break;
        }
    }
    if (lists_[late].head != nil) {
        append_all(late, ready);
        quiet_until_ = Tick::min();
    }
    advancing_ = false;
    return fired;
}

}  // namespace sipfront::core

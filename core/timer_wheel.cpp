#include "core/timer_wheel.hpp"

namespace sipfront::core {
namespace {

constexpr std::uint64_t digit(std::uint64_t tick, std::size_t level) noexcept { return (tick >> (8 * level)) & 0xff; }

}  // namespace

TimerWheel::TimerWheel(std::uint32_t capacity, Tick start, Duration resolution)
    : capacity_{capacity},
      start_{start.time_since_epoch().count()},
      resolution_{resolution.count()},
      memory_{std::size_t{capacity} * sizeof(Node)} {
    assert(capacity < nil && resolution.count() > 0);
}

std::uint64_t TimerWheel::tick_to_fire(std::int64_t due) const noexcept {
    if (due <= start_) return 0;
    // The difference of two int64 in order always fits an uint64.
    const auto distance = static_cast<std::uint64_t>(due) - static_cast<std::uint64_t>(start_);
    const auto resolution = static_cast<std::uint64_t>(resolution_);
    return distance / resolution + (distance % resolution != 0 ? 1 : 0);
}

std::uint64_t TimerWheel::tick_reached(Tick now) const noexcept {
    const auto at = now.time_since_epoch().count();
    if (at <= start_) return 0;
    return (static_cast<std::uint64_t>(at) - static_cast<std::uint64_t>(start_)) / static_cast<std::uint64_t>(resolution_);
}

std::uint16_t TimerWheel::list_for(std::uint64_t tick) const noexcept {
    if (tick <= current_) return advancing_ ? late : ready;
    const auto level = (63 - static_cast<std::size_t>(std::countl_zero(tick ^ current_))) / 8;
    return static_cast<std::uint16_t>(level * slots + digit(tick, level));
}

TimerId TimerWheel::schedule(Tick due, std::uint64_t payload) noexcept {
    auto index = free_;
    if (index != nil) {
        free_ = node(index).next;
    } else if (touched_ < capacity_) {
        index = touched_++;
    } else {
        return {};
    }
    auto& n = node(index);
    n.due = due.time_since_epoch().count();
    n.payload = payload;
    ++n.generation;
    ++size_;
    const auto list = list_for(tick_to_fire(n.due));
    if (list == ready) quiet_until_ = Tick::min();
    append(list, index);
    return {index, n.generation};
}

bool TimerWheel::is_pending(TimerId id) const noexcept {
    return id.index < touched_ && id.generation % 2 == 1 && node(id.index).generation == id.generation;
}

void TimerWheel::cancel(TimerId& id) noexcept {
    if (is_pending(id)) {
        unlink(id.index);
        release(id.index);
    }
    id = {};
}

void TimerWheel::append(std::uint16_t list, std::uint32_t index) noexcept {
    auto& l = lists_[list];
    auto& n = node(index);
    n.list = list;
    n.next = nil;
    n.previous = l.tail;
    if (l.tail != nil) {
        node(l.tail).next = index;
    } else {
        l.head = index;
        if (list < ready) occupied_[list / slots][list % slots / 64] |= std::uint64_t{1} << (list % 64);
    }
    l.tail = index;
}

void TimerWheel::unlink(std::uint32_t index) noexcept {
    const auto& n = node(index);
    auto& l = lists_[n.list];
    (n.previous != nil ? node(n.previous).next : l.head) = n.next;
    (n.next != nil ? node(n.next).previous : l.tail) = n.previous;
    if (l.head == nil && n.list < ready) occupied_[n.list / slots][n.list % slots / 64] &= ~(std::uint64_t{1} << (n.list % 64));
}

void TimerWheel::release(std::uint32_t index) noexcept {
    auto& n = node(index);
    ++n.generation;
    n.next = free_;
    free_ = index;
    --size_;
}

void TimerWheel::append_all(std::uint16_t from, std::uint16_t to) noexcept {
    while (lists_[from].head != nil) {
        const auto index = lists_[from].head;
        unlink(index);
        append(to, index);
    }
}

bool TimerWheel::step(std::uint64_t target) noexcept {
    if (current_ >= target) return false;
    // The lowest occupied level holds the earliest timers, all of them above current_'s digit.
    for (std::size_t level = 0; level < levels; ++level) {
        for (std::size_t word = 0; word < slots / 64; ++word) {
            const auto bits = occupied_[level][word];
            if (bits == 0) continue;
            const auto slot = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
            const auto above = level + 1 < levels ? current_ >> (8 * (level + 1)) << (8 * (level + 1)) : 0;
            const auto begins = above | (std::uint64_t{slot} << (8 * level));
            assert(begins > current_);
            if (begins > target) {
                current_ = target;
                return false;
            }
            current_ = begins;
            entered_ = static_cast<std::uint16_t>(level * slots + slot);
            return true;
        }
    }
    current_ = target;
    return false;
}

bool TimerWheel::cascade(std::size_t& moves) noexcept {
    while (lists_[entered_].head != nil) {
        if (moves == 0) return false;
        --moves;
        const auto index = lists_[entered_].head;
        unlink(index);
        const auto tick = tick_to_fire(node(index).due);
        append(tick <= current_ ? ready : list_for(tick), index);
    }
    entered_ = nowhere;
    return true;
}

}  // namespace sipfront::core

// From one worker to another: a bounded ring with one producer and one consumer, without locks. Full means that the caller
// drops and counts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <boost/lockfree/spsc_queue.hpp>

#include "core/counters.hpp"

namespace sipfront::core {

// T crosses cores by copy. Producer: try_post, post. Consumer: drain, consume. Anyone: depth and the counts.
template <class T, std::size_t Capacity>
class alignas(64) Mailbox {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    // False when full.
    bool try_post(const T& item) noexcept {
        if (!ring_.push(item)) return producer_.full.add(), false;
        producer_.posted.add();
        return true;
    }
    // Posts as many of the first items as fit, in one step; returns how many.
    std::size_t post(std::span<const T> items) noexcept {
        const auto fitted = ring_.push(items.data(), items.size());
        producer_.posted.add(fitted);
        producer_.full.add(items.size() - fitted);
        return fitted;
    }

    // Takes up to out.size() items, oldest first; returns how many.
    std::size_t drain(std::span<T> out) noexcept {
        const auto taken = ring_.pop(out.data(), out.size());
        consumer_.drained.add(taken);
        return taken;
    }
    // f(T&) for up to `max` items in place; returns how many.
    template <class F>
    std::size_t consume(F&& f, std::size_t max) {
        std::size_t taken = 0;
        while (taken < max && ring_.consume_one(f)) ++taken;
        consumer_.drained.add(taken);
        return taken;
    }

    // Items on their way; a little stale by the time the caller looks at it.
    [[nodiscard]] std::size_t depth() const noexcept {
        const auto drained = consumer_.drained.get();
        const auto posted = producer_.posted.get();
        return posted > drained ? static_cast<std::size_t>(std::min<std::uint64_t>(posted - drained, Capacity)) : 0;
    }
    [[nodiscard]] std::uint64_t posted() const noexcept { return producer_.posted.get(); }
    // Items refused because the ring was full.
    [[nodiscard]] std::uint64_t full() const noexcept { return producer_.full.get(); }
    [[nodiscard]] std::uint64_t drained() const noexcept { return consumer_.drained.get(); }
    static constexpr std::size_t capacity() noexcept { return Capacity; }

private:
    struct alignas(64) ProducerSide {
        Counter posted;
        Counter full;
    };
    struct alignas(64) ConsumerSide {
        Counter drained;
    };

    boost::lockfree::spsc_queue<T, boost::lockfree::capacity<Capacity>> ring_;
    ProducerSide producer_;
    ConsumerSide consumer_;
};

}  // namespace sipfront::core

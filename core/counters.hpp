// Counters with one writer and any number of readers: no locked add, no shared line between workers.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace sipfront::core {

// Owner thread: add(); any thread: get().
class Counter {
public:
    void add(std::uint64_t n = 1) noexcept { n_.store(n_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
    void set(std::uint64_t n) noexcept { n_.store(n, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t get() const noexcept { return n_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> n_{0};
};

// One counter per enumerator; the enumeration ends with `count_`. The enumerator's name is the metric's label.
template <class Enum>
class CounterArray {
public:
    static constexpr std::size_t size = static_cast<std::size_t>(Enum::count_);

    Counter& operator[](Enum e) noexcept { return counters_[static_cast<std::size_t>(e)]; }
    const Counter& operator[](Enum e) const noexcept { return counters_[static_cast<std::size_t>(e)]; }

private:
    std::array<Counter, size> counters_{};
};

// Log-linear latency histogram: power-of-two nanosecond buckets split in four, 64 ns to 2^40 ns. Single writer.
class Histogram {
public:
    static constexpr std::size_t buckets = 4 * 34 + 1;

    void record(std::uint64_t nanoseconds) noexcept {
        counts_[index(nanoseconds)].add();
        sum_.add(nanoseconds);
    }
    [[nodiscard]] std::uint64_t count(std::size_t bucket) const noexcept { return counts_[bucket].get(); }
    [[nodiscard]] std::uint64_t sum() const noexcept { return sum_.get(); }

    // Exclusive upper bound of a bucket in nanoseconds; the last one has none.
    static constexpr std::uint64_t upper_bound(std::size_t bucket) noexcept {
        const auto exponent = bucket / 4 + 6;
        return (std::uint64_t{4} + bucket % 4 + 1) << (exponent - 2);
    }
    static constexpr std::size_t index(std::uint64_t ns) noexcept {
        if (ns < 64) return 0;
        const auto exponent = static_cast<std::size_t>(63 - __builtin_clzll(ns));
        const auto quarter = static_cast<std::size_t>((ns >> (exponent - 2)) & 3);
        const auto i = (exponent - 6) * 4 + quarter;
        return i < buckets ? i : buckets - 1;
    }

private:
    std::array<Counter, buckets> counts_{};
    Counter sum_;
};

}  // namespace sipfront::core

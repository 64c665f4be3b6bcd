// Latencies in nanoseconds: 32 linear steps per power of two, so that a percentile is right within 3 %. Single thread.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace sipfront::traffic {

class Histogram {
public:
    static constexpr std::size_t steps = 32;
    static constexpr std::size_t buckets = steps * 37;

    void record(std::uint64_t ns) noexcept {
        ++counts_[std::min(index(ns), buckets - 1)];
        ++count_;
        sum_ += ns;
        max_ = std::max(max_, ns);
    }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
    [[nodiscard]] double mean() const noexcept { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }
    [[nodiscard]] std::uint64_t in_bucket(std::size_t bucket) const noexcept { return counts_[bucket]; }

    // Upper bound of the bucket that holds the share `q` of the values, never above the maximum; 0 without values.
    [[nodiscard]] std::uint64_t percentile(double q) const noexcept {
        const auto wanted = q * static_cast<double>(count_);
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < buckets && count_ > 0; ++i) {
            seen += counts_[i];
            if (static_cast<double>(seen) >= wanted && counts_[i] > 0) return std::min(upper_bound(i), max_);
        }
        return max_;
    }

    static constexpr std::size_t index(std::uint64_t ns) noexcept {
        if (ns < steps) return static_cast<std::size_t>(ns);
        const auto octave = static_cast<std::size_t>(std::bit_width(ns)) - 6;
        return (octave + 1) * steps + static_cast<std::size_t>(ns >> octave) - steps;
    }
    // Largest value of the bucket.
    static constexpr std::uint64_t upper_bound(std::size_t bucket) noexcept {
        if (bucket < steps) return bucket;
        const auto octave = bucket / steps - 1;
        return ((steps + bucket % steps + 1) << octave) - 1;
    }

private:
    std::array<std::uint64_t, buckets> counts_{};
    std::uint64_t count_ = 0, sum_ = 0, max_ = 0;
};

}  // namespace sipfront::traffic

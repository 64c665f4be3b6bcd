// Time on two clocks: the data plane's ticks, which no clock adjustment moves, and the wall's, which outlives the process.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>

#include "core/tick.hpp"

namespace sipfront::ha {

// Microseconds since 1970.
inline std::int64_t unix_us_now() {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// One instant on both.
struct Instant {
    core::Tick tick{};
    std::int64_t unix_us = 0;

    [[nodiscard]] std::int64_t unix_us_of(core::Tick t) const noexcept {
        return unix_us + std::chrono::duration_cast<std::chrono::microseconds>(t - tick).count();
    }
    [[nodiscard]] core::Tick tick_of(std::int64_t us) const noexcept { return tick + std::chrono::microseconds{us - unix_us}; }
};

// Broken down into years to seconds of UTC, and what is left; a time before 1970 leaves something positive, too.
struct Utc {
    std::tm time{};
    std::int64_t us = 0;

    explicit Utc(std::int64_t unix_us) noexcept {
        const std::chrono::microseconds since{unix_us};
        const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
        const auto t = static_cast<std::time_t>(seconds.count());
        gmtime_r(&t, &time);
        us = (since - seconds).count();
    }
    [[nodiscard]] int year() const noexcept { return time.tm_year + 1900; }
    [[nodiscard]] int month() const noexcept { return time.tm_mon + 1; }
};

}  // namespace sipfront::ha

// Time as the data path knows it: a monotonic instant handed in as an argument. Nothing below app/ reads a clock.
#pragma once

#include <chrono>

namespace sipfront::core {

using Duration = std::chrono::nanoseconds;

// Only the type of the instant; deliberately without now().
struct TickTimeline {
    using rep = Duration::rep;
    using period = Duration::period;
    using duration = Duration;
    using time_point = std::chrono::time_point<TickTimeline>;
    static constexpr bool is_steady = true;
};

using Tick = TickTimeline::time_point;

using namespace std::chrono_literals;

}  // namespace sipfront::core

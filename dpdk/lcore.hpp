// The poll loop's time: a TSC clock, what to do when there is nothing to do, and how busy the core is.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>

#include "core/counters.hpp"
#include "core/tick.hpp"

namespace sipfront::dpdk {

// TSC cycles since an origin as nanoseconds, without a division: 32.32 fixed point over whole seconds and the rest. Pure.
class TickScale {
public:
    explicit TickScale(std::uint64_t hz) noexcept;
    [[nodiscard]] core::Duration duration(std::uint64_t cycles) const noexcept;
    [[nodiscard]] std::uint64_t cycles(core::Duration d) const noexcept;

private:
    std::uint64_t hz_;
    std::uint64_t ns_per_cycle_;  // 2^60 times
};

// The clock of the data plane; every thread that makes ticks uses a copy of the same one. Starts at CLOCK_MONOTONIC and goes on by the
// TSC (invariant and in step on all cores wherever DPDK runs). Needs the EAL.
class TscClock {
public:
    TscClock();
    [[nodiscard]] core::Tick now() const noexcept;
    [[nodiscard]] static std::uint64_t cycles() noexcept;
    [[nodiscard]] const TickScale& scale() const noexcept { return scale_; }

private:
    TickScale scale_;
    std::uint64_t origin_;
    core::Tick start_;
};

// What an empty poll is followed by. Pure.
class IdlePolicy {
public:
    struct Config {
        bool adaptive = true;              // false: always poll on
        std::uint32_t spin_polls = 256;    // empty polls before pausing
        std::uint32_t pause_polls = 1024;  // empty polls before sleeping
        core::Duration first_sleep = std::chrono::microseconds{1};
        core::Duration longest_sleep = std::chrono::microseconds{50};
    };
    struct Step {
        enum class Do : std::uint8_t { poll, pause, sleep };
        Do what = Do::poll;
        core::Duration sleep{};
        friend bool operator==(const Step&, const Step&) = default;
    };

    explicit IdlePolicy(const Config& config) noexcept;
    // `work`: what the poll handled. Sleeps double up to the longest; any work starts over.
    Step after_poll(std::size_t work) noexcept;

private:
    Config config_;
    std::uint32_t empty_ = 0;
    core::Duration sleep_{};
};

// Cycles of polls that found work, of all polls, and asleep. Worker writes, any thread reads.
struct alignas(64) Occupancy {
    core::Counter busy_cycles, poll_cycles, sleep_cycles;
    core::Counter polls, empty_polls;
};

// Pause for one iteration of a spin; sleep for a duration, at a timer slack of 1 ns (set by launch_on_workers).
void cpu_pause() noexcept;
void idle_sleep(core::Duration d) noexcept;

// Runs `poll(Tick) -> work` until `stop` (control: writes, worker: reads).
template <std::invocable<core::Tick> Poll>
void poll_until(const std::atomic<bool>& stop, const TscClock& clock, IdlePolicy idle, Occupancy& occupancy, Poll&& poll) {
    auto before = TscClock::cycles();
    while (!stop.load(std::memory_order_relaxed)) {
        const std::size_t work = poll(clock.now());
        auto after = TscClock::cycles();
        occupancy.polls.add();
        occupancy.poll_cycles.add(after - before);
        if (work > 0) {
            occupancy.busy_cycles.add(after - before);
        } else {
            occupancy.empty_polls.add();
        }
        const auto step = idle.after_poll(work);
        if (step.what == IdlePolicy::Step::Do::pause) {
            cpu_pause();
        } else if (step.what == IdlePolicy::Step::Do::sleep) {
            idle_sleep(step.sleep);
            const auto woken = TscClock::cycles();
            occupancy.sleep_cycles.add(woken - after);
            after = woken;
        }
        before = after;
    }
}

}  // namespace sipfront::dpdk

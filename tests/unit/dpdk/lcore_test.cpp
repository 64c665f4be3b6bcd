#include "dpdk/lcore.hpp"

#include <gtest/gtest.h>

namespace sipfront::dpdk {
namespace {

using namespace std::chrono_literals;
using Do = IdlePolicy::Step::Do;

TEST(IdlePolicy, SpinsThenPausesThenSleepsLongerAndLonger) {
    IdlePolicy idle{{.adaptive = true, .spin_polls = 3, .pause_polls = 5, .first_sleep = 1us, .longest_sleep = 5us}};
    for (int i = 0; i < 3; ++i) EXPECT_EQ(idle.after_poll(0).what, Do::poll);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(idle.after_poll(0).what, Do::pause);
    for (const auto expected : {1us, 2us, 4us, 5us, 5us}) {
        const auto step = idle.after_poll(0);
        EXPECT_EQ(step.what, Do::sleep);
        EXPECT_EQ(step.sleep, expected);
    }
}

TEST(IdlePolicy, AnyWorkStartsOver) {
    IdlePolicy idle{{.adaptive = true, .spin_polls = 1, .pause_polls = 1, .first_sleep = 1us, .longest_sleep = 50us}};
    idle.after_poll(0);
    idle.after_poll(0);
    EXPECT_EQ(idle.after_poll(0).sleep, 2us);
    EXPECT_EQ(idle.after_poll(7).what, Do::poll);
    EXPECT_EQ(idle.after_poll(0).what, Do::poll);
    EXPECT_EQ(idle.after_poll(0).sleep, 1us);
}

TEST(IdlePolicy, NeverSleepsWhenSwitchedOff) {
    IdlePolicy idle{{.adaptive = false, .spin_polls = 1, .pause_polls = 1}};
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(idle.after_poll(0).what, Do::poll);
}

TEST(TickScale, ConvertsCyclesWithoutDrift) {
    for (const std::uint64_t hz : {1'000'000'000ULL, 2'449'998'000ULL, 3'000'000'000ULL, 4'999'999'999ULL}) {
        const TickScale scale{hz};
        EXPECT_EQ(scale.duration(0), 0ns);
        EXPECT_EQ(scale.duration(hz), 1s);
        EXPECT_EQ(scale.duration(hz * 86'400 * 365), 8760h);
        const auto half = scale.duration(hz / 2);
        EXPECT_GE(half, 500ms - 2ns);
        EXPECT_LE(half, 500ms);
        EXPECT_EQ(scale.cycles(2s), 2 * hz);
    }
}

TEST(TickScale, IsMonotonicAcrossSeconds) {
    const std::uint64_t hz = 2'449'998'123;
    const TickScale scale{hz};
    core::Duration before{};
    for (std::uint64_t c = hz - 1000; c < hz + 1000; ++c) {
        const auto now = scale.duration(c);
        EXPECT_GE(now, before);
        before = now;
    }
}

}  // namespace
}  // namespace sipfront::dpdk

#include "dpdk/link_monitor.hpp"

#include <array>

#include <gtest/gtest.h>

namespace sipfront::dpdk {
namespace {

using namespace std::chrono_literals;

// Two or three members, one poll each 100 ms.
class LinkMonitorTest : public testing::Test {
protected:
    LinkMonitor make(std::uint32_t missed = 0, std::size_t members = 2) { return {{.members = members, .missed = missed}, t}; }
    std::size_t step(LinkMonitor& m, std::initializer_list<bool> carrier, bool probed = false, bool answered = false) {
        t += 100ms;
        std::array<bool, 4> up{};
        std::copy(carrier.begin(), carrier.end(), up.begin());
        return m.poll(t, {{up.data(), carrier.size()}, probed, answered});
    }
    std::size_t unanswered(LinkMonitor& m) { return step(m, {true, true}, true, false); }
    std::size_t answered(LinkMonitor& m) { return step(m, {true, true}, true, true); }

    core::Tick t{1s};
};

TEST_F(LinkMonitorTest, StaysOnThePreferredMemberWhileItIsUp) {
    auto m = make();
    for (int i = 0; i < 50; ++i) EXPECT_EQ(step(m, {true, true}), 0U);
}

TEST_F(LinkMonitorTest, LeavesAMemberWithoutCarrierAtOnce) {
    auto m = make();
    EXPECT_EQ(step(m, {false, true}), 1U);
    EXPECT_FALSE(m.up(0));
}

TEST_F(LinkMonitorTest, ReturnsToThePreferredMemberAfterTheUpDelay) {
    auto m = make();
    step(m, {false, true});
    for (int i = 0; i < 5; ++i) EXPECT_EQ(step(m, {true, true}), 1U) << i;
    EXPECT_EQ(step(m, {true, true}), 0U);
}

TEST_F(LinkMonitorTest, AFlappingLinkIsNotTrusted) {
    auto m = make();
    for (int i = 0; i < 40; ++i) EXPECT_EQ(step(m, {i % 4 != 0, true}), 1U) << i;
}

TEST_F(LinkMonitorTest, AFreshLinkIsBetterThanNone) {
    auto m = make();
    step(m, {false, false});
    EXPECT_EQ(step(m, {false, true}), 1U);
}

TEST_F(LinkMonitorTest, StaysWhereItIsWithoutAnyCarrier) {
    auto m = make();
    EXPECT_EQ(step(m, {false, false}), 0U);
    EXPECT_EQ(step(m, {false, true}), 1U);
    EXPECT_EQ(step(m, {false, false}), 1U);
}

TEST_F(LinkMonitorTest, LeavesALinkThatLeadsNowhereAfterTheMissedProbes) {
    auto m = make(3);
    EXPECT_EQ(answered(m), 0U);
    EXPECT_EQ(unanswered(m), 0U);
    EXPECT_EQ(unanswered(m), 0U);
    EXPECT_EQ(unanswered(m), 1U);
    EXPECT_TRUE(m.silent(0));
    for (int i = 0; i < 100; ++i) EXPECT_EQ(answered(m), 1U);  // carrier alone does not bring it back
}

TEST_F(LinkMonitorTest, OneAnswerForgivesTheMissedOnes) {
    auto m = make(3);
    for (int i = 0; i < 30; ++i) EXPECT_EQ(i % 3 == 2 ? answered(m) : unanswered(m), 0U);
}

TEST_F(LinkMonitorTest, IntervalsWithoutAProbeProveNothing) {
    auto m = make(3);
    for (int i = 0; i < 30; ++i) EXPECT_EQ(step(m, {true, true}, false, false), 0U);
}

TEST_F(LinkMonitorTest, ASilentMemberGetsAnotherChanceWhenItsCarrierBounces) {
    auto m = make(3);
    for (int i = 0; i < 3; ++i) unanswered(m);
    EXPECT_EQ(answered(m), 1U);
    step(m, {false, true}, true, true);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(answered(m), 1U);
    EXPECT_EQ(answered(m), 0U);
}

TEST_F(LinkMonitorTest, WithAllSilentItRotatesEverMoreSlowly) {
    auto m = make(3);
    std::size_t switches = 0;
    std::size_t last = 0;
    const auto run = [&](int polls) {
        switches = 0;
        for (int i = 0; i < polls; ++i) {
            const auto now = unanswered(m);
            switches += now != last ? 1U : 0U;
            last = now;
        }
        return switches;
    };
    const auto first_minute = run(600);
    EXPECT_GE(first_minute, 4U);
    EXPECT_LE(first_minute, 10U);
    run(1200);
    EXPECT_LE(run(600), 2U);
    // The first answer ends it: where it came from is where to stay.
    const auto here = answered(m);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(answered(m), here);
}

TEST_F(LinkMonitorTest, PrefersAnAnsweringMemberAmongThree) {
    auto m = make(2, 3);
    const auto poll = [&](bool ok) { return step(m, {true, true, true}, true, ok); };
    poll(false);
    EXPECT_EQ(poll(false), 1U);
    poll(false);
    EXPECT_EQ(poll(false), 2U);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(poll(true), 2U);
    // The one that answered loses its carrier: the silent ones are all there is.
    EXPECT_NE(step(m, {true, true, false}, true, false), 2U);
}

}  // namespace
}  // namespace sipfront::dpdk

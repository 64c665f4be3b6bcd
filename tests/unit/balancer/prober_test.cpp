#include "balancer/prober.hpp"

#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "rows.hpp"

namespace sipfront::balancer {
namespace {

using namespace std::chrono_literals;
using test::Control;

constexpr core::Tick start{std::chrono::hours{1}};
constexpr core::WorkerId first_worker{0};

// A prober with a manual clock: run() polls every 10 ms and notes who was probed when.
struct Bench {
    Prober prober{first_worker, 1, 42};
    core::Tick now = start;
    std::vector<std::pair<core::DestinationId, core::Tick>> sent;
    bool answer = true;
    bool can_send = true;

    void run(core::Duration duration) {
        for (const auto end = now + duration; now < end; now += 10ms) {
            const auto before = sent.size();
            prober.poll(now, [&](core::DestinationId d) { return sent.emplace_back(d, now), can_send; });
            if (!answer) continue;
            for (auto i = before; i < sent.size(); ++i) prober.on_response(sent[i].first, 200);
        }
    }
    std::vector<core::Tick> times(core::DestinationId d) const {
        std::vector<core::Tick> t;
        for (const auto& [id, at] : sent)
            if (id == d) t.push_back(at);
        return t;
    }
};

BalancerConfig calls_only(unsigned hosts) {
    auto config = test::cluster(hosts);
    config.dispatcher.clear();
    return config;
}

TEST(Prober, ProbesEachDestinationOnceAnIntervalWithJitter) {
    Control control;
    Bench b;
    b.prober.refresh(*control.snapshot(calls_only(4)), b.now);
    b.run(60s);
    std::set<core::Duration> gaps;
    for (unsigned host = 0; host < 4; ++host) {
        const auto t = b.times(control.lb(host));
        ASSERT_GE(t.size(), 11U);
        ASSERT_LE(t.size(), 14U);
        for (std::size_t i = 1; i < t.size(); ++i) {
            EXPECT_GE(t[i] - t[i - 1], 4'490ms);
            EXPECT_LE(t[i] - t[i - 1], 5'510ms);
            gaps.insert(t[i] - t[i - 1]);
        }
    }
    EXPECT_GT(gaps.size(), 20U) << "the jitter varies";
}

TEST(Prober, SpreadsTheFirstProbesOverOneInterval) {
    Control control;
    Bench b;
    b.prober.refresh(*control.snapshot(calls_only(40)), b.now);
    b.run(5'010ms);
    std::set<core::DestinationId> probed;
    std::map<long, int> per_second;
    for (const auto& [id, at] : b.sent) {
        if (probed.insert(id).second) ++per_second[(at - start) / 1s];
    }
    EXPECT_EQ(probed.size(), 40U);
    for (long s = 0; s < 5; ++s) EXPECT_GT(per_second[s], 0) << "second " << s;
}

TEST(Prober, TheSameSeedGivesTheSameSchedule) {
    Control control;
    const auto snapshot = control.snapshot(calls_only(4));
    Bench a;
    Bench b;
    a.prober.refresh(*snapshot, a.now);
    b.prober.refresh(*snapshot, b.now);
    a.run(30s);
    b.run(30s);
    EXPECT_EQ(a.sent, b.sent);
}

TEST(Prober, HasAtMostOneProbeInFlightPerDestination) {
    Control control;
    auto config = calls_only(1);
    config.probe.interval = 500ms;
    Bench b;
    b.answer = false;
    b.prober.refresh(*control.snapshot(config), b.now);
    b.run(10s);
    ASSERT_EQ(b.sent.size(), 1U);
    EXPECT_TRUE(b.prober.in_flight(control.lb(0)));
    const auto event = b.prober.on_timeout(control.lb(0));
    ASSERT_TRUE(event);
    EXPECT_EQ(*event, (HealthEvent{control.lb(0), sip::Outcome::timeout, true, 0}));
    b.run(20ms);
    EXPECT_EQ(b.sent.size(), 2U);
}

TEST(Prober, ReportsFinalResponsesOnlyAndOnlyOnce) {
    Control control;
    Bench b;
    b.answer = false;
    b.prober.refresh(*control.snapshot(calls_only(1)), b.now);
    EXPECT_FALSE(b.prober.on_response(control.lb(0), 200)) << "nothing was asked";
    b.run(5'010ms);
    EXPECT_FALSE(b.prober.on_response(control.lb(0), 100));
    const auto event = b.prober.on_response(control.lb(0), 503);
    ASSERT_TRUE(event);
    EXPECT_EQ(*event, (HealthEvent{control.lb(0), sip::Outcome::alive, true, 503}));
    EXPECT_FALSE(b.prober.on_response(control.lb(0), 503));
    EXPECT_FALSE(b.prober.on_timeout(control.lb(0)));
}

TEST(Prober, ExpiresProbesThatNobodyAnswered) {
    Control control;
    Bench b;
    b.answer = false;
    b.prober.refresh(*control.snapshot(calls_only(1)), b.now);
    b.run(5'010ms);
    ASSERT_EQ(b.sent.size(), 1U);
    const auto sent_at = b.sent[0].second;
    std::vector<HealthEvent> events;
    const auto note = [&](const HealthEvent& e) { events.push_back(e); };
    b.prober.expire(sent_at + 1'999ms, note);
    EXPECT_TRUE(events.empty());
    b.prober.expire(sent_at + 2s, note);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].outcome, sip::Outcome::timeout);
    EXPECT_FALSE(b.prober.in_flight(control.lb(0)));
}

TEST(Prober, AProbeThatCouldNotBeSentIsNotInFlight) {
    Control control;
    Bench b;
    b.can_send = false;
    b.answer = false;
    b.prober.refresh(*control.snapshot(calls_only(1)), b.now);
    b.run(20s);
    EXPECT_GE(b.sent.size(), 3U);
    EXPECT_FALSE(b.prober.in_flight(control.lb(0)));
}

TEST(Prober, EveryDestinationHasExactlyOneOwner) {
    Control control;
    const auto snapshot = control.snapshot(calls_only(10));
    std::map<core::DestinationId, int> owners;
    for (std::uint8_t w = 0; w < 3; ++w) {
        Prober p{core::WorkerId{w}, 3, 1};
        p.refresh(*snapshot, start);
        p.poll(start + 1min, [&](core::DestinationId d) {
            EXPECT_EQ(core::raw(d) % 3, w);
            return ++owners[d] > 0;
        });
    }
    EXPECT_EQ(owners.size(), 10U);
    for (const auto& [d, n] : owners) EXPECT_EQ(n, 1);
}

TEST(Prober, FollowsProbeModeStateAndReloads) {
    Control control;
    auto config = calls_only(3);
    config.load_balancer[0].probe_mode = 0;
    config.load_balancer[1].probe_mode = 1;
    Bench b;
    b.prober.refresh(*control.snapshot(config), b.now);
    b.run(20s);
    EXPECT_TRUE(b.times(control.lb(0)).empty());
    EXPECT_TRUE(b.times(control.lb(1)).empty());
    const auto steady = b.times(control.lb(2));
    EXPECT_GE(steady.size(), 3U);

    for (int i = 0; i < 2; ++i) control.health.apply({control.lb(1), sip::Outcome::timeout});
    b.prober.refresh(*control.snapshot(config), b.now);
    b.run(6s);
    EXPECT_FALSE(b.times(control.lb(1)).empty()) << "out of service, so it is probed now";
    const auto t = b.times(control.lb(2));
    for (std::size_t i = 1; i < t.size(); ++i) EXPECT_GE(t[i] - t[i - 1], 4'490ms) << "a reload does not disturb the others";

    const auto gone = control.lb(2);
    config.load_balancer.pop_back();
    b.prober.refresh(*control.snapshot(config), b.now);
    const auto before = b.times(gone).size();
    b.run(20s);
    EXPECT_EQ(b.times(gone).size(), before);
}

TEST(Prober, SuspicionIsFollowedOnceInAnInterval) {
    Control control;
    Bench b;
    b.prober.refresh(*control.snapshot(calls_only(1)), b.now);
    b.run(6s);
    const auto d = control.lb(0);
    const auto scheduled = b.sent.size();
    EXPECT_TRUE(b.prober.suspect(d, b.now));
    b.run(10ms);
    EXPECT_EQ(b.sent.size(), scheduled + 1);
    int followed = 0;
    for (int i = 0; i < 499; ++i) {
        followed += b.prober.suspect(d, b.now) ? 1 : 0;
        b.run(10ms);
    }
    EXPECT_EQ(followed, 0);
    EXPECT_TRUE(b.prober.suspect(d, b.now));
    EXPECT_FALSE(b.prober.suspect(core::DestinationId{77}, b.now));
}

TEST(Prober, HurriesOnEvidenceFromElsewhere) {
    Control control;
    Bench b;
    b.prober.refresh(*control.snapshot(calls_only(1)), b.now);
    b.run(6s);
    const auto before = b.sent.size();
    b.prober.hurry(control.lb(0), b.now);
    b.prober.hurry(core::DestinationId{77}, b.now);
    b.run(10ms);
    EXPECT_EQ(b.sent.size(), before + 1);
}

}  // namespace
}  // namespace sipfront::balancer

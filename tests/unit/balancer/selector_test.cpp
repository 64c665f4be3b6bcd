#include "balancer/selector.hpp"

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "rows.hpp"

namespace sipfront::balancer {
namespace {

using sip::Answer;
using sip::Outcome;
using test::Control;
using test::host_endpoint;

constexpr core::WorkerId self{0};

// Control, one worker's selector, and the way between them.
struct Node {
    Control control;
    core::Published<Snapshot> published{4};
    Selector selector{self, published, {1, 2}};
    BalancerConfig config;

    explicit Node(BalancerConfig c) : config{std::move(c)} { publish(); }
    void publish() {
        published.publish(control.snapshot(config));
        selector.refresh();
        published.reclaim();
    }
    std::vector<HealthEvent> evidence() {
        std::vector<HealthEvent> events(Selector::max_evidence);
        events.resize(selector.take_evidence(events));
        return events;
    }
    std::uint32_t calls(core::DestinationId d) { return (*selector.snapshot()->find(d)->load)[ResourceId{0}].read().load; }
    std::uint64_t count(SelectorCount c) { return selector.counters()[c].get(); }
};

TEST(Selector, AnswersUnavailableBeforeTheFirstSnapshot) {
    core::Published<Snapshot> published{1};
    Selector s{self, published};
    EXPECT_FALSE(s.refresh());
    EXPECT_EQ(s.balance(1, core::no_destination, {}).answer, Answer::unavailable);
    EXPECT_EQ(s.dispatch(1, core::no_destination, {}).answer, Answer::unavailable);
    EXPECT_EQ(s.zone_of(host_endpoint(0)), core::Zone::outside);
    EXPECT_EQ(s.find(host_endpoint(0), core::Transport::udp), core::no_destination);
    EXPECT_FALSE(s.can_take_calls());
    s.report(core::DestinationId{0}, Outcome::alive);
    s.release(core::DestinationId{0});
    EXPECT_EQ(s.counters()[SelectorCount::release_unknown].get(), 1U);
}

TEST(Selector, RemembersZonesOfOneSnapshotOnly) {
    Node node{test::cluster(2, 1)};
    const auto stranger = core::Endpoint::parse("192.0.2.7:5060").value();
    // Twice: the second answer is a remembered one.
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(node.selector.zone_of(stranger), core::Zone::outside);
        EXPECT_EQ(node.selector.zone_of(host_endpoint(0)), core::Zone::cluster);
    }
    node.config.cluster_prefixes.push_back(core::Prefix::parse("192.0.2.0/24").value());
    node.publish();
    EXPECT_EQ(node.selector.zone_of(stranger), core::Zone::cluster);
    // Addresses that share a place do not share a zone.
    for (std::uint32_t i = 0; i < 5000; ++i) {
        const core::Endpoint e{core::IpAddress::v4(0xc0000200 - 2500 + i), 5060};
        const bool inside = e.address.v4_host_order() >> 8 == 0xc00002;
        ASSERT_EQ(node.selector.zone_of(e), inside ? core::Zone::cluster : core::Zone::outside) << e.to_string();
    }
}

TEST(Selector, BalancesReservesAndReleases) {
    Node node{test::cluster(2, 1)};
    const auto a = node.selector.balance(1, core::no_destination, {});
    ASSERT_EQ(a.answer, Answer::selected);
    EXPECT_EQ(a.target.transport, core::Transport::udp);
    EXPECT_EQ(node.selector.find(a.target.remote, a.target.transport), a.target.destination);
    EXPECT_EQ(node.calls(a.target.destination), 1U);
    EXPECT_TRUE(node.selector.can_take_calls());
    const std::array tried{a.target.destination};
    const auto b = node.selector.balance(1, core::no_destination, tried);
    ASSERT_EQ(b.answer, Answer::selected);
    EXPECT_NE(b.target.destination, a.target.destination);
    EXPECT_FALSE(node.selector.can_take_calls());
    EXPECT_EQ(node.selector.balance(2, core::no_destination, {}).answer, Answer::full);
    node.selector.release(a.target.destination);
    EXPECT_TRUE(node.selector.can_take_calls());
    EXPECT_EQ(node.count(SelectorCount::balanced), 2U);
    EXPECT_EQ(node.count(SelectorCount::balance_full), 1U);
    EXPECT_EQ(node.count(SelectorCount::released), 1U);
    EXPECT_EQ(node.selector.snapshot()->find(a.target.destination)->load->picks(), 1U);
}

TEST(Selector, AnAdoptedCallCountsAboveCapacity) {
    Node node{test::cluster(1, 1)};
    const auto d = node.control.lb(0);
    node.selector.adopt(d);
    node.selector.adopt(d);
    EXPECT_EQ(node.calls(d), 2U);
    EXPECT_EQ(node.selector.balance(1, core::no_destination, {}).answer, Answer::full);
    node.selector.release(d);
    node.selector.release(d);
    EXPECT_EQ(node.calls(d), 0U);
    EXPECT_EQ(node.selector.balance(1, core::no_destination, {}).answer, Answer::selected);
    node.selector.adopt(core::DestinationId{500});
    EXPECT_EQ(node.count(SelectorCount::adopt_unknown), 1U);
}

TEST(Selector, GivesBackToADestinationWhoseRowIsGone) {
    Node node{test::cluster(1)};
    const auto a = node.selector.balance(1, core::no_destination, {});
    ASSERT_EQ(a.answer, Answer::selected);
    node.config.load_balancer.clear();
    for (int i = 0; i < 3; ++i) node.publish();
    EXPECT_EQ(node.selector.balance(1, core::no_destination, {}).answer, Answer::unavailable);
    node.selector.release(a.target.destination);
    EXPECT_EQ(node.count(SelectorCount::released), 1U);
    for (int i = 0; i < 4; ++i) node.publish();
    EXPECT_EQ(node.selector.snapshot()->find(a.target.destination), nullptr);
    node.selector.release(a.target.destination);
    EXPECT_EQ(node.count(SelectorCount::release_unknown), 1U);
}

TEST(Selector, DispatchesARegistrationByItsAor) {
    Node node{test::cluster(4)};
    const auto answer = [&](const std::string& user, const std::string& call_id) {
        const auto text = "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.0.2;branch=z9hG4bKx\r\nFrom: <sip:" + user +
                          "@example.org>;tag=1\r\nTo: <sip:" + user + "@example.org>\r\nCall-ID: " + call_id +
                          "\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n";
        sip::Message m;
        EXPECT_EQ(m.parse(text), sip::ParseError::none);
        core::Flow flow;
        return node.selector.dispatch({m, flow, core::Tick{}, 0, core::no_destination, {}});
    };
    std::array<int, 4> hosts{};
    for (int i = 0; i < 400; ++i) {
        const auto user = "user" + std::to_string(i);
        const auto a = answer(user, "a");
        ASSERT_EQ(a.answer, Answer::selected);
        EXPECT_EQ(a.target.destination, answer(user, "another").target.destination);
        ++hosts[a.target.remote.address.v4_host_order() - 0x0a4d0067];
    }
    for (const auto h : hosts) EXPECT_GT(h, 60);
    EXPECT_EQ(node.calls(node.control.lb(0)), 0U) << "registrations hold no load";
    EXPECT_EQ(node.count(SelectorCount::dispatched), 800U);
}

TEST(Selector, RoundRobinTakesTurns) {
    auto config = test::cluster(3);
    config.ds_algorithm = DsAlgorithm::round_robin;
    Node node{config};
    std::array<int, 3> hosts{};
    for (int i = 0; i < 300; ++i) {
        const auto a = node.selector.dispatch(0, core::no_destination, {});
        ++hosts[a.target.remote.address.v4_host_order() - 0x0a4d0067];
    }
    EXPECT_EQ(hosts, (std::array{100, 100, 100}));
}

TEST(Selector, ProofsOfLifeAreToldOnlyWhereTheyAreNews) {
    Node node{test::cluster(2)};
    const auto d = node.control.lb(0);
    for (int i = 0; i < 1'000; ++i) node.selector.report(d, Outcome::alive);
    EXPECT_TRUE(node.evidence().empty());
    node.selector.report(d, Outcome::timeout);
    for (int i = 0; i < 1'000; ++i) node.selector.report(d, Outcome::unavailable);
    const auto events = node.evidence();
    ASSERT_EQ(events.size(), 2U) << "the failure, and one proof that it was not the last word";
    EXPECT_EQ(events[0], (HealthEvent{d, Outcome::timeout}));
    EXPECT_EQ(events[1].outcome, Outcome::unavailable);
    node.selector.report(d, Outcome::alive);
    EXPECT_TRUE(node.evidence().empty());
}

TEST(Selector, TellsOfLifeWhileControlDoubtsIt) {
    Node node{test::cluster(2)};
    const auto d = node.control.lb(0);
    // Another worker saw one failure.
    EXPECT_TRUE(node.control.health.apply({d, Outcome::timeout}));
    node.publish();
    for (int i = 0; i < 10; ++i) node.selector.report(d, Outcome::alive);
    const auto events = node.evidence();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_TRUE(node.control.health.apply(events[0]));
    node.publish();
    node.selector.report(d, Outcome::alive);
    EXPECT_TRUE(node.evidence().empty());
}

TEST(Selector, EvidenceIsBoundedAndWhatIsTooMuchIsCounted) {
    Node node{test::cluster(1)};
    const auto d = node.control.lb(0);
    for (std::size_t i = 0; i < Selector::max_evidence + 5; ++i) node.selector.report(d, Outcome::transport_error);
    EXPECT_EQ(node.count(SelectorCount::evidence_dropped), 5U);
    node.selector.report(d, Outcome::alive);
    EXPECT_EQ(node.count(SelectorCount::evidence_dropped), 6U);
    std::array<HealthEvent, 100> some;
    EXPECT_EQ(node.selector.take_evidence(some), 100U);
    node.selector.report(HealthEvent{d, Outcome::alive, true, 200});
    const auto rest = node.evidence();
    ASSERT_EQ(rest.size(), Selector::max_evidence - 99);
    EXPECT_TRUE(rest.back().from_probe);
    node.selector.report(d, Outcome::alive);
    EXPECT_EQ(node.evidence().size(), 1U) << "the proof of life that found no room is not forgotten";
}

TEST(Selector, AHostThatFailsTwiceGetsNoCallsUntilAProbeIsAnswered) {
    Node node{test::cluster(2, 1'000)};
    const auto dead = node.control.lb(0);
    node.selector.report(dead, Outcome::timeout);
    node.selector.report(dead, Outcome::transport_error);
    for (const auto& e : node.evidence()) node.control.health.apply(e);
    node.publish();
    for (std::uint64_t i = 0; i < 100; ++i) EXPECT_EQ(node.selector.balance(i, dead, {}).target.destination, node.control.lb(1));
    node.selector.report(HealthEvent{dead, Outcome::alive, true, 200});
    for (const auto& e : node.evidence()) node.control.health.apply(e);
    node.publish();
    EXPECT_EQ(node.selector.balance(1, core::no_destination, {}).target.destination, dead);
}

TEST(Selector, FourWorkersNeverExceedCapacityWhileControlReloads) {
    Control control;
    core::Published<Snapshot> published{4};
    const auto config = test::cluster(3, 5);
    auto without = config;
    without.load_balancer.pop_back();
    published.publish(control.snapshot(config));
    std::atomic<int> running{4};
    std::atomic<int> errors{0};
    std::vector<std::thread> workers;
    for (std::uint8_t w = 0; w < 4; ++w) {
        workers.emplace_back([&, w] {
            Selector s{core::WorkerId{w}, published};
            std::vector<core::DestinationId> held;
            for (std::uint64_t i = 0; i < 20'000; ++i) {
                s.refresh();
                const auto a = s.balance(i * 4 + w, core::no_destination, {});
                if (a.answer == Answer::selected) {
                    held.push_back(a.target.destination);
                    if ((*s.snapshot()->find(held.back())->load)[ResourceId{0}].read().load > 5) errors.fetch_add(1);
                }
                if (held.size() > 4 || i % 3 == 0) {
                    for (const auto d : held) s.release(d);
                    held.clear();
                }
            }
            for (const auto d : held) s.release(d);
            if (s.counters()[SelectorCount::release_unknown].get() != 0) errors.fetch_add(1);
            published.leave(core::WorkerId{w});
            running.fetch_sub(1);
        });
    }
    for (int i = 0; running.load() > 0; ++i) {
        published.publish(control.snapshot(i % 8 < 4 ? without : config));
        published.reclaim();
        std::this_thread::yield();
    }
    for (auto& w : workers) w.join();
    EXPECT_EQ(errors.load(), 0);
    published.publish(control.snapshot(config));
    for (const auto& d : published.current()->destinations()) EXPECT_TRUE(d.load->idle());
}

}  // namespace
}  // namespace sipfront::balancer

#include <vector>

#include <gtest/gtest.h>

#include "balancer/health_board.hpp"
#include "balancer/health_fsm.hpp"

namespace sipfront::balancer {
namespace {

using sip::Outcome;

using Codes = std::vector<std::uint16_t>;

constexpr Thresholds two_down_three_up{2, 3};
constexpr core::DestinationId fs1{7};
const Identity identity{Kind::load_balancer, 1, {core::IpAddress::v4(0x0a4d0067), 5060}, core::Transport::udp};

Health after(Health h, std::initializer_list<Evidence> evidence, Thresholds t = two_down_three_up) {
    for (const auto e : evidence) h = next(h, e, t);
    return h;
}

HealthEvent live(Outcome o) { return {fs1, o}; }
HealthEvent probe(std::uint16_t status) { return {fs1, Outcome::alive, true, status}; }

TEST(HealthFsm, GoesOutAfterTheThresholdOfFailuresInARow) {
    using enum Evidence;
    EXPECT_EQ(after({}, {failure}).state(), State::active);
    EXPECT_EQ(after({}, {failure, failure}).state(), State::probing);
    EXPECT_EQ(after({}, {failure, alive, failure}).state(), State::active) << "not in a row";
    EXPECT_EQ(after({}, {failure, probe_full, failure}).state(), State::active) << "full is alive";
    EXPECT_EQ(after({}, {failure}, {1, 1}).state(), State::probing);
}

TEST(HealthFsm, ComesBackAfterTheThresholdOfProofsInARow) {
    using enum Evidence;
    const auto out = after({}, {failure, failure});
    EXPECT_EQ(after(out, {probe_alive, probe_alive}).state(), State::probing);
    EXPECT_EQ(after(out, {probe_alive, probe_alive, probe_alive}).state(), State::active);
    EXPECT_EQ(after(out, {probe_alive, probe_alive, failure, probe_alive, probe_alive}).state(), State::probing);
    EXPECT_EQ(after(out, {alive, probe_full, alive}).state(), State::active);
}

TEST(HealthFsm, AFullHostLivesButTakesNothingUntilAProbeSaysOtherwise) {
    using enum Evidence;
    const auto full = after({}, {probe_full});
    EXPECT_EQ(full.state(), State::active);
    EXPECT_TRUE(full.full);
    EXPECT_TRUE(after(full, {alive}).full) << "an answer to a call that is there already says nothing about new ones";
    EXPECT_FALSE(after(full, {probe_alive}).full);
    EXPECT_TRUE(after(full, {failure}).full);
    EXPECT_FALSE(after(full, {failure, failure}).full) << "now it is silent, not full";
    EXPECT_TRUE(after({}, {failure, failure, probe_full, probe_full, probe_full}).full) << "back, but full";
}

TEST(HealthFsm, TheOperatorsWordWins) {
    using enum Evidence;
    EXPECT_EQ(after(commanded(State::disabled), {alive, failure, failure}), commanded(State::disabled)) << "left alone";
    const auto inactive = after(commanded(State::inactive), {failure, failure});
    EXPECT_EQ(inactive.state(), State::inactive);
    EXPECT_TRUE(inactive.failing) << "still watched";
    EXPECT_EQ(commanded(State::probing).state(), State::probing);
    EXPECT_EQ(commanded(State::active).state(), State::active);
}

TEST(HealthFsm, ProofsOfLifeMatterOnlyAfterFailures) {
    using enum Evidence;
    EXPECT_FALSE(Health{}.wants_life());
    EXPECT_TRUE(after({}, {failure}).wants_life());
    EXPECT_TRUE(after({}, {failure, failure}).wants_life());
    EXPECT_FALSE(after({}, {failure, alive}).wants_life());
    EXPECT_FALSE(commanded(State::disabled).wants_life());
}

TEST(HealthFsm, ProbesFollowTheRowsProbeMode) {
    EXPECT_FALSE(wants_probes(0, State::probing, false));
    EXPECT_FALSE(wants_probes(1, State::active, false));
    EXPECT_TRUE(wants_probes(1, State::active, true)) << "only a probe ends fullness";
    EXPECT_TRUE(wants_probes(1, State::probing, false));
    EXPECT_TRUE(wants_probes(1, State::inactive, false));
    EXPECT_TRUE(wants_probes(2, State::active, false));
    EXPECT_FALSE(wants_probes(2, State::disabled, false));
}

TEST(HealthEvidence, WhichRepliesMeanAliveIsConfiguration) {
    ProbeConfig config;
    for (const auto status : Codes{200, 302, 404, 405, 481, 600, 603})
        EXPECT_EQ(classify(probe(status), config), Evidence::probe_alive) << status;
    for (const auto status : Codes{408, 500, 502, 504}) EXPECT_EQ(classify(probe(status), config), Evidence::failure) << status;
    EXPECT_EQ(classify(probe(503), config), Evidence::probe_full);
    config.alive_codes = {500, 408};
    config.full_codes = {486};
    EXPECT_EQ(classify(probe(500), config), Evidence::probe_alive);
    EXPECT_EQ(classify(probe(408), config), Evidence::probe_alive);
    EXPECT_EQ(classify(probe(404), config), Evidence::probe_alive);
    EXPECT_EQ(classify(probe(486), config), Evidence::probe_full);
    EXPECT_EQ(classify(probe(503), config), Evidence::failure);
    EXPECT_EQ(classify(probe(603), config), Evidence::failure);
}

TEST(HealthEvidence, OfLiveRequestsSilenceAndTransportErrorsAreFailures) {
    EXPECT_EQ(classify(live(Outcome::timeout), {}), Evidence::failure);
    EXPECT_EQ(classify(live(Outcome::transport_error), {}), Evidence::failure);
    EXPECT_EQ(classify(live(Outcome::alive), {}), Evidence::alive);
    EXPECT_EQ(classify(live(Outcome::unavailable), {}), Evidence::alive);
    EXPECT_EQ(classify({fs1, Outcome::timeout, true, 0}, {}), Evidence::failure);
}

TEST(HealthBoard, SaysWhenSomethingChangedAndWhat) {
    HealthBoard board;
    board.enroll(fs1, identity, State::active, 2);
    EXPECT_FALSE(board.apply(probe(200)));
    EXPECT_TRUE(board.apply(live(Outcome::timeout))) << "from now on proofs of life are news";
    EXPECT_TRUE(board.take_events().empty());
    EXPECT_TRUE(board.apply(live(Outcome::timeout)));
    EXPECT_FALSE(board.apply(live(Outcome::timeout)));
    auto events = board.take_events();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].event_name(), "E_LOAD_BALANCER_STATUS");
    EXPECT_EQ(events[0].group, 1U);
    EXPECT_EQ(events[0].uri, "sip:10.77.0.103:5060");
    EXPECT_EQ(events[0].from, State::active);
    EXPECT_EQ(events[0].to, State::probing);
    EXPECT_EQ(events[0].status(), "disabled");
    EXPECT_TRUE(board.apply(probe(200)));
    events = board.take_events();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].status(), "enabled");
    EXPECT_TRUE(board.apply(probe(503)));
    EXPECT_TRUE(board.find(fs1)->full);
    EXPECT_TRUE(board.apply(probe(200)));
    EXPECT_FALSE(board.find(fs1)->full);
}

TEST(HealthBoard, ObeysTheOperator) {
    HealthBoard board;
    board.enroll(fs1, {Kind::dispatcher, 1, identity.remote, identity.transport}, State::active, 2);
    EXPECT_TRUE(board.command(fs1, State::disabled));
    EXPECT_FALSE(board.apply(live(Outcome::timeout)));
    EXPECT_EQ(board.find(fs1)->state(), State::disabled);
    EXPECT_TRUE(board.command(fs1, State::active));
    EXPECT_EQ(board.find(fs1)->state(), State::active);
    const auto events = board.take_events();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].event_name(), "E_DISPATCHER_STATUS");
    EXPECT_EQ(events[0].status(), "inactive");
    EXPECT_EQ(events[1].status(), "active");
    EXPECT_FALSE(board.command(core::DestinationId{99}, State::active));
}

TEST(HealthBoard, AHostThatIsNeverProbedStaysInService) {
    HealthBoard board;
    board.enroll(fs1, identity, State::active, 0);
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(board.apply(live(Outcome::transport_error)));
    EXPECT_EQ(board.find(fs1)->state(), State::active);
}

TEST(HealthBoard, KeepsHealthOverReloadsUnlessTheRowsStateWasEdited) {
    HealthBoard board;
    board.enroll(fs1, identity, State::active, 2);
    board.apply(live(Outcome::timeout));
    board.apply(live(Outcome::timeout));
    board.enroll(fs1, identity, State::active, 1);
    EXPECT_EQ(board.find(fs1)->state(), State::probing);
    board.enroll(fs1, identity, State::inactive, 1);
    EXPECT_EQ(board.find(fs1)->state(), State::inactive);
    board.enroll(fs1, identity, State::active, 1);
    EXPECT_EQ(board.find(fs1)->state(), State::active);
    board.forget(fs1);
    EXPECT_EQ(board.find(fs1), nullptr);
    EXPECT_FALSE(board.apply(live(Outcome::timeout)));
}

TEST(HealthBoard, ANewTenantOfAnIdStartsAfresh) {
    HealthBoard board;
    board.enroll(fs1, identity, State::active, 2);
    board.apply(live(Outcome::timeout));
    board.apply(live(Outcome::timeout));
    auto other = identity;
    other.group = 2;
    board.enroll(fs1, other, State::active, 2);
    EXPECT_EQ(board.find(fs1)->state(), State::active);
}

}  // namespace
}  // namespace sipfront::balancer

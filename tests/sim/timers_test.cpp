// Each timer of RFC 3261 Table 4 and RFC 6026 at its value, seen from outside of a whole worker.
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

// When messages that begin with `start` leave, in milliseconds from now, within `d`.
std::vector<int> departures(World& world, core::Duration d, std::string_view start) {
    std::vector<int> at;
    for (int ms = 1; core::Duration{std::chrono::milliseconds{ms}} <= d; ++ms)
        for (const auto& s : world.advance(1ms))
            if (s.text.starts_with(start)) at.push_back(ms);
    return at;
}

TEST(Timer, AAndB_AReinviteIsRepeatedDoublingAndGivenUpAfter64T1) {
    World world;
    const auto call = establish(world);
    world.receive(call.in_dialog("INVITE", 2, "z9hG4bKre"), client_a);
    EXPECT_EQ(departures(world, 31900ms, "INVITE"), (std::vector<int>{500, 1500, 3500, 7500, 15500, 31500}));
    EXPECT_EQ(departures(world, 200ms, "SIP/2.0 408"), std::vector<int>{100});
    EXPECT_EQ(world.total_load(), 1U) << "the dialog stands";
}

TEST(Timer, EAndF_ARequestIsRepeatedUpToT2AndEndsInSilence) {
    World world;
    const auto call = establish(world);
    world.receive(call.in_dialog("INFO", 2, "z9hG4bKinfo"), client_a);
    EXPECT_EQ(departures(world, 31900ms, "INFO"), (std::vector<int>{500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500}));
    EXPECT_TRUE(departures(world, 5s, "").empty());
}

TEST(Timer, E_GoesOnAtT2AfterAProvisional) {
    World world;
    const auto call = establish(world);
    const auto info = only(world.receive(call.in_dialog("INFO", 2, "z9hG4bKinfo"), client_a), "INFO");
    world.receive(response(info.text, 100, "Trying"), call.host);
    EXPECT_EQ(departures(world, 12500ms, "INFO"), (std::vector<int>{4000, 8000, 12000}));
}

TEST(Timer, D_AFailureIsAcknowledgedFor32Seconds) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    const auto busy = response(invite.text, 486, "Busy Here");
    world.receive(busy, invite.flow.remote);
    world.jump(31900ms, 100ms);
    EXPECT_EQ(how_many(world.receive(busy, invite.flow.remote), "ACK"), 1U);
    world.jump(200ms, 100ms);
    EXPECT_EQ(how_many(world.receive(busy, invite.flow.remote), "ACK"), 0U);
}

TEST(Timer, GAndH_AFailureIsRepeatedUpToT2AndGivenUpAfter64T1) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 486, "Busy Here"), invite.flow.remote);
    EXPECT_EQ(departures(world, 33s, "SIP/2.0 486"), (std::vector<int>{500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500}));
    EXPECT_EQ(world.count(sip::ProxyEvent::ack_timeout), 1U);
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(Timer, I_AcksAreAbsorbedForT4) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 486, "Busy Here"), invite.flow.remote);
    const auto ack = request({.method = "ACK", .to_tag = "callee"});
    world.receive(ack, client_a);
    world.jump(4900ms, 100ms);
    EXPECT_TRUE(world.receive(ack, client_a).empty());
    EXPECT_EQ(world.count(sip::ProxyDrop::stray_ack), 0U);
}

TEST(Timer, J_ARepeatedRequestGetsTheKeptFinalFor64T1) {
    World world;
    const auto text = request({.method = "REGISTER"});
    const auto reg = only(world.receive(text, client_a), "REGISTER");
    world.receive(response(reg.text, 200, "OK"), reg.flow.remote);
    world.jump(31900ms, 100ms);
    EXPECT_EQ(how_many(world.receive(text, client_a), "SIP/2.0 200"), 1U);
    world.jump(200ms, 100ms);
    EXPECT_EQ(how_many(world.receive(text, client_a), "REGISTER"), 1U) << "a new request";
}

TEST(Timer, K_RepeatedFinalsAreAbsorbedForT4) {
    World world;
    const auto reg = only(world.receive(request({.method = "REGISTER"}), client_a), "REGISTER");
    const auto ok = response(reg.text, 200, "OK");
    world.receive(ok, reg.flow.remote);
    world.jump(4900ms, 100ms);
    EXPECT_TRUE(world.receive(ok, reg.flow.remote).empty());
    EXPECT_EQ(world.count(sip::ProxyDrop::late_response), 1U);
}

TEST(Timer, LAndM_AcceptedLastsFor64T1) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    const auto ok = response(invite.text, 200, "OK");
    world.receive(ok, invite.flow.remote);
    world.jump(31900ms, 100ms);
    EXPECT_EQ(how_many(world.receive(ok, invite.flow.remote), "SIP/2.0 200"), 1U);
    EXPECT_TRUE(world.receive(request({}), client_a).empty());
    world.jump(200ms, 100ms);
    EXPECT_EQ(how_many(world.receive(ok, invite.flow.remote), "SIP/2.0 200"), 0U);
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(Timer, FrInvTimerBoundsTheSetUp) {
    World world{{.proxy = {.timers = {.fr_inv_timer = 60s}}}};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    EXPECT_EQ(how_many(world.jump(59s), "CANCEL"), 0U);
    EXPECT_EQ(how_many(world.jump(1s), "CANCEL"), 1U);
    EXPECT_EQ(world.count(sip::ProxyEvent::fr_inv_timer), 1U);
}

TEST(Timer, T1AndT2AreConfigurable) {
    World world{{.proxy = {.timers = {.t1 = 100ms, .t2 = 200ms}}}};
    const auto call = establish(world);
    world.receive(call.in_dialog("INFO", 2, "z9hG4bKinfo"), client_a);
    EXPECT_EQ(departures(world, 1s, "INFO"), (std::vector<int>{100, 300, 500, 700, 900}));
}

}  // namespace
}  // namespace sipfront::sim

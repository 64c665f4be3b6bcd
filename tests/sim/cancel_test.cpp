// CANCEL in its races (RFC 3261 §9, §16.10).
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

const std::string cancel = request({.method = "CANCEL", .headers = {"Reason: SIP;cause=200;text=\"Call completed elsewhere\""}});

TEST(Cancel, IsAnsweredAtOnceAndSentAlongTheBranch_Rfc3261_16_10) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    const auto sent = world.receive(cancel, client_a);
    const auto ok = only(sent, "SIP/2.0 200");
    EXPECT_EQ(Text{ok.text}.value("CSeq"), "1 CANCEL");
    const auto down = only(sent, "CANCEL");
    EXPECT_EQ(down.flow.remote, invite.flow.remote);
    const Text text{down.text};
    EXPECT_EQ(text.values("Via"), std::vector<std::string>{Text{invite.text}.value("Via")});
    EXPECT_EQ(text.request_uri(), Text{invite.text}.request_uri());
    EXPECT_EQ(text.value("Reason"), "SIP;cause=200;text=\"Call completed elsewhere\"");

    EXPECT_TRUE(world.receive(response(down.text, 200, "OK"), down.flow.remote).empty());
    const auto ended = world.receive(response(invite.text, 487, "Request Terminated"), invite.flow.remote);
    EXPECT_EQ(only(ended, "SIP/2.0 487").flow.remote, client_a);
    EXPECT_EQ(only(ended, "ACK").flow.remote, invite.flow.remote);
    EXPECT_EQ(world.total_load(), 0U);
    world.receive(request({.method = "ACK", .to_tag = "callee"}), client_a);
    world.advance(40s);
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(Cancel, IsHeldUntilTheHostHasAnswered_Rfc3261_9_1) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    EXPECT_EQ(how_many(world.receive(cancel, client_a), "CANCEL"), 0U);
    const auto sent = world.receive(response(invite.text, 100, "Trying"), invite.flow.remote);
    const auto down = only(sent, "CANCEL");
    EXPECT_EQ(Text{down.text}.value("Reason"), "SIP;cause=200;text=\"Call completed elsewhere\"");
}

TEST(Cancel, RepeatedIsAnsweredAndNotSentTwice) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    world.receive(cancel, client_a);
    const auto again = world.receive(cancel, client_a);
    EXPECT_EQ(how_many(again, "SIP/2.0 200"), 1U);
    EXPECT_EQ(how_many(again, "CANCEL"), 0U);
}

TEST(Cancel, WithoutATransactionIs481) {
    World world;
    const auto sent = world.receive(cancel, client_a);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(Text{sent[0].text}.status(), 481);
}

TEST(Cancel, AfterTheFinalIsAnsweredAndDoesNothing) {
    World world;
    const auto call = establish(world);
    const auto sent = world.receive(cancel, client_a);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(Text{sent[0].text}.status(), 200);
    EXPECT_EQ(world.total_load(), 1U);
}

TEST(Cancel, CrossingA200LetsTheCallStand) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    world.receive(cancel, client_a);
    const auto sent = world.receive(response(invite.text, 200, "OK"), invite.flow.remote);
    EXPECT_EQ(only(sent, "SIP/2.0 200").flow.remote, client_a);
    EXPECT_EQ(world.total_load(), 1U);
}

TEST(Cancel, NeverAnsweredEndsTheInviteAfter64T1_Rfc3261_9_1) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    world.receive(cancel, client_a);
    const auto sent = world.advance(33s);
    EXPECT_GE(how_many(sent, "SIP/2.0 487"), 1U);
    EXPECT_GE(how_many(sent, "CANCEL"), 5U) << "Timer E repeats the CANCEL";
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Cancel, OpensNoNewBranch) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(cancel, client_a);
    // The host never answers: without the CANCEL fr_timer would try the next one.
    const auto sent = world.advance(3s);
    for (const auto& s : sent)
        if (s.text.starts_with("INVITE")) {
            EXPECT_EQ(s.flow.remote, invite.flow.remote);
        }
    EXPECT_EQ(how_many(sent, "SIP/2.0 487"), 2U) << "one and its first retransmission by Timer G";
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Cancel, TimerCCancelsABranchThatRingsForEver_Rfc3261_16_8) {
    World world{{.proxy = {.timers = {.timer_c = 185s, .fr_inv_timer = 200s}}}};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    world.advance(100s);
    world.receive(response(invite.text, 183, "Session Progress"), invite.flow.remote);
    EXPECT_EQ(how_many(world.advance(184s), "CANCEL"), 0U) << "each provisional above 100 starts Timer C anew";
    const auto sent = world.advance(2s);
    EXPECT_GE(how_many(sent, "CANCEL"), 1U);
    EXPECT_EQ(world.count(sip::ProxyEvent::timer_c), 1U);
    const auto ended = world.receive(response(invite.text, 487, "Request Terminated"), invite.flow.remote);
    EXPECT_EQ(how_many(ended, "SIP/2.0 408"), 1U) << "the client cancelled nothing";
    EXPECT_EQ(world.total_load(), 0U);
}

}  // namespace
}  // namespace sipfront::sim

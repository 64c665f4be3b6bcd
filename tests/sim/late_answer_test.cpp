// Hosts that answer when nobody waits any more: the half of a call that is left there is acknowledged and ended by us.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::StartsWith;

const std::string contact = "Contact: \"H\" <sip:host@10.77.0.103:5080;x=1>;q=0.5";

// What an answer that nobody waits for leads to: an ACK and a BYE along its Contact, and nothing towards the caller.
void expect_ended(World& world, const Sent& invite, const std::string& ok, std::uint32_t bye_cseq = 2) {
    const auto sent = world.receive(ok, invite.flow.remote);
    ASSERT_EQ(sent.size(), 2U);
    const auto ack = only(sent, "ACK"), bye = only(sent, "BYE");
    for (const auto& s : {ack, bye}) {
        const Text text{s.text};
        EXPECT_EQ(s.flow.remote, invite.flow.remote);
        EXPECT_EQ(s.flow.local, vip);
        EXPECT_EQ(text.request_uri(), "sip:host@10.77.0.103:5080;x=1");
        EXPECT_EQ(text.value("From"), Text{invite.text}.value("From"));
        EXPECT_EQ(text.value("To"), Text{ok}.value("To"));
        EXPECT_EQ(text.value("Call-ID"), Text{invite.text}.value("Call-ID"));
        EXPECT_EQ(text.values("Via").size(), 1U);
        EXPECT_THAT(text.value("Via"), StartsWith("SIP/2.0/UDP 10.77.0.100:5060;branch=z9hG4bK"));
        EXPECT_NE(text.value("Via"), Text{invite.text}.value("Via"));
    }
    EXPECT_EQ(Text{ack.text}.value("CSeq"), "1 ACK");
    EXPECT_EQ(Text{bye.text}.value("CSeq"), std::to_string(bye_cseq) + " BYE");
    // The answer again, since the ACK was lost: another ACK, the same one, and no second BYE.
    const auto again = only(world.receive(ok, invite.flow.remote), "ACK");
    EXPECT_EQ(again.text, ack.text);
    // The BYE is repeated until it is answered.
    EXPECT_EQ(how_many(world.advance(501ms), "BYE"), 1U);
    EXPECT_TRUE(world.receive(response(bye.text, 200, "OK"), invite.flow.remote).empty());
    EXPECT_EQ(how_many(world.advance(5s), "BYE"), 0U);
    EXPECT_EQ(world.count(sip::ProxyEvent::late_answer_ended), 1U);
}

void expect_nothing_left(World& world) {
    world.jump(80s);
    EXPECT_EQ(world.transactions(), 0U);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
    world.worker().proxy().publish_gauges();
    EXPECT_EQ(world.stats().proxy.image_bytes.get(), 0U);
}

TEST(LateAnswer, BehindOur408IsAcknowledgedAndEnded) {
    World world{{.hosts = 1}};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    EXPECT_EQ(how_many(world.advance(2s), "SIP/2.0 408"), 1U) << "fr_timer";
    world.receive(request({.method = "ACK", .to_tag = "any"}), client_a);
    expect_ended(world, invite, response(invite.text, 200, "OK", "late", {contact}));
    expect_nothing_left(world);
}

TEST(LateAnswer, BehindTimerCAndAnUnansweredCancelIsEnded) {
    World world{{.proxy = {.timers = {.fr_inv_timer = 60s}}}};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    const auto sent = world.jump(93s);
    EXPECT_GE(how_many(sent, "CANCEL"), 1U);
    EXPECT_GE(how_many(sent, "SIP/2.0 408"), 1U);
    expect_ended(world, invite, response(invite.text, 200, "OK", "late", {contact}));
    expect_nothing_left(world);
}

TEST(LateAnswer, BehindOur487IsEndedBeyondTheCallersOwnRequests) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    const auto ringing =
        only(world.receive(response(invite.text, 183, "Progress", "callee", {contact}), invite.flow.remote), "SIP/2.0 183");
    // The caller was busy in the early dialog: its CSeq has moved on.
    const auto update = request({.method = "UPDATE",
                                 .uri = "sip:host@" + invite.flow.remote.to_string(),
                                 .to_tag = "callee",
                                 .cseq = 5,
                                 .branch = "z9hG4bKupdate",
                                 .headers = {"Route: " + Text{ringing.text}.value("Record-Route")}});
    EXPECT_EQ(how_many(world.receive(update, client_a), "UPDATE"), 1U);
    world.receive(request({.method = "CANCEL"}), client_a);
    EXPECT_GE(how_many(world.jump(33s), "SIP/2.0 487"), 1U);
    expect_ended(world, invite, response(invite.text, 200, "OK", "callee", {contact}), 6);
    expect_nothing_left(world);
}

TEST(LateAnswer, OfAnAbandonedHostBehindAnothersFailureIsEnded) {
    World world{{.hosts = 2}};
    const auto first = only(world.receive(request({}), client_a), "INVITE");
    const auto moved = world.advance(2s);
    const auto second = *std::find_if(moved.begin(), moved.end(),
                                      [&](const Sent& s) { return s.text.starts_with("INVITE") && s.flow.remote != first.flow.remote; });
    EXPECT_EQ(how_many(world.receive(response(second.text, 486, "Busy Here"), second.flow.remote), "SIP/2.0 486"), 1U);
    world.receive(request({.method = "ACK", .to_tag = "callee"}), client_a);
    expect_ended(world, first, response(first.text, 200, "OK", "late", {contact}));
    expect_nothing_left(world);
}

TEST(LateAnswer, GoesAlongTheRoutesBetweenUsAndTheCallee) {
    World world{{.hosts = 1}};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.advance(2s);
    auto ok = response(invite.text, 200, "OK", "late", {contact});
    ok.insert(ok.find("Record-Route: "), "Record-Route: <sip:10.77.0.103;lr>, <sip:10.77.0.110;lr>\r\n");
    const auto sent = world.receive(ok, invite.flow.remote);
    EXPECT_EQ(sent.size(), 2U);
    for (const auto& s : sent)
        EXPECT_EQ(Text{s.text}.values("Route"), (std::vector<std::string>{"<sip:10.77.0.110;lr>", "<sip:10.77.0.103;lr>"})) << s.text;
    expect_nothing_left(world);
}

TEST(LateAnswer, EachForkIsEnded) {
    World world{{.hosts = 1}};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.advance(2s);
    for (const auto* tag : {"one", "two"}) {
        const auto sent = world.receive(response(invite.text, 200, "OK", tag, {contact}), invite.flow.remote);
        EXPECT_EQ(Text{only(sent, "BYE").text}.tag("To"), tag);
        EXPECT_EQ(Text{only(sent, "ACK").text}.tag("To"), tag);
    }
    EXPECT_EQ(world.count(sip::ProxyEvent::late_answer_ended), 2U);
    expect_nothing_left(world);
}

TEST(LateAnswer, ALateFailureIsAcknowledgedAndLateRingingCancelled) {
    World world{{.hosts = 1}};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.advance(2s);
    const auto cancel = only(world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote), "CANCEL");
    EXPECT_EQ(Text{cancel.text}.value("Via"), Text{invite.text}.value("Via"));
    EXPECT_TRUE(world.receive(response(cancel.text, 200, "OK"), invite.flow.remote).empty());
    for (int i = 0; i < 2; ++i) {
        const auto sent = world.receive(response(invite.text, 487, "Request Terminated"), invite.flow.remote);
        EXPECT_EQ(sent.size(), 1U);
        EXPECT_EQ(Text{only(sent, "ACK").text}.value("Via"), Text{invite.text}.value("Via"));
    }
    expect_nothing_left(world);
}

}  // namespace
}  // namespace sipfront::sim

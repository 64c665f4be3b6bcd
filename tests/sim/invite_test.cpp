// Calls through a whole worker: the main road.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Invite, GoesToAHostWithViaRecordRouteAndOneHopLess_Rfc3261_16_6) {
    World world;
    const auto sent = world.receive(request({.body = "v=0\r\n"}), client_a);
    ASSERT_EQ(sent.size(), 2U);
    const auto trying = only(sent, "SIP/2.0 100");
    EXPECT_EQ(trying.flow.remote, client_a);
    EXPECT_EQ(trying.flow.local, vip);
    const auto invite = only(sent, "INVITE");
    EXPECT_EQ(invite.flow.local, vip);
    const Text text{invite.text};
    EXPECT_EQ(text.start_line(), "INVITE sip:service@10.77.0.100 SIP/2.0");
    const auto vias = text.values("Via");
    ASSERT_EQ(vias.size(), 2U);
    EXPECT_THAT(vias[0], StartsWith("SIP/2.0/UDP 10.77.0.100:5060;branch=z9hG4bK"));
    EXPECT_EQ(vias[1], "SIP/2.0/UDP 10.77.0.2:5060;branch=z9hG4bKclient-1");
    EXPECT_EQ(text.value("Max-Forwards"), "69");
    const auto rr = text.values("Record-Route");
    ASSERT_EQ(rr.size(), 1U);
    EXPECT_THAT(rr[0], StartsWith("<sip:10.77.0.100:5060;lr;sf="));
    EXPECT_THAT(rr[0], HasSubstr(";ftag=caller>"));
    EXPECT_EQ(text.body(), "v=0\r\n");
    EXPECT_EQ(text.value("X-AUTH-IP"), "10.77.0.2");
    EXPECT_EQ(text.value("X-AUTH-PORT"), "5060");
}

TEST(Invite, WholeCallByRouteCookie) {
    World world;
    auto call = establish(world);
    EXPECT_EQ(world.total_load(), 1U);
    EXPECT_EQ(world.dialogs(), 1U);
    EXPECT_EQ(Text{call.ok}.values("Via").size(), 1U);
    const auto ended = hang_up(world, call);
    EXPECT_EQ(Text{only(ended, "SIP/2.0 200").text}.value("CSeq"), "2 BYE");
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
    world.advance(40s);
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(Invite, AckTo2xxIsForwardedAsItsOwn_Rfc3261_16_11) {
    World world;
    const auto call = establish(world, {}, client_a, false);
    const auto ack = only(world.receive(call.in_dialog("ACK", 1, "z9hG4bKack"), client_a), "ACK");
    EXPECT_EQ(ack.flow.remote, call.host);
    const Text text{ack.text};
    EXPECT_EQ(text.values("Via").size(), 2U);
    EXPECT_TRUE(text.values("Route").empty());
    EXPECT_EQ(text.request_uri(), "sip:host@" + call.host.to_string());
}

TEST(Invite, ByeFromTheHostReachesTheClient) {
    World world;
    const auto call = establish(world);
    const auto bye = only(world.receive(call.from_host("BYE", 1, "z9hG4bKhostbye"), call.host), "BYE");
    EXPECT_EQ(bye.flow.remote, client_a);
    EXPECT_TRUE(Text{bye.text}.values("Route").empty());
    const auto ok = only(world.receive(response(bye.text, 200, "OK"), client_a), "SIP/2.0 200");
    EXPECT_EQ(ok.flow.remote, call.host);
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Invite, RetransmissionIsAbsorbedAndAnsweredWithTheLastProvisional_Rfc3261_17_2_1) {
    World world;
    const auto text = request({});
    const auto invite = only(world.receive(text, client_a), "INVITE");
    auto again = world.receive(text, client_a);
    ASSERT_EQ(again.size(), 1U);
    EXPECT_EQ(Text{again[0].text}.status(), 100);
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    again = world.receive(text, client_a);
    ASSERT_EQ(again.size(), 1U);
    EXPECT_EQ(Text{again[0].text}.status(), 180);
    EXPECT_EQ(world.total_load(), 1U);
}

TEST(Invite, TwoxxRetransmissionsPassWhileAccepted_Rfc6026) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    const auto ok = response(invite.text, 200, "OK");
    EXPECT_EQ(how_many(world.receive(ok, invite.flow.remote), "SIP/2.0 200"), 1U);
    EXPECT_EQ(how_many(world.receive(ok, invite.flow.remote), "SIP/2.0 200"), 1U);
    EXPECT_TRUE(world.receive(request({}), client_a).empty()) << "INVITE retransmissions are absorbed in Accepted";
    world.advance(33s);
    EXPECT_TRUE(world.receive(ok, invite.flow.remote).empty()) << "after Timer M a 2xx is a stray response";
    EXPECT_EQ(world.count(sip::ProxyDrop::stray_response), 1U);
}

TEST(Invite, BusyIsAcknowledgedHopByHopAndEndsTheDialog_Rfc3261_17_1_1_3) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    const auto sent = world.receive(response(invite.text, 486, "Busy Here"), invite.flow.remote);
    const auto busy = only(sent, "SIP/2.0 486");
    EXPECT_EQ(busy.flow.remote, client_a);
    const auto ack = only(sent, "ACK");
    EXPECT_EQ(ack.flow.remote, invite.flow.remote);
    EXPECT_EQ(Text{ack.text}.value("Via"), Text{invite.text}.value("Via"));
    EXPECT_EQ(Text{ack.text}.values("Via").size(), 1U);
    EXPECT_EQ(Text{ack.text}.tag("To"), "callee");
    EXPECT_EQ(Text{ack.text}.value("CSeq"), "1 ACK");
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
    // A lost ACK: the host repeats, we acknowledge again and the client sees nothing.
    const auto again = world.receive(response(invite.text, 486, "Busy Here"), invite.flow.remote);
    EXPECT_EQ(how_many(again, "ACK"), 1U);
    EXPECT_EQ(again.size(), 1U);
}

TEST(Invite, FailureIsRetransmittedUntilAck_Rfc3261_17_2_1) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    const auto busy = only(world.receive(response(invite.text, 486, "Busy Here"), invite.flow.remote), "SIP/2.0 486");
    EXPECT_EQ(how_many(world.advance(499ms), "SIP/2.0 486"), 0U);
    EXPECT_EQ(how_many(world.advance(2ms), "SIP/2.0 486"), 1U);
    EXPECT_EQ(how_many(world.advance(1000ms), "SIP/2.0 486"), 1U);
    RequestSpec ack{.method = "ACK", .to_tag = "callee"};
    EXPECT_TRUE(world.receive(request(ack), client_a).empty()) << "the ACK to a failure is absorbed";
    EXPECT_EQ(how_many(world.advance(20s), "SIP/2.0 486"), 0U);
    world.advance(20s);
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(Invite, IsSpreadOverTheHostsByLoad) {
    World world{{.hosts = 4}};
    for (int i = 0; i < 40; ++i)
        establish(world, {.call_id = "spread-" + std::to_string(i), .branch = "z9hG4bKspread" + std::to_string(i)});
    for (std::size_t h = 0; h < 4; ++h) EXPECT_EQ(world.load(h), 10U);
}

TEST(Invite, NoCapacityAnywhereIsOur503WithASpreadRetryAfter) {
    World world{{.hosts = 1, .capacity = 1}};
    establish(world);
    const auto sent = world.receive(request({.call_id = "second", .branch = "z9hG4bKsecond"}), client_a);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_THAT(sent[0].text, StartsWith("SIP/2.0 503 "));
    const auto seconds = std::stoi(Text{sent[0].text}.value("Retry-After"));
    EXPECT_GE(seconds, 1);
    EXPECT_LE(seconds, 10);
    EXPECT_EQ(world.count(sip::LocalReply::all_full), 1U);
}

TEST(Invite, APortWithoutBuffersGets503OrSilenceAndLeaksNothing) {
    World world;
    world.io().starve(true);
    for (int i = 0; i < 100; ++i) {
        const auto n = std::to_string(i);
        world.receive(request({.call_id = "starved" + n, .branch = "z9hG4bKs" + n}), client_a);
    }
    world.io().starve(false);
    EXPECT_GT(world.count(sip::ProxyDrop::no_buffer), 0U);
    world.jump(200s);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(Invite, TrustHeadersOfOutsidersAreRemovedInAnySpelling) {
    World world;
    const auto invite = only(
        world.receive(request({.headers = {"x-auth-ip: 10.0.0.1", "X-Other: stays", "X-AUTH-Port : 99", "X-AUTH-IP: 10.0.0.2"}}), client_a),
        "INVITE");
    const Text text{invite.text};
    EXPECT_EQ(text.values("X-AUTH-IP"), std::vector<std::string>{"10.77.0.2"});
    EXPECT_EQ(text.values("X-AUTH-PORT"), std::vector<std::string>{"5060"});
    EXPECT_EQ(text.value("X-Other"), "stays");
    // And what the cluster answers with them does not leave it.
    const auto ok =
        only(world.receive(response(invite.text, 200, "OK", "callee", {"X-AUTH-IP: 10.77.0.2"}), invite.flow.remote), "SIP/2.0 200");
    EXPECT_THAT(ok.text, Not(HasSubstr("X-AUTH-IP")));
}

}  // namespace
}  // namespace sipfront::sim

// Requests that lost their route set: sipp's integrated scenarios, broken phones.
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

struct Bare {
    Sent invite;
    core::Endpoint host;
    RequestSpec spec{.uri = "sip:service@10.77.0.100:5060"};
};

// As sipp -sn uac against -sn uas: no Record-Route mirrored, no Route sent.
Bare set_up(World& world) {
    Bare b;
    b.invite = only(world.receive(request(b.spec), client_a), "INVITE");
    b.host = b.invite.flow.remote;
    const auto contact = "Contact: <sip:" + b.host.to_string() + ";transport=UDP>";
    world.receive(response(b.invite.text, 200, "OK", "callee", {contact}, false), b.host);
    b.spec.to_tag = "callee";
    return b;
}

TEST(Repair, AckAndByeWithoutRouteReachTheHost) {
    World world;
    auto b = set_up(world);
    b.spec.method = "ACK";
    b.spec.branch = "z9hG4bKack";
    const auto ack = only(world.receive(request(b.spec), client_a), "ACK");
    EXPECT_EQ(ack.flow.remote, b.host);
    EXPECT_EQ(Text{ack.text}.request_uri(), "sip:" + b.host.to_string() + ";transport=UDP") << "the remote target";
    b.spec.method = "BYE";
    b.spec.cseq = 2;
    b.spec.branch = "z9hG4bKbye";
    const auto bye = only(world.receive(request(b.spec), client_a), "BYE");
    EXPECT_EQ(bye.flow.remote, b.host);
    world.receive(response(bye.text, 200, "OK"), b.host);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.count(sip::ProxyEvent::route_repaired), 2U);
}

TEST(Repair, ByeOfTheHostWithoutRouteReachesTheClient) {
    World world;
    const auto b = set_up(world);
    const std::string bye =
        "BYE sip:alice@10.77.0.2:5060 SIP/2.0\r\nVia: SIP/2.0/UDP " + b.host.to_string() +
        ";branch=z9hG4bKh\r\nMax-Forwards: 70\r\nFrom: <sip:s@x>;tag=callee\r\nTo: <sip:a@x>;tag=caller\r\nCall-ID: " + b.spec.call_id +
        "\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n";
    const auto sent = only(world.receive(bye, b.host), "BYE");
    EXPECT_EQ(sent.flow.remote, client_a);
    world.receive(response(sent.text, 200, "OK"), client_a);
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Repair, WrongTagsAre481) {
    World world;
    auto b = set_up(world);
    b.spec.method = "BYE";
    b.spec.cseq = 2;
    b.spec.branch = "z9hG4bKbye";
    b.spec.to_tag = "somebody-else";
    const auto sent = world.receive(request(b.spec), client_a);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(Text{sent[0].text}.status(), 481);
    EXPECT_EQ(world.total_load(), 1U);
}

TEST(Repair, SwitchedOffIs481) {
    World world{{.proxy = {.repair_routes = false}}};
    auto b = set_up(world);
    b.spec.method = "BYE";
    b.spec.cseq = 2;
    b.spec.branch = "z9hG4bKbye";
    EXPECT_EQ(Text{world.receive(request(b.spec), client_a).at(0).text}.status(), 481);
}

TEST(Repair, AByeAfterAFailureStillReachesTheHost) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 403, "Forbidden"), invite.flow.remote);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
    const auto text = request({.method = "BYE", .to_tag = "callee", .cseq = 2, .branch = "z9hG4bKbye"});
    EXPECT_EQ(only(world.receive(text, client_a), "BYE").flow.remote, invite.flow.remote);
    // The same Call-ID and tag may make a new call at once, which is then the one that is found.
    const auto again = only(world.receive(request({.cseq = 3, .branch = "z9hG4bKagain"}), client_a), "INVITE");
    world.receive(response(again.text, 200, "OK", "other", {"Contact: <sip:h@" + again.flow.remote.to_string() + ">"}), again.flow.remote);
    EXPECT_EQ(
        only(world.receive(request({.method = "BYE", .to_tag = "other", .cseq = 4, .branch = "z9hG4bKbye2"}), client_a), "BYE").flow.remote,
        again.flow.remote);
    world.jump(40s);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(Repair, AFailedCallIsForgottenAfter64T1) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 403, "Forbidden"), invite.flow.remote);
    world.jump(33s);
    const auto sent = world.receive(request({.method = "BYE", .to_tag = "callee", .cseq = 2, .branch = "z9hG4bKbye"}), client_a);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(Text{sent[0].text}.status(), 481);
}

TEST(Repair, AChallengedByeKeepsTheCall) {
    World world;
    const auto call = establish(world);
    const auto bye = only(world.receive(call.in_dialog("BYE", 2, "z9hG4bKbye"), client_a), "BYE");
    world.receive(response(bye.text, 407, "Proxy Authentication Required"), call.host);
    EXPECT_EQ(world.total_load(), 1U);
    const auto again = only(world.receive(call.in_dialog("BYE", 3, "z9hG4bKbye2"), client_a), "BYE");
    world.receive(response(again.text, 200, "OK"), call.host);
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Repair, SilentByeEndsTheDialogAllTheSame) {
    World world;
    const auto call = establish(world);
    world.receive(call.in_dialog("BYE", 2, "z9hG4bKbye"), client_a);
    world.advance(33s);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
}

TEST(Dialog, ExpiresAndGivesItsLoadBack) {
    World world{{.proxy = {.timers = {.dialog_timeout = 60s}}}};
    establish(world);
    world.advance(59s);
    EXPECT_EQ(world.total_load(), 1U);
    world.advance(2s);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.count(sip::ProxyEvent::dialog_expired), 1U);
}

TEST(Dialog, ARequestInItKeepsItAlive) {
    World world{{.proxy = {.timers = {.dialog_timeout = 60s}}}};
    const auto call = establish(world);
    world.advance(50s);
    const auto info = only(world.receive(call.in_dialog("INFO", 2, "z9hG4bKinfo"), client_a), "INFO");
    world.receive(response(info.text, 200, "OK"), call.host);
    world.advance(50s);
    EXPECT_EQ(world.total_load(), 1U);
    world.advance(11s);
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Dialog, ReinviteAndItsFailureLeaveItStanding) {
    World world;
    const auto call = establish(world);
    const auto re = only(world.receive(call.in_dialog("INVITE", 2, "z9hG4bKre", {}), client_a), "INVITE");
    EXPECT_EQ(re.flow.remote, call.host);
    EXPECT_TRUE(Text{re.text}.values("Record-Route").empty());
    world.receive(response(re.text, 488, "Not Acceptable Here"), call.host);
    EXPECT_EQ(world.total_load(), 1U);
    EXPECT_EQ(how_many(hang_up(world, call), "SIP/2.0 200"), 1U);
    EXPECT_EQ(world.total_load(), 0U);
}

}  // namespace
}  // namespace sipfront::sim

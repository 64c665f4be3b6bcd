// What user agents do in a dialog, through us: nothing of it is ours to change (RFC 3262, 3311, 3264, 4028, 3515, 6665, 6086).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::HasSubstr;

using Lines = std::vector<std::string>;

const std::string sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n";

std::string with_body(std::string text, const std::string& body = sdp) {
    text.replace(text.find("Content-Length: 0\r\n\r\n"), 21,
                 "Content-Type: application/sdp\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return text;
}
std::string with_header(std::string text, const std::string& line) { return text.insert(text.find("Content-Length:"), line + "\r\n"); }

// An early dialog up to its first reliable provisional.
struct Early {
    Call call;
    Sent progress;
};
Early ring_reliably(World& world, RequestSpec spec = {.headers = {"Supported: 100rel, timer"}, .body = sdp}) {
    Early e;
    e.call.spec = spec;
    e.call.invite = only(world.receive(request(spec), client_a), "INVITE");
    e.call.host = e.call.invite.flow.remote;
    e.progress =
        only(world.receive(with_body(response(e.call.invite.text, 183, "Session Progress", "callee",
                                              {"Require: 100rel", "RSeq: 988789", "Contact: <sip:host@" + e.call.host.to_string() + ">"})),
                           e.call.host),
             "SIP/2.0 183");
    auto rr = Text{e.progress.text}.values("Record-Route");
    std::reverse(rr.begin(), rr.end());
    for (const auto& r : rr) e.call.routes.push_back("Route: " + r);
    e.call.spec.headers = {};
    e.call.spec.body = {};
    return e;
}

// A request through us and its answer back; returns both as they arrived.
struct Exchange {
    Sent request, answer;
};
Exchange exchange(World& world, const std::string& text, const core::Endpoint& from, int status = 200, const Lines& headers = {}) {
    Exchange x;
    x.request = only(world.receive(text, from), Text{text}.method());
    x.answer = only(world.receive(response(x.request.text, status, "x", "callee", headers), x.request.flow.remote),
                    "SIP/2.0 " + std::to_string(status));
    EXPECT_EQ(x.answer.flow.remote, from);
    return x;
}

TEST(InDialog, PrackOfAnEarlyDialogFollowsTheRecordRouteOfThe1xx_Rfc3262) {
    World world;
    const auto e = ring_reliably(world);
    const Text progress{e.progress.text};
    EXPECT_EQ(progress.value("RSeq"), "988789");
    EXPECT_EQ(progress.value("Require"), "100rel");
    EXPECT_EQ(progress.body(), sdp) << "early media";
    const auto x = exchange(world, e.call.in_dialog("PRACK", 2, "z9hG4bKprack", {"RAck: 988789 1 INVITE"}), client_a);
    EXPECT_EQ(x.request.flow.remote, e.call.host);
    EXPECT_EQ(Text{x.request.text}.value("RAck"), "988789 1 INVITE");
    EXPECT_EQ(Text{x.request.text}.request_uri(), "sip:host@" + e.call.host.to_string());
    // A repeated 183 is repeated to the caller (RFC 3262 §3), and the INVITE's state is not disturbed.
    EXPECT_EQ(how_many(world.receive(response(e.call.invite.text, 183, "Session Progress"), e.call.host), "SIP/2.0 183"), 1U);
    EXPECT_EQ(how_many(world.receive(response(e.call.invite.text, 200, "OK"), e.call.host), "SIP/2.0 200"), 1U);
    EXPECT_EQ(world.total_load(), 1U);
}

TEST(InDialog, UpdateInTheEarlyDialogPassesBothWays_Rfc3311) {
    World world;
    const auto e = ring_reliably(world);
    EXPECT_EQ(Text{exchange(world, with_body(e.call.in_dialog("UPDATE", 2, "z9hG4bKup")), client_a).request.text}.body(), sdp);
    EXPECT_EQ(exchange(world, with_body(e.call.from_host("UPDATE", 1, "z9hG4bKdown")), e.call.host).request.flow.remote, client_a);
}

TEST(InDialog, ReinviteHoldAndResumeFromEitherSide_Rfc3264) {
    World world;
    const auto call = establish(world);
    std::uint32_t cseq = 2;
    for (const auto* direction : {"sendonly", "inactive", "sendrecv"}) {
        auto body = sdp;
        body.replace(body.find("sendrecv"), 8, direction);
        const auto n = std::to_string(cseq);
        const auto ours = exchange(world, with_body(call.in_dialog("INVITE", cseq, "z9hG4bKre" + n), body), client_a);
        EXPECT_EQ(Text{ours.request.text}.body(), body);
        EXPECT_EQ(ours.request.flow.remote, call.host);
        EXPECT_EQ(only(world.receive(call.in_dialog("ACK", cseq, "z9hG4bKreack" + n), client_a), "ACK").flow.remote, call.host);
        const auto theirs = exchange(world, with_body(call.from_host("INVITE", cseq, "z9hG4bKhre" + n), body), call.host);
        EXPECT_EQ(theirs.request.flow.remote, client_a);
        EXPECT_EQ(only(world.receive(call.from_host("ACK", cseq, "z9hG4bKhreack" + n), call.host), "ACK").flow.remote, client_a);
        ++cseq;
    }
    EXPECT_EQ(world.total_load(), 1U);
    EXPECT_EQ(world.dialogs(), 1U);
    hang_up(world, call);
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(InDialog, AnOfferMayComeLateInTheAck_Rfc3264) {
    World world;
    auto call = establish(world, {}, client_a, false);
    const auto ack = only(world.receive(with_body(call.in_dialog("ACK", 1, "z9hG4bKack")), client_a), "ACK");
    EXPECT_EQ(ack.flow.remote, call.host);
    EXPECT_EQ(Text{ack.text}.body(), sdp);
}

TEST(InDialog, GlareIsBetweenTheTwoOfThem_Rfc3261_14_1) {
    World world;
    const auto call = establish(world);
    // Both at once: same dialog, same CSeq number, opposite directions.
    const auto down = only(world.receive(call.in_dialog("INVITE", 2, "z9hG4bKglare"), client_a), "INVITE");
    const auto up = only(world.receive(call.from_host("INVITE", 2, "z9hG4bKglareh"), call.host), "INVITE");
    const auto at_client = world.receive(response(down.text, 491, "Request Pending"), call.host);
    EXPECT_EQ(only(at_client, "SIP/2.0 491").flow.remote, client_a);
    EXPECT_EQ(only(at_client, "ACK").flow.remote, call.host);
    const auto at_host = world.receive(response(up.text, 491, "Request Pending"), client_a);
    EXPECT_EQ(only(at_host, "SIP/2.0 491").flow.remote, call.host);
    EXPECT_EQ(only(at_host, "ACK").flow.remote, client_a);
    EXPECT_EQ(world.total_load(), 1U);
    EXPECT_EQ(exchange(world, call.in_dialog("INVITE", 3, "z9hG4bKagain"), client_a).request.flow.remote, call.host);
}

TEST(InDialog, ARefreshedTargetIsWhereLaterRequestsGo_Rfc3261_12_2) {
    World world;
    const auto call = establish(world);
    // The caller moves to another port, and says so in a re-INVITE.
    auto moved = call.in_dialog("INVITE", 2, "z9hG4bKmoved");
    moved.replace(moved.find("<sip:alice@10.77.0.2:5060>"), 26, "<sip:alice@10.77.0.2:5064>");
    exchange(world, moved, client_a);
    auto bye = call.from_host("BYE", 1, "z9hG4bKbye");
    bye.replace(0, bye.find(" SIP/2.0"), "BYE sip:alice@10.77.0.2:5064");
    EXPECT_EQ(only(world.receive(bye, call.host), "BYE").flow.remote, at("10.77.0.2:5064"));
    // One that lost its route set finds it by the record.
    World other;
    const auto second = establish(other);
    exchange(other, moved, client_a);
    auto bare = second.from_host("INFO", 1, "z9hG4bKbare");
    bare.erase(bare.find("Route: "), bare.find("\r\n", bare.find("Route: ")) + 2 - bare.find("Route: "));
    bare.replace(0, bare.find(" SIP/2.0"), "INFO sip:10.77.0.100");
    EXPECT_EQ(Text{only(other.receive(bare, second.host), "INFO").text}.request_uri(), "sip:alice@10.77.0.2:5064");
}

TEST(InDialog, SessionTimersAreBetweenTheTwoOfThem_Rfc4028) {
    World world;
    const Lines timers{"Session-Expires: 90;refresher=uas", "Min-SE: 90"};
    const auto invite = only(world.receive(request({.headers = timers}), client_a), "INVITE");
    EXPECT_THAT(invite.text, HasSubstr(timers[0] + "\r\n" + timers[1] + "\r\n"));
    const auto sent = world.receive(response(invite.text, 422, "Session Interval Too Small", "t", {"Min-SE: 1800"}), invite.flow.remote);
    EXPECT_EQ(Text{only(sent, "SIP/2.0 422").text}.values("Min-SE"), Lines{"1800"});
    world.receive(request({.method = "ACK", .to_tag = "t"}), client_a);
    const auto call = establish(world, {.call_id = "timers", .cseq = 2, .branch = "z9hG4bKtimers", .headers = {"Session-Expires: 1800"}});
    EXPECT_EQ(Text{call.invite.text}.value("Session-Expires"), "1800");
    const auto x = exchange(world, call.from_host("UPDATE", 1, "z9hG4bKrefresh"), call.host, 200, {"Session-Expires: 1800;refresher=uac"});
    EXPECT_EQ(Text{x.answer.text}.value("Session-Expires"), "1800;refresher=uac");
}

TEST(InDialog, InfoAndMessagePassBothWays_Rfc6086) {
    World world;
    const auto call = establish(world);
    std::uint32_t cseq = 2;
    for (const auto* method : {"INFO", "MESSAGE", "OPTIONS", "NEWMETHOD"}) {
        EXPECT_EQ(exchange(world, call.in_dialog(method, cseq, std::string{"z9hG4bKa"} + method), client_a).request.flow.remote, call.host)
            << method;
        EXPECT_EQ(exchange(world, call.from_host(method, cseq, std::string{"z9hG4bKb"} + method), call.host).request.flow.remote, client_a)
            << method;
        ++cseq;
    }
}

TEST(InDialog, ReferWithItsNotifiesPasses_Rfc3515) {
    World world;
    const auto call = establish(world);
    const auto refer = exchange(
        world, call.in_dialog("REFER", 2, "z9hG4bKrefer", {"Refer-To: <sip:carol@10.77.0.3>", "Referred-By: <sip:alice@example.com>"}),
        client_a, 202);
    EXPECT_EQ(Text{refer.request.text}.value("Refer-To"), "<sip:carol@10.77.0.3>");
    for (std::uint32_t i = 1; i <= 2; ++i) {
        auto notify = with_header(call.from_host("NOTIFY", i, "z9hG4bKnotify" + std::to_string(i)),
                                  "Event: refer;id=2\r\nSubscription-State: active;expires=60");
        EXPECT_EQ(exchange(world, with_body(notify, "SIP/2.0 100 Trying\r\n"), call.host).request.flow.remote, client_a);
    }
    EXPECT_EQ(world.total_load(), 1U);
}

TEST(InDialog, ASubscriptionsNotifiesFollowItsRouteSet_Rfc6665) {
    sim::Setup setup;
    setup.proxy.methods[static_cast<std::size_t>(sip::Method::subscribe)] = sip::MethodPolicy::dispatch;
    World world{setup};
    Call call{.spec = {.method = "SUBSCRIBE", .headers = {"Event: dialog", "Expires: 600"}}};
    call.invite = only(world.receive(request(call.spec), client_a), "SUBSCRIBE");
    call.host = call.invite.flow.remote;
    const auto notify = with_header(call.from_host("NOTIFY", 1, "z9hG4bKnotify"), "Event: dialog\r\nSubscription-State: active");
    // It may overtake the 2xx to the SUBSCRIBE (RFC 6665 §4.4.1).
    EXPECT_EQ(only(world.receive(notify, call.host), "NOTIFY").flow.remote, client_a);
    const auto ok = only(world.receive(response(call.invite.text, 202, "Accepted"), call.host), "SIP/2.0 202");
    for (const auto& r : Text{ok.text}.values("Record-Route")) call.routes.push_back("Route: " + r);
    EXPECT_EQ(exchange(world, call.in_dialog("SUBSCRIBE", 2, "z9hG4bKrefresh"), client_a).request.flow.remote, call.host);
    EXPECT_EQ(exchange(world, call.from_host("NOTIFY", 2, "z9hG4bKnotify2"), call.host).request.flow.remote, client_a);
    EXPECT_EQ(world.total_load(), 0U) << "no call";
}

TEST(InDialog, AnEarlyByeReachesTheHostAndEndsTheCall_Rfc3261_15) {
    World world;
    const auto e = ring_reliably(world);
    exchange(world, e.call.in_dialog("BYE", 2, "z9hG4bKbye"), client_a);
    const auto ended = world.receive(response(e.call.invite.text, 487, "Request Terminated"), e.call.host);
    EXPECT_EQ(only(ended, "SIP/2.0 487").flow.remote, client_a);
    EXPECT_EQ(only(ended, "ACK").flow.remote, e.call.host);
    world.receive(request({.method = "ACK", .to_tag = "callee"}), client_a);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
    world.jump(80s);
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(InDialog, AByeThatCrossesThe200LeavesNothing_Rfc3261_15) {
    World world;
    const auto e = ring_reliably(world);
    const auto bye = only(world.receive(e.call.in_dialog("BYE", 2, "z9hG4bKbye"), client_a), "BYE");
    EXPECT_EQ(how_many(world.receive(response(e.call.invite.text, 200, "OK"), e.call.host), "SIP/2.0 200"), 1U);
    EXPECT_EQ(how_many(world.receive(e.call.in_dialog("ACK", 1, "z9hG4bKack"), client_a), "ACK"), 1U);
    world.receive(response(bye.text, 200, "OK"), e.call.host);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
}

TEST(InDialog, ByesThatCrossBothPassAndLoadIsGivenBackOnce_Rfc3261_15) {
    World world;
    const auto call = establish(world), bystander = establish(world, {.call_id = "other", .branch = "z9hG4bKother"});
    const auto down = only(world.receive(call.in_dialog("BYE", 2, "z9hG4bKdown"), client_a), "BYE");
    const auto up = only(world.receive(call.from_host("BYE", 1, "z9hG4bKup"), call.host), "BYE");
    EXPECT_EQ(down.flow.remote, call.host);
    EXPECT_EQ(up.flow.remote, client_a);
    EXPECT_EQ(how_many(world.receive(response(down.text, 481, "Gone"), call.host), "SIP/2.0 481"), 1U);
    EXPECT_EQ(how_many(world.receive(response(up.text, 200, "OK"), client_a), "SIP/2.0 200"), 1U);
    EXPECT_EQ(world.total_load(), 1U) << "the bystander's";
    EXPECT_EQ(world.dialogs(), 1U);
    // A second BYE finds its way by the cookie alone, and the host says what it thinks of it.
    EXPECT_EQ(exchange(world, call.in_dialog("BYE", 3, "z9hG4bKdouble"), client_a, 481).request.flow.remote, call.host);
    EXPECT_EQ(world.total_load(), 1U);
}

TEST(InDialog, ALostAckIsMadeGoodByTheRepeated200_Rfc3261_13_3_1_4) {
    World world;
    const auto call = establish(world, {}, client_a, false);
    for (int i = 0; i < 3; ++i) {
        world.advance(500ms);
        EXPECT_EQ(only(world.receive(response(call.invite.text, 200, "OK"), call.host), "SIP/2.0 200").flow.remote, client_a);
    }
    EXPECT_EQ(how_many(world.receive(call.in_dialog("ACK", 1, "z9hG4bKack"), client_a), "ACK"), 1U);
    // Nobody ever acknowledged: the host gives up with a BYE, and the load comes back.
    const auto other = establish(world, {.call_id = "never", .branch = "z9hG4bKnever"}, client_a, false);
    world.jump(32s);
    exchange(world, other.from_host("BYE", 1, "z9hG4bKgiveup"), other.host);
    EXPECT_EQ(world.total_load(), 1U);
}

TEST(InDialog, BlindTransferOverTwoHosts_Rfc5589_6) {
    World world;
    const auto call = establish(world);
    // The host carries the transfer out: it calls the target through us, and tells the transferor.
    exchange(world, call.in_dialog("REFER", 2, "z9hG4bKrefer", {"Refer-To: <sip:carol@10.77.0.3>"}), client_a, 202);
    const auto out = only(world.receive(request({.uri = "sip:carol@10.77.0.3",
                                                 .call_id = "transfer",
                                                 .branch = "z9hG4bKtransfer",
                                                 .via = call.host,
                                                 .contact = "<sip:fs@" + call.host.to_string() + ">",
                                                 .headers = {"Referred-By: <sip:alice@example.com>"}}),
                                        call.host),
                          "INVITE");
    EXPECT_EQ(out.flow.remote, client_b);
    EXPECT_EQ(only(world.receive(response(out.text, 200, "OK", "carol", {"Contact: <sip:carol@10.77.0.3>"}), client_b), "SIP/2.0 200")
                  .flow.remote,
              call.host);
    auto notify =
        with_header(call.from_host("NOTIFY", 1, "z9hG4bKdone"), "Event: refer\r\nSubscription-State: terminated;reason=noresource");
    exchange(world, with_body(notify, "SIP/2.0 200 OK\r\n"), call.host);
    hang_up(world, call);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.dialogs(), 1U) << "the transferred call stands";
}

TEST(InDialog, AttendedTransferOverTwoHosts_Rfc5589_7) {
    World world{{.hosts = 2}};
    // Alice speaks with one party on one host and consults another one on the other host.
    const auto first = establish(world),
               second = establish(world, {.call_id = "consult", .from_tag = "consult-tag", .branch = "z9hG4bKconsult"});
    ASSERT_NE(first.host, second.host);
    const std::string refer_to = "<sip:host@" + second.host.to_string() + "?Replaces=consult%3Bto-tag%3Dcallee%3Bfrom-tag%3Dconsult-tag>";
    const auto refer = exchange(world, first.in_dialog("REFER", 2, "z9hG4bKrefer", {"Refer-To: " + refer_to}), client_a, 202);
    EXPECT_EQ(refer.request.flow.remote, first.host);
    EXPECT_EQ(Text{refer.request.text}.value("Refer-To"), refer_to);
    // The first host replaces Alice's leg at the second one, through us.
    const std::string replaces = "consult;to-tag=callee;from-tag=consult-tag";
    const auto out = only(world.receive(request({.uri = "sip:host@" + second.host.to_string(),
                                                 .call_id = "replacing",
                                                 .branch = "z9hG4bKreplacing",
                                                 .via = first.host,
                                                 .contact = "<sip:fs@" + first.host.to_string() + ">",
                                                 .headers = {"Replaces: " + replaces}}),
                                        first.host),
                          "INVITE");
    EXPECT_EQ(out.flow.remote, second.host) << "the host that holds the dialog";
    EXPECT_EQ(Text{out.text}.value("Replaces"), replaces);
    EXPECT_EQ(world.total_load(), 2U) << "not balanced";
    const auto answered =
        world.receive(response(out.text, 200, "OK", "replaced", {"Contact: <sip:host@" + second.host.to_string() + ">"}), second.host);
    EXPECT_EQ(only(answered, "SIP/2.0 200").flow.remote, first.host);
    // The second host ends the replaced leg, the first one reports and is left.
    EXPECT_EQ(exchange(world, second.from_host("BYE", 1, "z9hG4bKleg"), second.host).request.flow.remote, client_a);
    exchange(world, with_header(first.from_host("NOTIFY", 1, "z9hG4bKok"), "Event: refer\r\nSubscription-State: terminated"), first.host);
    hang_up(world, first);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.dialogs(), 1U) << "the hosts' own";
}

}  // namespace
}  // namespace sipfront::sim

// Responses on their way up (RFC 3261 §16.7, §18.1.2, §18.2; RFC 4320, RFC 6026).
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sip/edit.hpp"
#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using Lines = std::vector<std::string>;

Sent invite_to_a_host(World& world, RequestSpec spec = {}) { return only(world.receive(request(spec), client_a), "INVITE"); }

TEST(Response, ExactlyOneViaValueIsRemovedHoweverTheyAreWritten_Rfc3261_16_7) {
    for (const auto* how : {"lines", "list", "folded", "compact"}) {
        World world;
        const auto invite = invite_to_a_host(world, {.headers = {"Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKup"}});
        auto ok = response(invite.text, 180, "Ringing");
        const auto vias = Text{invite.text}.values("Via");
        ASSERT_EQ(vias.size(), 3U);
        while (ok.find("\r\nVia: ") != std::string::npos) {
            const auto from = ok.find("\r\nVia: ");
            ok.erase(from, ok.find("\r\n", from + 2) - from);
        }
        const std::string_view h{how};
        const auto list = h == "lines"    ? "Via: " + vias[0] + "\r\nVia: " + vias[1] + "\r\nVia: " + vias[2]
                          : h == "list"   ? "Via: " + vias[0] + "," + vias[1] + " , " + vias[2]
                          : h == "folded" ? "Via: " + vias[0] + "\r\n ,\r\n\t" + vias[1] + ",\r\n " + vias[2]
                                          : "v:" + vias[0] + "\r\nV: " + vias[1] + ", " + vias[2];
        ok.insert(ok.find("\r\n") + 2, list + "\r\n");
        const auto up = only(world.receive(ok, invite.flow.remote), "SIP/2.0 180");
        EXPECT_EQ(Text{up.text}.values("Via"), (Lines{vias[1], vias[2]})) << how;
        EXPECT_EQ(up.flow.remote, client_a);
    }
}

TEST(Response, NothingButOurViaGoes_Rfc3261_16_7) {
    World world;
    const auto invite = invite_to_a_host(world);
    const Lines headers{"Server: host",
                        "Contact: <sip:bob@10.77.0.2>",
                        "X-AUTH-IP: 6.6.6.6",
                        "Retry-After: 9",
                        "Via : SIP/2.0/UDP 192.0.2.200;branch=z9hG4bKbelow",
                        "Subject: a\r\n\tfolded one",
                        "x: 90"};
    std::mt19937 random{3};
    for (int i = 0; i < 300; ++i) {
        Lines some;
        for (const auto& h : headers)
            if (random() % 2 == 0) some.push_back(h);
        const int status = i == 299 ? 200 : 180 + static_cast<int>(random() % 4);
        auto text = response(invite.text, status, "Whatever", "tag", some);
        if (random() % 2 == 0) text.replace(text.find("Content-Length: 0"), std::string::npos, "l: 5\r\n\r\nabcde beyond the body");
        sip::Message m;
        ASSERT_EQ(m.parse(text), sip::ParseError::none);
        sip::EditList edits{m};
        edits.erase_value(m, *m.first(sip::HeaderId::via), m.at(m.top_via().value));
        if (const auto* h = m.find("X-AUTH-IP")) edits.erase(h->line);
        std::string expected(edits.size(), 0);
        edits.write(expected);
        const auto up = only(world.receive(text, invite.flow.remote), "SIP/2.0 " + std::to_string(status));
        ASSERT_EQ(up.text, expected);
    }
}

TEST(Response, WithoutAViaBelowOursItIsConsumed_Rfc3261_16_7) {
    World world;
    const auto invite = invite_to_a_host(world);
    auto ok = response(invite.text, 200, "OK");
    const auto second = ok.find("Via: ", ok.find("Via: ") + 1);
    ok.erase(second, ok.find("\r\n", second) + 2 - second);
    EXPECT_TRUE(world.receive(ok, invite.flow.remote).empty());
    auto comma = ok;
    comma.insert(comma.find("\r\n", comma.find("Via: ")), " , ,");
    EXPECT_TRUE(world.receive(comma, invite.flow.remote).empty());
    EXPECT_EQ(how_many(world.receive(response(invite.text, 200, "OK"), invite.flow.remote), "SIP/2.0 200"), 1U);
}

TEST(Response, AForeignTopViaIsDropped_Rfc3261_18_1_2) {
    World world;
    const auto invite = invite_to_a_host(world);
    const auto ok = response(invite.text, 200, "OK");
    const std::string ours = "Via: SIP/2.0/UDP 10.77.0.100:5060;";
    for (const auto* theirs :
         {"Via: SIP/2.0/UDP 10.77.0.99:5060;", "Via: SIP/2.0/UDP 10.77.0.100:5070;", "Via: SIP/2.0/UDP example.com;"}) {
        auto foreign = ok;
        foreign.replace(foreign.find(ours), ours.size(), theirs);
        EXPECT_TRUE(world.receive(foreign, invite.flow.remote).empty()) << theirs;
    }
    EXPECT_EQ(world.count(sip::ProxyDrop::foreign_response), 3U);
}

TEST(Response, IsMatchedByBranchAndCseqMethod_Rfc3261_17_1_3) {
    World world;
    const auto invite = invite_to_a_host(world);
    const auto ok = response(invite.text, 200, "OK");
    const auto damaged = [&](std::string_view from, std::string_view to) {
        auto text = ok;
        text.replace(text.find(from), from.size(), to);
        return world.receive(text, invite.flow.remote);
    };
    EXPECT_TRUE(damaged("CSeq: 1 INVITE", "CSeq: 1 OPTIONS").empty());
    EXPECT_TRUE(damaged("CSeq: 1 INVITE", "CSeq: 1 CANCEL").empty());
    EXPECT_TRUE(damaged("CSeq: 1 INVITE", "CSeq: 2 INVITE").empty());
    EXPECT_TRUE(damaged("Call-ID: call-1", "Call-ID: call-2").empty());
    auto branch = Text{invite.text}.value("Via");
    branch = branch.substr(branch.find("z9hG4bK"));
    EXPECT_TRUE(damaged(branch, branch.substr(0, branch.size() - 4) + "AAAA").empty());
    EXPECT_TRUE(damaged(branch, "z9hG4bKmade-up").empty());
    // The cookie's case says nothing.
    auto upper = branch;
    std::transform(upper.begin(), upper.begin() + 7, upper.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
    EXPECT_EQ(how_many(damaged(branch, upper), "SIP/2.0 200"), 1U);
}

TEST(Response, A100IsNotForwardedAndNothingRestartsForIt_Rfc3261_16_7) {
    World world{{.proxy = {.timers = {.timer_c = 185s, .fr_inv_timer = 200s}}}};
    const auto invite = invite_to_a_host(world);
    EXPECT_TRUE(world.receive(response(invite.text, 100, "Trying"), invite.flow.remote).empty());
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    world.jump(100s);
    EXPECT_TRUE(world.receive(response(invite.text, 100, "Trying"), invite.flow.remote).empty());
    EXPECT_EQ(how_many(world.jump(84s), "CANCEL"), 0U);
    EXPECT_GE(how_many(world.jump(2s), "CANCEL"), 1U) << "Timer C runs from the 180";
}

TEST(Response, NoRingingKeepsACancelledInviteAlive_Rfc3261_9_1) {
    World world;
    const auto invite = invite_to_a_host(world);
    const auto ringing = response(invite.text, 180, "Ringing");
    world.receive(ringing, invite.flow.remote);
    world.receive(request({.method = "CANCEL"}), client_a);
    std::size_t ended = 0;
    for (int i = 0; i < 7; ++i) {
        ended += how_many(world.jump(5s), "SIP/2.0 487");
        world.receive(ringing, invite.flow.remote);
    }
    EXPECT_GE(ended, 1U) << "64*T1 after the CANCEL";
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Response, ProvisionalsAndSuccessesToAnInvitePassAtOnce_Rfc3261_16_7) {
    World world;
    const auto invite = invite_to_a_host(world);
    for (const int status : {180, 181, 182, 183, 199, 155}) {
        const auto up = only(world.receive(response(invite.text, status, "x"), invite.flow.remote), "SIP/2.0 " + std::to_string(status));
        EXPECT_EQ(up.flow.remote, client_a);
        EXPECT_EQ(Text{up.text}.tag("To"), "callee");
    }
    EXPECT_EQ(how_many(world.receive(response(invite.text, 202, "x"), invite.flow.remote), "SIP/2.0 202"), 1U);
}

TEST(Response, EverySuccessOfAnInviteForkedBelowUsPasses_Rfc3261_16_7) {
    World world;
    const auto invite = invite_to_a_host(world);
    for (const auto* tag : {"one", "two"}) {
        EXPECT_EQ(Text{only(world.receive(response(invite.text, 183, "Progress", tag), invite.flow.remote), "SIP/2.0 183").text}.tag("To"),
                  tag);
    }
    for (const auto* tag : {"one", "two", "three", "one"}) {
        const auto up =
            only(world.receive(response(invite.text, 200, "OK", tag, {"Contact: <sip:h@10.77.0.103>"}), invite.flow.remote), "SIP/2.0 200");
        EXPECT_EQ(Text{up.text}.tag("To"), tag);
        EXPECT_EQ(up.flow.remote, client_a);
    }
    // Each branch gets its own ACK and BYE along the route set.
    const auto routes = Text{invite.text}.values("Record-Route");
    std::uint32_t cseq = 1;
    for (const auto* method : {"ACK", "BYE"})
        for (const auto* tag : {"one", "two"}) {
            const auto n = std::to_string(++cseq);
            EXPECT_EQ(only(world.receive(request({.method = method,
                                                  .uri = "sip:h@" + invite.flow.remote.to_string(),
                                                  .to_tag = tag,
                                                  .cseq = cseq,
                                                  .branch = "z9hG4bKf" + n,
                                                  .headers = {"Route: " + routes.at(0)}}),
                                         client_a),
                           method)
                          .flow.remote,
                      invite.flow.remote)
                << method << tag;
        }
    EXPECT_EQ(world.count(sip::ProxyEvent::dialog_created), 1U);
}

TEST(Response, A6xxEndsTheCallEvenIfOtherHostsAreLeft_Rfc3261_16_7) {
    World world{{.hosts = 3}};
    const auto invite = invite_to_a_host(world);
    const auto sent = world.receive(response(invite.text, 603, "Decline"), invite.flow.remote);
    EXPECT_EQ(how_many(sent, "INVITE"), 0U);
    EXPECT_EQ(how_many(sent, "SIP/2.0 603"), 1U);
}

TEST(Response, AChallengesHeaderFieldsAllPassUntouched_Rfc3261_16_7) {
    World world;
    const auto invite = invite_to_a_host(world);
    const Lines challenges{"WWW-Authenticate: Digest realm=\"a, b\", nonce=\"1\", qop=\"auth,auth-int\"", "Proxy-Authenticate: Odd scheme",
                           "WWW-Authenticate: Digest realm=\"c\",nonce=\"2\"", "proxy-authenticate: Digest realm=\"d\", nonce=\"3\""};
    const auto up = only(world.receive(response(invite.text, 407, "Proxy Authentication Required", "t", challenges), invite.flow.remote),
                         "SIP/2.0 407");
    EXPECT_THAT(up.text, HasSubstr(challenges[0] + "\r\n" + challenges[1] + "\r\n" + challenges[2] + "\r\n" + challenges[3] + "\r\n"));
}

TEST(Response, AllElseInItPassesUnchanged_Rfc3261_16_7) {
    World world;
    const auto invite = invite_to_a_host(world);
    const Lines headers{
        "Contact: <sip:h@10.77.0.103>;q=0.5 , <<odd>>", "Require: 100rel",        "RSeq: 776656", "Supported: timer,100rel",
        "P-Asserted-Identity: \"S\" <sip:s@x>",         "Reason: Q.850;cause=16", "X-Odd:;;,\"",  "Session-Expires: 1800;refresher=uac"};
    auto text = response(invite.text, 183, "Fortschritt \xc3\xa4\xc3\xb6", "t", headers);
    const std::string body{
        "v=0\r\n\0\xff"
        "binary",
        13};
    text.replace(text.find("Content-Length: 0\r\n\r\n"), 21, "Content-Length: 13\r\n\r\n" + body);
    auto expected = text;
    expected.erase(expected.find("Via: "), expected.find("\r\n", expected.find("Via: ")) + 2 - expected.find("Via: "));
    EXPECT_EQ(only(world.receive(text, invite.flow.remote), "SIP/2.0 183").text, expected);
}

TEST(Response, NothingComesBehindAFinal_Rfc3261_17_2_1) {
    World world;
    const auto invite = invite_to_a_host(world);
    world.receive(response(invite.text, 486, "Busy Here"), invite.flow.remote);
    for (const auto& [status, reason] : {std::pair{180, "Ringing"}, {200, "OK"}, {603, "Decline"}})
        EXPECT_EQ(how_many(world.receive(response(invite.text, status, reason), invite.flow.remote), "SIP/2.0"), 0U) << status;
    World accepted;
    const auto second = invite_to_a_host(accepted);
    accepted.receive(response(second.text, 200, "OK"), second.flow.remote);
    for (const int status : {180, 486})
        EXPECT_TRUE(accepted.receive(response(second.text, status, "late"), second.flow.remote).empty()) << status;
}

TEST(Response, ToANonInviteNoProvisionalAndNo408Passes_Rfc4320_4) {
    World world;
    const auto call = establish(world);
    const auto text = call.in_dialog("INFO", 2, "z9hG4bKinfo");
    const auto info = only(world.receive(text, client_a), "INFO");
    EXPECT_TRUE(world.receive(response(info.text, 183, "Progress"), call.host).empty());
    EXPECT_TRUE(world.receive(response(info.text, 408, "Request Timeout"), call.host).empty());
    EXPECT_EQ(world.total_load(), 1U);
    // A BYE that a host answers so has ended the call all the same.
    const auto bye = only(world.receive(call.in_dialog("BYE", 3, "z9hG4bKbye"), client_a), "BYE");
    EXPECT_TRUE(world.receive(response(bye.text, 408, "Request Timeout"), call.host).empty());
    EXPECT_EQ(world.total_load(), 0U);
    world.jump(40s);
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(Response, ANonInviteGetsA100WhenItsSenderHasSlowedDown_Rfc4320_4_1) {
    World world;
    const auto call = establish(world);
    const auto text = call.in_dialog("INFO", 2, "z9hG4bKinfo");
    const auto info = only(world.receive(text, client_a), "INFO");
    EXPECT_EQ(how_many(world.advance(3499ms), "SIP/2.0"), 0U);
    const auto trying = only(world.advance(1ms), "SIP/2.0 100");
    EXPECT_EQ(trying.flow.remote, client_a);
    EXPECT_EQ(Text{trying.text}.value("CSeq"), "2 INFO");
    EXPECT_EQ(Text{trying.text}.values("Via").size(), 1U);
    EXPECT_EQ(how_many(world.receive(text, client_a), "SIP/2.0 100"), 1U) << "a repetition gets the last provisional (§17.2.2)";
    EXPECT_EQ(how_many(world.receive(response(info.text, 200, "OK"), call.host), "SIP/2.0 200"), 1U);
    EXPECT_EQ(how_many(world.receive(text, client_a), "SIP/2.0 200"), 1U);
    world.jump(40s);
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(Response, AFinalToANonInviteAfterTimerFIsDropped_Rfc4320_4_2) {
    World world;
    const auto call = establish(world);
    const auto info = only(world.receive(call.in_dialog("INFO", 2, "z9hG4bKinfo"), client_a), "INFO");
    world.jump(32s + 100ms, 100ms);
    EXPECT_TRUE(world.receive(response(info.text, 200, "OK"), call.host).empty());
    EXPECT_EQ(world.count(sip::ProxyDrop::stray_response), 1U);
}

TEST(Response, A503ThatMustGoUpIs500UnlessConfigured_Rfc3261_16_7) {
    for (const bool pass : {false, true}) {
        World world{{.hosts = 2, .proxy = {.disable_503_translation = pass}}};
        const auto call = establish(world);
        const auto info = only(world.receive(call.in_dialog("INFO", 2, "z9hG4bKinfo"), client_a), "INFO");
        const auto up = world.receive(response(info.text, 503, "Busy", "callee", {"Retry-After: 300"}), call.host);
        ASSERT_EQ(up.size(), 1U);
        EXPECT_EQ(Text{up[0].text}.status(), pass ? 503 : 500);
        EXPECT_THAT(up[0].text, Not(HasSubstr("Retry-After")));
    }
}

TEST(Response, RedirectionsPassUnchanged_Rfc3261_16_7) {
    World world{{.hosts = 2}};
    const auto invite = invite_to_a_host(world);
    const Lines contacts{"Contact: <sip:a@203.0.113.1>;q=0.7, <sip:b@203.0.113.2>;q=0.3"};
    const auto sent = world.receive(response(invite.text, 302, "Moved Temporarily", "t", contacts), invite.flow.remote);
    EXPECT_THAT(only(sent, "SIP/2.0 302").text, HasSubstr(contacts[0]));
    EXPECT_EQ(how_many(sent, "INVITE"), 0U) << "no recursion";
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Response, TheAckToAFailureCopiesWhatItMust_Rfc3261_17_1_1_3) {
    World world;
    // A host's INVITE along a Route, so that there is one to copy.
    const auto invite = only(world.receive(request({.uri = "sip:bob@198.51.100.7",
                                                    .via = World::host(0),
                                                    .headers = {"Route: <sip:203.0.113.9;lr>, <sip:203.0.113.10;lr>"}}),
                                           World::host(0)),
                             "INVITE");
    const auto sent = world.receive(response(invite.text, 404, "Not Found", "far"), invite.flow.remote);
    const auto ack = only(sent, "ACK");
    EXPECT_EQ(ack.flow, invite.flow);
    const Text text{ack.text}, was{invite.text};
    EXPECT_EQ(text.request_uri(), was.request_uri());
    EXPECT_EQ(text.values("Via"), Lines{was.value("Via")});
    EXPECT_EQ(text.values("Route"), was.values("Route"));
    EXPECT_EQ(text.value("From"), was.value("From"));
    EXPECT_EQ(text.value("Call-ID"), was.value("Call-ID"));
    EXPECT_EQ(text.value("CSeq"), "1 ACK");
    EXPECT_EQ(text.tag("To"), "far");
}

}  // namespace
}  // namespace sipfront::sim

// Route preprocessing, targets and the copy that leaves (RFC 3261 §16.4 to §16.6).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using Lines = std::vector<std::string>;

// The URI of our Record-Route, as the caller got it.
std::string own_uri(const Call& call) {
    const auto& line = call.routes.at(0);
    return line.substr(line.find('<') + 1, line.find('>') - line.find('<') - 1);
}

// A request in the dialog with Route lines and a Request-URI of the test's choice.
std::string with_routes(const Call& call, std::string method, std::string uri, Lines routes, std::uint32_t cseq = 2) {
    auto s = call.spec;
    s.method = std::move(method);
    s.uri = std::move(uri);
    s.to_tag = "callee";
    s.cseq = cseq;
    s.branch = "z9hG4bKwith" + std::to_string(cseq);
    s.headers = std::move(routes);
    return request(s);
}

// A request of a host outside of any dialog.
std::string of_host(RequestSpec s) {
    s.via = World::host(0);
    s.contact = "<sip:fs@10.77.0.103>";
    return request(s);
}

TEST(Routing, AStrictRouterUpstreamIsUndone_Rfc3261_16_4) {
    World world;
    const auto call = establish(world);
    const auto target = "sip:host@" + call.host.to_string();
    for (const auto* method : {"INFO", "ACK"}) {
        const auto sent = only(world.receive(with_routes(call, method, own_uri(call), {"Route: <" + target + ">"}), client_a), method);
        EXPECT_EQ(Text{sent.text}.request_uri(), target);
        EXPECT_TRUE(Text{sent.text}.values("Route").empty());
        EXPECT_EQ(sent.flow.remote, call.host);
    }
    // With nothing to restore it from, the dialog's record knows the target.
    const auto bare = only(world.receive(with_routes(call, "INFO", own_uri(call), {}, 3), client_a), "INFO");
    EXPECT_EQ(Text{bare.text}.request_uri(), target);
}

TEST(Routing, AStrictRouterUpstreamMayLeaveMoreRoutes_Rfc3261_16_4) {
    World world;
    const auto call = establish(world);
    // From the host's side: the last value is the target, what is left is followed.
    auto bye = call.from_host("BYE", 1, "z9hG4bKstrict");
    const auto own = Text{call.invite.text}.value("Record-Route");
    const auto uri = own.substr(1, own.find('>') - 1);
    bye.replace(0, bye.find(" SIP/2.0"), "BYE " + uri);
    bye.replace(bye.find("Route: "), bye.find("\r\n", bye.find("Route: ")) - bye.find("Route: "),
                "Route: <sip:203.0.113.9;lr>, <sip:alice@10.77.0.2:5060>");
    const auto sent = only(world.receive(bye, call.host), "BYE");
    EXPECT_EQ(Text{sent.text}.request_uri(), "sip:alice@10.77.0.2:5060");
    EXPECT_EQ(Text{sent.text}.values("Route"), Lines{"<sip:203.0.113.9;lr>"});
    EXPECT_EQ(sent.flow.remote, at("203.0.113.9"));
}

TEST(Routing, AStrictRouterDownstreamGetsTheTargetBehindTheRoutes_Rfc3261_16_6) {
    World world;
    const auto sent =
        only(world.receive(of_host({.uri = "sip:bob@198.51.100.7;user=phone",
                                    .headers = {"Route: <sip:10.77.0.100;lr>, <sip:203.0.113.9;x=1>", "Route: <sip:203.0.113.10;lr>"}}),
                           World::host(0)),
             "INVITE");
    EXPECT_EQ(sent.flow.remote, at("203.0.113.9"));
    EXPECT_EQ(Text{sent.text}.request_uri(), "sip:203.0.113.9;x=1");
    EXPECT_EQ(Text{sent.text}.values("Route"), (Lines{"<sip:203.0.113.10;lr>", "<sip:bob@198.51.100.7;user=phone>"}));
}

TEST(Routing, AMaddrThatNamesUsIsTakenOff_Rfc3261_16_4) {
    World world;
    // Towards the outside: without the maddr the host part is the target.
    const auto out =
        only(world.receive(of_host({.uri = "sip:bob@203.0.113.5;maddr=10.77.0.100;user=phone;transport=udp"}), World::host(0)), "INVITE");
    EXPECT_EQ(out.flow.remote, at("203.0.113.5"));
    EXPECT_EQ(Text{out.text}.request_uri(), "sip:bob@203.0.113.5;user=phone");
    // Towards the hosts.
    const auto in = only(
        world.receive(request({.uri = "sip:service@example.com:5060;maddr=10.77.0.100", .call_id = "in", .branch = "z9hG4bKin"}), client_a),
        "INVITE");
    EXPECT_EQ(Text{in.text}.request_uri(), "sip:service@example.com:5060");
    // Another port than the request came to is another element's.
    const auto other = only(
        world.receive(request({.uri = "sip:service@example.com:5070;maddr=10.77.0.100", .call_id = "o", .branch = "z9hG4bKo"}), client_a),
        "INVITE");
    EXPECT_EQ(Text{other.text}.request_uri(), "sip:service@example.com:5070;maddr=10.77.0.100");
}

TEST(Routing, OurRouteIsKnownInEverySpelling_Rfc3261_19_1_4) {
    World world;
    const auto call = establish(world);
    const auto uri = own_uri(call);
    const auto cookie = uri.substr(uri.find("sf="), uri.find(";ftag") - uri.find("sf="));
    const auto target = "sip:host@" + call.host.to_string();
    const Lines spellings{
        "Route: <" + uri + ">",
        "Route: \"Our own, of course\" <" + uri + ">",
        "Route:<" + uri + ">  ;x=y",
        "ROUTE : <SIP:10.77.0.100;LR;" + cookie + ">",
        "route: <sip:10.77.0.100:5060;lr=on;" + cookie + ";ftag=caller>",
        "Route: <sip:10.77.0.100:5060;" + cookie + ";lr>",
        "Route: <sip:10.77.0.100:5060;ftag=caller;" + cookie + ";transport=UDP;lr=true;more=1>",
        "Route: <sip:any-user@10.77.0.100:5060;lr;" + cookie + ">",
        "Route:\r\n <" + uri + ">\r\n\t",
        "Route: , <" + uri + ">",
    };
    std::uint32_t cseq = 10;
    for (const auto& route : spellings) {
        const auto sent = world.receive(with_routes(call, "INFO", target, {route}, ++cseq), client_a);
        ASSERT_EQ(how_many(sent, "INFO"), 1U) << route << "\n" << (sent.empty() ? "" : sent[0].text);
        EXPECT_EQ(sent[0].flow.remote, call.host) << route;
        EXPECT_TRUE(Text{sent[0].text}.values("Route").empty()) << route;
    }
}

TEST(Routing, OnlyOurOwnRouteIsRemoved_Rfc3261_16_4) {
    World world;
    const auto call = establish(world);
    // The host's route set goes on behind us, spread over two header lines and a list.
    auto bye = call.from_host("BYE", 1, "z9hG4bKmore");
    bye.insert(bye.find("From:"),
               "Route: <sip:203.0.113.9;lr>, \"B, or not\" <sip:203.0.113.10;lr;x=\">\">\r\nRoute: <sip:203.0.113.11>\r\n");
    const auto sent = only(world.receive(bye, call.host), "BYE");
    EXPECT_EQ(sent.flow.remote, at("203.0.113.9"));
    EXPECT_EQ(Text{sent.text}.values("Route").size(), 3U);
    EXPECT_THAT(sent.text, HasSubstr("Route: <sip:203.0.113.9;lr>, \"B, or not\""));
    // A foreign Route on top of ours is obeyed when it comes from the cluster.
    auto info = call.from_host("INFO", 2, "z9hG4bKforeign");
    info.insert(info.find("Route:"), "Route: <sip:203.0.113.9;lr>\r\n");
    const auto kept = only(world.receive(info, call.host), "INFO");
    EXPECT_EQ(kept.flow.remote, at("203.0.113.9"));
    EXPECT_EQ(Text{kept.text}.values("Route").size(), 2U);
}

TEST(Routing, AMalformedRouteIs400) {
    World world;
    const auto call = establish(world);
    for (const auto* bad : {"Route: <sip:10.77.0.100", "Route: <>", "Route: sip:", "Route: <sip:[::1;lr>"})
        EXPECT_EQ(status_of(world.receive(with_routes(call, "INFO", "sip:host@" + call.host.to_string(), {bad}), client_a)), 400) << bad;
}

TEST(Routing, ARequestUriTakesNoHeadersAndNoMethod_Rfc3261_19_1_1) {
    World world;
    auto spec = RequestSpec{.contact = "<sip:alice@10.77.0.2:5060;ob;method=INVITE?Subject=x&Route=%3Csip:evil%3E>"};
    const auto call = establish(world, spec);
    // The host addresses us, so that the Contact of the record takes the place of the Request-URI.
    auto info = call.from_host("INFO", 1, "z9hG4bKinfo");
    info.replace(0, info.find(" SIP/2.0"), "INFO sip:10.77.0.100");
    EXPECT_EQ(Text{only(world.receive(info, call.host), "INFO").text}.request_uri(), "sip:alice@10.77.0.2:5060;ob");
    // Nor does a request that comes with headers in its Request-URI go anywhere.
    EXPECT_EQ(
        status_of(world.receive(request({.uri = "sip:service@10.77.0.100?Subject=x", .call_id = "h", .branch = "z9hG4bKh"}), client_a)),
        400);
}

TEST(Routing, TheRequestUriIsNeitherEscapedNorUnescaped_Rfc3261_16_6) {
    World world;
    const std::string uri = "sip:%61%6Cice%20!~*'();x=%3b:p%40ss@Example.COM:5060;Par=%41;lr=%31;ttl=7";
    EXPECT_EQ(Text{only(world.receive(request({.uri = uri}), client_a), "INVITE").text}.request_uri(), uri);
}

TEST(Routing, OurRecordRouteStandsAboveTheOthersWhichStay_Rfc3261_16_6) {
    World world;
    const Lines below{"Record-Route: <sip:192.0.2.7;lr>, \"odd, name\" <sip:192.0.2.8>", "record-route: <sip:192.0.2.9;lr;x=%20>;y=z"};
    const auto sent = only(world.receive(request({.headers = below}), client_a), "INVITE");
    const auto all = Text{sent.text}.values("Record-Route");
    ASSERT_EQ(all.size(), 4U);
    EXPECT_THAT(all[0], StartsWith("<sip:10.77.0.100:5060;lr;sf="));
    EXPECT_THAT(sent.text, HasSubstr("\r\n" + below[0] + "\r\n" + below[1] + "\r\n"));
    // And the responses show it as the host mirrored it.
    const auto ok = only(world.receive(response(sent.text, 200, "OK"), sent.flow.remote), "SIP/2.0 200");
    EXPECT_EQ(Text{ok.text}.values("Record-Route"), all);
}

TEST(Routing, DialogFormingRequestsAreRecordRoutedAndNoOthers_Rfc3261_16_6) {
    sim::Setup open;
    open.proxy.methods.fill(sip::MethodPolicy::dispatch);
    World world{open};
    int i = 0;
    const auto values = [&](const std::string& method) {
        const auto n = std::to_string(++i);
        return Text{only(world.receive(
                             request({.method = method, .uri = "sip:service@example.com", .call_id = "rr" + n, .branch = "z9hG4bKrr" + n}),
                             client_a),
                         method)
                        .text}
            .values("Record-Route")
            .size();
    };
    for (const auto* method : {"INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "WHATEVER"}) EXPECT_EQ(values(method), 1U) << method;
    for (const auto* method : {"REGISTER", "MESSAGE", "OPTIONS", "PUBLISH"}) EXPECT_EQ(values(method), 0U) << method;
}

TEST(Routing, NothingIsAddedBeyondWhatIsConfigured_Rfc3261_16_6) {
    sim::Setup setup;
    setup.proxy.set_auth_headers = false;
    World world{setup};
    const auto text = request({.headers = {"X-One: 1", "X-Two: 2"}, .body = "v=0\r\n"});
    auto sent = only(world.receive(text, client_a), "INVITE").text;
    // Without our Via, our Record-Route and the hop counted, it is what came.
    for (const auto* ours : {"Via: SIP/2.0/UDP 10.77.0.100", "Record-Route: <sip:10.77.0.100"}) {
        const auto from = sent.find(ours);
        ASSERT_NE(from, std::string::npos);
        sent.erase(from, sent.find("\r\n", from) + 2 - from);
    }
    sent.replace(sent.find("Max-Forwards: 69"), 16, "Max-Forwards: 70");
    EXPECT_EQ(sent, text);
}

TEST(Routing, EveryTransactionAndAttemptHasItsOwnBranch_Rfc3261_16_6) {
    World world{{.hosts = 2}};
    std::vector<std::string> branches;
    const auto note = [&](const Sent& s) {
        const auto via = Text{s.text}.value("Via");
        EXPECT_THAT(via, StartsWith("SIP/2.0/UDP 10.77.0.100:5060;branch=z9hG4bK"));
        branches.push_back(via);
    };
    for (int i = 0; i < 4; ++i) {
        const auto n = std::to_string(i);
        const auto first = only(world.receive(request({.call_id = "b" + n, .branch = "z9hG4bKb" + n}), client_a), "INVITE");
        note(first);
        note(only(world.receive(response(first.text, 503, "No"), first.flow.remote), "INVITE"));
    }
    std::sort(branches.begin(), branches.end());
    EXPECT_EQ(std::unique(branches.begin(), branches.end()), branches.end());
}

TEST(Routing, WhatDecidesTheWayTellsASpiralFromALoop_Rfc3261_16_6) {
    World world;
    const auto invite = only(world.receive(request({.from_tag = "caller-tag"}), client_a), "INVITE").text;
    EXPECT_EQ(status_of(world.receive(invite, client_b)), 482);
    std::vector<std::pair<std::string, std::string>> changes{{"INVITE sip:service@", "INVITE sip:another@"},
                                                             {";tag=caller-tag", ";tag=another-tag"},
                                                             {"CSeq: 1 ", "CSeq: 2 "},
                                                             {"Call-ID: call-1", "Call-ID: call-2"}};
    int n = 0;
    for (const auto& [from, to] : changes) {
        auto spiral = invite;
        spiral.replace(spiral.find(from), from.size(), to);
        const auto branch = spiral.find("branch=z9hG4bK");
        ASSERT_NE(branch, std::string::npos);
        const auto sent = world.receive(spiral, {client_b.address, static_cast<std::uint16_t>(6000 + ++n)});
        EXPECT_EQ(how_many(sent, "SIP/2.0 482"), 0U) << to;
    }
}

TEST(Routing, AHostThatIsOurselvesGetsNothing) {
    sim::Setup setup{.hosts = 1};
    setup.balancer.load_balancer = {{.id = 1, .dst_uri = "sip:10.77.0.100", .resources = {{"pstn", 10}}, .probe_mode = 0}};
    setup.balancer.dispatcher = {{.id = 1, .destination = "sip:10.77.0.101", .probe_mode = 0}};
    World world{setup};
    const auto sent = world.receive(request({}), client_a);
    EXPECT_EQ(how_many(sent, "INVITE"), 0U);
    EXPECT_EQ(world.count(sip::LocalReply::self_loop), 1U);
    EXPECT_EQ(how_many(world.receive(request({.method = "REGISTER", .call_id = "r", .branch = "z9hG4bKr"}), client_a), "REGISTER"), 0U);
}

TEST(Routing, AnInDialogRequestFollowsItsRouteAndNotTheBalancer_Rfc3261_16_5) {
    World world{{.hosts = 4}};
    const auto call = establish(world);
    for (std::size_t h = 0; h < 4; ++h)
        if (World::host(h) == call.host) world.set_state(h, balancer::State::disabled);
    std::uint32_t cseq = 2;
    for (const auto* method : {"INVITE", "UPDATE", "INFO", "BYE"}) {
        const auto text = call.in_dialog(method, cseq, "z9hG4bKx" + std::to_string(cseq));
        ++cseq;
        EXPECT_EQ(only(world.receive(text, client_a), method).flow.remote, call.host);
    }
    EXPECT_EQ(world.picks(0) + world.picks(1) + world.picks(2) + world.picks(3), 1U);
}

TEST(Routing, TheAckOfOneAnswerAlwaysHasTheSameBranch_Rfc3261_16_11) {
    World world;
    const auto call = establish(world, {}, client_a, false);
    const auto ack = call.in_dialog("ACK", 1, "z9hG4bKack");
    const auto first = only(world.receive(ack, client_a), "ACK"), again = only(world.receive(ack, client_a), "ACK");
    EXPECT_EQ(Text{first.text}.value("Via"), Text{again.text}.value("Via"));
    EXPECT_EQ(first.flow.remote, again.flow.remote);
    const auto other = only(world.receive(call.in_dialog("ACK", 1, "z9hG4bKanother"), client_a), "ACK");
    EXPECT_NE(Text{first.text}.value("Via"), Text{other.text}.value("Via"));
    EXPECT_TRUE(world.advance(40s).empty()) << "what is forwarded statelessly is never repeated";
}

TEST(Routing, ARequestWithoutATargetOfOursIsRefused) {
    World world;
    EXPECT_EQ(status_of(world.receive(of_host({.uri = "sip:bob@multicast.invalid;maddr=239.1.2.3"}), World::host(0))), 478);
    EXPECT_EQ(status_of(world.receive(of_host({.uri = "tel:+15551234", .branch = "z9hG4bKtel"}), World::host(0))), 478);
}

}  // namespace
}  // namespace sipfront::sim

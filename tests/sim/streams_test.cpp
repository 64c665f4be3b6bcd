// Streams beyond the framing of their messages, below their transport: large requests that take one, and connections that are gone.
// What no stream takes comes back from the port (core::StreamIo).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

using core::Transport;

constexpr core::ConnectionId connection{77};
const core::Endpoint stream_source{client_a.address, 50'123};

bool any(const core::Flow&) { return true; }

std::string large_body() { return std::string(1'400, 'x'); }

// --- RFC 3261 §18.1.1: requests that are too large for datagrams

sim::Setup streaming() { return {.proxy = {.large_requests = sip::LargeRequests::stream}}; }

TEST(LargeRequest, StaysADatagramUnlessConfigured_Rfc3261_18_1_1) {
    World world;
    const auto invite = only(world.receive(request({.body = large_body()}), client_a), "INVITE");
    EXPECT_EQ(invite.flow.transport, Transport::udp);
    EXPECT_THAT(Text{invite.text}.value("Via"), StartsWith("SIP/2.0/UDP "));
}

TEST(LargeRequest, TakesAStreamWithItsBranchAndNothingElse_Rfc3261_18_1_1) {
    World world{streaming()};
    auto text = request({.body = large_body()});
    text.replace(text.find("Content-Length: 1400\r\n"), 22, "");  // a stream needs one, a datagram does not
    const auto invite = only(world.receive(text, client_a), "INVITE");
    EXPECT_EQ(invite.flow.transport, Transport::tcp);
    EXPECT_EQ(invite.flow.connection, core::no_connection);
    EXPECT_EQ(invite.flow.local, vip);
    EXPECT_EQ(Text{invite.text}.value("Content-Length"), "1400");
    EXPECT_THAT(Text{invite.text}.value("Via"), StartsWith("SIP/2.0/TCP 10.77.0.100:5060;branch=z9hG4bK"));
    // §16.6 step 4: whether the next requests should come by a stream as well, their size will say.
    EXPECT_THAT(Text{invite.text}.values("Record-Route"), ElementsAre(Not(HasSubstr("transport="))));
    EXPECT_EQ(how_many(world.advance(1900ms), "INVITE"), 0U) << "no Timer A";
    // The host answers on the connection; CANCEL and the ACK to the failure go by the transport of the INVITE.
    const auto host = invite.flow.remote;
    const auto says = [&](int status) {
        return world.receive(response(invite.text, status, "x"), host, vip, Transport::tcp, core::ConnectionId{5});
    };
    EXPECT_EQ(only(says(180), "SIP/2.0 180").flow.transport, Transport::udp);
    const auto cancel = only(world.receive(request({.method = "CANCEL"}), client_a), "CANCEL");
    EXPECT_EQ(cancel.flow.transport, Transport::tcp);
    EXPECT_EQ(Text{cancel.text}.value("Via"), Text{invite.text}.value("Via"));
    EXPECT_EQ(only(says(487), "ACK").flow.transport, Transport::tcp);
    EXPECT_EQ(world.count(sip::ProxyEvent::stream_taken), 1U);
}

TEST(LargeRequest, IsMeasuredAsItLeaves_Rfc3261_18_1_1) {
    World world{streaming()};
    const auto size_of = [&](std::size_t body, const std::string& n) {
        return only(world.receive(request({.call_id = n, .branch = "z9hG4bK" + n, .body = std::string(body, 'x')}), client_a), "INVITE");
    };
    const auto rest = size_of(100, "a0").text.size() - 100;
    const auto larger = size_of(1'301 - rest, "a1");
    EXPECT_EQ(larger.text.size(), 1'301U);
    EXPECT_EQ(larger.flow.transport, Transport::tcp);
    EXPECT_EQ(size_of(1'300 - rest, "a2").flow.transport, Transport::udp);
}

TEST(LargeRequest, GoesAsADatagramToWhoRefusesTheStream_Rfc3261_18_1_1) {
    World world{streaming()};
    world.io().refuse(any);
    const auto sent = world.receive(request({.body = large_body()}), client_a);
    const auto invite = only(sent, "INVITE");
    EXPECT_EQ(invite.flow.transport, Transport::udp);
    EXPECT_THAT(Text{invite.text}.value("Via"), StartsWith("SIP/2.0/UDP 10.77.0.100:5060;branch="));
    EXPECT_EQ(Text{invite.text}.body(), large_body());
    EXPECT_EQ(world.count(sip::ProxyEvent::stream_fallback), 1U);
    EXPECT_EQ(world.evidence_against(0) + world.evidence_against(1) + world.evidence_against(2) + world.evidence_against(3), 0U)
        << "an old host is not a dead one";
    EXPECT_EQ(how_many(world.advance(600ms), "INVITE"), 1U) << "Timer A runs now";
    // The call as ever; its ACK with a late offer is large, too, and has no transaction.
    const auto host = invite.flow.remote;
    const auto ok = only(world.receive(response(invite.text, 200, "OK"), host), "SIP/2.0 200");
    RequestSpec ack{.method = "ACK", .uri = "sip:h@" + host.to_string(), .to_tag = "callee", .branch = "z9hG4bKack", .body = large_body()};
    ack.headers = {"Route: " + Text{ok.text}.value("Record-Route")};
    const auto arrived = only(world.receive(request(ack), client_a), "ACK");
    EXPECT_EQ(arrived.flow.transport, Transport::udp);
    EXPECT_THAT(Text{arrived.text}.value("Via"), StartsWith("SIP/2.0/UDP "));
}

TEST(LargeRequest, TheNextHostIsAskedByAStreamToo) {
    World world{streaming()};
    const auto first = only(world.receive(request({.body = large_body()}), client_a), "INVITE");
    const auto second = only(world.receive(response(first.text, 503, "Busy"), first.flow.remote), "INVITE");
    EXPECT_NE(second.flow.remote, first.flow.remote);
    EXPECT_EQ(second.flow.transport, Transport::tcp);
    EXPECT_THAT(Text{second.text}.value("Via"), StartsWith("SIP/2.0/TCP "));
}

// --- The longest messages

TEST(LongestMessage, IsForwardedUpTo65507OctetsAnd513Beyond_Rfc3261_18_1_1) {
    World world;
    const auto send = [&](std::size_t body, const std::string& n) {
        return world.receive(request({.call_id = n, .branch = "z9hG4bK" + n, .body = std::string(body, 'x')}), client_a);
    };
    const auto probe = only(send(60'000, "l0"), "INVITE");
    const auto rest = probe.text.size() - 60'000;
    EXPECT_EQ(only(send(sip::longest_message - rest, "l1"), "INVITE").text.size(), sip::longest_message);
    const auto refused = send(sip::longest_message - rest + 1, "l2");
    EXPECT_EQ(how_many(refused, "SIP/2.0 513"), 1U);
    EXPECT_EQ(how_many(refused, "INVITE"), 0U);
    EXPECT_EQ(world.total_load(), 2U) << "the refused one holds none";
}

// --- RFC 3261 §18.2.2, RFC 3263 §5: responses when the connection is gone

RequestSpec over_tcp(std::string branch = "z9hG4bKclient-1") {
    return {
        .branch = std::move(branch), .via = at("10.77.0.2:5070"), .contact = "<sip:a@10.77.0.2:5070;transport=tcp>", .transport = "TCP"};
}

TEST(LostConnection, TheResponseGoesToTheSourceAtThePortOfTheVia_Rfc3261_18_2_2) {
    for (const auto* method : {"INVITE", "REGISTER"}) {
        World world;
        auto spec = over_tcp();
        spec.method = method;
        const auto sent = only(world.receive(request(spec), stream_source, vip, Transport::tcp, connection), method);
        world.io().refuse([](const core::Flow& f) { return f.connection == connection; });
        const auto failed = only(world.receive(response(sent.text, 486, "Busy"), sent.flow.remote), "SIP/2.0 486");
        EXPECT_EQ(failed.flow.remote, at("10.77.0.2:5070"));
        EXPECT_EQ(failed.flow.connection, core::no_connection) << "a new one, or one that we have opened there";
        EXPECT_EQ(failed.flow.transport, Transport::tcp);
        EXPECT_EQ(failed.flow.local, vip);
        EXPECT_EQ(world.count(sip::ProxyEvent::response_rerouted), 1U);
    }
}

TEST(LostConnection, LaterResponsesTakeTheNewWayAtOnce) {
    World world;
    const auto invite = only(world.receive(request(over_tcp()), stream_source, vip, Transport::tcp, connection), "INVITE");
    world.io().refuse([](const core::Flow& f) { return f.connection == connection; });
    EXPECT_EQ(only(world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote), "SIP/2.0 180").flow.remote,
              at("10.77.0.2:5070"));
    EXPECT_EQ(only(world.receive(response(invite.text, 200, "OK"), invite.flow.remote), "SIP/2.0 200").flow.remote, at("10.77.0.2:5070"));
    EXPECT_EQ(world.count(sip::ProxyEvent::stream_failed), 1U);
}

TEST(LostConnection, AReplyOfOursWithoutATransactionToo) {
    World world;
    world.io().refuse([](const core::Flow& f) { return f.connection == connection; });
    auto spec = over_tcp();
    spec.uri = "http://example.com";
    const auto sent = world.receive(request(spec), stream_source, vip, Transport::tcp, connection);
    ASSERT_EQ(status_of(sent), 416);
    EXPECT_EQ(sent[0].flow.remote, at("10.77.0.2:5070"));
}

TEST(LostConnection, OfAStrangerNothingIsSentFurther) {
    World world;
    world.io().refuse(any);
    auto spec = over_tcp();
    spec.via = at("203.0.113.66:5060");  // whoever that is
    const auto invite = only(world.receive(request(spec), stream_source, vip, Transport::tcp, connection), "INVITE");
    EXPECT_THAT(world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote), IsEmpty());
    EXPECT_EQ(world.count(sip::ProxyDrop::undeliverable), 2U) << "100 and 180";
    EXPECT_THAT(world.questions(), IsEmpty());
    EXPECT_EQ(world.count(sip::ProxyEvent::response_rerouted), 1U) << "to the source";
}

// A carrier's INVITE over a stream; its connection and the port of its Via are of no use afterwards.
class LostCarrier : public testing::Test {
protected:
    static sim::Setup setup() {
        sim::Setup s;
        s.balancer.carrier_prefixes = {*core::Prefix::parse("192.0.2.0/24")};
        return s;
    }
    Sent invite_from(const std::string& sent_by) {
        auto text = request(over_tcp());
        text.replace(text.find("10.77.0.2:5070;branch"), 14, sent_by);
        const auto invite = only(world.receive(text, source, vip, Transport::tcp, connection), "INVITE");
        world.io().refuse([this](const core::Flow& f) { return f.connection == connection || f.remote.address == source.address; });
        return invite;
    }

    const core::Endpoint source = at("192.0.2.7:41000");
    World world{setup()};
};

TEST_F(LostCarrier, IsAnsweredWhereItsViaLeads_Rfc3263_5) {
    const auto invite = invite_from("192.0.2.9:5080");
    const auto busy = only(world.receive(response(invite.text, 486, "Busy"), invite.flow.remote), "SIP/2.0 486");
    EXPECT_EQ(busy.flow.remote, at("192.0.2.9:5080"));
    EXPECT_EQ(busy.flow.transport, Transport::tcp);
}

TEST_F(LostCarrier, ANameWithoutAPortIsAServiceOfTheSameTransport_Rfc3263_5) {
    world.name("sbc.carrier.example", {{.remote = at("192.0.2.7:5060"), .priority = 1}, {.remote = at("192.0.2.10:5062"), .priority = 2}});
    world.hold_names(true);
    const auto invite = invite_from("sbc.carrier.example");
    EXPECT_EQ(how_many(world.receive(response(invite.text, 486, "Busy"), invite.flow.remote), "SIP/2.0 486"), 0U)
        << "it waits for the name";
    ASSERT_THAT(world.questions(), SizeIs(1));
    EXPECT_EQ(world.questions()[0].port(), 0U);
    EXPECT_EQ(world.questions()[0].transport(), Transport::tcp);
    world.hold_names(false);
    const auto busy = only(world.run(), "SIP/2.0 486");
    EXPECT_EQ(busy.flow.remote, at("192.0.2.10:5062")) << "behind the address that has failed";
}

TEST_F(LostCarrier, AnAddressThatFailsIsFollowedByTheNext_Rfc3263_5) {
    world.name("sbc.carrier.example", {{.remote = at("192.0.2.10:5062"), .priority = 1}, {.remote = at("192.0.2.11:5062"), .priority = 2}});
    const auto invite = invite_from("sbc.carrier.example");
    world.io().refuse([](const core::Flow& f) { return f.remote.address != at("192.0.2.11").address; });
    EXPECT_EQ(only(world.receive(response(invite.text, 486, "Busy"), invite.flow.remote), "SIP/2.0 486").flow.remote,
              at("192.0.2.11:5062"));
}

TEST_F(LostCarrier, AnUnknownNameEndsTheSearch_Rfc3263_5) {
    const auto invite = invite_from("gone.carrier.example");
    world.receive(response(invite.text, 486, "Busy"), invite.flow.remote);
    EXPECT_GE(world.count(sip::ProxyDrop::undeliverable), 1U);
    world.jump(80s);
    EXPECT_EQ(world.transactions(), 0U);
}

// --- RFC 5626 §5.3.1, RFC 3261 §18.4: requests when the connection is gone

Call call_over_tcp(World& world) {
    Call call{.spec = over_tcp(), .client = stream_source};
    call.invite = only(world.receive(request(call.spec), stream_source, vip, Transport::tcp, connection), "INVITE");
    call.host = call.invite.flow.remote;
    world.receive(response(call.invite.text, 200, "OK", "callee", {"Contact: <sip:h@" + call.host.to_string() + ">"}), call.host);
    return call;
}

TEST(FlowFailed, ACallAlongATokenIs430_Rfc5626_5_3_1) {
    World world;
    auto spec = over_tcp();
    spec.method = "REGISTER";
    const auto registered = only(world.receive(request(spec), stream_source, vip, Transport::tcp, connection), "REGISTER");
    const auto host = registered.flow.remote;
    RequestSpec out{
        .uri = "sip:a@10.77.0.2:5070", .call_id = "out", .branch = "z9hG4bKout", .via = host, .contact = "<sip:fs@10.77.0.103>"};
    for (const auto& value : Text{registered.text}.values("Path")) out.headers.push_back("Route: " + value);
    EXPECT_EQ(only(world.receive(request(out), host), "INVITE").flow.connection, connection);
    world.io().refuse(any);
    for (const auto* method : {"INVITE", "MESSAGE"}) {
        out.method = method;
        out.call_id = out.branch = std::string{"z9hG4bK"} + method;
        const auto sent = world.receive(request(out), host);
        EXPECT_EQ(how_many(sent, "SIP/2.0 430"), 1U) << method;
    }
    EXPECT_EQ(world.count(sip::LocalReply::flow_failed), 2U);
    EXPECT_EQ(world.evidence_against(0), 0U);
}

TEST(FlowFailed, InADialogToo) {
    World world;
    const auto call = call_over_tcp(world);
    EXPECT_EQ(only(world.receive(call.from_host("INFO", 1, "z9hG4bKi1"), call.host), "INFO").flow.connection, connection);
    world.io().refuse(any);
    EXPECT_EQ(how_many(world.receive(call.from_host("INFO", 2, "z9hG4bKi2"), call.host), "SIP/2.0 430"), 1U);
    EXPECT_EQ(world.dialogs(), 1U) << "it may come back";
    EXPECT_EQ(how_many(world.receive(call.from_host("BYE", 3, "z9hG4bKb"), call.host), "SIP/2.0 430"), 1U);
    EXPECT_EQ(world.dialogs(), 0U);
    EXPECT_EQ(world.total_load(), 0U);
    world.jump(80s);
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(FlowFailed, AHostThatRefusesTheStreamIsPassedOver_Rfc3261_18_4) {
    sim::Setup setup;
    for (std::uint32_t i = 0; i < 2; ++i) {
        const auto uri = "sip:" + World::host(i).address.to_string() + ";transport=tcp";
        setup.balancer.load_balancer.push_back({.id = i + 1, .dst_uri = uri, .resources = {{"pstn", 8}}, .probe_mode = 0});
        setup.balancer.dispatcher.push_back({.id = i + 1, .destination = uri, .probe_mode = 0});
    }
    World world{setup};
    const auto first = only(world.receive(request({}), client_a), "INVITE").flow.remote;
    world.io().refuse([&](const core::Flow& f) { return f.remote == first; });
    for (int i = 0; i < 4; ++i) {
        const auto n = std::to_string(i);
        const auto invite = only(world.receive(request({.call_id = n, .branch = "z9hG4bKf" + n}), client_a), "INVITE");
        EXPECT_NE(invite.flow.remote, first);
        EXPECT_EQ(invite.flow.transport, Transport::tcp);
    }
}

TEST(FlowFailed, WhatComesBackLateChangesNothing) {
    World world;
    const auto call = call_over_tcp(world);
    const auto info = only(world.receive(call.from_host("INFO", 1, "z9hG4bKi1"), call.host), "INFO");
    world.receive(response(info.text, 200, "OK"), stream_source, vip, Transport::tcp, connection);
    world.io().give_back(info);
    EXPECT_THAT(world.run(), IsEmpty());
    world.io().give_back({"INFO sip:x@y SIP/2.0\r\nnonsense\r\n\r\n", info.flow});
    EXPECT_THAT(world.run(), IsEmpty());
    EXPECT_EQ(world.io().live(), 0);
}

}  // namespace
}  // namespace sipfront::sim

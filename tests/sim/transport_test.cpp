// What depends on how a message came and goes: Via against source, streams, IPv6 (RFC 3261 §18, RFC 3581, RFC 5118). Streams are shown
// below their transport: whole messages with a connection's id.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr core::ConnectionId connection{77};
const core::Endpoint stream_source{client_a.address, 50'123};

std::vector<Sent> over_tcp(World& world, const std::string& text, core::ConnectionId id = connection) {
    return world.receive(text, stream_source, vip, core::Transport::tcp, id);
}

// A call that came over a stream, up to the ACK.
Call call_over_tcp(World& world) {
    Call call{.spec = {.contact = "<sip:alice@10.77.0.2:5060;transport=tcp>", .transport = "TCP"}, .client = stream_source};
    call.invite = only(over_tcp(world, request(call.spec)), "INVITE");
    call.host = call.invite.flow.remote;
    const auto ok =
        only(world.receive(response(call.invite.text, 200, "OK", "callee", {"Contact: <sip:h@" + call.host.to_string() + ">"}), call.host),
             "SIP/2.0 200");
    auto rr = Text{ok.text}.values("Record-Route");
    std::reverse(rr.begin(), rr.end());
    for (const auto& r : rr) call.routes.push_back("Route: " + r);
    over_tcp(world, call.in_dialog("ACK", 1, "z9hG4bKtcpack"));
    return call;
}

TEST(Transport, ReceivedIsAddedWhereTheSentByIsNotTheSource_Rfc3261_18_2_1) {
    World world;
    auto text = request({});
    const auto second_via = [&](const std::string& t, const std::string& n) {
        auto fresh = t;
        fresh.replace(fresh.find("call-1"), 6, "call-" + n);
        fresh.replace(fresh.find("z9hG4bKclient-1"), 15, "z9hG4bKclient-" + n);
        return Text{only(world.receive(fresh, client_a), "INVITE").text}.values("Via").at(1);
    };
    EXPECT_THAT(second_via(text, "2"), Not(HasSubstr("received")));
    auto named = text;
    named.replace(named.find("10.77.0.2:5060;branch"), 14, "phone.example.com");
    EXPECT_THAT(second_via(named, "3"), HasSubstr("SIP/2.0/UDP phone.example.com;branch=z9hG4bKclient-3;received=10.77.0.2"));
    auto other = text;
    other.replace(other.find("10.77.0.2:5060;branch"), 14, "192.168.7.7:5060");
    EXPECT_THAT(second_via(other, "4"), HasSubstr(";received=10.77.0.2"));
    // What the sender wrote there does not count.
    auto forged = other;
    forged.replace(forged.find(";branch"), 7, ";received=198.51.100.66;branch");
    EXPECT_THAT(second_via(forged, "5"), HasSubstr(";received=10.77.0.2;branch="));
}

TEST(Transport, WithoutRportTheSentByPortIsAnswered_Rfc3261_18_2_2) {
    World world;
    const core::Endpoint source{client_a.address, 40'002};
    const auto replied_to = [&](const std::string& sent_by) {
        auto text = request({.method = "OPTIONS", .uri = "sip:10.77.0.100"});
        text.replace(text.find("10.77.0.2:5060;branch"), 14, sent_by);
        return world.receive(text, source).at(0).flow.remote;
    };
    EXPECT_EQ(replied_to("10.77.0.2:5066"), (core::Endpoint{client_a.address, 5066}));
    EXPECT_EQ(replied_to("10.77.0.2"), (core::Endpoint{client_a.address, 5060}));
    EXPECT_EQ(replied_to("192.168.7.7:5067"), (core::Endpoint{client_a.address, 5067})) << "the source address all the same";
    EXPECT_EQ(replied_to("phone.example.com:5068"), (core::Endpoint{client_a.address, 5068}));
}

TEST(Transport, RepliesLeaveFromTheSocketThatTheRequestCameTo_Rfc3581_4) {
    World world;
    for (const auto& local : {vip, own_address}) {
        const auto sent = world.receive(request({.method = "OPTIONS",
                                                 .uri = "sip:" + local.address.to_string(),
                                                 .branch = "z9hG4bK" + local.address.to_string(),
                                                 .via_params = ";rport"}),
                                        core::Endpoint{client_a.address, 41'000}, local);
        ASSERT_EQ(status_of(sent), 200);
        EXPECT_EQ(sent[0].flow.local, local);
        EXPECT_EQ(sent[0].flow.remote.port, 41'000);
    }
}

TEST(Transport, AMaddrInAViaIsNotObeyed) {
    World world;
    for (const auto* maddr : {";maddr=239.255.255.1;ttl=16", ";maddr=198.51.100.66"}) {
        const auto invite = world.receive(
            request({.call_id = maddr, .branch = std::string{"z9hG4bKmaddr"} + std::to_string(world.transactions()), .via_params = maddr}),
            client_a);
        EXPECT_EQ(only(invite, "SIP/2.0 100").flow.remote, client_a);
        const auto sent = only(invite, "INVITE");
        EXPECT_EQ(only(world.receive(response(sent.text, 180, "Ringing"), sent.flow.remote), "SIP/2.0 180").flow.remote, client_a);
    }
}

TEST(Transport, ViaAndRecordRouteNameWhatIsUsed_Rfc3261_18_1_1) {
    World world;
    const auto call = call_over_tcp(world);
    EXPECT_THAT(Text{call.invite.text}.value("Via"), StartsWith("SIP/2.0/UDP 10.77.0.100:5060;"));
    const auto info = only(world.receive(call.from_host("INFO", 1, "z9hG4bKi"), call.host), "INFO");
    EXPECT_EQ(info.flow.transport, core::Transport::tcp);
    EXPECT_THAT(Text{info.text}.value("Via"), StartsWith("SIP/2.0/TCP 10.77.0.100:5060;"));
}

TEST(Transport, AStreamGetsAContentLengthThatADatagramLacked_Rfc3261_18_4) {
    World world;
    const auto call = call_over_tcp(world);
    auto info = call.from_host("INFO", 1, "z9hG4bKi");
    info.replace(info.find("Content-Length: 0\r\n\r\n"), 21, "\r\nbody of it");
    const auto sent = only(world.receive(info, call.host), "INFO");
    EXPECT_EQ(Text{sent.text}.value("Content-Length"), "10");
    EXPECT_EQ(Text{sent.text}.body(), "body of it");
    // And so does a response.
    const auto update = only(over_tcp(world, call.in_dialog("UPDATE", 2, "z9hG4bKu")), "UPDATE");
    auto ok = response(update.text, 200, "OK");
    ok.replace(ok.find("Content-Length: 0\r\n\r\n"), 21, "\r\nbody");
    EXPECT_EQ(Text{only(world.receive(ok, call.host), "SIP/2.0 200").text}.value("Content-Length"), "4");
}

TEST(Transport, NothingIsRetransmittedOverAStream_Rfc3261_17) {
    World world;
    const auto call = call_over_tcp(world);
    const auto info = only(world.receive(call.from_host("INFO", 1, "z9hG4bKi"), call.host), "INFO");
    const auto re = only(world.receive(call.from_host("INVITE", 2, "z9hG4bKre"), call.host), "INVITE");
    const auto sent = world.advance(31s);
    EXPECT_EQ(how_many(sent, "INFO"), 0U) << "no Timer E";
    EXPECT_EQ(how_many(sent, "INVITE"), 0U) << "no Timer A";
    const auto late = world.advance(1100ms);
    EXPECT_EQ(how_many(late, "SIP/2.0 408"), 1U) << "but B for the INVITE";
    world.jump(80s);
    EXPECT_EQ(world.transactions(), 0U) << "and F for the INFO";
}

TEST(Transport, AFinalOverAStreamEndsItsClientTransactionAtOnce_Rfc3261_17_1_2_2) {
    World world;
    const auto call = call_over_tcp(world);
    world.jump(40s);
    ASSERT_EQ(world.transactions(), 0U);
    const auto info = only(world.receive(call.from_host("INFO", 1, "z9hG4bKi"), call.host), "INFO");
    over_tcp(world, response(info.text, 200, "OK"));
    EXPECT_TRUE(over_tcp(world, response(info.text, 200, "OK")).empty());
    EXPECT_EQ(world.count(sip::ProxyDrop::late_response), 1U) << "Timer K is zero";
    EXPECT_EQ(how_many(world.receive(call.from_host("INFO", 1, "z9hG4bKi"), call.host), "SIP/2.0 200"), 1U)
        << "Timer J towards the host is not";
}

TEST(Transport, EachStreamsMessagesGoToThatStream_Rfc3261_18) {
    World world;
    // Two clients behind one address, each with a connection of its own.
    std::vector<Call> calls;
    for (std::uint32_t i = 1; i <= 2; ++i) {
        Call call{.spec = {.call_id = "s" + std::to_string(i), .branch = "z9hG4bKs" + std::to_string(i), .transport = "TCP"},
                  .client = stream_source};
        call.invite = only(over_tcp(world, request(call.spec), core::ConnectionId{i}), "INVITE");
        call.host = call.invite.flow.remote;
        calls.push_back(call);
    }
    for (std::uint32_t i = 1; i <= 2; ++i) {
        const auto& call = calls[i - 1];
        const auto ok = only(world.receive(response(call.invite.text, 200, "OK", "callee", {"Contact: <sip:h@10.77.0.103>"}), call.host),
                             "SIP/2.0 200");
        EXPECT_EQ(ok.flow.connection, core::ConnectionId{i});
        EXPECT_EQ(only(world.receive(call.from_host("BYE", 1, "z9hG4bKb" + std::to_string(i)), call.host), "BYE").flow.connection,
                  core::ConnectionId{i});
    }
}

// A world with both families.
sim::Setup both_families() {
    sim::Setup s;
    s.proxy.listeners = {{core::ListenerId{0}, vip, core::Transport::udp, true},
                         {core::ListenerId{1}, at("[fd77::100]:5060"), core::Transport::udp, true}};
    return s;
}

TEST(Transport, Ipv6AddressesStandInBracketsAndReceivedWithout_Rfc5118_4_5) {
    World world{both_families()};
    const auto phone = at("[fd77::2]:5061");
    auto text = request({.method = "OPTIONS", .uri = "sip:[fd77::100]", .via = at("[fd77::99]:5060"), .via_params = ";rport"});
    const auto sent = world.receive(text, phone, at("[fd77::100]:5060"));
    ASSERT_EQ(status_of(sent), 200);
    EXPECT_EQ(sent[0].flow.remote, phone);
    const auto via = Text{sent[0].text}.value("Via");
    EXPECT_THAT(via, HasSubstr("[fd77::99]:5060"));
    EXPECT_THAT(via, HasSubstr(";received="));
    EXPECT_THAT(via, HasSubstr("fd77::2"));
    EXPECT_THAT(via, HasSubstr(";rport=5061"));
    // Another spelling of the same address is the same address.
    auto spelt = request({.method = "OPTIONS", .uri = "sip:[fd77:0:0::100]:5060", .branch = "z9hG4bKspelt", .via = phone});
    spelt.replace(spelt.find("[fd77::2]"), 9, "[FD77:0:0:0::2]");
    const auto same = world.receive(spelt, phone, at("[fd77::100]:5060"));
    ASSERT_EQ(status_of(same), 200) << "the Request-URI names us";
    EXPECT_THAT(Text{same[0].text}.value("Via"), Not(HasSubstr("received")));
}

TEST(Transport, AnIpv6ClientReachesIpv4HostsAndBack) {
    World world{both_families()};
    const auto phone = at("[fd77::2]:5060");
    const auto vip6 = at("[fd77::100]:5060");
    const auto invite =
        only(world.receive(request({.uri = "sip:service@[fd77::100]", .via = phone, .contact = "<sip:alice@[fd77::2]:5060>"}), phone, vip6),
             "INVITE");
    EXPECT_EQ(invite.flow.local, vip);
    EXPECT_THAT(Text{invite.text}.values("Via").at(1), StartsWith("SIP/2.0/UDP [fd77::2]:5060;"));
    const auto rr = Text{invite.text}.values("Record-Route");
    ASSERT_EQ(rr.size(), 2U) << "the family changes";
    EXPECT_THAT(rr[0], StartsWith("<sip:10.77.0.100:5060;lr;"));
    EXPECT_THAT(rr[1], StartsWith("<sip:[fd77::100]:5060;lr;"));
    const auto ok =
        only(world.receive(response(invite.text, 200, "OK", "callee", {"Contact: <sip:h@" + invite.flow.remote.to_string() + ">"}),
                           invite.flow.remote),
             "SIP/2.0 200");
    EXPECT_EQ(ok.flow.remote, phone);
    EXPECT_EQ(ok.flow.local, vip6);
    EXPECT_EQ(Text{ok.text}.values("Record-Route"), rr);
    auto spec = RequestSpec{.method = "BYE",
                            .uri = "sip:h@" + invite.flow.remote.to_string(),
                            .to_tag = "callee",
                            .cseq = 2,
                            .branch = "z9hG4bKbye",
                            .via = phone};
    spec.headers = {"Route: " + rr[1] + ", " + rr[0]};
    const auto bye = only(world.receive(request(spec), phone, vip6), "BYE");
    EXPECT_EQ(bye.flow.remote, invite.flow.remote);
    EXPECT_EQ(bye.flow.local, vip);
    EXPECT_TRUE(Text{bye.text}.values("Route").empty());
}

}  // namespace
}  // namespace sipfront::sim

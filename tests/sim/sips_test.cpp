// sips URIs (RFC 3261 §16.6 steps 4 and 7, RFC 5630), below the TLS transport.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

using core::Transport;

constexpr core::ConnectionId connection{77};

const auto vip_tls = at("10.77.0.100:5061");
const auto tls_client = at("10.77.0.2:40001");

sim::Setup with_tls(bool hosts_too) {
    sim::Setup s;
    s.proxy.listeners = {{core::ListenerId{0}, vip, Transport::udp, true},
                         {core::ListenerId{1}, own_address, Transport::udp, false},
                         {core::ListenerId{2}, vip_tls, Transport::tls, true}};
    for (std::uint32_t i = 0; hosts_too && i < 2; ++i) {
        const auto uri = "sips:" + World::host(i).address.to_string();
        s.balancer.load_balancer.push_back({.id = i + 1, .dst_uri = uri, .resources = {{"pstn", 8}}, .probe_mode = 0});
        s.balancer.dispatcher.push_back({.id = i + 1, .destination = uri, .probe_mode = 0});
    }
    return s;
}

RequestSpec secure_call() {
    return {.uri = "sips:service@10.77.0.100", .via = at("10.77.0.2:5061"), .contact = "<sips:alice@10.77.0.2:5061>", .transport = "TLS"};
}

TEST(Sips, IsRecordRoutedAsSipsAndForwardedOverTls_Rfc3261_16_6) {
    World world{with_tls(true)};
    const auto from_client = [&](const std::string& text) { return world.receive(text, tls_client, vip_tls, Transport::tls, connection); };
    const auto invite = only(from_client(request(secure_call())), "INVITE sips:service@10.77.0.100 SIP/2.0");
    EXPECT_EQ(invite.flow.transport, Transport::tls);
    EXPECT_EQ(invite.flow.remote.port, 5061);
    EXPECT_THAT(Text{invite.text}.value("Via"), StartsWith("SIP/2.0/TLS 10.77.0.100:5061;"));
    const auto rr = Text{invite.text}.values("Record-Route");
    ASSERT_THAT(rr, ElementsAre(StartsWith("<sips:10.77.0.100:5061;lr;sf=")));
    EXPECT_THAT(rr[0], Not(HasSubstr("transport=")));

    const auto host = invite.flow.remote;
    const auto from_host = [&](const std::string& text) {
        return world.receive(text, host, vip_tls, Transport::tls, core::ConnectionId{9});
    };
    const auto ok =
        only(from_host(response(invite.text, 200, "OK", "callee", {"Contact: <sips:h@" + host.to_string() + ">"})), "SIP/2.0 200");
    EXPECT_EQ(Text{ok.text}.values("Record-Route"), rr);
    // Both ways in the dialog, by the sips values.
    auto bye = secure_call();
    bye.method = "BYE";
    bye.uri = "sips:h@" + host.to_string();
    bye.to_tag = "callee";
    bye.cseq = 2;
    bye.branch = "z9hG4bKbye";
    bye.headers = {"Route: " + rr[0]};
    auto info = bye;
    std::swap(info.from_tag, info.to_tag);
    info.method = "INFO";
    info.uri = "sips:alice@10.77.0.2:5061";
    info.branch = "z9hG4bKinfo";
    info.via = host;
    const auto down = only(from_host(request(info)), "INFO");
    EXPECT_EQ(down.flow.connection, connection);
    EXPECT_EQ(down.flow.transport, Transport::tls);
    const auto up = only(from_client(request(bye)), "BYE");
    EXPECT_EQ(up.flow.remote, host);
    EXPECT_EQ(up.flow.transport, Transport::tls);
    EXPECT_THAT(Text{up.text}.values("Route"), IsEmpty());
}

TEST(Sips, ThatCameOverADatagramHasASipsValueWhereTlsBegins_Rfc3261_16_7) {
    World world{with_tls(true)};
    auto spec = secure_call();
    spec.transport = "UDP";
    const auto invite = only(world.receive(request(spec), client_a), "INVITE");
    EXPECT_EQ(invite.flow.transport, Transport::tls);
    EXPECT_THAT(Text{invite.text}.values("Record-Route"),
                ElementsAre(StartsWith("<sips:10.77.0.100:5061;lr;"), StartsWith("<sip:10.77.0.100:5060;lr;")));
}

TEST(Sips, ASipRequestOverTlsHasNoSipsValue_Rfc3261_16_6) {
    World world{with_tls(false)};
    auto spec = secure_call();
    spec.uri = "sip:service@10.77.0.100:5061;transport=tls";
    const auto invite = only(world.receive(request(spec), tls_client, vip_tls, Transport::tls, connection), "INVITE");
    EXPECT_EQ(invite.flow.transport, Transport::udp);
    EXPECT_THAT(Text{invite.text}.values("Record-Route"),
                ElementsAre(StartsWith("<sip:10.77.0.100:5060;lr;"), StartsWith("<sip:10.77.0.100:5061;transport=tls;lr;")));
}

TEST(Sips, IsNotForwardedWithoutTls_Rfc5630_5_3) {
    World world{with_tls(false)};
    for (const auto* method : {"INVITE", "REGISTER"}) {
        auto spec = secure_call();
        spec.method = method;
        spec.branch = spec.call_id = std::string{"z9hG4bK"} + method;
        const auto sent = world.receive(request(spec), tls_client, vip_tls, Transport::tls, connection);
        ASSERT_EQ(status_of(sent), 480) << method;
        EXPECT_EQ(Text{sent[0].text}.value("Warning"), "380 10.77.0.100:5060 \"SIPS Not Allowed\"");
        // Nor by whom it is the last hop to: not to the hosts, not to a client.
        spec.via = World::host(0);
        spec.transport = "UDP";
        spec.branch += "h";
        spec.call_id += "h";
        spec.uri = "sips:bob@198.51.100.9";
        spec.headers = {"Route: <sip:198.51.100.8;transport=udp;lr>"};
        EXPECT_GE(status_of(world.receive(request(spec), World::host(0))), 478) << method;
    }
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.count(sip::LocalReply::sips_not_allowed), 2U);
    // OPTIONS to ourselves is answered: it goes nowhere.
    auto options = secure_call();
    options.method = "OPTIONS";
    options.uri = "sips:10.77.0.100";
    options.branch = options.call_id = "z9hG4bKo";
    EXPECT_EQ(status_of(world.receive(request(options), tls_client, vip_tls, Transport::tls, connection)), 200);
}

TEST(Sips, AHostsRequestGoesByTlsThoughItsRouteSaysSip_Rfc3261_8_1_2) {
    World world{with_tls(false)};
    RequestSpec spec{.uri = "sips:bob@198.51.100.9", .via = World::host(0), .contact = "<sips:fs@10.77.0.103>"};
    spec.headers = {"Route: <sip:198.51.100.8;lr>"};
    const auto invite = only(world.receive(request(spec), World::host(0)), "INVITE");
    EXPECT_EQ(invite.flow.remote, at("198.51.100.8:5061"));
    EXPECT_EQ(invite.flow.transport, Transport::tls);
    EXPECT_THAT(Text{invite.text}.values("Record-Route")[0], StartsWith("<sips:10.77.0.100:5061;lr;"));
}

TEST(Sips, ARegistrationsPathIsSips_Rfc5630) {
    World world{with_tls(true)};
    auto spec = secure_call();
    spec.method = "REGISTER";
    const auto sent = only(world.receive(request(spec), tls_client, vip_tls, Transport::tls, connection), "REGISTER");
    const auto path = Text{sent.text}.values("Path");
    ASSERT_THAT(path, ElementsAre(StartsWith("<sips:sf.")));
    EXPECT_THAT(path[0], HasSubstr("@10.77.0.100:5061;lr>"));
    // The call to it follows the connection.
    RequestSpec out{.uri = "sips:alice@10.77.0.2:5061", .call_id = "out", .branch = "z9hG4bKout", .via = sent.flow.remote};
    out.headers = {"Route: " + path[0]};
    const auto invite = only(world.receive(request(out), sent.flow.remote, vip_tls, Transport::tls, core::ConnectionId{9}), "INVITE");
    EXPECT_EQ(invite.flow.connection, connection);
    EXPECT_EQ(invite.flow.transport, Transport::tls);
}

}  // namespace
}  // namespace sipfront::sim

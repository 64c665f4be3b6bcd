// Registered clients and calls from the cluster outwards: Path with a flow token (RFC 3327, RFC 5626), clients behind a NAT, and
// calls bridged between IPv4 and IPv6.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sip/token.hpp"
#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const auto nat = at("198.51.100.7:40123");  // where the client's packets come from
const auto vip6 = at("[fd77::100]:5060");
const auto client6 = at("[fd77::2]:5060");

RequestSpec registration(std::vector<std::string> headers = {}) {
    return {.method = "REGISTER",
            .uri = "sip:example.com",
            .via = at("192.168.1.5"),
            .via_params = ";rport",
            .contact = "<sip:1001@192.168.1.5:5060>",
            .headers = std::move(headers)};
}

// What a host makes of a stored Path: the route set of its request.
std::vector<std::string> route_of(const Sent& registered) {
    std::vector<std::string> lines;
    for (const auto& value : Text{registered.text}.values("Path")) lines.push_back("Route: " + value);
    return lines;
}

RequestSpec call_to_registered(const Sent& registered, std::string uri = "sip:1001@192.168.1.5:5060") {
    return {.uri = std::move(uri),
            .call_id = "out",
            .branch = "z9hG4bKout",
            .via = registered.flow.remote,
            .contact = "<sip:fs@" + registered.flow.remote.to_string() + ">",
            .headers = route_of(registered)};
}

// The callee's or the host's next request, along the Record-Route set as that side has it.
std::string next_request(std::string_view method, const Sent& invite, const core::Endpoint& from, std::string_view uri, bool by_callee,
                         std::string_view branch) {
    auto routes = Text{invite.text}.values("Record-Route");
    if (!by_callee) std::ranges::reverse(routes);
    std::string t = std::string{method} + " " + std::string{uri} + " SIP/2.0\r\nVia: SIP/2.0/UDP " + from.to_string() +
                    ";branch=" + std::string{branch} + "\r\nMax-Forwards: 70\r\n";
    for (const auto& r : routes) t += "Route: " + r + "\r\n";
    const std::string callee = "<sip:b@x>;tag=callee", caller = "<sip:a@x>;tag=caller";
    return t + "From: " + (by_callee ? callee : caller) + "\r\nTo: " + (by_callee ? caller : callee) + "\r\nCall-ID: out\r\nCSeq: 7 " +
           std::string{method} + "\r\nContent-Length: 0\r\n\r\n";
}

TEST(Path, StandsOnTopOfOthersAndHoldsTheRealSource_Rfc3327_5_2) {
    World world;
    const auto out = only(world.receive(request(registration({"Path: <sip:edge.example.com;lr>"})), nat), "REGISTER");
    const auto path = Text{out.text}.values("Path");
    ASSERT_EQ(path.size(), 2U);
    EXPECT_THAT(path[0], StartsWith("<sip:sf."));
    EXPECT_THAT(path[0], HasSubstr("@10.77.0.100:5060;lr>"));
    EXPECT_EQ(path[1], "<sip:edge.example.com;lr>");
    const auto token = sip::open_flow_token(path[0].substr(5, path[0].find('@') - 5), world.keys());
    ASSERT_TRUE(token);
    EXPECT_EQ(token->client, nat);
    EXPECT_THAT(Text{out.text}.values("Record-Route"), IsEmpty());
    EXPECT_THAT(Text{out.text}.values("Require"), IsEmpty());
    EXPECT_EQ(Text{out.text}.value("Contact"), "<sip:1001@192.168.1.5:5060>");
    EXPECT_EQ(world.count(sip::ProxyEvent::path_added), 1U);
    // The registrar's Path reaches the client as it is (RFC 3327 §5.4).
    const auto ok = only(world.receive(response(out.text, 200, "OK", "reg", {"Path: " + path[0]}), out.flow.remote), "SIP/2.0 200");
    EXPECT_EQ(ok.flow.remote, nat);
    EXPECT_THAT(Text{ok.text}.values("Path"), ElementsAre(path[0]));
}

TEST(Path, IsAddedWhereThePolicySays) {
    World supported{{.proxy = {.path = sip::PathPolicy::supported}}};
    EXPECT_THAT(Text{only(supported.receive(request(registration({"Supported: gruu, outbound"})), nat), "REGISTER").text}.values("Path"),
                IsEmpty());
    auto says = registration({"Supported: gruu", "k: outbound, Path"});
    says.branch = "z9hG4bKsays";
    EXPECT_EQ(Text{only(supported.receive(request(says), nat), "REGISTER").text}.values("Path").size(), 1U);
    World off{{.proxy = {.path = sip::PathPolicy::off}}};
    EXPECT_THAT(Text{only(off.receive(request(registration({"Supported: path"})), nat), "REGISTER").text}.values("Path"), IsEmpty());
    World other;
    EXPECT_THAT(Text{only(other.receive(request({}), client_a), "INVITE").text}.values("Path"), IsEmpty());
}

TEST(Path, TheNextHostGetsTheSameOne) {
    World world;
    const auto first = only(world.receive(request(registration()), nat), "REGISTER");
    Sent second;
    for (const auto& s : world.advance(2100ms))
        if (s.text.starts_with("REGISTER") && s.flow.remote != first.flow.remote) second = s;
    ASSERT_FALSE(second.text.empty());
    EXPECT_EQ(Text{second.text}.values("Path"), Text{first.text}.values("Path"));
    EXPECT_EQ(Text{second.text}.values("Via").size(), 2U);
}

TEST(Path, ACallOfAnyHostReachesTheClientWhereItRegisteredFrom) {
    World world;
    const auto registered = only(world.receive(request(registration()), nat), "REGISTER");
    const auto other = World::host(registered.flow.remote == World::host(0) ? 1 : 0);
    auto spec = call_to_registered(registered);
    spec.via = other;
    const auto invite = only(world.receive(request(spec), other), "INVITE");
    EXPECT_EQ(invite.flow.remote, nat);
    EXPECT_EQ(invite.flow.local, vip);
    EXPECT_EQ(Text{invite.text}.request_uri(), "sip:1001@192.168.1.5:5060");
    EXPECT_THAT(Text{invite.text}.values("Route"), IsEmpty());
    EXPECT_EQ(world.count(sip::ProxyEvent::flow_followed), 1U);
    EXPECT_EQ(world.total_load(), 0U);

    const auto ok =
        only(world.receive(response(invite.text, 200, "OK", "callee", {"Contact: <sip:1001@192.168.1.5:5060>"}), nat), "SIP/2.0 200");
    EXPECT_EQ(ok.flow.remote, other);
    // In the dialog the host reaches it there as well, and it reaches the host.
    const auto ack = only(world.receive(next_request("ACK", invite, other, "sip:1001@192.168.1.5:5060", false, "z9hG4bKa"), other), "ACK");
    EXPECT_EQ(ack.flow.remote, nat);
    const auto info = next_request("INFO", invite, nat, "sip:fs@" + other.to_string(), true, "z9hG4bKi");
    EXPECT_EQ(only(world.receive(info, nat), "INFO").flow.remote, other);
    const auto bye = only(world.receive(next_request("BYE", invite, other, "sip:1001@192.168.1.5:5060", false, "z9hG4bKb"), other), "BYE");
    EXPECT_EQ(bye.flow.remote, nat);
    world.receive(response(bye.text, 200, "OK"), nat);
    EXPECT_EQ(world.dialogs(), 0U);
}

TEST(Path, AContactThatShowsTheNatsAddressAndAnotherPortIsNoWayEither) {
    World world;
    const auto registered = only(world.receive(request(registration()), nat), "REGISTER");
    const auto spec = call_to_registered(registered, "sip:1001@198.51.100.7:5060");
    const auto invite = only(world.receive(request(spec), spec.via), "INVITE");
    world.receive(response(invite.text, 200, "OK", "callee", {"Contact: <sip:1001@198.51.100.7:5060>"}), nat);
    const auto bye = next_request("BYE", invite, spec.via, "sip:1001@198.51.100.7:5060", false, "z9hG4bKb");
    EXPECT_EQ(only(world.receive(bye, spec.via), "BYE").flow.remote, nat);
}

TEST(Path, TheHostsCancelGoesAlongTheSameFlow) {
    World world;
    const auto registered = only(world.receive(request(registration()), nat), "REGISTER");
    auto spec = call_to_registered(registered);
    const auto invite = only(world.receive(request(spec), spec.via), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), nat);
    spec.method = "CANCEL";
    const auto cancel = only(world.receive(request(spec), spec.via), "CANCEL");
    EXPECT_EQ(cancel.flow.remote, nat);
    EXPECT_EQ(Text{cancel.text}.value("Via"), Text{invite.text}.value("Via"));
}

TEST(Path, ATamperedTokenIs403_Rfc5626_5_3_1) {
    World world;
    const auto registered = only(world.receive(request(registration()), nat), "REGISTER");
    auto spec = call_to_registered(registered);
    auto& c = spec.headers[0][spec.headers[0].find("sf.") + 6];
    c = c == 'A' ? 'B' : 'A';
    const auto sent = world.receive(request(spec), spec.via);
    EXPECT_EQ(how_many(sent, "INVITE"), 0U);
    EXPECT_EQ(how_many(sent, "SIP/2.0 403"), 1U);
    EXPECT_EQ(world.count(sip::ProxyEvent::relay_refused), 1U);
}

TEST(Path, IsNoWayThroughForOutsiders) {
    World world;
    const auto registered = only(world.receive(request(registration()), nat), "REGISTER");
    auto spec = call_to_registered(registered);
    spec.via = client_b;
    const auto invite = only(world.receive(request(spec), client_b), "INVITE");
    EXPECT_EQ(invite.flow.zone, core::Zone::cluster) << "balanced like any other call";
    EXPECT_EQ(world.count(sip::ProxyEvent::flow_followed), 0U);
}

TEST(Path, AUserPartThatIsNoTokenMeansNothing) {
    World world;
    auto spec = RequestSpec{.uri = "sip:bob@10.77.0.3:5062", .via = World::host(0), .headers = {"Route: <sip:outbound@10.77.0.100;lr>"}};
    EXPECT_EQ(only(world.receive(request(spec), World::host(0)), "INVITE").flow.remote, at("10.77.0.3:5062"));
}

TEST(Path, AnEdgeBehindUsIsReachedByItsFlowWithItsOwnRouteKept) {
    World world;
    const auto edge = at("203.0.113.9");
    const auto registered = only(world.receive(request(registration({"Path: <sip:edge.example.com;lr>"})), edge), "REGISTER");
    const auto spec = call_to_registered(registered);
    const auto invite = only(world.receive(request(spec), spec.via), "INVITE");
    EXPECT_EQ(invite.flow.remote, edge);
    EXPECT_THAT(Text{invite.text}.values("Route"), ElementsAre("<sip:edge.example.com;lr>"));
}

TEST(Nat, ACalleeWhoseContactIsPrivateIsReachedWhereItAnsweredFrom) {
    World world;
    const RequestSpec spec{.uri = "sip:bob@198.51.100.7:40123",
                           .call_id = "out",
                           .branch = "z9hG4bKout",
                           .via = World::host(0),
                           .contact = "<sip:fs@10.77.0.103>"};
    const auto invite = only(world.receive(request(spec), World::host(0)), "INVITE");
    EXPECT_EQ(invite.flow.remote, nat);
    world.receive(response(invite.text, 200, "OK", "callee", {"Contact: <sip:bob@192.168.7.7:5060>"}), nat);
    const auto bye = next_request("BYE", invite, World::host(0), "sip:bob@192.168.7.7:5060", false, "z9hG4bKb");
    EXPECT_EQ(only(world.receive(bye, World::host(0)), "BYE").flow.remote, nat);
}

TEST(Nat, ACarriersPrivateContactIsFollowed) {
    balancer::BalancerConfig config;
    config.carrier_prefixes = {*core::Prefix::parse("10.90.0.0/16")};
    World world{{.balancer = config}};
    const RequestSpec spec{
        .uri = "sip:bob@10.90.0.1", .call_id = "out", .branch = "z9hG4bKout", .via = World::host(0), .contact = "<sip:fs@10.77.0.103>"};
    const auto invite = only(world.receive(request(spec), World::host(0)), "INVITE");
    world.receive(response(invite.text, 200, "OK", "callee", {"Contact: <sip:bob@10.90.3.3:5070>"}), at("10.90.0.1"));
    const auto bye = next_request("BYE", invite, World::host(0), "sip:bob@10.90.3.3:5070", false, "z9hG4bKb");
    EXPECT_EQ(only(world.receive(bye, World::host(0)), "BYE").flow.remote, at("10.90.3.3:5070"));
}

Setup both_families() {
    return {.proxy = {.listeners = {{core::ListenerId{0}, vip, core::Transport::udp, true},
                                    {core::ListenerId{1}, own_address, core::Transport::udp, false},
                                    {core::ListenerId{2}, vip6, core::Transport::udp, true}}}};
}

TEST(Bridge, ACallFromIpv6ToAnIpv4HostHasTwoRecordRoutes_Rfc5658) {
    World world{both_families()};
    const RequestSpec spec{.uri = "sip:x@[fd77::100]", .call_id = "out", .via = client6, .contact = "<sip:a@[fd77::2]:5060>"};
    const auto invite = only(world.receive(request(spec), client6, vip6), "INVITE");
    EXPECT_EQ(invite.flow.local, vip);
    EXPECT_THAT(Text{invite.text}.value("Via"), StartsWith("SIP/2.0/UDP 10.77.0.100:5060"));
    const auto rr = Text{invite.text}.values("Record-Route");
    ASSERT_EQ(rr.size(), 2U);
    EXPECT_THAT(rr[0], StartsWith("<sip:10.77.0.100:5060;lr;sf="));
    EXPECT_THAT(rr[1], StartsWith("<sip:[fd77::100]:5060;lr;sf="));
    const auto host = invite.flow.remote;
    const auto ok =
        only(world.receive(response(invite.text, 200, "OK", "callee", {"Contact: <sip:h@" + host.to_string() + ">"}), host), "SIP/2.0 200");
    EXPECT_EQ(ok.flow.remote, client6);
    EXPECT_EQ(ok.flow.local, vip6);

    const auto ack =
        only(world.receive(next_request("ACK", invite, client6, "sip:h@" + host.to_string(), false, "z9hG4bKa"), client6, vip6), "ACK");
    EXPECT_EQ(ack.flow.remote, host);
    EXPECT_EQ(ack.flow.local, vip);
    EXPECT_THAT(Text{ack.text}.values("Route"), IsEmpty());
    const auto bye = only(world.receive(next_request("BYE", invite, host, "sip:a@[fd77::2]:5060", true, "z9hG4bKb"), host), "BYE");
    EXPECT_EQ(bye.flow.remote, client6);
    EXPECT_EQ(bye.flow.local, vip6);
    EXPECT_THAT(Text{bye.text}.values("Route"), IsEmpty());
    EXPECT_THAT(Text{bye.text}.value("Via"), StartsWith("SIP/2.0/UDP [fd77::100]:5060"));
    world.receive(response(bye.text, 200, "OK"), client6, vip6);
    EXPECT_EQ(world.dialogs(), 0U);
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Bridge, ARegisteredIpv6ClientIsCalledByAnIpv4Host) {
    World world{both_families()};
    auto spec = registration();
    spec.via = client6;
    spec.contact = "<sip:1001@[fd77::2]:5060>";
    const auto registered = only(world.receive(request(spec), client6, vip6), "REGISTER");
    const auto path = Text{registered.text}.values("Path");
    ASSERT_EQ(path.size(), 2U);
    EXPECT_EQ(path[0], "<sip:10.77.0.100:5060;lr>") << "what the host can reach";
    EXPECT_THAT(path[1], HasSubstr("@[fd77::100]:5060;lr>"));
    const auto call = call_to_registered(registered, "sip:1001@[fd77::2]:5060");
    const auto invite = only(world.receive(request(call), call.via), "INVITE");
    EXPECT_EQ(invite.flow.remote, client6);
    EXPECT_EQ(invite.flow.local, vip6);
    EXPECT_THAT(Text{invite.text}.values("Route"), IsEmpty());
    const auto rr = Text{invite.text}.values("Record-Route");
    ASSERT_EQ(rr.size(), 2U);
    EXPECT_THAT(rr[0], StartsWith("<sip:[fd77::100]:5060;lr;sf="));
    EXPECT_THAT(rr[1], StartsWith("<sip:10.77.0.100:5060;lr;sf="));
    world.receive(response(invite.text, 200, "OK", "callee", {"Contact: <sip:1001@[fd77::2]:5060>"}), client6, vip6);
    const auto bye = next_request("BYE", invite, client6, "sip:fs@" + call.via.to_string(), true, "z9hG4bKb");
    const auto out = only(world.receive(bye, client6, vip6), "BYE");
    EXPECT_EQ(out.flow.remote, call.via);
    EXPECT_EQ(out.flow.local, vip);
}

}  // namespace
}  // namespace sipfront::sim

// No open relay: thirty attempts to make us send something to a third party, none of which gets there.
#include <gtest/gtest.h>

#include "sip/token.hpp"
#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

const auto victim = at("198.51.100.66");
const std::string victim_uri = "sip:victim@198.51.100.66";

struct Attempt {
    std::string name;
    std::string text;
    core::Endpoint from = client_a;
};

std::vector<Attempt> attempts(const World& world, const Call& call) {
    const auto own_route = call.routes.at(0);  // "Route: <sip:...;lr;sf=...>"
    const auto value = own_route.substr(7);
    auto spec = call.spec;
    spec.to_tag = "callee";
    std::uint32_t cseq = 10;
    std::vector<Attempt> all;
    const auto in_dialog = [&](std::string name, std::string method, std::string uri, std::vector<std::string> headers) {
        auto s = spec;
        s.method = std::move(method);
        s.uri = std::move(uri);
        s.headers = std::move(headers);
        s.cseq = ++cseq;
        s.branch = "z9hG4bKrelay" + std::to_string(cseq);
        all.push_back({std::move(name), request(s)});
    };
    const auto initial = [&](std::string name, std::string method, std::string uri, std::vector<std::string> headers,
                             std::string via_params = {}) {
        RequestSpec s{.method = std::move(method),
                      .uri = std::move(uri),
                      .call_id = "relay" + std::to_string(++cseq),
                      .branch = "z9hG4bKrelay" + std::to_string(cseq),
                      .via_params = std::move(via_params),
                      .headers = std::move(headers)};
        all.push_back({std::move(name), request(s)});
    };
    const std::string evil = "Route: <" + victim_uri + ";lr>";
    const auto host_uri = "sip:host@" + call.host.to_string();

    initial("foreign Route", "INVITE", "sip:x@10.77.0.100", {evil});
    initial("own Route, then a foreign one", "INVITE", "sip:x@10.77.0.100", {"Route: <sip:10.77.0.100;lr>, <" + victim_uri + ";lr>"});
    initial("strict foreign Route", "INVITE", "sip:x@10.77.0.100", {"Route: <" + victim_uri + ">"});
    initial("foreign Route on REGISTER", "REGISTER", "sip:10.77.0.100", {evil});
    initial("foreign Route on OPTIONS", "OPTIONS", "sip:10.77.0.100", {evil});
    initial("foreign Route on MESSAGE", "MESSAGE", "sip:x@10.77.0.100", {evil});
    initial("maddr in the Request-URI", "INVITE", "sip:x@10.77.0.100;maddr=198.51.100.66", {});
    initial("foreign Request-URI, method not balanced", "MESSAGE", victim_uri, {});
    initial("foreign Request-URI, SUBSCRIBE", "SUBSCRIBE", victim_uri, {});
    initial("unknown method", "RELAY", victim_uri, {});
    initial("maddr in the Via", "OPTIONS", "sip:10.77.0.100", {}, ";maddr=198.51.100.66");
    initial("received in the Via", "OPTIONS", "sip:10.77.0.100", {}, ";received=198.51.100.66");
    initial("received and rport in the Via", "OPTIONS", "sip:10.77.0.100", {}, ";received=198.51.100.66;rport=5060");
    {
        RequestSpec s{.method = "OPTIONS", .uri = "sip:10.77.0.100", .call_id = "via-host", .branch = "z9hG4bKvh", .via = victim};
        all.push_back({"foreign sent-by", request(s)});
        s.call_id = "via-bad";
        s.branch = "z9hG4bKvb";
        s.headers = {"Via: SIP/2.0/UDP 198.51.100.66;branch=z9hG4bKbelow"};
        s.via = client_a;
        all.push_back({"foreign second Via", request(s)});
    }
    initial("forged Record-Route", "INVITE", "sip:x@10.77.0.100", {"Record-Route: <" + victim_uri + ";lr>"});
    initial("multicast Route", "INVITE", "sip:x@10.77.0.100", {"Route: <sip:239.1.2.3;lr>"});

    in_dialog("own cookie, foreign Request-URI", "BYE", victim_uri, {own_route});
    in_dialog("own cookie, foreign Request-URI, INFO", "INFO", victim_uri, {own_route});
    in_dialog("own cookie, maddr in the Request-URI", "BYE", host_uri + ";maddr=198.51.100.66", {own_route});
    in_dialog("own cookie, then a foreign Route", "BYE", host_uri, {own_route, evil});
    in_dialog("own cookie and a foreign Route in one header", "BYE", host_uri, {"Route: " + value + ", <" + victim_uri + ";lr>"});
    in_dialog("own cookie, then a strict foreign Route", "BYE", host_uri, {own_route, "Route: <" + victim_uri + ">"});
    in_dialog("foreign Route before the cookie", "BYE", host_uri, {evil, own_route});
    in_dialog("foreign Route alone", "BYE", host_uri, {evil});
    in_dialog("no Route, foreign Request-URI", "BYE", victim_uri, {});
    in_dialog("ACK with a foreign Request-URI", "ACK", victim_uri, {own_route});
    in_dialog("ACK with a foreign Route", "ACK", host_uri, {evil});
    in_dialog("strict: cookie in the Request-URI, victim in the Route", "BYE", value.substr(1, value.find('>') - 1), {evil});
    {
        // A cookie of another dialog, and one whose bits were flipped.
        auto s = spec;
        s.method = "BYE";
        s.call_id = "other-call";
        s.uri = victim_uri;
        s.branch = "z9hG4bKother";
        s.headers = {own_route};
        all.push_back({"cookie of another Call-ID", request(s)});
        auto flipped = own_route;
        const auto i = flipped.find("sf=") + 20;
        flipped[i] = flipped[i] == 'A' ? 'B' : 'A';
        s.call_id = spec.call_id;
        s.branch = "z9hG4bKflip";
        s.headers = {flipped};
        all.push_back({"cookie with a flipped bit", request(s)});
        // Somebody outside plays the host's side of the dialog.
        auto t = call.from_host("BYE", 7, "z9hG4bKfakehost");
        all.push_back({"the host's side from outside", t, client_b});
    }
    // A cookie that names the victim as its host, signed with a key that is not ours.
    const auto other = core::KeyRing::parse("1 ffffffffffffffffffffffffffffffff sign\n").value();
    const auto forged = sip::make_cookie({.node = core::NodeId{1}, .host = victim, .client = client_a}, spec.call_id, spec.from_tag, other);
    in_dialog("cookie signed by somebody else", "BYE", victim_uri,
              {"Route: <sip:10.77.0.100:5060;lr;sf=" + std::string{forged.view()} + ">"});
    (void)world;
    return all;
}

TEST(Relay, NothingReachesAThirdParty) {
    World world{{.proxy = {.repair_routes = true}}};
    const auto call = establish(world);
    const auto all = attempts(world, call);
    EXPECT_GE(all.size(), 30U);
    for (const auto& a : all) {
        for (const auto& s : world.receive(a.text, a.from)) {
            const bool known = s.flow.remote.address == client_a.address || s.flow.remote.address == client_b.address ||
                               (s.flow.remote.address >= World::host(0).address && s.flow.remote.address <= World::host(3).address);
            EXPECT_TRUE(known) << a.name << " was sent to " << s.flow.remote.to_string() << "\n" << s.text;
            EXPECT_EQ(s.text.find("198.51.100.66;lr>\r\nRoute"), std::string::npos);
            // A host must not be handed a Route that leads out either.
            if (s.text.starts_with("INVITE") || s.text.starts_with("BYE") || s.text.starts_with("INFO")) {
                EXPECT_TRUE(Text{s.text}.values("Route").empty()) << a.name;
            }
        }
    }
    EXPECT_EQ(world.total_load() >= 1, true);
}

TEST(Relay, TheClusterMayFollowForeignRoutes) {
    World world;
    const auto call = establish(world);
    auto text = call.from_host("BYE", 1, "z9hG4bKcarrier");
    text.insert(text.find("From:"), "Route: <sip:203.0.113.9;lr>\r\n");
    const auto bye = only(world.receive(text, call.host), "BYE");
    EXPECT_EQ(bye.flow.remote, at("203.0.113.9"));
    EXPECT_EQ(Text{bye.text}.values("Route"), std::vector<std::string>{"<sip:203.0.113.9;lr>"}) << "only our own Route is removed";
}

}  // namespace
}  // namespace sipfront::sim

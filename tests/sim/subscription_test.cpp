// Subscriptions through us (RFC 6665): no record is kept of them, so the Record-Route alone brings each NOTIFY and each refresh to its
// end, behind a NAT as well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

using Lines = std::vector<std::string>;

const auto nat = at("198.51.100.7:40123");  // where the client's packets come from
const std::string private_contact = "<sip:1001@192.168.1.5:5060>";

// With one worker and with four.
class Subscription : public testing::TestWithParam<std::uint32_t> {
protected:
    Subscription() : world{setup()} {}

    static sim::Setup setup() {
        sim::Setup s{.workers = GetParam()};
        s.proxy.methods.fill(sip::MethodPolicy::dispatch);
        s.proxy.methods[static_cast<std::size_t>(sip::Method::invite)] = sip::MethodPolicy::balance;
        return s;
    }

    // A request through us, and its answer back to where it came from. Returns the request as it arrived.
    Sent exchange(const std::string& text, const core::Endpoint& from, const Lines& headers = {}, int status = 200) {
        const auto arrived = only(world.receive(text, from), Text{text}.method() + " ");
        const auto answer = only(world.receive(response(arrived.text, status, "x", "host", headers), arrived.flow.remote),
                                 "SIP/2.0 " + std::to_string(status));
        EXPECT_EQ(answer.flow.remote, from) << text;
        return arrived;
    }

    World world;
};

// One end's view of a subscription: its own address and tag, the other's, and the route set.
struct End {
    core::Endpoint address;
    std::string tag, other_tag;
    std::string target;  // the other end's Contact
    std::string contact;
    Lines routes;
    core::Endpoint via = address;
    std::uint32_t cseq = 10;

    std::string request(const std::string& method, const Lines& headers = {}) {
        const auto number = std::to_string(++cseq);
        std::string t = method + " " + target + " SIP/2.0\r\nVia: SIP/2.0/UDP " + via.to_string() + ";rport;branch=z9hG4bK" + tag + number +
                        "\r\nMax-Forwards: 70\r\n";
        for (const auto& r : routes) t += "Route: " + r + "\r\n";
        t += "From: <sip:x@example.com>;tag=" + tag + "\r\nTo: <sip:y@example.com>;tag=" + other_tag +
             "\r\nCall-ID: subscription\r\nCSeq: " + number + " " + method + "\r\nContact: " + contact + "\r\n";
        for (const auto& h : headers) t += h + "\r\n";
        return t + "Content-Length: 0\r\n\r\n";
    }
};

std::string bare(const std::string& contact) { return contact.substr(1, contact.size() - 2); }
std::string contact_of(const core::Endpoint& e) { return "<sip:host@" + e.to_string() + ">"; }
Lines reversed(Lines l) { return std::ranges::reverse(l), l; }

RequestSpec subscription(Lines headers = {}) {
    headers.insert(headers.end(), {"Event: presence", "Expires: 600"});
    return {.method = "SUBSCRIBE",
            .uri = "sip:bob@example.com",
            .call_id = "subscription",
            .from_tag = "client",
            .via = at("192.168.1.5"),
            .via_params = ";rport",
            .contact = private_contact,
            .headers = std::move(headers)};
}

const Lines active{"Event: presence", "Subscription-State: active"};

TEST_P(Subscription, OfAClientBehindANatIsNotifiedWhereItCameFrom_Rfc6665) {
    const auto subscribe = only(world.receive(request(subscription()), nat), "SUBSCRIBE");
    const auto host_at = subscribe.flow.remote;
    const auto routes = Text{subscribe.text}.values("Record-Route");
    ASSERT_THAT(routes, SizeIs(1));
    End host{host_at, "host", "client", bare(private_contact), contact_of(host_at), routes};
    // The first NOTIFY overtakes the 2xx to the SUBSCRIBE (RFC 6665 §4.4.1), and makes the dialog.
    const auto first = exchange(host.request("NOTIFY", active), host_at);
    EXPECT_EQ(first.flow.remote, nat);
    EXPECT_EQ(Text{first.text}.request_uri(), bare(private_contact));
    EXPECT_THAT(Text{first.text}.values("Route"), IsEmpty());
    const auto ok = only(world.receive(response(subscribe.text, 200, "OK", "host", {"Expires: 600"}), host_at), "SIP/2.0 200");
    EXPECT_EQ(ok.flow.remote, nat);

    // The route set of the 2xx and that of the NOTIFY lead to the same host.
    std::uint32_t cseq = 0;
    for (const auto& set : {reversed(Text{ok.text}.values("Record-Route")), Text{first.text}.values("Record-Route")}) {
        ASSERT_THAT(set, SizeIs(1)) << "RFC 6665 §4.3";
        End client{nat, "client", "host", "sip:host@" + host_at.to_string(), private_contact, set, at("192.168.1.5")};
        client.cseq = cseq += 100;
        EXPECT_EQ(exchange(client.request("SUBSCRIBE", {"Event: presence", "Expires: 600"}), nat).flow.remote, host_at);
        EXPECT_EQ(exchange(host.request("NOTIFY", active), host_at).flow.remote, nat);
        // It ends its subscription, and hears so.
        EXPECT_EQ(exchange(client.request("SUBSCRIBE", {"Event: presence", "Expires: 0"}), nat).flow.remote, host_at);
        EXPECT_EQ(
            exchange(host.request("NOTIFY", {"Event: presence", "Subscription-State: terminated;reason=timeout"}), host_at).flow.remote,
            nat);
    }
    EXPECT_EQ(world.dialogs(), 0U) << "no record is kept";
    world.jump(80s);
    EXPECT_EQ(world.transactions(), 0U);
}

TEST_P(Subscription, ForkedBelowUsHasADialogWithEachHost_Rfc6665_4_4_1) {
    const auto subscribe = only(world.receive(request(subscription()), nat), "SUBSCRIBE");
    const auto routes = Text{subscribe.text}.values("Record-Route");
    for (std::size_t i = 0; i < 4; ++i) {
        const auto tag = "fork" + std::to_string(i);
        End host{World::host(i), tag, "client", bare(private_contact), contact_of(World::host(i)), routes};
        const auto notify = exchange(host.request("NOTIFY", active), World::host(i));
        EXPECT_EQ(notify.flow.remote, nat);
        // A refresh goes to the host that sent this NOTIFY, even if its Contact names us.
        End client{nat, "client", tag, "sip:10.77.0.100", private_contact, Text{notify.text}.values("Record-Route"), at("192.168.1.5")};
        client.cseq = 20 + static_cast<std::uint32_t>(i);
        EXPECT_EQ(exchange(client.request("SUBSCRIBE", {"Event: presence"}), nat).flow.remote, World::host(i));
    }
}

TEST_P(Subscription, OfAHostToARegisteredClientFollowsTheFlow) {
    const auto registered = only(world.receive(request({.method = "REGISTER",
                                                        .uri = "sip:example.com",
                                                        .via = at("192.168.1.5"),
                                                        .via_params = ";rport",
                                                        .contact = private_contact}),
                                               nat),
                                 "REGISTER");
    const auto host_at = registered.flow.remote;
    auto spec = subscription({"Route: " + Text{registered.text}.value("Path")});
    spec.uri = bare(private_contact);
    spec.from_tag = "host";
    spec.via = host_at;
    spec.contact = contact_of(host_at);
    const auto subscribe = only(world.receive(request(spec), host_at), "SUBSCRIBE");
    EXPECT_EQ(subscribe.flow.remote, nat);
    const auto routes = Text{subscribe.text}.values("Record-Route");
    End client{nat, "client", "host", "sip:host@" + host_at.to_string(), private_contact, routes, at("192.168.1.5")};
    const auto notify = exchange(client.request("NOTIFY", active), nat);
    EXPECT_EQ(notify.flow.remote, host_at);
    const auto ok = only(world.receive(response(subscribe.text, 200, "OK", "client"), nat), "SIP/2.0 200");
    std::uint32_t cseq = 0;
    for (const auto& set : {reversed(Text{ok.text}.values("Record-Route")), Text{notify.text}.values("Record-Route")}) {
        ASSERT_THAT(set, SizeIs(1));
        End host{host_at, "host", "client", bare(private_contact), contact_of(host_at), set};
        host.cseq = cseq += 100;
        EXPECT_EQ(exchange(host.request("SUBSCRIBE", {"Event: presence", "Expires: 0"}), host_at).flow.remote, nat);
    }
}

TEST_P(Subscription, OfAClientThatShowsItsAddressFollowsItsContact) {
    auto spec = subscription();
    spec.via = client_a;
    spec.contact = "<sip:1001@10.77.0.2:5080>";
    const auto subscribe = only(world.receive(request(spec), client_a), "SUBSCRIBE");
    End host{subscribe.flow.remote,
             "host",
             "client",
             "sip:1001@10.77.0.2:5080",
             contact_of(subscribe.flow.remote),
             Text{subscribe.text}.values("Record-Route")};
    EXPECT_EQ(only(world.receive(host.request("NOTIFY", active), host.address), "NOTIFY").flow.remote, at("10.77.0.2:5080"));
}

TEST_P(Subscription, WhoseClientAnswersWithAPrivateContactIsFoundBehindIt) {
    auto spec = subscription();
    spec.uri = "sip:1001@198.51.100.7:40123";
    spec.from_tag = "host";
    spec.via = World::host(0);
    spec.contact = contact_of(World::host(0));
    const auto subscribe = only(world.receive(request(spec), World::host(0)), "SUBSCRIBE");
    ASSERT_EQ(subscribe.flow.remote, nat);
    const auto ok = only(world.receive(response(subscribe.text, 200, "OK", "client", {"Contact: " + private_contact}), nat), "SIP/2.0 200");
    End host{World::host(0),
             "host",
             "client",
             bare(private_contact),
             contact_of(World::host(0)),
             reversed(Text{ok.text}.values("Record-Route"))};
    EXPECT_EQ(only(world.receive(host.request("SUBSCRIBE", {"Event: presence"}), host.address), "SUBSCRIBE").flow.remote, nat);
}

TEST_P(Subscription, TheNextHostKnowsTheSameClient) {
    auto spec = subscription();
    spec.via_params = {};  // no rport: responses go to the port of the Via, the NAT's flow is another one
    const auto first = only(world.receive(request(spec), nat), "SUBSCRIBE");
    Sent second;
    for (const auto& s : world.advance(2100ms))
        if (s.text.starts_with("SUBSCRIBE") && s.flow.remote != first.flow.remote) second = s;
    ASSERT_FALSE(second.text.empty());
    const auto routes = Text{second.text}.values("Record-Route");
    ASSERT_THAT(routes, SizeIs(1));
    EXPECT_THAT(routes[0], StartsWith("<sip:10.77.0.100:5060;lr;sf="));
    End host{second.flow.remote, "host", "client", bare(private_contact), contact_of(second.flow.remote), routes};
    EXPECT_EQ(only(world.receive(host.request("NOTIFY", active), host.address), "NOTIFY").flow.remote, nat);
}

TEST_P(Subscription, InsideACallNeedsNoDialogOfItsOwn) {
    RequestSpec spec{.via = at("192.168.1.5"), .via_params = ";rport", .contact = private_contact};
    const auto call = establish(world, spec, nat);
    const auto notify = only(world.receive(call.from_host("NOTIFY", 7, "z9hG4bKn"), call.host), "NOTIFY");
    EXPECT_EQ(notify.flow.remote, nat);
    EXPECT_THAT(Text{notify.text}.values("Record-Route"), IsEmpty());
    EXPECT_EQ(world.dialogs(), 1U);
}

TEST_P(Subscription, NotifyFromOutsideOpensNoRelay_Rfc6665_4_3) {
    const auto subscribe = only(world.receive(request(subscription()), nat), "SUBSCRIBE");
    End stranger{client_b, "host", "client", bare(private_contact), "<sip:x@10.77.0.3>", Text{subscribe.text}.values("Record-Route")};
    EXPECT_EQ(status_of(world.receive(stranger.request("NOTIFY", active), client_b)), 403);
}

INSTANTIATE_TEST_SUITE_P(Workers, Subscription, testing::Values(1U, 4U),
                         [](const auto& worker_count) { return std::to_string(worker_count.param); });

}  // namespace
}  // namespace sipfront::sim

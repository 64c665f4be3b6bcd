// What a request meets before it is routed (RFC 3261 §16.3), and requests that are not calls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::HasSubstr;

TEST(Request, WithoutHopsLeftIs483_Rfc3261_16_3) {
    World world;
    auto text = request({});
    text.replace(text.find("Max-Forwards: 70"), 16, "Max-Forwards: 0");
    EXPECT_EQ(status_of(world.receive(text, client_a)), 483);
    text.replace(0, 6, "ACK");
    text.replace(text.find("1 INVITE"), 8, "1 ACK");
    EXPECT_EQ(status_of(world.receive(text, client_a)), 0) << "an ACK is never answered";
    EXPECT_EQ(world.count(sip::ProxyDrop::ack_no_hops), 1U);
}

TEST(Request, WithoutMaxForwardsGetsTheDefault) {
    World world{{.proxy = {.max_forwards_default = 10}}};
    auto text = request({});
    text.erase(text.find("Max-Forwards: 70\r\n"), 18);
    EXPECT_EQ(Text{only(world.receive(text, client_a), "INVITE").text}.value("Max-Forwards"), "10");
}

TEST(Request, ProxyRequireIs420WithExactlyThoseTags_Rfc3261_16_3) {
    World world;
    const auto sent = world.receive(request({.headers = {"Proxy-Require: foo, bar", "Require: baz"}}), client_a);
    EXPECT_EQ(status_of(sent), 420);
    EXPECT_EQ(Text{sent[0].text}.values("Unsupported"), (std::vector<std::string>{"foo", "bar"}));
}

TEST(Request, UnknownSchemeIs416) {
    World world;
    EXPECT_EQ(status_of(world.receive(request({.uri = "soap.beep://192.0.2.103:3002"}), client_a)), 416);
}

TEST(Request, OtherVersionIs505) {
    World world;
    auto text = request({});
    text.replace(text.find("SIP/2.0"), 7, "SIP/7.0");
    EXPECT_EQ(status_of(world.receive(text, client_a)), 505);
}

TEST(Request, MalformedIs400AndCountedByReason) {
    World world;
    auto text = request({});
    text.replace(text.find("CSeq: 1 INVITE"), 14, "CSeq: 1 OPTIONS");
    const auto sent = world.receive(text, client_a);
    EXPECT_EQ(status_of(sent), 400);
    EXPECT_THAT(Text{sent[0].text}.start_line(), HasSubstr("cseq_method_mismatch"));
    EXPECT_EQ(world.stats().proxy.parse_errors[sip::ParseError::cseq_method_mismatch].get(), 1U);
}

TEST(Request, LoopIs482AndASpiralPasses) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    // It comes back from outside as it left.
    EXPECT_EQ(status_of(world.receive(invite.text, client_b)), 482);
    auto spiral = invite.text;
    spiral.replace(spiral.find("sip:service@"), 12, "sip:another@");
    EXPECT_EQ(how_many(world.receive(spiral, client_b), "INVITE"), 1U);
}

TEST(Request, KeepalivesAreSwallowedInSilence) {
    World world;
    for (const auto* text : {"", "\r\n\r\n", "\r\n"}) EXPECT_TRUE(world.receive(text, client_a).empty());
    EXPECT_TRUE(world.receive(std::string(4, '\0'), client_a).empty());
    EXPECT_EQ(world.count(sip::ProxyDrop::keepalive), 4U);
}

TEST(Request, RefusedMethodIs405WithAllow) {
    World world;
    const auto sent = world.receive(request({.method = "SUBSCRIBE"}), client_a);
    EXPECT_EQ(status_of(sent), 405);
    EXPECT_THAT(Text{sent[0].text}.values("Allow"), testing::Contains("REGISTER"));
}

TEST(Request, MethodsAreDispatchedByConfiguration) {
    World world{{.proxy = [] {
        sip::ProxyConfig c;
        c.methods[static_cast<std::size_t>(sip::Method::message)] = sip::MethodPolicy::dispatch;
        c.methods[static_cast<std::size_t>(sip::Method::unknown)] = sip::MethodPolicy::dispatch;
        return c;
    }()}};
    EXPECT_EQ(how_many(world.receive(request({.method = "MESSAGE"}), client_a), "MESSAGE"), 1U);
    EXPECT_EQ(how_many(world.receive(request({.method = "NEWMETHOD", .call_id = "n", .branch = "z9hG4bKn"}), client_a), "NEWMETHOD"), 1U);
}

TEST(Options, ToUsIsAnsweredAndSays503WhenNoHostCanServe) {
    World world{{.hosts = 1}};
    EXPECT_EQ(status_of(world.receive(request({.method = "OPTIONS", .uri = "sip:10.77.0.100"}), client_a)), 200);
    world.set_state(0, balancer::State::disabled);
    const auto sent = world.receive(request({.method = "OPTIONS", .uri = "sip:10.77.0.100", .branch = "z9hG4bK2"}), client_a);
    EXPECT_EQ(status_of(sent), 503);
    EXPECT_FALSE(Text{sent[0].text}.value("Retry-After").empty());
}

TEST(Register, SticksToOneHostByAorWithoutRecordRoute) {
    World world;
    std::optional<core::Endpoint> host;
    for (std::uint32_t i = 0; i < 8; ++i) {
        const auto sent = world.receive(request({.method = "REGISTER",
                                                 .uri = "sip:example.com",
                                                 .call_id = "reg" + std::to_string(i),
                                                 .cseq = i + 1,
                                                 .branch = "z9hG4bKreg" + std::to_string(i)}),
                                        client_a);
        const auto reg = only(sent, "REGISTER");
        EXPECT_TRUE(Text{reg.text}.values("Record-Route").empty());
        EXPECT_EQ(Text{reg.text}.value("X-AUTH-IP"), "10.77.0.2");
        if (!host) host = reg.flow.remote;
        EXPECT_EQ(reg.flow.remote, *host) << "refreshes reach the same host";
        EXPECT_EQ(how_many(sent, "SIP/2.0 100"), 0U) << "RFC 4320: no 100 to a non-INVITE";
        world.receive(response(reg.text, 200, "OK"), reg.flow.remote);
    }
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Register, RepeatedGetsTheKeptResponse_Rfc3261_17_2_2) {
    World world;
    const auto text = request({.method = "REGISTER"});
    const auto reg = only(world.receive(text, client_a), "REGISTER");
    EXPECT_TRUE(world.receive(text, client_a).empty()) << "nothing to say yet";
    world.receive(response(reg.text, 401, "Unauthorized", "r", {"WWW-Authenticate: Digest realm=\"x\", nonce=\"n\""}), reg.flow.remote);
    const auto again = world.receive(text, client_a);
    EXPECT_EQ(status_of(again), 401);
    EXPECT_THAT(again[0].text, HasSubstr("nonce=\"n\""));
    world.advance(33s);
    EXPECT_EQ(how_many(world.receive(text, client_a), "REGISTER"), 1U) << "after Timer J it is a new request";
}

TEST(Register, ContactsAndOutboundParametersPassUntouched_Rfc5626) {
    World world;
    const std::string contact =
        "<sip:alice@192.168.1.9:5060;ob;transport=udp>;reg-id=1;+sip.instance=\"<urn:uuid:0-1-2>\";expires=60, <tel:+1555>;q=0.1";
    const auto sent =
        only(world.receive(request({.method = "REGISTER",
                                    .uri = "sip:example.com",
                                    .contact = contact,
                                    .headers = {"Supported: outbound, path, gruu", "Contact: <sip:b@192.168.1.9;maddr=192.0.2.1>"}}),
                           client_a),
             "REGISTER");
    EXPECT_THAT(sent.text, HasSubstr("\r\nContact: " + contact + "\r\nSupported: outbound, path, gruu\r\n"));
    EXPECT_THAT(sent.text, HasSubstr("Contact: <sip:b@192.168.1.9;maddr=192.0.2.1>\r\n"));
    EXPECT_THAT(sent.text, testing::Not(HasSubstr("Record-Route")));
    EXPECT_EQ(Text{sent.text}.request_uri(), "sip:example.com");
    const auto ok = only(world.receive(response(sent.text, 200, "OK", "r", {"Contact: " + contact, "Flow-Timer: 120"}), sent.flow.remote),
                         "SIP/2.0 200");
    EXPECT_THAT(ok.text, HasSubstr("\r\nContact: " + contact + "\r\nFlow-Timer: 120\r\n"));
}

TEST(Challenge, TheAnswerGoesToTheHostThatAsked) {
    World world;
    for (int i = 0; i < 12; ++i) {
        const auto n = std::to_string(i);
        const auto first = only(world.receive(request({.call_id = "auth" + n, .branch = "z9hG4bKa" + n}), client_a), "INVITE");
        const auto asked = world.receive(
            response(first.text, 407, "Proxy Authentication Required", "c", {"Proxy-Authenticate: Digest realm=\"x\""}), first.flow.remote);
        EXPECT_EQ(how_many(asked, "SIP/2.0 407"), 1U);
        const auto second = only(world.receive(request({.call_id = "auth" + n,
                                                        .cseq = 2,
                                                        .branch = "z9hG4bKb" + n,
                                                        .headers = {"Proxy-Authorization: Digest username=\"a\""}}),
                                               client_a),
                                 "INVITE");
        EXPECT_EQ(second.flow.remote, first.flow.remote);
    }
    EXPECT_EQ(world.count(sip::ProxyEvent::challenge_followed), 12U);
}

TEST(Challenge, AFullHostIsNotWaitedFor) {
    World world{{.hosts = 2, .capacity = 1}};
    const auto first = only(world.receive(request({.call_id = "auth"}), client_a), "INVITE");
    world.receive(response(first.text, 407, "Proxy Authentication Required"), first.flow.remote);
    // Somebody else takes the challenger's only slot.
    const auto other = world.receive(request({.call_id = "o1", .branch = "z9hG4bKo1"}), client_b);
    const auto taken = only(other, "INVITE").flow.remote;
    if (taken != first.flow.remote)
        world.receive(request({.call_id = "o2", .branch = "z9hG4bKo2"}), client_b);
    else {
        const auto second = only(
            world.receive(
                request({.call_id = "auth", .cseq = 2, .branch = "z9hG4bKb", .headers = {"Proxy-Authorization: Digest username=\"a\""}}),
                client_a),
            "INVITE");
        EXPECT_NE(second.flow.remote, first.flow.remote) << "its new challenge passes";
    }
}

TEST(Via, ReceivedAndRportAreFilledIn_Rfc3581) {
    World world;
    const auto nat = core::Endpoint{client_a.address, 40'001};
    const auto sent = world.receive(request({.via = at("192.168.1.5"), .via_params = ";rport"}), nat);
    EXPECT_EQ(only(sent, "SIP/2.0 100").flow.remote, nat) << "the reply goes to the source";
    EXPECT_EQ(Text{only(sent, "INVITE").text}.values("Via").at(1),
              "SIP/2.0/UDP 192.168.1.5:5060;branch=z9hG4bKclient-1;rport=40001;received=10.77.0.2");
    const auto plain = world.receive(request({.call_id = "p", .branch = "z9hG4bKp"}), core::Endpoint{client_a.address, 40'002});
    EXPECT_EQ(only(plain, "SIP/2.0 100").flow.remote, client_a) << "without rport to the sent-by port (§18.2.2)";
}

TEST(Drain, RefusesNewCallsAndLetsOldOnesEnd) {
    World world;
    const auto call = establish(world);
    world.worker().proxy().drain();
    EXPECT_EQ(status_of(world.receive(request({.call_id = "late", .branch = "z9hG4bKlate"}), client_a)), 503);
    EXPECT_EQ(how_many(hang_up(world, call), "SIP/2.0 200"), 1U);
    world.advance(40s);
    EXPECT_TRUE(world.worker().proxy().idle());
}

TEST(Cluster, ItsOwnCallsGoWhereTheySayAndAreNeverBalancedBack) {
    World world;
    auto text = request({.uri = "sip:bob@10.77.0.3:5062",
                         .call_id = "out",
                         .branch = "z9hG4bKout",
                         .via = World::host(0),
                         .contact = "<sip:fs@10.77.0.103>"});
    const auto invite = only(world.receive(text, World::host(0)), "INVITE");
    EXPECT_EQ(invite.flow.remote, at("10.77.0.3:5062"));
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_THAT(Text{invite.text}.value("Record-Route"), HasSubstr(";lr;sf="));
    // The callee hangs up along the Record-Route.
    const auto ok =
        only(world.receive(response(invite.text, 200, "OK", "callee", {"Contact: <sip:bob@10.77.0.3:5062>"}), at("10.77.0.3:5062")),
             "SIP/2.0 200");
    EXPECT_EQ(ok.flow.remote, World::host(0));
    std::string bye =
        "BYE sip:fs@10.77.0.103 SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.0.3:5062;branch=z9hG4bKb\r\nMax-Forwards: 70\r\nRoute: " +
        Text{invite.text}.value("Record-Route") +
        "\r\nFrom: <sip:bob@x>;tag=callee\r\nTo: <sip:a@x>;tag=caller\r\nCall-ID: out\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n";
    EXPECT_EQ(only(world.receive(bye, at("10.77.0.3:5062")), "BYE").flow.remote, World::host(0));
}

TEST(Cluster, ARequestUriThatNamesUsIsRefusedOrBalancedElsewhere) {
    const auto text = request({.uri = "sip:x@10.77.0.100", .via = World::host(0)});
    World world;
    EXPECT_EQ(status_of(world.receive(text, World::host(0))), 404);
    World elsewhere{{.proxy = {.cluster_to_self = sip::SelfPolicy::balance_elsewhere}}};
    EXPECT_EQ(how_many(elsewhere.receive(text, World::host(0)), "INVITE"), 1U);
}

TEST(Guard, DeniedRateLimitedAndScannersAreDroppedAndCounted) {
    balancer::BalancerConfig config;
    config.guard.deny = {*core::Prefix::parse("10.77.0.3/32")};
    config.guard.rate_per_source = 10;
    config.guard.rate_burst = 20;
    World world{{.balancer = config}};
    EXPECT_TRUE(world.receive(request({.method = "OPTIONS"}), client_b).empty());
    EXPECT_EQ(world.count(sip::ProxyDrop::denied), 1U);
    EXPECT_TRUE(world.receive(request({.headers = {"User-Agent: friendly-scanner"}}), client_a).empty());
    EXPECT_EQ(world.count(sip::ProxyDrop::scanner), 1U);
    for (int i = 0; i < 40; ++i)
        world.receive(request({.method = "OPTIONS", .uri = "sip:10.77.0.100", .branch = "z9hG4bKo" + std::to_string(i)}), client_a);
    EXPECT_GE(world.count(sip::ProxyDrop::rate_limited), 15U);
    EXPECT_LE(world.count(sip::ProxyDrop::rate_limited), 25U);
}

}  // namespace
}  // namespace sipfront::sim

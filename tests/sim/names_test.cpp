// Requests that lead to host names: the wait for the DNS, its answers, the next address when one fails (RFC 3263).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::Each;
using testing::HasSubstr;

const auto carrier_1 = at("192.0.2.1:5070"), carrier_2 = at("192.0.2.2:5070");

core::NameTarget target(const core::Endpoint& remote, std::uint16_t priority = 0, std::uint16_t weight = 0) {
    return {.remote = remote, .priority = priority, .weight = weight, .group = 0};
}

RequestSpec out(std::string uri = "sip:user@carrier.example", std::string method = "INVITE") {
    return {.method = std::move(method),
            .uri = std::move(uri),
            .call_id = "out-1@host",
            .from_tag = "fs",
            .branch = "z9hG4bKout-1",
            .via = World::host(0),
            .contact = "<sip:fs@10.77.0.103:5060>"};
}

// Two addresses, the first before the second.
struct Names : testing::Test {
    Names() { world.name("carrier.example", {target(carrier_1, 1), target(carrier_2, 2)}); }

    std::vector<Sent> from_host(const RequestSpec& s) { return world.receive(request(s), World::host(0)); }
    // An outbound call that carrier_1 has answered with this Contact; the INVITE as sent, and the 200 as the host got it.
    std::pair<Sent, std::string> answered(const std::string& contact) {
        const auto invite = only(from_host(out()), "INVITE");
        const auto ok =
            only(world.receive(response(invite.text, 200, "OK", "callee", {"Contact: " + contact}), invite.flow.remote), "SIP/2.0 200");
        return {invite, ok.text};
    }
    std::string in_dialog(const std::string& method, const std::string& uri, const std::string& ok, std::uint32_t cseq) {
        auto s = out(uri, method);
        s.to_tag = "callee";
        s.cseq = cseq;
        s.branch = "z9hG4bK" + method + std::to_string(cseq);
        for (const auto& rr : Text{ok}.values("Record-Route")) s.headers.push_back("Route: " + rr);
        return request(s);
    }

    World world{{.hosts = 2}};
};

TEST_F(Names, AHostsInviteWaitsForTheNameAndGoesToItsFirstAddress) {
    world.hold_names(true);
    const auto waiting = from_host(out());
    ASSERT_EQ(waiting.size(), 1U);
    EXPECT_EQ(waiting[0].text.substr(0, 11), "SIP/2.0 100") << "so that the host does not repeat it";
    EXPECT_THAT(only(from_host(out()), "SIP/2.0 100").text, HasSubstr("Trying")) << "a repetition is absorbed";
    EXPECT_EQ(world.count(sip::ProxyEvent::name_waited), 1U);
    ASSERT_EQ(world.questions().size(), 1U);
    EXPECT_EQ(world.questions()[0].host(), "carrier.example");

    world.hold_names(false);
    const auto sent = world.run();
    ASSERT_EQ(sent.size(), 1U) << "no second 100";
    const auto invite = only(sent, "INVITE sip:user@carrier.example SIP/2.0");
    EXPECT_EQ(invite.flow.remote, carrier_1);
    EXPECT_EQ(Text{invite.text}.values("Via").size(), 2U);
    EXPECT_EQ(Text{invite.text}.value("Max-Forwards"), "69");
    const auto ok = only(world.receive(response(invite.text, 200, "OK"), carrier_1), "SIP/2.0 200");
    EXPECT_EQ(ok.flow.remote, World::host(0));
    EXPECT_EQ(Text{ok.text}.values("Via").size(), 1U);
    EXPECT_EQ(world.dialogs(), 1U);
}

TEST_F(Names, AKnownNameWaitsForNothing) {
    from_host(out());
    auto second = out();
    second.call_id = "out-2@host";
    second.branch = "z9hG4bKout-2";
    second.uri = "sip:user@CARRIER.Example.";
    EXPECT_EQ(only(from_host(second), "INVITE").flow.remote, carrier_1);
    EXPECT_EQ(world.questions().size(), 1U) << "any case, with or without the last dot";
    world.jump(61s);
    second.call_id = "out-3@host";
    second.branch = "z9hG4bKout-3";
    from_host(second);
    EXPECT_EQ(world.questions().size(), 2U) << "its time to live was 60 s";
}

TEST_F(Names, ASilentAddressIsLeftForTheNextOne) {
    const auto first = only(from_host(out()), "INVITE");
    EXPECT_EQ(first.flow.remote, carrier_1);
    const auto early = world.advance(1999ms);
    for (const auto& s : early) EXPECT_EQ(s.flow.remote, carrier_1) << "retransmissions go where the branch went";
    EXPECT_EQ(how_many(early, "INVITE"), 2U);
    const auto second = only(world.advance(1ms), "INVITE");
    EXPECT_EQ(second.flow.remote, carrier_2);
    EXPECT_NE(Text{second.text}.value("Via"), Text{first.text}.value("Via")) << "a new branch";
    EXPECT_NE(Text{second.text}.value("Record-Route"), Text{first.text}.value("Record-Route")) << "the cookie names the address";
    EXPECT_EQ(world.count(sip::ProxyEvent::failover), 1U);

    EXPECT_EQ(how_many(world.receive(response(second.text, 180, "Ringing"), carrier_2), "SIP/2.0 180"), 1U);
    // The client's CANCEL follows the branch.
    auto cancel = out(out().uri, "CANCEL");
    const auto cancelled = from_host(cancel);
    EXPECT_EQ(only(cancelled, "CANCEL").flow.remote, carrier_2);
    const auto ended = world.receive(response(second.text, 487, "Request Terminated"), carrier_2);
    EXPECT_EQ(only(ended, "ACK").flow.remote, carrier_2);
    EXPECT_EQ(only(ended, "SIP/2.0 487").flow.remote, World::host(0));
    EXPECT_EQ(world.dialogs(), 0U);
}

TEST_F(Names, A503IsLeftForTheNextAddressAndTheLastOnesIs500) {
    const auto first = only(from_host(out()), "INVITE");
    const auto sent = world.receive(response(first.text, 503, "Service Unavailable"), carrier_1);
    EXPECT_EQ(only(sent, "ACK").flow.remote, carrier_1);
    const auto second = only(sent, "INVITE");
    EXPECT_EQ(second.flow.remote, carrier_2);
    EXPECT_EQ(how_many(sent, "SIP/2.0"), 0U);
    const auto last = world.receive(response(second.text, 503, "Service Unavailable"), carrier_2);
    EXPECT_EQ(how_many(last, "SIP/2.0 500"), 1U);
    EXPECT_EQ(how_many(last, "INVITE"), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
}

TEST_F(Names, AnAddressOutOfReachIsLeftAtOnceAndTheLastOnesIs500_Rfc3263_4_3) {
    const auto first = only(from_host(out()), "INVITE");
    const auto sent = world.bounce(first);
    const auto second = only(sent, "INVITE");
    EXPECT_EQ(second.flow.remote, carrier_2);
    EXPECT_EQ(sent.size(), 1U);
    const auto last = world.bounce(second);
    EXPECT_EQ(only(last, "SIP/2.0 500").flow.remote, World::host(0));
    EXPECT_EQ(last.size(), 1U);
    EXPECT_EQ(world.dialogs(), 0U);
}

TEST_F(Names, OtherFailuresAreTheCallsResult) {
    world.name("one.example", {target(carrier_1)});
    for (const int status : {404, 486, 500, 603}) {
        auto s = out();
        s.call_id = "fail-" + std::to_string(status);
        s.branch = "z9hG4bK" + s.call_id;
        const auto invite = only(from_host(s), "INVITE");
        const auto sent = world.receive(response(invite.text, status, "No"), carrier_1);
        EXPECT_EQ(how_many(sent, "INVITE"), 0U) << status;
        EXPECT_EQ(how_many(sent, "SIP/2.0 " + std::to_string(status)), 1U);
    }
}

TEST_F(Names, TheLastAddressHasTheWholeTimeOfTimerB) {
    from_host(out());
    world.advance(2s);
    EXPECT_EQ(how_many(world.jump(31s, 100ms), "SIP/2.0"), 0U);
    EXPECT_GE(how_many(world.jump(2s, 100ms), "SIP/2.0 408"), 1U);
}

TEST_F(Names, TheFirstAddressAnsweringLateWins) {
    const auto first = only(from_host(out()), "INVITE");
    world.advance(2s);
    const auto sent = world.receive(response(first.text, 200, "OK", "callee", {"Contact: <sip:late@192.0.2.1:5070>"}), carrier_1);
    EXPECT_EQ(only(sent, "SIP/2.0 200").flow.remote, World::host(0));
    EXPECT_EQ(world.dialogs(), 1U);
}

TEST(NamesAttempts, AreBoundedByForkAttempts) {
    World world{{.hosts = 1, .proxy = {.fork_attempts = 2}}};
    world.name("carrier.example", {target(carrier_1, 1), target(carrier_2, 2), target(at("192.0.2.3"), 3)});
    EXPECT_EQ(only(world.receive(request(out()), World::host(0)), "INVITE").flow.remote, carrier_1);
    EXPECT_EQ(world.advance(2s).back().flow.remote, carrier_2);
    const auto sent = world.jump(31s, 100ms);
    for (const auto& s : sent) EXPECT_EQ(s.flow.remote, carrier_2) << "all of Timer B";
    EXPECT_GE(how_many(world.jump(2s, 100ms), "SIP/2.0 408"), 1U);
}

TEST_F(Names, NonInviteMovesOnToo) {
    const auto first = only(from_host(out(out().uri, "MESSAGE")), "MESSAGE");
    EXPECT_EQ(first.flow.remote, carrier_1);
    const auto later = world.advance(2s);
    EXPECT_EQ(later.back().flow.remote, carrier_2);
    EXPECT_EQ(how_many(world.receive(response(later.back().text, 200, "OK"), carrier_2), "SIP/2.0 200"), 1U);
}

TEST_F(Names, ANameThatDoesNotExistIs478OfATransaction) {
    const auto sent = from_host(out("sip:user@nowhere.example"));
    EXPECT_EQ(sent.size(), 2U) << "100 and 478";
    const auto refused = only(sent, "SIP/2.0 478 ");
    EXPECT_EQ(refused.flow.remote, World::host(0));
    EXPECT_EQ(Text{refused.text}.value("Via"), "SIP/2.0/UDP 10.77.0.103:5060;branch=z9hG4bKout-1");
    EXPECT_FALSE(Text{refused.text}.tag("To").empty());
    EXPECT_GE(how_many(world.advance(1s), "SIP/2.0 478"), 1U) << "repeated until the ACK, since a 100 has gone out";
    auto ack = out("sip:user@nowhere.example", "ACK");
    ack.to_tag = Text{refused.text}.tag("To");
    EXPECT_TRUE(from_host(ack).empty());
    EXPECT_TRUE(world.jump(10s).empty());
    EXPECT_EQ(world.transactions(), 0U);
    EXPECT_EQ(world.count(sip::LocalReply::unresolvable), 1U);
    // It is known now: no wait, no transaction.
    auto again = out("sip:user@nowhere.example");
    again.call_id = "again";
    again.branch = "z9hG4bKagain";
    EXPECT_EQ(from_host(again).size(), 1U);
    EXPECT_EQ(world.questions().size(), 1U);
}

TEST_F(Names, FailingNameServersAre500) {
    world.name("broken.example", {}, core::NameStatus::failed);
    EXPECT_EQ(how_many(from_host(out("sip:user@broken.example")), "SIP/2.0 500"), 1U);
    EXPECT_EQ(world.count(sip::LocalReply::name_failed), 1U);
}

TEST_F(Names, SilentNameServersAre500AfterABoundedTime) {
    world.hold_names(true);
    from_host(out());
    from_host(out(out().uri, "MESSAGE"));
    EXPECT_EQ(how_many(world.advance(3999ms), "SIP/2.0"), 0U);
    EXPECT_EQ(how_many(world.advance(1ms), "SIP/2.0 500"), 2U);
    EXPECT_EQ(world.count(sip::ProxyEvent::name_timeout), 2U);
    world.hold_names(false);
    EXPECT_EQ(how_many(world.run(), "INVITE"), 0U) << "the answer comes too late";
    world.jump(60s);
    EXPECT_EQ(world.transactions(), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
}

TEST_F(Names, CancelDuringTheWaitIsAnsweredAndNothingIsSent) {
    world.hold_names(true);
    from_host(out());
    const auto sent = from_host(out(out().uri, "CANCEL"));
    EXPECT_EQ(sent.size(), 2U);
    const auto ok = only(sent, "SIP/2.0 200");
    EXPECT_THAT(ok.text, HasSubstr("1 CANCEL"));
    const auto terminated = only(sent, "SIP/2.0 487");
    EXPECT_THAT(terminated.text, HasSubstr("1 INVITE"));
    world.hold_names(false);
    EXPECT_TRUE(world.run().empty());
    auto ack = out(out().uri, "ACK");
    ack.to_tag = Text{terminated.text}.tag("To");
    EXPECT_TRUE(from_host(ack).empty());
    world.jump(40s);
    EXPECT_EQ(world.transactions(), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
}

TEST_F(Names, RouteOfAHostMayBeAName) {
    auto s = out("sip:user@198.51.100.9");
    s.headers = {"Route: <sip:carrier.example;lr>"};
    const auto invite = only(from_host(s), "INVITE sip:user@198.51.100.9 SIP/2.0");
    EXPECT_EQ(invite.flow.remote, carrier_1);
    EXPECT_EQ(Text{invite.text}.value("Route"), "<sip:carrier.example;lr>");
}

TEST_F(Names, PortAndTransportBelongToTheQuestion) {
    from_host(out("sip:user@carrier.example:5080;transport=udp"));
    ASSERT_EQ(world.questions().size(), 1U);
    EXPECT_EQ(world.questions()[0].port(), 5080);
    EXPECT_TRUE(world.questions()[0].transport_named());
    // What we do not speak to names is refused unasked.
    for (const auto* uri : {"sips:user@carrier.example", "sip:user@carrier.example;transport=tcp", "sip:user@carrier.example;transport=x",
                            "sip:user@-..example"}) {
        auto s = out(uri);
        s.call_id = s.branch = std::string{"z9hG4bK"} + std::to_string(std::string_view{uri}.size());
        EXPECT_EQ(how_many(from_host(s), "SIP/2.0 478"), 1U) << uri;
    }
    EXPECT_EQ(world.questions().size(), 1U);
}

TEST_F(Names, InDialogRequestsFollowANamedContact) {
    world.name("gw.carrier.example", {target(at("192.0.2.9"))});
    const auto [invite, ok] = answered("<sip:gw@gw.carrier.example>");
    EXPECT_EQ(world.questions().back().host(), "gw.carrier.example") << "asked for when the 200 passed, so that the ACK need not wait";
    const auto ack = only(world.receive(in_dialog("ACK", "sip:gw@gw.carrier.example", ok, 1), World::host(0)), "ACK");
    EXPECT_EQ(ack.flow.remote, at("192.0.2.9"));
    const auto bye = only(world.receive(in_dialog("BYE", "sip:gw@gw.carrier.example", ok, 2), World::host(0)), "BYE");
    EXPECT_EQ(bye.flow.remote, at("192.0.2.9"));
    EXPECT_EQ(how_many(world.receive(response(bye.text, 200, "OK"), bye.flow.remote), "SIP/2.0 200"), 1U);
    EXPECT_EQ(world.dialogs(), 0U);
}

TEST_F(Names, AnAckThatMeetsAnUnknownNameIsLeftToItsRepetition) {
    world.name("gw.carrier.example", {target(at("192.0.2.9"))});
    world.hold_names(false);
    const auto invite = only(from_host(out()), "INVITE");
    world.hold_names(true);
    const auto ok =
        only(world.receive(response(invite.text, 200, "OK", "callee", {"Contact: <sip:gw@gw.carrier.example>"}), carrier_1), "SIP/2.0 200");
    const auto text = in_dialog("ACK", "sip:gw@gw.carrier.example", ok.text, 1);
    EXPECT_TRUE(world.receive(text, World::host(0)).empty());
    EXPECT_EQ(world.count(sip::ProxyDrop::ack_without_name), 1U);
    world.hold_names(false);
    EXPECT_TRUE(world.run().empty());
    EXPECT_EQ(only(world.receive(text, World::host(0)), "ACK").flow.remote, at("192.0.2.9"));
}

TEST_F(Names, AContactThatTheDnsDoesNotKnowIsReachedWhereItsPeerIs) {
    const auto [invite, ok] = answered("<sip:gw@only-inside.example>");
    const auto bye = only(world.receive(in_dialog("BYE", "sip:gw@only-inside.example", ok, 2), World::host(0)), "BYE");
    EXPECT_EQ(bye.flow.remote, carrier_1);
}

TEST_F(Names, NobodyOutsideMakesUsAsk) {
    auto s = out();
    s.via = client_a;
    s.uri = "sip:service@carrier.example";
    s.headers = {"Route: <sip:carrier.example;lr>"};
    EXPECT_EQ(how_many(world.receive(request(s), client_a), "SIP/2.0 403"), 1U);
    s.headers.clear();
    s.call_id = s.branch = "z9hG4bKsecond";
    const auto invite = only(world.receive(request(s), client_a), "INVITE");
    EXPECT_NE(invite.flow.remote, carrier_1) << "balanced, whatever the Request-URI says";
    EXPECT_TRUE(world.questions().empty());
}

TEST_F(Names, ManyRequestsForOneNameAreOneQuestion) {
    world.hold_names(true);
    for (int i = 0; i < 2'000; ++i) {
        auto s = out();
        s.call_id = s.branch = "z9hG4bKburst-" + std::to_string(i);
        EXPECT_EQ(how_many(from_host(s), "SIP/2.0 100"), 1U);
    }
    EXPECT_EQ(world.questions().size(), 1U);
    world.hold_names(false);
    EXPECT_EQ(how_many(world.run(), "INVITE"), 2'000U);
}

TEST_F(Names, NoMoreThanABoundedNumberWaits) {
    world.hold_names(true);
    std::size_t refused = 0;
    for (int i = 0; i < 5'000; ++i) {
        auto s = out(out().uri, "MESSAGE");
        s.call_id = s.branch = "z9hG4bKflood-" + std::to_string(i);
        refused += how_many(from_host(s), "SIP/2.0 503");
    }
    EXPECT_EQ(refused, 5'000U - 4'096U);
    EXPECT_EQ(how_many(world.advance(4s + 20ms), "SIP/2.0 500"), 4'096U);
    // The places are free again.
    auto s = out();
    s.call_id = s.branch = "z9hG4bKafterwards";
    EXPECT_EQ(how_many(from_host(s), "SIP/2.0 100"), 1U);
    world.hold_names(false);
    EXPECT_EQ(how_many(world.run(), "INVITE"), 1U);
}

TEST_F(Names, WaitingRequestsOfManyNamesEachGoTheirWay) {
    world.hold_names(true);
    for (int i = 0; i < 50; ++i) {
        const auto n = std::to_string(i);
        world.name("n" + n + ".example", {target({core::IpAddress::v4(0xc6336400U + static_cast<std::uint32_t>(i)), 5060})});
        auto s = out("sip:user@n" + n + ".example");
        s.call_id = "many-" + n;
        s.branch = "z9hG4bKmany-" + n;
        from_host(s);
    }
    world.hold_names(false);
    const auto sent = world.run();
    EXPECT_EQ(how_many(sent, "INVITE"), 50U);
    for (const auto& s : sent)
        EXPECT_EQ(Text{s.text}.request_uri(), "sip:user@n" + std::to_string(s.flow.remote.address.v4_host_order() & 0xff) + ".example");
}

}  // namespace
}  // namespace sipfront::sim

// The instrument itself: a good proxy is found good, each kind of bad one is told by its name, and the timers are RFC 3261's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/bench_traffic/loop.hpp"

namespace sipfront::traffic {
namespace {

bool is_to_client(const Parcel& p) { return p.party < 2; }
bool is(const Parcel& p, std::string_view start) { return p.text.starts_with(start); }

void replace(Parcel& p, std::string_view what, std::string_view by) {
    const auto found = p.text.find(what);
    ASSERT_NE(found, std::string::npos) << what << " in\n" << p.text;
    p.text.replace(found, what.size(), by);
}

TEST(TrafficEngine, CompletesCallsThroughAPerfectProxyWithoutTheSlowReading) {
    Loop loop;
    loop.run(100, 20ms);
    EXPECT_EQ(loop.count(Outcome::completed), 100U);
    EXPECT_EQ(loop.engine.stats().failed(), 0U);
    EXPECT_EQ(loop.engine.stats().wrong(), 0U);
    EXPECT_EQ(loop.count(Event::slow_checks), 0U);
    EXPECT_EQ(loop.engine.open(), 0U);
    EXPECT_EQ(loop.engine.stats().answer.count(), 100U);
    EXPECT_EQ(loop.engine.stats().added.count(), 100U);
    EXPECT_EQ(loop.engine.stats().bye.count(), 100U);
}

TEST(TrafficEngine, HangsUpAfterTheHoldTime) {
    auto config = small_config();
    config.hold = 3s;
    Loop loop{config};
    loop.run(10, 2990ms);
    EXPECT_EQ(loop.engine.open(), 10U);
    EXPECT_EQ(loop.count(Outcome::completed), 0U);
    loop.run(0, 20ms);
    EXPECT_EQ(loop.count(Outcome::completed), 10U);
}

TEST(TrafficEngine, RegistersWithAndWithoutAChallengeByWeight) {
    for (const bool auth : {false, true}) {
        auto config = small_config();
        config.register_weight = 3;
        config.register_auth = auth;
        Loop loop{config};
        loop.run(40, 20ms);
        EXPECT_EQ(loop.count(Outcome::completed), 40U);
        EXPECT_EQ(loop.engine.stats().registration.count(), 30U);
        EXPECT_EQ(loop.count(Event::slow_checks), 0U);
    }
}

TEST(TrafficEngine, MakesInvitesOfTheLengthAskedFor) {
    for (const auto bytes : {600U, 620U, 1300U, 2400U}) {
        auto config = small_config();
        config.invite_bytes = std::max<std::uint32_t>(bytes, static_cast<std::uint32_t>(least_invite_bytes(config)) + 12);
        Loop loop{config};
        loop.unplugged = true;
        loop.run(1, 5ms);
        ASSERT_EQ(loop.kept.size(), 1U);
        EXPECT_EQ(loop.kept[0].text.size(), config.invite_bytes);
        EXPECT_EQ(loop.kept[0].text.find("Identity: ") != std::string::npos, bytes >= 1300U);
    }
    EXPECT_NE(config_error([] {
                  auto c = small_config();
                  c.invite_bytes = 100;
                  return c;
              }()),
              "");
}

TEST(TrafficEngine, MakesTextsOfTheLengthAskedForAndChecksThemWithoutTheSlowReading) {
    auto config = small_config();
    config.call_id_bytes = 48;
    config.tag_bytes = 32;
    config.contact_bytes = 90;
    Loop loop{config};
    std::string invite, ringing, bye;
    loop.spoil = [&](Parcel& p) {
        if (is(p, "INVITE ")) invite = p.text;
        if (is(p, "SIP/2.0 180")) ringing = p.text;
        if (is(p, "BYE ")) bye = p.text;
        return 1;
    };
    loop.run(10, 20ms);
    EXPECT_EQ(loop.count(Outcome::completed), 10U);
    EXPECT_EQ(loop.count(Event::slow_checks), 0U);
    const auto length = [](const std::string& text, std::string_view before, char after) {
        const auto from = text.find(before) + before.size();
        return text.find(after, from) - from;
    };
    EXPECT_EQ(length(invite, "\r\nCall-ID: ", '\r'), 48U);
    EXPECT_EQ(length(invite, ">;tag=", '\r'), 32U);
    EXPECT_EQ(length(invite, "\r\nContact: <", '>'), 90U);
    EXPECT_EQ(length(ringing.substr(ringing.find("\r\nTo: ")), ";tag=", '\r'), 32U);
    EXPECT_EQ(length(ringing, "\r\nContact: <", '>'), 90U);
    // RFC 3261 12.2.1.1: the Request-URI is the Contact.
    EXPECT_EQ(length(bye, "BYE ", ' '), 90U);
    EXPECT_GT(loop.engine.memory(), 0U);
}

TEST(TrafficEngine, NamesNoCallTwiceAndNoRunLikeAnother) {
    auto other = small_config();
    other.run = 2;
    Loop a, b{other};
    a.unplugged = b.unplugged = true;
    a.run(2, 5ms);
    b.run(1, 5ms);
    ASSERT_EQ(a.kept.size(), 2U);
    EXPECT_NE(a.kept[0].text, a.kept[1].text);
    EXPECT_NE(a.kept[0].text, b.kept[0].text);
    // A message of another run is none of ours.
    a.unplugged = false;
    auto foreign = b.kept[0];
    foreign.party = 3;
    a.deliver(foreign);
    EXPECT_EQ(a.count(Event::foreign), 1U);
}

TEST(TrafficEngine, AnswersProbesOfTheHosts) {
    Loop loop;
    loop.unplugged = true;
    loop.deliver(
        {"OPTIONS sip:10.77.0.103 SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.0.101:5060;branch=z9hG4bK1\r\nFrom: <sip:p@x>;tag=1\r\n"
         "To: <sip:10.77.0.103>\r\nCall-ID: 77\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
         2});
    loop.settle();
    ASSERT_EQ(loop.kept.size(), 1U);
    EXPECT_THAT(loop.kept[0].text, testing::StartsWith("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.77.0.101:5060;branch=z9hG4bK1\r\n"));
    EXPECT_EQ(loop.count(Event::probes), 1U);
    EXPECT_EQ(loop.engine.stats().wrong(), 0U);
}

// What a proxy does to one message of a call, and what it must be called.
struct Spoiled {
    const char* what;
    bool to_client;
    const char* message;  // how the spoilt one starts
    std::string from, to;
    Fault fault;
};

class Mangling : public testing::TestWithParam<Spoiled> {};

TEST_P(Mangling, IsFoundAndNamed) {
    const auto& spoiled = GetParam();
    Loop loop;
    loop.spoil = [&](Parcel& p) {
        if (is_to_client(p) == spoiled.to_client && is(p, spoiled.message)) replace(p, spoiled.from, spoiled.to);
        return 1;
    };
    loop.run(4, 20ms);
    EXPECT_EQ(loop.count(Outcome::mangled), 4U);
    EXPECT_EQ(loop.count(spoiled.fault), 4U);
    EXPECT_EQ(loop.engine.stats().failed(), 4U);
    EXPECT_FALSE(loop.engine.samples().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Each, Mangling,
    testing::Values(
        Spoiled{"request uri", false, "INVITE", "sip:service@", "sip:servant@", Fault::start_line},
        Spoiled{"forwards kept", false, "INVITE", "Max-Forwards: 69", "Max-Forwards: 70", Fault::max_forwards},
        Spoiled{"no via of its own", false, "INVITE", "Via: SIP/2.0/UDP 10.77.0.100", "X-Via: SIP/2.0/UDP 10.77.0.100", Fault::via},
        Spoiled{"no record-route", false, "INVITE", "Record-Route:", "X-Record-Route:", Fault::record_route},
        Spoiled{"record-route twice", false, "INVITE", "Record-Route: <", "Record-Route: <sip:10.1.1.1;lr>,<", Fault::record_route},
        Spoiled{"from tag", false, "INVITE", ";tag=0", ";tag=1", Fault::from},
        Spoiled{"to", false, "INVITE", "To: <sip:service", "To: <sip:servant", Fault::to},
        Spoiled{"cseq", false, "INVITE", "CSeq: 1", "CSeq: 2", Fault::cseq},
        Spoiled{"contact", false, "INVITE", "Contact: <sip:caller", "Contact: <sip:called", Fault::contact},
        Spoiled{"header lost", false, "INVITE", "User-Agent: sipgen\r\n", "", Fault::header},
        Spoiled{"body", false, "INVITE", "PCMU", "PCMV", Fault::body},
        Spoiled{"route left", false, "BYE", "From:", "Route: <sip:10.77.0.100;lr>\r\nFrom:", Fault::route},
        Spoiled{"call-id", false, "BYE", "Call-ID: 0", "Call-ID: 1", Fault::call_id},
        Spoiled{"to tag", false, "ACK", ";tag=h", ";tag=i", Fault::to},
        Spoiled{"via left", true, "SIP/2.0 200", "Via: ", "Via: SIP/2.0/UDP 10.77.0.100:5060;branch=z9hG4bKx\r\nVia: ", Fault::via},
        Spoiled{"header left", true, "SIP/2.0 180", "From:", "X-AUTH-IP: 10.77.0.2\r\nFrom:", Fault::header},
        Spoiled{"tag of another host", true, "SIP/2.0 200", ";tag=h0", ";tag=h1", Fault::to},
        Spoiled{"record-route changed", true, "SIP/2.0 200", ";lr", ";xx", Fault::record_route},
        Spoiled{"cseq of the 100", true, "SIP/2.0 100", "CSeq: 1 INVITE", "CSeq: 3 INVITE", Fault::cseq},
        Spoiled{"body of the answer", true, "SIP/2.0 200", "t=0 0", "t=0 1", Fault::body},
        Spoiled{"length of the answer", true, "SIP/2.0 200", "t=0 0", "t=0 00", Fault::malformed}),
    [](const auto& spoiled) {
        std::string name = spoiled.param.what;
        for (auto& c : name)
            if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
        return name;
    });

TEST(TrafficEngine, AcceptsWhatDiffersInFormOnly) {
    Loop loop;
    loop.spoil = [](Parcel& p) {
        if (is(p, "INVITE")) {
            replace(p, "From: ", "f:   ");
            replace(p, "abcdef01\r\n", "abcdef01;received=10.77.0.2;rport=5060\r\n");
        }
        if (is(p, "BYE")) replace(p, "CSeq: 2 BYE\r\n", "");
        if (is(p, "BYE")) replace(p, "From:", "CSeq: 2 BYE\r\nFrom:");
        if (is(p, "SIP/2.0 200")) replace(p, "SIP/2.0 200 OK", "SIP/2.0 200 Fine");
        return 1;
    };
    loop.run(10, 20ms);
    EXPECT_EQ(loop.count(Outcome::completed), 10U) << loop.engine.samples().at(0);
    EXPECT_GT(loop.count(Event::slow_checks), 0U);
}

TEST(TrafficEngine, CallsAByeAtAnotherHostMisrouted) {
    Loop loop;
    loop.spoil = [](Parcel& p) {
        if (is(p, "BYE")) p.party = static_cast<Party>(p.party == 4 ? 2 : p.party + 1);
        return 1;
    };
    loop.run(5, 20ms);
    EXPECT_EQ(loop.count(Outcome::misrouted), 5U);
}

TEST(TrafficEngine, CallsAResponseAtAnotherClientMisrouted) {
    Loop loop;
    loop.spoil = [](Parcel& p) {
        if (is(p, "SIP/2.0 200")) p.party = static_cast<Party>(1 - p.party);
        return 1;
    };
    loop.run(5, 20ms);
    EXPECT_EQ(loop.count(Outcome::misrouted), 5U);
}

TEST(TrafficEngine, CallsCopiesThatNobodyAskedForDuplicates) {
    for (const char* message : {"INVITE", "ACK", "SIP/2.0 200"}) {
        Loop loop;
        loop.spoil = [&](Parcel& p) { return is(p, message) && p.text.find("CSeq: 2") == std::string::npos ? 2 : 1; };
        loop.run(5, 20ms);
        EXPECT_EQ(loop.count(Outcome::duplicate), 5U) << message;
    }
    Loop loop;
    loop.spoil = [&](Parcel& p) { return is(p, "SIP/2.0 200") && p.text.find("CSeq: 2") != std::string::npos ? 2 : 1; };
    loop.run(5, 20ms);
    EXPECT_EQ(loop.count(Event::late_duplicates), 5U);
    EXPECT_EQ(loop.engine.stats().wrong(), 5U);
}

TEST(TrafficEngine, CountsRefusalsApartFromOtherStatuses) {
    Loop loop;
    loop.busy = "SIP/2.0 503 Service Unavailable\r\n";
    loop.run(5, 20ms);
    EXPECT_EQ(loop.count(Outcome::rejected), 5U);
    loop.busy = "SIP/2.0 404 Not Found\r\n";
    loop.run(5, 20ms);
    EXPECT_EQ(loop.count(Outcome::unexpected_status), 5U);
    EXPECT_EQ(loop.engine.stats().statuses[404].get(), 5U);
    EXPECT_EQ(loop.engine.stats().statuses[503].get(), 5U);
}

TEST(TrafficEngine, AcknowledgesAFailureHopByHop_Rfc3261_17_1_1_3) {
    Loop loop;
    loop.unplugged = true;
    loop.run(1, 2ms);
    ASSERT_EQ(loop.kept.size(), 1U);
    const auto invite = loop.kept[0].text;
    const auto from = invite.find("Via:"), to = invite.find("Max-Forwards"), echo = invite.find("From:"), end = invite.find("Contact:");
    auto response = "SIP/2.0 486 Busy\r\n" + invite.substr(from, to - from) + invite.substr(echo, end - echo) + "Content-Length: 0\r\n\r\n";
    response.insert(response.find("\r\nCall-ID"), ";tag=xyz");
    loop.deliver({response, 0});
    loop.settle();
    ASSERT_EQ(loop.kept.size(), 2U);
    const auto& ack = loop.kept[1].text;
    EXPECT_THAT(ack, testing::StartsWith("ACK sip:service@10.77.0.100:5060 SIP/2.0\r\n" + invite.substr(from, to - from)));
    EXPECT_THAT(ack, testing::HasSubstr("To: <sip:service@10.77.0.100:5060>;tag=xyz\r\n"));
    EXPECT_THAT(ack, testing::HasSubstr("CSeq: 1 ACK\r\n"));
}

TEST(TrafficEngine, RepeatsTheInviteByTimerAUntilTimerB_Rfc3261_17_1_1_2) {
    Loop loop;
    loop.unplugged = true;
    std::vector<core::Duration> sent;
    const auto start = loop.now + 1ms;
    loop.run(1, 1ms);
    for (std::size_t seen = 1; loop.now < start + 33s;) {
        loop.run(0, 1ms);
        if (loop.kept.size() > seen) sent.push_back(loop.now - start), seen = loop.kept.size();
    }
    EXPECT_THAT(sent, testing::ElementsAre(500ms, 1500ms, 3500ms, 7500ms, 15500ms, 31500ms));
    EXPECT_EQ(loop.count(Outcome::invite_timeout), 1U);
    EXPECT_EQ(loop.count(Event::client_retransmissions), 6U);
    for (const auto& p : loop.kept) EXPECT_EQ(p.text, loop.kept[0].text);
}

TEST(TrafficEngine, RepeatsTheByeByTimerEUntilTimerF_Rfc3261_17_1_2_2) {
    Loop loop;
    loop.spoil = [](Parcel& p) { return is(p, "BYE") ? 0 : 1; };
    loop.run(1, 1ms);
    const auto start = loop.now;
    std::vector<core::Duration> sent;
    for (std::uint64_t seen = 0; loop.now < start + 33s;) {
        loop.run(0, 1ms);
        const auto n = loop.count(Event::client_retransmissions);
        if (n > seen) sent.push_back(std::chrono::round<std::chrono::milliseconds>((loop.now - start) / 100.0) * 100), seen = n;
    }
    EXPECT_THAT(sent, testing::ElementsAre(500ms, 1500ms, 3500ms, 7500ms, 11500ms, 15500ms, 19500ms, 23500ms, 27500ms, 31500ms));
    EXPECT_EQ(loop.count(Outcome::bye_timeout), 1U);
}

TEST(TrafficEngine, RepeatsThe200ByTimerGUntilTheAck_Rfc3261_13_3_1_4) {
    auto config = small_config();
    config.hold = 10s;
    Loop loop{config};
    int lost = 3;
    loop.spoil = [&](Parcel& p) { return is(p, "SIP/2.0 200") && lost-- > 0 ? 0 : 1; };
    loop.run(1, 9s);
    // At 0.5, 1.5 and 3.5 s; the third is the one that passes.
    EXPECT_EQ(loop.count(Event::host_retransmissions), 3U);
    loop.run(0, 9s);
    EXPECT_EQ(loop.count(Outcome::completed), 1U);
}

TEST(TrafficEngine, SurvivesALostMessageOfEachKind) {
    for (const char* message : {"SIP/2.0 100", "SIP/2.0 180", "SIP/2.0 200", "ACK", "BYE"}) {
        auto config = small_config();
        config.hold = 5s;
        Loop loop{config};
        bool lost = false;
        loop.spoil = [&](Parcel& p) { return !lost && is(p, message) ? (lost = true, 0) : 1; };
        loop.run(1, 12s);
        EXPECT_TRUE(lost);
        EXPECT_EQ(loop.count(Outcome::completed), 1U) << message;
        EXPECT_EQ(loop.engine.stats().wrong(), 0U) << message;
    }
}

TEST(TrafficEngine, CallsAnAckThatNeverReachesTheHostLost) {
    Loop loop;
    loop.spoil = [](Parcel& p) { return is(p, "ACK") ? 0 : 1; };
    loop.run(3, 20ms);
    EXPECT_EQ(loop.count(Outcome::ack_lost), 3U);
}

TEST(TrafficEngine, GivesUpACallThatOnlyRings) {
    Loop loop;
    loop.spoil = [](Parcel& p) { return is(p, "SIP/2.0 200") ? 0 : 1; };
    loop.run(2, 33s);
    EXPECT_EQ(loop.count(Outcome::answer_timeout), 2U);
    EXPECT_EQ(loop.engine.open(), 0U);
}

TEST(TrafficEngine, AcceptsARequestThatTheProxyRepeatsByItsOwnTimer) {
    Loop loop;
    Parcel invite;
    loop.spoil = [&](Parcel& p) {
        if (is(p, "INVITE") && invite.text.empty()) invite = p;
        return is(p, "SIP/2.0 180") || is(p, "SIP/2.0 200") ? 0 : 1;
    };
    loop.run(1, 450ms);
    loop.deliver(invite);
    EXPECT_EQ(loop.count(Event::proxy_retransmissions), 1U);
    EXPECT_EQ(loop.count(Outcome::duplicate), 0U);
}

TEST(TrafficEngine, FollowsTheProxyToAnotherHostOnceTheFirstHadItsTime) {
    for (const auto wait : {2000ms, 100ms}) {
        Loop loop;
        Parcel invite;
        loop.spoil = [&](Parcel& p) {
            if (is(p, "INVITE") && invite.text.empty()) return invite = p, 1;
            return 0;
        };
        loop.run(1, wait);
        const auto first = invite.party;
        invite.party = static_cast<Party>(first == 4 ? 2 : first + 1);
        loop.spoil = [&](Parcel& p) {
            if (p.party == first) p.party = invite.party;
            return 1;
        };
        loop.deliver(invite);
        loop.settle();
        loop.run(0, 20ms);
        const bool late = wait > 1000ms;
        EXPECT_EQ(loop.count(Event::failovers), late ? 1U : 0U);
        EXPECT_EQ(loop.count(Outcome::completed), late ? 1U : 0U);
        EXPECT_EQ(loop.count(Outcome::misrouted), late ? 0U : 1U);
    }
}

TEST(TrafficEngine, CountsWhatIsOpenAtTheEndAsUnfinished) {
    auto config = small_config();
    config.hold = 100s;
    Loop loop{config};
    loop.run(7, 20ms);
    loop.engine.abandon(loop.now);
    EXPECT_EQ(loop.count(Outcome::unfinished), 7U);
    EXPECT_EQ(loop.engine.open(), 0U);
    // Late messages of abandoned calls harm nobody, and the slots serve again.
    loop.run(5, 20ms);
    EXPECT_EQ(loop.engine.open(), 5U);
}

TEST(TrafficEngine, CountsCallsByTheirPhase) {
    auto config = small_config();
    config.hold = 50ms;
    Loop loop{config};
    loop.run(3, 20ms);
    loop.engine.set_phase(1);
    loop.run(4, 200ms);
    EXPECT_EQ(loop.engine.stats(0).completed(), 3U);
    EXPECT_EQ(loop.engine.stats(1).completed(), 4U);
}

TEST(TrafficEngine, SaysWhenItHasNoRoomForACall) {
    auto config = small_config();
    config.max_calls = 4;
    config.hold = 10s;
    Loop loop{config};
    loop.run(6, 20ms);
    EXPECT_EQ(loop.count(Outcome::not_placed), 2U);
}

TEST(TrafficEngine, KeepsRouteSetsOfAnyLength) {
    Loop loop;
    const auto tail = ";pad=" + std::string(300, 'p') + ">\r\n";
    loop.spoil = [&](Parcel& p) {
        if (is(p, "INVITE")) replace(p, ">\r\nVia: SIP/2.0/UDP 10.77.0", tail + "Via: SIP/2.0/UDP 10.77.0");
        return 1;
    };
    loop.run(20, 20ms);
    EXPECT_EQ(loop.count(Outcome::completed), 20U);
}

TEST(TrafficEngine, ReversesTheRouteSet_Rfc3261_12_1_2) {
    auto config = small_config();
    config.record_routes = 2;
    Loop loop{config};
    std::string ack;
    loop.spoil = [&](Parcel& p) {
        if (is(p, "INVITE")) replace(p, "Record-Route: <", "Record-Route: <sip:second.example;lr>\r\nRecord-Route: <");
        if (is(p, "ACK")) ack = p.text;
        // The stub takes one Route out only.
        if (is(p, "ACK") || is(p, "BYE")) replace(p, "Route: <sip:second.example;lr>\r\n", "");
        return 1;
    };
    loop.run(2, 20ms);
    EXPECT_EQ(loop.count(Outcome::completed), 2U);
    EXPECT_THAT(ack, testing::HasSubstr("Route: <sip:second.example;lr>\r\n"));
}

TEST(TrafficHistogram, TellsPercentilesWithinThreePercent) {
    Histogram h;
    for (std::uint64_t i = 1; i <= 100'000; ++i) h.record(i * 100);
    for (const double q : {0.5, 0.9, 0.99, 0.999}) {
        const auto exact = q * 100'000 * 100;
        EXPECT_NEAR(static_cast<double>(h.percentile(q)), exact, exact * 0.033);
    }
    EXPECT_EQ(h.percentile(1.0), 10'000'000U);
    EXPECT_EQ(h.count(), 100'000U);
    EXPECT_EQ(Histogram{}.percentile(0.5), 0U);
    for (std::uint64_t v = 1; v < 1U << 20; v = v * 5 / 4 + 1) {
        EXPECT_LE(v, Histogram::upper_bound(Histogram::index(v)));
        EXPECT_GT(v, Histogram::index(v) == 0 ? 0 : Histogram::upper_bound(Histogram::index(v) - 1));
    }
}

TEST(TrafficNumber, IsReadAsItWasWritten) {
    for (const CallNumber n : {CallNumber{0, 1}, CallNumber{0xffffffff, 0x12345678}, CallNumber{0xabcdef, 0xffffffff}}) {
        const auto text = to_text(n);
        CallNumber back;
        ASSERT_TRUE(from_text(text.data(), back));
        EXPECT_EQ(back, n);
    }
    CallNumber n;
    EXPECT_FALSE(from_text("0123456789ABCDEF", n));
    EXPECT_FALSE(from_text("012345678 abcdef", n));
}

}  // namespace
}  // namespace sipfront::traffic

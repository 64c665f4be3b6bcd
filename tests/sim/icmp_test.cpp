// ICMP errors about messages that we have sent: what they prove is a transport error, what they do not is a hint at most.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::HasSubstr;

std::string branch_of(const Sent& s) {
    const auto via = Text{s.text}.value("Via");
    const auto at = via.find("branch=") + 7;
    return via.substr(at, via.find(';', at) - at);
}

Sent with(Sent s, const std::string& what, const std::string& other) {
    const auto at = s.text.find(what);
    if (at == std::string::npos) throw std::runtime_error("no \"" + what + "\" in the message");
    s.text.replace(at, what.size(), other);
    return s;
}

// What must not happen to a call because of an error that proves nothing.
void expect_untouched(World& world, const Sent& invite, const std::vector<Sent>& sent) {
    EXPECT_TRUE(sent.empty());
    EXPECT_EQ(world.count(sip::ProxyEvent::transport_error), 0U);
    EXPECT_EQ(world.evidence_against(0) + world.evidence_against(1), 0U);
    EXPECT_EQ(how_many(world.receive(response(invite.text, 200, "OK"), invite.flow.remote), "SIP/2.0 200"), 1U);
    EXPECT_EQ(world.total_load(), 1U);
}

TEST(Icmp, AHostOutOfReachIsLeftAtOnce_Rfc3261_16_9) {
    World world{{.hosts = 2}};
    const auto first = only(world.receive(request({}), client_a), "INVITE");
    const auto sent = world.bounce(first);
    const auto second = only(sent, "INVITE");
    EXPECT_EQ(sent.size(), 1U) << "nothing for the client";
    EXPECT_NE(second.flow.remote, first.flow.remote);
    EXPECT_NE(branch_of(second), branch_of(first));
    EXPECT_EQ(world.evidence_against(first.flow.remote == World::host(0) ? 0 : 1), 1U);
    EXPECT_EQ(world.count(sip::ProxyEvent::transport_error), 1U);
    EXPECT_EQ(world.count(sip::ProxyEvent::fr_timer), 0U);
    EXPECT_EQ(world.total_load(), 1U);
    EXPECT_EQ(how_many(world.receive(response(second.text, 200, "OK"), second.flow.remote), "SIP/2.0 200"), 1U);
    EXPECT_TRUE(world.bounce(first).empty()) << "an attempt that is over";
}

TEST(Icmp, WhenAllAreOutOfReachTheClientHears503_Rfc3261_16_7) {
    for (const auto* method : {"INVITE", "REGISTER"}) {
        World world{{.hosts = 2}};
        const auto first = only(world.receive(request({.method = method}), client_a), method);
        const auto second = only(world.bounce(first), method);
        const auto refused = only(world.bounce(second), "SIP/2.0 503");
        EXPECT_EQ(refused.flow.remote, client_a);
        EXPECT_THAT(refused.text, HasSubstr("Retry-After: "));
        EXPECT_EQ(world.total_load(), 0U);
        EXPECT_EQ(world.dialogs(), 0U);
        world.jump(70s);
        EXPECT_EQ(world.transactions(), 0U);
    }
}

TEST(Icmp, AHostThatWasOnlyThoughtDeadStillWins) {
    World world{{.hosts = 2}};
    const auto first = only(world.receive(request({}), client_a), "INVITE");
    world.bounce(first);
    EXPECT_EQ(how_many(world.receive(response(first.text, 200, "OK"), first.flow.remote), "SIP/2.0 200"), 1U);
    EXPECT_EQ(world.total_load(), 1U);
}

TEST(Icmp, OnlyTheQuoteOfABranchProvesAnything) {
    struct Case {
        const char* what;
        std::function<Sent(const Sent&)> forge;
        std::size_t octets = 520;
    };
    const std::vector<Case> cases{
        {"another MAC",
         [](const Sent& s) {
             const auto b = branch_of(s);
             return with(s, b, b.substr(0, 38) + (b[38] == 'A' ? 'B' : 'A'));
         }},
        {"another transaction",
         [](const Sent& s) {
             const auto b = branch_of(s);
             return with(s, b, b.substr(0, 15) + (b[15] == 'A' ? 'B' : 'A') + b.substr(16));
         }},
        {"another host", [](Sent s) { return s.flow.remote = World::host(s.flow.remote == World::host(0) ? 1 : 0), s; }},
        {"another port", [](Sent s) { return ++s.flow.remote.port, s; }},
        {"another socket of ours", [](Sent s) { return s.flow.local = own_address, s; }},
        {"no branch", [](const Sent& s) { return with(s, ";branch=", ";brench="); }},
        {"the client's branch alone", [](const Sent& s) { return with(s, branch_of(s), "z9hG4bKclient-1"); }},
        {"a quote that ends within the branch", [](const Sent& s) { return s; }, 100},
        {"a quote without text", [](const Sent& s) { return s; }, 0},
        {"garbage", [](Sent s) { return s.text = std::string(300, '\xff'), s; }},
    };
    for (const auto& c : cases) {
        SCOPED_TRACE(c.what);
        World world{{.hosts = 2}};
        const auto invite = only(world.receive(request({}), client_a), "INVITE");
        if (c.octets == 100) {
            ASSERT_GT(invite.text.find("\r\nVia:") + 90, c.octets);
        }
        const auto sent = world.bounce(c.forge(invite), c.octets);
        EXPECT_EQ(world.count(app::WorkerCount::unproven), 1U);
        expect_untouched(world, invite, sent);
    }
}

TEST(Icmp, AfterASignOfLifeAnInviteGoesOn) {
    for (const int status : {100, 180}) {
        World world{{.hosts = 2}};
        const auto invite = only(world.receive(request({}), client_a), "INVITE");
        world.receive(response(invite.text, status, "Wait"), invite.flow.remote);
        expect_untouched(world, invite, world.bounce(invite));
        EXPECT_EQ(world.count(app::WorkerCount::unproven), 0U);
    }
}

TEST(Icmp, ARequestThatIsRepeatedAfterA100MovesOn_Rfc3261_17_1_2) {
    World world{{.hosts = 2}};
    const auto first = only(world.receive(request({.method = "REGISTER"}), client_a), "REGISTER");
    world.receive(response(first.text, 100, "Trying"), first.flow.remote);
    const auto second = only(world.bounce(first), "REGISTER");
    EXPECT_NE(second.flow.remote, first.flow.remote);
}

TEST(Icmp, CancelAndAckAreNotTheInvite) {
    World world{{.hosts = 2}};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    const auto cancel = only(world.receive(request({.method = "CANCEL"}), client_a), "CANCEL");
    EXPECT_TRUE(world.bounce(cancel).empty());
    const auto ended = world.receive(response(invite.text, 487, "Request Terminated"), invite.flow.remote);
    EXPECT_EQ(how_many(ended, "SIP/2.0 487"), 1U);
    EXPECT_TRUE(world.bounce(only(ended, "ACK")).empty());
    EXPECT_EQ(world.count(sip::ProxyEvent::transport_error), 0U);
}

TEST(Icmp, ACancelledInviteEndsInsteadOfMoving) {
    World world{{.hosts = 2}};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(request({.method = "CANCEL"}), client_a);
    const auto sent = world.bounce(invite);
    EXPECT_EQ(how_many(sent, "INVITE"), 0U);
    EXPECT_EQ(how_many(sent, "SIP/2.0 487"), 1U);
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Icmp, AResponseThatDoesNotArriveChangesNothing_Rfc3261_16_9) {
    World world{{.hosts = 2}};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    const auto ringing = only(world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote), "SIP/2.0 180");
    EXPECT_TRUE(world.bounce(ringing).empty());
    const auto busy = only(world.receive(response(invite.text, 486, "Busy Here"), invite.flow.remote), "SIP/2.0 486");
    EXPECT_TRUE(world.bounce(busy).empty());
    EXPECT_EQ(how_many(world.receive(request({}), client_a), "SIP/2.0 486"), 1U) << "it is repeated like any other";
    EXPECT_EQ(world.count(sip::ProxyEvent::transport_error), 0U);
}

TEST(Icmp, AnInDialogRequestHasNowhereElseToGo) {
    World world{{.hosts = 2}};
    const auto call = establish(world);
    const auto bye = only(world.receive(call.in_dialog("BYE", 2, "z9hG4bKbye"), client_a), "BYE");
    const auto sent = world.bounce(bye);
    EXPECT_EQ(only(sent, "SIP/2.0 500").flow.remote, client_a) << "a 503 would speak of ourselves";
    EXPECT_EQ(sent.size(), 1U);
    EXPECT_EQ(world.count(sip::LocalReply::unreachable), 1U);
    EXPECT_EQ(world.dialogs(), 0U);
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Icmp, AHostHearsAtOnceThatItsClientIsGone) {
    World world{{.hosts = 2}};
    const auto call = establish(world);
    const auto info = only(world.receive(call.from_host("INFO", 1, "z9hG4bKinfo"), call.host), "INFO");
    ASSERT_EQ(info.flow.remote, client_a);
    EXPECT_EQ(only(world.bounce(info), "SIP/2.0 500").flow.remote, call.host);
    EXPECT_EQ(world.dialogs(), 1U);
}

TEST(Icmp, AProbeThatDoesNotArriveIsAnsweredByTheError) {
    World world{{.hosts = 1, .probe_mode = 2}};
    std::vector<Sent> probes;
    for (int i = 0; i < 20'000 && probes.size() < 2; ++i) {
        for (auto& s : world.turn(1ms)) {
            if (!s.text.starts_with("OPTIONS")) continue;
            const auto failures = world.evidence_against(0);
            world.bounce(s);
            EXPECT_EQ(world.evidence_against(0), failures + 1) << "long before its timeout";
            probes.push_back(std::move(s));
        }
    }
    EXPECT_EQ(world.count(sip::ProxyEvent::transport_error), 2U);
}

TEST(Icmp, APingThatDoesNotArriveOnceEndsNoCall) {
    sim::Setup setup{.hosts = 2};
    setup.proxy.timers.dialog_ping = 10min;
    World world{setup};
    const auto call = establish(world);
    std::vector<Sent> sent;
    while (sent.empty()) sent = world.jump(1s, 1s);
    const auto ping = only(sent, "OPTIONS");
    EXPECT_TRUE(world.bounce(ping).empty());
    EXPECT_EQ(world.dialogs(), 1U);
    EXPECT_GE(how_many(world.jump(1s), "OPTIONS"), 1U) << "it is repeated";
    world.receive(response(ping.text, 200, "OK"), call.host);
    EXPECT_EQ(world.total_load(), 1U);
    EXPECT_EQ(world.count(sip::ProxyEvent::transport_error), 0U);
}

TEST(Icmp, WhatProvesNothingIsWorthAProbeNowAndThen) {
    World world{{.hosts = 2, .probe_mode = 2}};
    // Every probe is answered.
    const auto answer = [&](std::vector<Sent> sent) {
        std::size_t probes = 0;
        for (const auto& s : sent)
            if (s.text.starts_with("OPTIONS") && s.flow.remote == World::host(0)) ++probes;
        for (const auto& s : sent)
            if (s.text.starts_with("OPTIONS")) world.receive(response(s.text, 200, "OK"), s.flow.remote, own_address);
        return probes;
    };
    for (int i = 0; i < 6000; ++i) answer(world.turn(1ms));
    Sent forged;
    forged.text = "INVITE sip:a SIP/2.0\r\n";
    forged.flow.local = vip;
    forged.flow.remote = World::host(0);
    EXPECT_EQ(answer(world.bounce(forged)), 1U);
    std::size_t probes = 0;
    for (int i = 0; i < 1000; ++i) {
        probes += answer(world.bounce(forged));
        probes += answer(world.turn(1ms));
    }
    EXPECT_LE(probes, 1U) << "no more than the schedule's";
    EXPECT_EQ(world.count(app::WorkerCount::suspicions), 1U);
    for (int i = 0; i < 5000; ++i) answer(world.turn(1ms));
    answer(world.bounce(forged));
    EXPECT_EQ(world.count(app::WorkerCount::suspicions), 2U);
    EXPECT_EQ(world.state(0), balancer::State::active);
    EXPECT_EQ(world.evidence_against(0), 0U);
    forged.flow.remote = client_b;
    EXPECT_TRUE(world.bounce(forged).empty()) << "nobody of ours";
}

TEST(Icmp, AnyWorkersPortTellsTheOwner) {
    for (std::uint32_t port = 0; port < 4; ++port) {
        World world{{.workers = 4, .hosts = 4}};
        for (int i = 0; i < 16; ++i) {
            const auto n = std::to_string(i);
            const auto first = only(world.receive(request({.call_id = "any" + n, .branch = "z9hG4bKany" + n}), client_a), "INVITE");
            // So little that the Call-ID is not among it.
            const auto end = first.text.find("\r\n", first.text.find("Via:")) + 2;
            const auto second = only(world.bounce(first, end, port), "INVITE");
            EXPECT_NE(second.flow.remote, first.flow.remote);
            EXPECT_EQ(how_many(world.receive(response(second.text, 200, "OK"), second.flow.remote), "SIP/2.0 200"), 1U);
        }
        EXPECT_EQ(world.count(sip::ProxyEvent::transport_error), 16U);
        EXPECT_EQ(world.count(app::WorkerCount::undelivered), 16U);
        EXPECT_EQ(world.count(app::WorkerCount::unproven), 0U);
        EXPECT_EQ(world.total_load(), 16U);
        long live = 0;
        for (std::uint32_t i = 0; i < 4; ++i) live += world.io(i).live();
        EXPECT_EQ(live, 0) << "every buffer was released";
    }
}

TEST(Icmp, TheWorkerThatProbesAHostIsToldOfSuspicions) {
    World world{{.workers = 4, .hosts = 8, .probe_mode = 2}};
    Sent forged;
    forged.flow.local = vip;
    for (std::uint32_t i = 0; i < 8; ++i) {
        forged.flow.remote = World::host(i);
        EXPECT_EQ(how_many(world.bounce(forged, 520, i % 4), "OPTIONS"), 1U);
    }
    EXPECT_EQ(world.count(app::WorkerCount::suspicions), 8U);
}

TEST(Icmp, ALimitOfAPathIsBelievedWithProof_Rfc8201) {
    World world{{.hosts = 2}};
    const auto invite = only(world.receive(request({.body = std::string(1400, 'x')}), client_a), "INVITE");
    EXPECT_TRUE(world.bounce(invite, 1232, 0, 1300).empty()) << "its repetition will be shorter";
    using Limits = std::vector<FakeIo::PathLimit>;
    EXPECT_EQ(world.io().path_limits(), (Limits{{invite.flow.remote.address, 1300}}));
    // A response is proven by the request's Via.
    const auto ringing = only(world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote), "SIP/2.0 180");
    world.bounce(ringing, 1232, 0, 1400);
    EXPECT_EQ(world.io().path_limits().back(), (FakeIo::PathLimit{client_a.address, 1400}));
    const auto believed = world.io().path_limits().size();
    auto elsewhere = ringing;
    elsewhere.flow.remote = client_b;
    world.bounce(elsewhere, 1232, 0, 1280);
    world.bounce(with(ringing, "z9hG4bKclient-1", "z9hG4bKclient-2"), 1232, 0, 1280);
    world.bounce(with(invite, branch_of(invite), "z9hG4bKforged"), 1232, 0, 1280);
    world.bounce(ringing, 60, 0, 1280);
    EXPECT_EQ(world.io().path_limits().size(), believed);
    EXPECT_EQ(world.count(app::WorkerCount::unproven), 4U);
    EXPECT_EQ(how_many(world.receive(response(invite.text, 200, "OK"), invite.flow.remote), "SIP/2.0 200"), 1U) << "the call goes on";
}

TEST(Icmp, TheOwnerLearnsThePathWhereverTheErrorArrives) {
    World world{{.workers = 4, .hosts = 4}};
    for (int i = 0; i < 16; ++i) {
        const auto n = std::to_string(i);
        const auto invite = only(world.receive(request({.call_id = "mtu" + n, .branch = "z9hG4bKmtu" + n}), client_a), "INVITE");
        const auto owner = world.owner_of("mtu" + n);
        const auto before = world.io(owner).path_limits().size();
        world.bounce(invite, 520, static_cast<std::uint32_t>(i) % 4, 1400);
        const auto ringing = only(world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote), "SIP/2.0 180");
        world.bounce(ringing, 1232, static_cast<std::uint32_t>(i) % 4, 1400);
        EXPECT_EQ(world.io(owner).path_limits().size(), before + 2);
    }
}

TEST(Icmp, AnswersOfTheSameBurstAreHeardFirst) {
    World world{{.hosts = 2}};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.put(response(invite.text, 100, "Trying"), invite.flow.remote);
    expect_untouched(world, invite, world.bounce(invite));
}

}  // namespace
}  // namespace sipfront::sim

// The next host when one fails, and what the client sees of it: nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Failover, SilentHostIsLeftAfterFrTimer) {
    World world{{.hosts = 2}};
    const auto first = only(world.receive(request({}), client_a), "INVITE");
    EXPECT_EQ(how_many(world.advance(1999ms), "INVITE"), 2U) << "Timer A: at 500 ms and 1.5 s";
    const auto sent = world.advance(1ms);
    const auto second = only(sent, "INVITE");
    EXPECT_NE(second.flow.remote, first.flow.remote);
    EXPECT_EQ(how_many(sent, "SIP/2.0"), 0U);
    EXPECT_NE(Text{first.text}.value("Via"), Text{second.text}.value("Via")) << "a new branch";
    EXPECT_NE(Text{first.text}.value("Record-Route"), Text{second.text}.value("Record-Route")) << "the cookie names the new host";
    EXPECT_EQ(Text{second.text}.value("Max-Forwards"), "69");
    EXPECT_EQ(world.total_load(), 1U);
    EXPECT_EQ(how_many(world.receive(response(second.text, 200, "OK"), second.flow.remote), "SIP/2.0 200"), 1U);
    EXPECT_EQ(world.total_load(), 1U);
}

TEST(Failover, A503TriesTheNextHost) {
    World world{{.hosts = 2}};
    const auto first = only(world.receive(request({}), client_a), "INVITE");
    const auto sent = world.receive(response(first.text, 503, "Service Unavailable", "callee", {"Retry-After: 300"}), first.flow.remote);
    EXPECT_EQ(only(sent, "ACK").flow.remote, first.flow.remote);
    const auto second = only(sent, "INVITE");
    EXPECT_NE(second.flow.remote, first.flow.remote);
    EXPECT_EQ(how_many(sent, "SIP/2.0"), 0U);
    // The same host's retransmitted 503 is acknowledged and nothing more.
    const auto again = world.receive(response(first.text, 503, "Service Unavailable"), first.flow.remote);
    EXPECT_EQ(only(again, "ACK").flow.remote, first.flow.remote);
    EXPECT_EQ(again.size(), 1U);
}

TEST(Failover, AllHostsRefusingIsOur503WithoutTheirRetryAfter) {
    World world{{.hosts = 2}};
    const auto first = only(world.receive(request({}), client_a), "INVITE");
    const auto second = only(world.receive(response(first.text, 503, "Busy"), first.flow.remote), "INVITE");
    const auto sent = world.receive(response(second.text, 503, "Busy", "callee", {"Retry-After: 300"}), second.flow.remote);
    const auto refused = only(sent, "SIP/2.0 503");
    EXPECT_THAT(refused.text, Not(HasSubstr("300")));
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
}

TEST(Failover, OtherFailuresAreTheCallsResult) {
    for (const auto& [status, header] : {std::pair{486, ""}, {603, ""}, {404, ""}, {500, ""}, {503, "Reason: Q.850;cause=34"}}) {
        World world{{.hosts = 2}};
        const auto invite = only(world.receive(request({}), client_a), "INVITE");
        std::vector<std::string> headers;
        if (*header != '\0') headers.emplace_back(header);
        const auto sent = world.receive(response(invite.text, status, "No", "callee", headers), invite.flow.remote);
        EXPECT_EQ(how_many(sent, "INVITE"), 0U) << status;
        EXPECT_EQ(how_many(sent, "SIP/2.0 " + std::to_string(status == 503 ? 500 : status)), 1U) << status;
    }
}

TEST(Failover, NotAfterRinging) {
    World world{{.hosts = 2}};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    const auto sent = world.receive(response(invite.text, 503, "Gone"), invite.flow.remote);
    EXPECT_EQ(how_many(sent, "INVITE"), 0U);
    EXPECT_EQ(how_many(sent, "SIP/2.0 500"), 1U) << "a host's 503 goes up as 500";
}

TEST(Failover, AllSilentIs408) {
    World world{{.hosts = 2}};
    world.receive(request({}), client_a);
    const auto sent = world.advance(4s);
    EXPECT_EQ(how_many(sent, "SIP/2.0 408"), 1U);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
}

TEST(Failover, SilentHostsAreTakenOutOfRotation) {
    World world{{.hosts = 2, .probe_mode = 1}};
    // Host 0 never answers; host 1 takes every call.
    int to_silent = 0;
    for (int i = 0; i < 12; ++i) {
        const auto n = std::to_string(i);
        auto sent = world.receive(request({.call_id = "rot" + n, .branch = "z9hG4bKrot" + n}), client_a);
        if (only(sent, "INVITE").flow.remote == World::host(0)) {
            ++to_silent;
            sent = world.advance(2s);
        }
        for (const auto& s : sent)
            if (s.text.starts_with("INVITE") && s.flow.remote == World::host(1)) world.receive(response(s.text, 200, "OK"), World::host(1));
    }
    EXPECT_EQ(to_silent, 2) << "probing_threshold failures in a row";
    EXPECT_EQ(world.state(0), balancer::State::probing);
    EXPECT_EQ(world.load(0), 0U);
    EXPECT_EQ(world.load(1), 12U);
}

TEST(Failover, LateAnswerOfTheFirstHostWinsWhileTheNextStillWaits) {
    World world{{.hosts = 2}};
    const auto first = only(world.receive(request({}), client_a), "INVITE");
    const auto moved = world.advance(2s);
    const auto second = *std::find_if(moved.begin(), moved.end(),
                                      [&](const Sent& s) { return s.text.starts_with("INVITE") && s.flow.remote != first.flow.remote; });
    const auto sent = world.receive(response(first.text, 200, "OK"), first.flow.remote);
    EXPECT_EQ(only(sent, "SIP/2.0 200").flow.remote, client_a);
    EXPECT_EQ(world.total_load(), 1U);
    const auto i = first.flow.remote == World::host(0) ? 0U : 1U;
    EXPECT_EQ(world.load(i), 1U);
    // The second host is told as soon as it answers.
    const auto cancelled = world.receive(response(second.text, 180, "Ringing"), second.flow.remote);
    EXPECT_EQ(only(cancelled, "CANCEL").flow.remote, second.flow.remote);
    const auto ended = world.receive(response(second.text, 487, "Request Terminated"), second.flow.remote);
    EXPECT_EQ(only(ended, "ACK").flow.remote, second.flow.remote);
    EXPECT_EQ(how_many(ended, "SIP/2.0"), 0U);
}

TEST(Failover, LateProvisionalOfAnAbandonedHostIsCancelled) {
    World world{{.hosts = 2}};
    const auto first = only(world.receive(request({}), client_a), "INVITE");
    world.advance(2s);
    const auto sent = world.receive(response(first.text, 180, "Ringing"), first.flow.remote);
    const auto cancel = only(sent, "CANCEL");
    EXPECT_EQ(cancel.flow.remote, first.flow.remote);
    EXPECT_EQ(Text{cancel.text}.value("Via"), Text{first.text}.value("Via"));
    EXPECT_EQ(how_many(sent, "SIP/2.0"), 0U);
}

TEST(Failover, ACallEndedByAnEarlyByeOpensNoNewBranch) {
    World world{{.hosts = 2}};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    // The BYE comes before any answer; the host answers it, and never the INVITE.
    const auto bye = only(world.receive(request({.method = "BYE", .to_tag = "early", .cseq = 2, .branch = "z9hG4bKbye"}), client_a), "BYE");
    world.receive(response(bye.text, 200, "OK"), bye.flow.remote);
    for (const auto& s : world.advance(40s))
        if (s.text.starts_with("INVITE")) {
            EXPECT_EQ(s.flow.remote, invite.flow.remote);
        }
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Failover, RegisterMovesToTheNextHost) {
    World world{{.hosts = 2}};
    const auto first = only(world.receive(request({.method = "REGISTER"}), client_a), "REGISTER");
    const auto sent = world.advance(2s);
    const Sent* second = nullptr;
    for (const auto& s : sent)
        if (s.text.starts_with("REGISTER") && s.flow.remote != first.flow.remote) second = &s;
    ASSERT_NE(second, nullptr);
    EXPECT_EQ(how_many(world.receive(response(second->text, 200, "OK"), second->flow.remote), "SIP/2.0 200"), 1U);
}

TEST(Failover, SilentNonInviteEndsInSilence_Rfc4320) {
    World world{{.hosts = 2}};
    world.receive(request({.method = "REGISTER"}), client_a);
    const auto sent = world.advance(70s);
    EXPECT_EQ(how_many(sent, "SIP/2.0 100"), 1U) << "when the client has slowed down to T2";
    EXPECT_EQ(how_many(sent, "SIP/2.0"), 1U);
    EXPECT_EQ(world.transactions(), 0U);
}

}  // namespace
}  // namespace sipfront::sim

// The four machines, transition by transition, as RFC 3261 §17, RFC 6026 and RFC 4320 draw them.
#include "sip/tx_fsm.hpp"

#include <gtest/gtest.h>

namespace sipfront::sip::fsm {
namespace {

using enum State;
constexpr bool udp = false, tcp = true;

TEST(InviteClientTx, RetransmitsOnlyWhileCallingOverUdp_Rfc3261_17_1_1_2) {
    EXPECT_EQ(invite_client(calling, Event::retransmit, udp), (Step{calling, Do::resend}));
    EXPECT_EQ(invite_client(calling, Event::retransmit, tcp), Step{calling});
    EXPECT_EQ(invite_client(proceeding, Event::retransmit, udp), Step{proceeding});
}

TEST(InviteClientTx, AProvisionalStopsTimersAAndB) {
    const auto s = invite_client(calling, Event::provisional, udp);
    EXPECT_EQ(s.next, proceeding);
    EXPECT_TRUE(has(s.actions, Do::pass_up) && has(s.actions, Do::stop_retransmit) && has(s.actions, Do::stop_timeout));
    EXPECT_EQ(invite_client(proceeding, Event::provisional, udp), (Step{proceeding, Do::pass_up})) << "Timer C is the core's";
}

TEST(InviteClientTx, EachFailureIsAcknowledgedUntilTimerD) {
    const auto s = invite_client(proceeding, Event::failure, udp);
    EXPECT_EQ(s.next, completed);
    EXPECT_TRUE(has(s.actions, Do::ack) && has(s.actions, Do::pass_up) && has(s.actions, Do::start_linger));
    EXPECT_EQ(invite_client(completed, Event::failure, udp), (Step{completed, Do::ack}));
    EXPECT_EQ(invite_client(completed, Event::linger, udp), Step{terminated});
    EXPECT_EQ(invite_client(proceeding, Event::failure, tcp).next, terminated) << "D is zero on a stream";
}

TEST(InviteClientTx, AcceptedPassesEvery2xxUntilTimerM_Rfc6026_7_2) {
    EXPECT_EQ(invite_client(calling, Event::success, udp).next, accepted);
    EXPECT_EQ(invite_client(accepted, Event::success, udp), (Step{accepted, Do::pass_up}));
    EXPECT_EQ(invite_client(accepted, Event::failure, udp), Step{accepted});
    EXPECT_EQ(invite_client(accepted, Event::provisional, udp), Step{accepted});
    EXPECT_EQ(invite_client(accepted, Event::linger, udp), Step{terminated});
}

TEST(InviteClientTx, TimeoutAndTransportErrorAreToldOnce) {
    EXPECT_EQ(invite_client(calling, Event::timeout, udp), (Step{terminated, Do::tell_timeout}));
    EXPECT_EQ(invite_client(calling, Event::transport_error, udp), (Step{terminated, Do::tell_error}));
    EXPECT_EQ(invite_client(completed, Event::transport_error, udp), (Step{terminated, Do::tell_error}));
}

TEST(RequestClientTx, RetransmitsAtT2AfterAProvisional_Rfc3261_17_1_2_2) {
    EXPECT_EQ(request_client(trying, Event::retransmit, udp), (Step{trying, Do::resend}));
    EXPECT_EQ(request_client(proceeding, Event::retransmit, udp), (Step{proceeding, Do::resend | Do::slow_retransmit}));
    EXPECT_EQ(request_client(trying, Event::retransmit, tcp), Step{trying});
    EXPECT_EQ(request_client(trying, Event::provisional, udp), (Step{proceeding, Do::pass_up | Do::slow_retransmit}));
}

TEST(RequestClientTx, FinalsAreAbsorbedUntilTimerK) {
    EXPECT_EQ(request_client(trying, Event::success, udp).next, completed);
    EXPECT_EQ(request_client(completed, Event::success, udp), Step{completed}) << "a repeated final is not passed up";
    EXPECT_EQ(request_client(completed, Event::linger, udp), Step{terminated});
    EXPECT_EQ(request_client(proceeding, Event::failure, tcp).next, terminated) << "K is zero on a stream";
}

TEST(InviteServerTx, RetransmittedInviteGetsTheLastResponse_Rfc3261_17_2_1) {
    EXPECT_EQ(invite_server(proceeding, Event::request, udp), (Step{proceeding, Do::resend}));
    EXPECT_EQ(invite_server(completed, Event::request, udp), (Step{completed, Do::resend}));
    EXPECT_EQ(invite_server(confirmed, Event::request, udp), Step{confirmed});
}

TEST(InviteServerTx, RetransmitsFinalResponseUntilAck_Rfc3261_17_2_1) {
    const auto s = invite_server(proceeding, Event::failure, udp);
    EXPECT_EQ(s.next, completed);
    EXPECT_TRUE(has(s.actions, Do::start_retransmit) && has(s.actions, Do::start_timeout));
    EXPECT_FALSE(has(invite_server(proceeding, Event::failure, tcp).actions, Do::start_retransmit)) << "no Timer G on a stream";
    EXPECT_EQ(invite_server(completed, Event::retransmit, udp), (Step{completed, Do::resend}));
    EXPECT_EQ(invite_server(completed, Event::ack, udp).next, confirmed);
    EXPECT_EQ(invite_server(completed, Event::ack, tcp).next, terminated) << "I is zero on a stream";
    EXPECT_EQ(invite_server(completed, Event::timeout, udp), (Step{terminated, Do::tell_timeout})) << "Timer H";
}

TEST(InviteServerTx, AcceptedAbsorbsInvitesAndPasses2xx_Rfc6026_7_1) {
    EXPECT_EQ(invite_server(proceeding, Event::success, udp).next, accepted);
    EXPECT_EQ(invite_server(accepted, Event::request, udp), Step{accepted});
    EXPECT_EQ(invite_server(accepted, Event::success, udp), (Step{accepted, Do::send}));
    EXPECT_EQ(invite_server(accepted, Event::ack, udp), Step{accepted});
    EXPECT_EQ(invite_server(accepted, Event::failure, udp), Step{accepted});
    EXPECT_EQ(invite_server(accepted, Event::linger, udp), Step{terminated});
}

TEST(InviteServerTx, NothingIsSentAfterAFailure) {
    for (const auto e : {Event::provisional, Event::success, Event::failure})
        EXPECT_FALSE(has(invite_server(completed, e, udp).actions, Do::send));
}

TEST(RequestServerTx, RepeatsTheLastResponseUntilTimerJ_Rfc3261_17_2_2) {
    EXPECT_EQ(request_server(trying, Event::request, udp), Step{trying}) << "nothing to repeat yet";
    EXPECT_EQ(request_server(proceeding, Event::request, udp), (Step{proceeding, Do::resend}));
    EXPECT_EQ(request_server(trying, Event::failure, udp), (Step{completed, Do::send | Do::start_linger}));
    EXPECT_EQ(request_server(completed, Event::request, udp), (Step{completed, Do::resend}));
    EXPECT_EQ(request_server(completed, Event::success, udp), Step{completed}) << "a second final is dropped";
    EXPECT_EQ(request_server(completed, Event::linger, udp), Step{terminated});
    EXPECT_EQ(request_server(trying, Event::success, tcp).next, terminated) << "J is zero on a stream";
}

TEST(RequestServerTx, EndsInSilenceOnTimeout_Rfc4320_4_1) { EXPECT_EQ(request_server(trying, Event::timeout, udp), Step{terminated}); }

// Whatever comes, a terminated machine stays so and does nothing.
TEST(AllMachines, TerminatedIsFinal) {
    for (int e = 0; e < static_cast<int>(Event::count_); ++e)
        for (const bool reliable : {udp, tcp}) {
            const auto event = static_cast<Event>(e);
            EXPECT_EQ(invite_client(terminated, event, reliable), Step{terminated});
            EXPECT_EQ(request_client(terminated, event, reliable), Step{terminated});
            EXPECT_EQ(invite_server(terminated, event, reliable), Step{terminated});
            EXPECT_EQ(request_server(terminated, event, reliable), Step{terminated});
        }
}

}  // namespace
}  // namespace sipfront::sip::fsm

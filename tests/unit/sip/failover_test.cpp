#include "sip/failover.hpp"

#include <array>

#include <gtest/gtest.h>

namespace sipfront::sip {
namespace {

constexpr std::array codes{503, 500};

constexpr AttemptContext fresh(bool invite = true) { return {invite, false, false, 2, codes}; }
constexpr AttemptEnd answered(int status, bool q850 = false) { return {AttemptEnd::response, status, q850}; }

constexpr std::array unanswered{AttemptEnd{AttemptEnd::timeout, 0, false}, AttemptEnd{AttemptEnd::transport_error, 0, false},
                                AttemptEnd{AttemptEnd::host_dead, 0, false}};

TEST(Failover, GoesOnWhenTheHostSaidNothing) {
    for (const auto& end : unanswered) {
        EXPECT_EQ(next_step(end, fresh()), NextStep::try_next);
        EXPECT_EQ(next_step(end, fresh(false)), NextStep::try_next);
    }
}

TEST(Failover, GoesOnForTheConfiguredCodesOnly) {
    EXPECT_EQ(next_step(answered(503), fresh()), NextStep::try_next);
    EXPECT_EQ(next_step(answered(500), fresh(false)), NextStep::try_next);
    for (const int status : {200, 302, 401, 404, 407, 408, 480, 486, 502, 504})
        EXPECT_EQ(next_step(answered(status), fresh()), NextStep::pass_up);
    auto none = fresh();
    none.failover_codes = {};
    EXPECT_EQ(next_step(answered(503), none), NextStep::pass_up);
}

TEST(Failover, NeverOn6xxEvenIfConfigured) {
    constexpr std::array all{503, 600, 603};
    auto context = fresh();
    context.failover_codes = all;
    EXPECT_EQ(next_step(answered(600), context), NextStep::pass_up);
    EXPECT_EQ(next_step(answered(603), context), NextStep::pass_up);
}

TEST(Failover, AReplyWithAQ850ReasonIsTheCallsResult) { EXPECT_EQ(next_step(answered(503, true), fresh()), NextStep::pass_up); }

TEST(Failover, NeverAfterAProvisionalAbove100) {
    auto context = fresh();
    context.provisional_seen = true;
    EXPECT_EQ(next_step(answered(503), context), NextStep::pass_up);
    for (const auto& end : unanswered) EXPECT_EQ(next_step(end, context), NextStep::pass_up);
}

TEST(Failover, NeverAfterCancel) {
    auto context = fresh();
    context.cancelled = true;
    EXPECT_EQ(next_step(answered(503), context), NextStep::pass_up);
    for (const auto& end : unanswered) EXPECT_EQ(next_step(end, context), NextStep::pass_up);
}

TEST(Failover, EndsWhenNoAttemptIsLeft) {
    auto context = fresh();
    context.attempts_left = 0;
    EXPECT_EQ(next_step(answered(503), context), NextStep::pass_up);
    for (const auto& end : unanswered) EXPECT_EQ(next_step(end, context), NextStep::pass_up);
}

TEST(Failover, AHosts503ReachesTheClientAs500_Rfc3261_16_7) {
    EXPECT_EQ(upstream_status(503, false), 500);
    EXPECT_EQ(upstream_status(503, true), 503);
    EXPECT_EQ(upstream_status(486, false), 486);
}

static_assert(next_step({AttemptEnd::timeout, 0, false}, fresh()) == NextStep::try_next);

}  // namespace
}  // namespace sipfront::sip

// Whether a request may go to another host after an attempt has ended. Pure; DESIGN.md §4.10, RFC 3261 §16.7, §21.5.4.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <span>

namespace sipfront::sip {

struct AttemptEnd {
    enum Kind : std::uint8_t {
        response,         // a final one
        timeout,          // fr_timer without any response
        transport_error,  // ICMP unreachable, connection refused
        host_dead,        // health declared the host dead while the request waited there
    };
    Kind kind = response;
    int status = 0;            // of a response
    bool q850_reason = false;  // the response has `Reason: Q.850`: the call itself got that far
};

struct AttemptContext {
    bool invite = false;
    bool provisional_seen = false;  // above 100: the far end has begun to act on it
    bool cancelled = false;
    int attempts_left = 0;
    std::span<const int> failover_codes;
};

enum class NextStep : std::uint8_t { pass_up, try_next };

// `pass_up`: the best response so far is the client's answer.
constexpr NextStep next_step(const AttemptEnd& end, const AttemptContext& context) noexcept {
    assert(context.invite || !context.cancelled);
    if (context.cancelled || context.provisional_seen || context.attempts_left <= 0) return NextStep::pass_up;
    if (end.kind != AttemptEnd::response) return NextStep::try_next;
    // A 6xx is everybody's refusal (§21.6); a Q.850 cause is the call's result, not the host's state.
    if (end.status >= 600 || end.q850_reason) return NextStep::pass_up;
    const bool listed = std::ranges::find(context.failover_codes, end.status) != context.failover_codes.end();
    return listed ? NextStep::try_next : NextStep::pass_up;
}

// What the client gets to see of a host's final status: a 503 would make it shun us (§16.7 step 6), who are well.
constexpr int upstream_status(int status, bool disable_503_translation) noexcept {
    return status == 503 && !disable_503_translation ? 500 : status;
}

}  // namespace sipfront::sip

// The four transaction state machines as pure functions: (state, event) -> (state, what to do). Effects are data; timers,
// sockets and memory belong to the caller. RFC 3261 §17.1.1 (INVITE client), §17.1.2 (non-INVITE client), §17.2.1 (INVITE
// server), §17.2.2 (non-INVITE server), with RFC 6026 (Accepted state, Timers L and M) and RFC 4320 (non-INVITE finals).
#pragma once

#include <cstdint>

namespace sipfront::sip::fsm {

enum class State : std::uint8_t { calling, trying, proceeding, accepted, completed, confirmed, terminated };

enum class Event : std::uint8_t {
    request,      // a retransmission of the request arrived (server side)
    ack,          // ACK with the INVITE's branch (INVITE server)
    provisional,  // 1xx: from the wire (client) or to be sent (server)
    success,      // 2xx likewise
    failure,      // 3xx-6xx likewise
    retransmit,   // Timer A, E or G
    timeout,      // Timer B, F or H
    linger,       // Timer D, I, J, K, L or M
    transport_error,
    count_
};

enum class Do : std::uint16_t {
    nothing = 0,
    send = 1 << 0,              // the response at hand goes out (server)
    resend = 1 << 1,            // the request (client) or the last response (server) goes out again
    pass_up = 1 << 2,           // the response goes to the proxy core (client)
    ack = 1 << 3,               // an ACK for the non-2xx final goes out (INVITE client)
    stop_retransmit = 1 << 4,   // Timer A or G is off
    slow_retransmit = 1 << 5,   // Timer E goes on at T2
    start_retransmit = 1 << 6,  // Timer G
    start_timeout = 1 << 7,     // Timer H
    start_linger = 1 << 8,      // Timer D, I, J, K, L or M, by machine and state
    stop_timeout = 1 << 9,      // Timer B, F or H is off
    tell_timeout = 1 << 10,     // the core hears of the timeout
    tell_error = 1 << 11,       // the core hears of the transport error
};
constexpr Do operator|(Do a, Do b) noexcept { return static_cast<Do>(static_cast<unsigned>(a) | static_cast<unsigned>(b)); }
constexpr bool has(Do set, Do one) noexcept { return (static_cast<unsigned>(set) & static_cast<unsigned>(one)) != 0; }

struct Step {
    State next;
    Do actions = Do::nothing;

    friend constexpr bool operator==(Step, Step) = default;
};

// §17.1.1.2 with RFC 6026 §7.2. A reliable transport has no Timer A, and D is zero.
constexpr Step invite_client(State s, Event e, bool reliable) noexcept {
    using enum Event;
    if (s == State::calling || s == State::proceeding) {
        switch (e) {
            case provisional:
                if (s == State::proceeding) return {s, Do::pass_up};  // Timer C runs, and is the core's
                return {State::proceeding, Do::pass_up | Do::stop_retransmit | Do::stop_timeout};
            case success:
                return {State::accepted, Do::pass_up | Do::stop_retransmit | Do::stop_timeout | Do::start_linger};
            case failure:
                return {reliable ? State::terminated : State::completed,
                        Do::pass_up | Do::ack | Do::stop_retransmit | Do::stop_timeout | Do::start_linger};
            case retransmit:
                if (s == State::calling && !reliable) return {s, Do::resend};
                return {s};
            case timeout:  // Timer B; a proxy's fr_inv_timer and Timer C arrive here too
                return {State::terminated, Do::tell_timeout};
            case transport_error:
                return {State::terminated, Do::tell_error};
            default:
                return {s};
        }
    }
    if (s == State::completed) {
        switch (e) {
            case failure:
                return {s, Do::ack};
            case linger:
                return {State::terminated};  // Timer D
            case transport_error:
                return {State::terminated, Do::tell_error};
            default:
                return {s};
        }
    }
    if (s == State::accepted) {
        switch (e) {
            case success:
                return {s, Do::pass_up};  // RFC 6026: retransmissions and forked 2xx reach the core
            case linger:
                return {State::terminated};  // Timer M
            default:
                return {s};
        }
    }
    return {State::terminated};
}

// §17.1.2.2. A reliable transport has no Timer E, and K is zero.
constexpr Step request_client(State s, Event e, bool reliable) noexcept {
    using enum Event;
    if (s == State::trying || s == State::proceeding) {
        switch (e) {
            case provisional:
                return {State::proceeding, Do::pass_up | Do::slow_retransmit};
            case success:
            case failure:
                return {reliable ? State::terminated : State::completed,
                        Do::pass_up | Do::stop_retransmit | Do::stop_timeout | Do::start_linger};
            case retransmit:
                if (reliable) return {s};
                return {s, s == State::proceeding ? Do::resend | Do::slow_retransmit : Do::resend};
            case timeout:
                return {State::terminated, Do::tell_timeout};  // Timer F
            case transport_error:
                return {State::terminated, Do::tell_error};
            default:
                return {s};
        }
    }
    if (s == State::completed) return {e == linger ? State::terminated : s};  // Timer K
    return {State::terminated};
}

// §17.2.1 with RFC 6026 §7.1. A reliable transport has no Timer G, and I is zero.
constexpr Step invite_server(State s, Event e, bool reliable) noexcept {
    using enum Event;
    switch (s) {
        case State::proceeding:
            switch (e) {
                case request:
                    return {s, Do::resend};
                case provisional:
                    return {s, Do::send};
                case success:
                    return {State::accepted, Do::send | Do::start_linger};
                case failure:
                    return {State::completed,
                            reliable ? Do::send | Do::start_timeout : Do::send | Do::start_retransmit | Do::start_timeout};
                case transport_error:
                    return {s, Do::tell_error};  // RFC 6026 §7.1: not fatal before a final response
                default:
                    return {s};
            }
        case State::accepted:
            switch (e) {
                case success:
                    return {s, Do::send};  // a retransmitted or forked 2xx
                case linger:
                    return {State::terminated};  // Timer L
                default:
                    return {s};  // INVITE retransmissions are absorbed, ACKs go to the core
            }
        case State::completed:
            switch (e) {
                case request:
                    return {s, Do::resend};
                case ack:
                    return {reliable ? State::terminated : State::confirmed, Do::stop_retransmit | Do::stop_timeout | Do::start_linger};
                case retransmit:
                    return {s, reliable ? Do::nothing : Do::resend};
                case timeout:
                    return {State::terminated, Do::tell_timeout};  // Timer H: no ACK ever came
                case transport_error:
                    return {State::terminated, Do::tell_error};
                default:
                    return {s};
            }
        case State::confirmed:
            return {e == linger ? State::terminated : s};  // Timer I
        default:
            return {State::terminated};
    }
}

// §17.2.2 with RFC 4320 §4.2. A reliable transport's J is zero.
constexpr Step request_server(State s, Event e, bool reliable) noexcept {
    using enum Event;
    switch (s) {
        case State::trying:
        case State::proceeding:
            switch (e) {
                case request:
                    return {s, s == State::proceeding ? Do::resend : Do::nothing};
                case provisional:
                    return {State::proceeding, Do::send};
                case success:
                case failure:
                    return {reliable ? State::terminated : State::completed, Do::send | Do::start_linger};
                case timeout:
                    return {State::terminated};  // RFC 4320: ends silently, a 408 would help nobody
                case transport_error:
                    return {State::terminated, Do::tell_error};
                default:
                    return {s};
            }
        case State::completed:
            switch (e) {
                case request:
                    return {s, Do::resend};
                case linger:
                    return {State::terminated};  // Timer J
                case transport_error:
                    return {State::terminated, Do::tell_error};
                default:
                    return {s};  // later finals are dropped
            }
        default:
            return {State::terminated};
    }
}

static_assert(invite_server(State::completed, Event::ack, false).next == State::confirmed);
static_assert(invite_client(State::proceeding, Event::success, false).next == State::accepted);

}  // namespace sipfront::sip::fsm

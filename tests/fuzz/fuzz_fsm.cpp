// The four transaction machines under event sequences that a hostile peer and a slow clock could bring about, with the timers
// that their actions arm. RFC 3261 §17, RFC 6026, RFC 4320.
#include <cstdint>
#include <span>

#include "sip/tx_fsm.hpp"
#include "tests/fuzz/check.hpp"

namespace sipfront::sip::fsm {
namespace {

using Machine = Step (*)(State, Event, bool) noexcept;

struct Kind {
    Machine step;
    State start;
    bool client;
    bool invite;
};
constexpr Kind kinds[] = {
    {&invite_client, State::calling, true, true},
    {&request_client, State::trying, true, false},
    {&invite_server, State::proceeding, false, true},
    {&request_server, State::trying, false, false},
};

constexpr bool is_response(Event e) noexcept { return e == Event::provisional || e == Event::success || e == Event::failure; }
constexpr bool is_final(Event e) noexcept { return e == Event::success || e == Event::failure; }
constexpr bool before_final(State s) noexcept { return s == State::calling || s == State::trying || s == State::proceeding; }

class Run {
public:
    Run(const Kind& kind, bool reliable)
        : kind_{kind},
          reliable_{reliable},
          state_{kind.start},
          retransmit_{kind.client && !reliable},
          timeout_{kind.client || !kind.invite} {}

    void take(Event e) {
        if (!possible(e)) return;
        const auto before = state_;
        const auto step = kind_.step(before, e, reliable_);
        CHECK(step == kind_.step(before, e, reliable_));  // pure
        actions(before, e, step);
        arm(e, step.actions);
        state_ = step.next;
        states(before);
    }

private:
    // A timer fires only when it is armed; servers get no foreign events and clients none of a server's.
    [[nodiscard]] bool possible(Event e) const {
        switch (e) {
            case Event::request:
                return !kind_.client;
            case Event::ack:
                return !kind_.client && kind_.invite;
            case Event::retransmit:
                return retransmit_;
            case Event::timeout:
                return timeout_;
            case Event::linger:
                return linger_;
            default:
                return true;
        }
    }

    void actions(State before, Event e, Step step) const {
        const auto does = [&](Do d) { return has(step.actions, d); };
        if (before == State::terminated) CHECK(step == Step{State::terminated});
        if (does(Do::pass_up)) CHECK(kind_.client && is_response(e));
        if (does(Do::send)) CHECK(!kind_.client && is_response(e));
        if (does(Do::ack)) CHECK(kind_.client && kind_.invite && e == Event::failure);
        if (does(Do::tell_timeout)) CHECK(e == Event::timeout);
        if (does(Do::tell_error)) CHECK(e == Event::transport_error);
        if (does(Do::resend)) {
            // Clients repeat the request until they have a final response, servers a response when asked or until the ACK.
            if (kind_.client) CHECK(e == Event::retransmit && before_final(before));
            if (!kind_.client) CHECK(e == Event::request || (e == Event::retransmit && before == State::completed));
            if (e == Event::retransmit) CHECK(!reliable_);
        }
        // The core hears of each outcome once, but for the 2xx of an INVITE (RFC 6026).
        if (kind_.client && is_response(e) && !before_final(before))
            CHECK(!does(Do::pass_up) || (kind_.invite && before == State::accepted && e == Event::success));
        // A second final never overtakes the first, but for the 2xx of an INVITE.
        if (!kind_.client && is_final(e) && !before_final(before))
            CHECK(!does(Do::send) || (kind_.invite && before == State::accepted && e == Event::success));
        // RFC 4320: no 408 for a non-INVITE; a timeout there is silent on the server side.
        if (!kind_.client && !kind_.invite) CHECK(!does(Do::tell_timeout));
    }

    void arm(Event e, Do actions) {
        if (has(actions, Do::start_retransmit)) CHECK(!reliable_), retransmit_ = true;
        if (has(actions, Do::stop_retransmit)) retransmit_ = false;
        if (has(actions, Do::start_timeout)) timeout_ = true;
        if (has(actions, Do::stop_timeout) || e == Event::timeout) timeout_ = false;
        if (e == Event::linger) linger_ = false;
        if (has(actions, Do::start_linger)) linger_ = true;
    }

    void states(State before) const {
        if (before != state_) {
            CHECK(before != State::terminated);
            CHECK(state_ != State::calling && state_ != State::trying);  // no way back to the start
            CHECK(before_final(before) || !before_final(state_));        // nor from a final to before it
            CHECK(state_ != State::accepted || kind_.invite);            // RFC 6026 is for INVITE
            CHECK(state_ != State::confirmed || (kind_.invite && !kind_.client));
        }
        // Nothing stays for ever: behind a final response some timer always ends the transaction.
        if (state_ == State::accepted || state_ == State::confirmed) CHECK(linger_);
        if (state_ == State::completed) CHECK(linger_ || timeout_);
        if (kind_.client && !kind_.invite && before_final(state_)) CHECK(timeout_);
        if (kind_.client && state_ == State::calling) CHECK(timeout_);
        if (state_ == State::confirmed || state_ == State::accepted) CHECK(!retransmit_);
    }

    const Kind& kind_;
    const bool reliable_;
    State state_;
    bool retransmit_, timeout_, linger_ = false;
};

}  // namespace
}  // namespace sipfront::sip::fsm

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sipfront::sip::fsm;
    if (size == 0) return 0;
    Run run{kinds[data[0] & 3U], (data[0] & 4U) != 0};
    for (const auto octet : std::span{data + 1, size - 1}) run.take(static_cast<Event>(octet % static_cast<unsigned>(Event::count_)));
    return 0;
}

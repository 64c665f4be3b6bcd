// The health of one destination as a pure state machine: (health, evidence, thresholds) -> health.
//
//   active --(probing_threshold failures in a row)--> probing --(inactive_threshold proofs of life in a row)--> active
//
// Two things lie across it. "Full": the host answered a probe with a full code (FreeSWITCH at its session limit says 503):
// it lives, keeps its calls and takes no new ones, until a probe says otherwise. And the operator: inactive (out, still
// probed, so that it comes back in the state it really has) and disabled (out and left alone).
#pragma once

#include <cstdint>
#include <string_view>

#include "balancer/config.hpp"
#include "core/types.hpp"
#include "sip/routing.hpp"

namespace sipfront::balancer {

// What routing sees. Only `active` gets initial requests; every state keeps its in-dialog traffic.
enum class State : std::uint8_t { active, probing, inactive, disabled };

// The operator's word, which wins over evidence.
enum class Admin : std::uint8_t { enabled, inactive, disabled };

enum class Evidence : std::uint8_t {
    alive,        // a live request was answered
    probe_alive,  // a probe was answered: alive and willing
    probe_full,   // a probe was answered with a full code: alive, no new calls
    failure,      // no answer, transport error, or a probe's answer that does not mean alive
};

struct Thresholds {
    std::uint32_t failures = 2;   // in a row, until a host is out
    std::uint32_t successes = 1;  // in a row, until it is back
};

struct Health {
    Admin admin = Admin::enabled;
    bool failing = false;
    bool full = false;
    std::uint32_t streak = 0;  // in a row: failures of a host that is not failing, proofs of life of one that is

    [[nodiscard]] constexpr State state() const noexcept {
        if (admin == Admin::disabled) return State::disabled;
        if (admin == Admin::inactive) return State::inactive;
        return failing ? State::probing : State::active;
    }
    // Whether the next proof of life would change anything: workers report those only then.
    [[nodiscard]] constexpr bool wants_life() const noexcept { return admin != Admin::disabled && (failing || streak > 0); }

    friend constexpr bool operator==(const Health&, const Health&) = default;
};

constexpr Health next(Health h, Evidence e, Thresholds t) noexcept {
    if (h.admin == Admin::disabled) return h;
    if (e == Evidence::probe_full) h.full = true;
    if (e == Evidence::probe_alive) h.full = false;
    const bool flips = h.failing != (e == Evidence::failure);
    if (!flips) {
        h.streak = 0;
        return h;
    }
    const auto needed = h.failing ? t.successes : t.failures;
    if (++h.streak >= needed) {
        h.failing = !h.failing;
        h.streak = 0;
        // Whoever comes out of silence starts afresh; whoever falls silent is no longer "alive but full".
        if (h.failing) h.full = false;
    }
    return h;
}

// The operator's command. Enabling starts with a clean slate; probing means "out until proven alive".
constexpr Health commanded(State wanted) noexcept {
    switch (wanted) {
        case State::active:
            return {};
        case State::probing:
            return {.failing = true};
        case State::inactive:
            return {.admin = Admin::inactive};
        case State::disabled:
            return {.admin = Admin::disabled};
    }
    return {};
}

static_assert(next({}, Evidence::failure, {2, 1}).state() == State::active);
static_assert(next(next({}, Evidence::failure, {2, 1}), Evidence::failure, {2, 1}).state() == State::probing);
static_assert(next(commanded(State::probing), Evidence::alive, {2, 1}).state() == State::active);

constexpr std::string_view name(State s) noexcept {
    switch (s) {
        case State::active:
            return "active";
        case State::probing:
            return "probing";
        case State::inactive:
            return "inactive";
        case State::disabled:
            return "disabled";
    }
    return "unknown";
}

// What a worker saw of a destination; crosses to control in a mailbox.
struct HealthEvent {
    core::DestinationId destination = core::no_destination;
    sip::Outcome outcome = sip::Outcome::alive;
    bool from_probe = false;
    std::uint16_t status = 0;  // of a probe's final response; 0: there was none

    friend constexpr bool operator==(const HealthEvent&, const HealthEvent&) = default;
};

// Which answers mean what is the operator's choice (ProbeConfig). A 503 to a live request proves life: failover deals with the
// request, and only a probe says whether the host wants calls, lest a burst of refusals take every host out at once.
Evidence classify(const HealthEvent& event, const ProbeConfig& config) noexcept;

// Whether the row's probe_mode asks for probes in this state.
constexpr bool wants_probes(int probe_mode, State state, bool full) noexcept {
    if (probe_mode == 0 || state == State::disabled) return false;
    return probe_mode != 1 || state != State::active || full;
}

}  // namespace sipfront::balancer

// The balancer as one worker sees it: answers the proxy's questions from the newest snapshot, counts, and gathers evidence
// about the hosts for control.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "balancer/dispatcher.hpp"
#include "balancer/health_fsm.hpp"
#include "balancer/snapshot.hpp"
#include "core/counters.hpp"
#include "core/hash.hpp"
#include "core/published.hpp"
#include "sip/routing.hpp"

namespace sipfront::balancer {

enum class SelectorCount : std::uint8_t {
    balanced,  // calls given to a host
    balance_unavailable,
    balance_full,
    dispatched,
    dispatch_unavailable,
    dispatch_full,
    adopted,
    released,
    release_unknown,    // of a destination that the snapshot does not know: a bug, or a call older than the registry
    release_underflow,  // of more than was held: a bug
    adopt_unknown,
    evidence_dropped,  // more than fitted between two calls of take_evidence()
    count_
};

// One worker's; only counters() and the picks of destinations are read by others. No allocation after construction.
class Selector final : public sip::Router {
public:
    static constexpr std::size_t max_evidence = 256;

    // `sticky_key`: of the dispatcher's hashes. Give both nodes of a pair the same one, so that a takeover moves no registration;
    // keep it from outsiders, so that they cannot aim registrations at one host.
    Selector(core::WorkerId self, core::Published<Snapshot>& published, const core::SecretKey& sticky_key = {});
    Selector(const Selector&) = delete;
    Selector& operator=(const Selector&) = delete;

    // Takes the newest snapshot; once per poll, before anything else. True when it is another one than before.
    bool refresh() noexcept;
    // Null until control has published one. Valid until the next refresh().
    [[nodiscard]] const Snapshot* snapshot() const noexcept { return snapshot_; }

    sip::RouteAnswer balance(const sip::RouteQuery& q) override;
    sip::RouteAnswer dispatch(const sip::RouteQuery& q) override;
    void release(core::DestinationId d) override;
    void adopt(core::DestinationId d) override;
    void report(core::DestinationId d, sip::Outcome o) override;
    [[nodiscard]] core::Zone zone_of(const core::Endpoint& e) const override { return source_of(e.address).zone; }
    [[nodiscard]] core::DestinationId find(const core::Endpoint& e, core::Transport t) const override;
    [[nodiscard]] std::optional<sip::Target> target_of(core::DestinationId d) const override;
    [[nodiscard]] bool can_take_calls() const override;

    // Whom an address belongs to, and whether the access lists admit it.
    struct Source {
        core::Zone zone = core::Zone::outside;
        bool admitted = true;
    };
    [[nodiscard]] Source source_of(const core::IpAddress& a) const noexcept {
        if (snapshot_ == nullptr) return {};
        if (!a.is_v4()) return look_up(a);
        const auto address = a.v4_host_order();
        auto& seen = seen_[address * 0x9e3779b1U >> 23];
        static_assert(seen_addresses == 1U << (32 - 23));
        if (!seen.known || seen.address != address) [[unlikely]]
            seen = {address, look_up(a), true};
        return seen.source;
    }

    // As balance() and dispatch(), from plain values. `key`: what must stick, hashed (dispatch_key).
    sip::RouteAnswer balance(std::uint64_t call_hash, core::DestinationId preferred, std::span<const core::DestinationId> tried);
    sip::RouteAnswer dispatch(std::uint64_t key, core::DestinationId preferred, std::span<const core::DestinationId> tried);

    // A probe's result, from the prober.
    void report(const HealthEvent& probe_result) { gather(probe_result); }
    // Moves what was gathered into `out`, oldest first; returns how many. What does not fit stays for the next call.
    std::size_t take_evidence(std::span<HealthEvent> out) noexcept;

    [[nodiscard]] const core::CounterArray<SelectorCount>& counters() const noexcept { return counters_; }

private:
    // What this worker last told about a destination.
    struct Told {
        bool failure = false;        // and no proof of life since
        bool alive_waiting = false;  // a proof of life is in the array already
    };

    sip::RouteAnswer answer(const Choice& choice, SelectorCount selected, SelectorCount unavailable, SelectorCount full);
    DestinationLoad* load_of(core::DestinationId d) const noexcept;
    // False when there is no room.
    bool gather(const HealthEvent& event);

    [[nodiscard]] Source look_up(const core::IpAddress& a) const noexcept;

    // What the present snapshot says of addresses seen lately.
    struct Seen {
        std::uint32_t address = 0;  // IPv4, in host order
        Source source;
        bool known = false;
    };
    static constexpr std::size_t seen_addresses = 512;

    core::WorkerId self_;
    core::Published<Snapshot>& published_;
    const Snapshot* snapshot_ = nullptr;
    core::HashKey sticky_key_;
    RoundRobin turns_;
    std::array<HealthEvent, max_evidence> evidence_{};
    std::size_t evidence_count_ = 0;
    std::vector<Told> told_;  // by destination id
    core::CounterArray<SelectorCount> counters_;
    mutable std::array<Seen, seen_addresses> seen_{};
};

}  // namespace sipfront::balancer

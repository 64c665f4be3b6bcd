// The dispatcher policy: by weight, without looking at load. Sticky algorithms give the same key the same host for as long as
// that host serves.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "balancer/load_balancer.hpp"
#include "balancer/snapshot.hpp"
#include "core/hash.hpp"
#include "sip/message.hpp"

namespace sipfront::balancer {

// Smooth weighted round robin: of hosts with weights 5, 1, 1 the first gets five of seven turns, and never all five in a row.
// One worker's.
class RoundRobin {
public:
    RoundRobin() : credit_(max_destinations) {}

    // The next one among hosts of one priority, all of them usable ones only by `usable`; null if none is.
    template <class Usable>
    const DispatchCandidate* next(std::span<const DispatchCandidate> tier, Usable&& usable) noexcept {
        const DispatchCandidate* best = nullptr;
        std::int64_t total = 0;
        for (const auto& host : tier) {
            if (!usable(host)) continue;
            total += host.weight;
            credit(host) += host.weight;
            if (best == nullptr || credit(host) > credit(*best)) best = &host;
        }
        if (best != nullptr) credit(*best) -= total;
        return best;
    }

private:
    std::int64_t& credit(const DispatchCandidate& host) noexcept { return credit_[core::raw(host.id)]; }

    std::vector<std::int64_t> credit_;  // by destination id
};

struct DispatchRequest {
    std::uint64_t key = 0;                                 // uniform hash of what must stick; unused by round robin
    core::DestinationId preferred = core::no_destination;  // asked first
    std::span<const core::DestinationId> tried;            // left out
};

// `set`: by descending priority, as Snapshot has it; the highest priority with any usable host serves. Usable: active, not
// full, weight above 0, not tried. `turns`: null for the sticky algorithms. O(hosts), no allocation.
Choice choose_by_weight(std::span<const DispatchCandidate> set, const DispatchRequest& request, RoundRobin* turns) noexcept;

// The AoR of a URI text as a hash (RFC 3261 §10.3 step 5): user without escapes and parameters, '@', host in lower case; scheme, port and
// parameters do not count. A text that is no URI is hashed as it is.
std::uint64_t hash_aor(const core::HashKey& key, std::string_view uri) noexcept;
// The user part only; of a URI without one, the whole text.
std::uint64_t hash_user(const core::HashKey& key, std::string_view uri) noexcept;
// What `algorithm` sticks to in this request: aor the To URI, request_user the Request-URI's user, call_id the Call-ID.
std::uint64_t dispatch_key(const core::HashKey& key, DsAlgorithm algorithm, const sip::Message& request) noexcept;

}  // namespace sipfront::balancer

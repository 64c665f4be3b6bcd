#include "balancer/load_balancer.hpp"

#include <algorithm>
#include <cassert>
#include <compare>
#include <limits>

#include "balancer/rendezvous.hpp"

namespace sipfront::balancer {
namespace {

bool contains(std::span<const core::DestinationId> ids, core::DestinationId id) noexcept { return std::ranges::find(ids, id) != ids.end(); }

// How much of one resource is in use; the smaller one has more to give.
struct Burden {
    ResourceLoad::Reading reading;
    LbAlgorithm algorithm = LbAlgorithm::relative;

    friend std::strong_ordering operator<=>(const Burden& a, const Burden& b) noexcept {
        const std::uint64_t load_a = a.reading.load;
        const std::uint64_t load_b = b.reading.load;
        // load/capacity against load/capacity; both halves fit 32 bits, so the products are exact.
        if (a.algorithm == LbAlgorithm::relative) return load_a * b.reading.capacity <=> load_b * a.reading.capacity;
        // The fewest free units is the highest burden; nobody who is asked here has more load than capacity.
        return b.reading.capacity - load_b <=> a.reading.capacity - load_a;
    }
};

struct Measured {
    bool full = false;
    Burden worst;
    std::uint64_t last_pick = 0;
};

Measured measure(const DestinationLoad& load, const CallRequest& request) noexcept {
    const auto first = request.need.first();
    Measured m{false, {load[first].read(), request.algorithm}, load[first].last_pick()};
    m.full = m.worst.reading.full();
    if (request.need.is_one()) [[likely]]
        return m;
    request.need.all([&](ResourceId r) {
        const Burden b{load[r].read(), request.algorithm};
        m.full = m.full || b.reading.full();
        if (!m.full && b > m.worst) m.worst = b;
        return !m.full;
    });
    return m;
}

struct Scan {
    const CallCandidate* best = nullptr;
    bool saw_full = false;
    std::uint64_t latest_pick = 0;
};

Scan scan(std::span<const CallCandidate> hosts, const CallRequest& request) noexcept {
    Scan s;
    Measured best;
    for (const auto& host : hosts) {
        if (!host.active || contains(request.tried, host.id)) continue;
        const auto m = measure(*host.load, request);
        s.latest_pick = std::max(s.latest_pick, m.last_pick);
        if (host.full || m.full) {
            s.saw_full = true;
            continue;
        }
        if (s.best != nullptr) {
            const auto order = m.worst <=> best.worst;
            if (order > 0 || (order == 0 && m.last_pick > best.last_pick)) continue;
            const auto draw = [&](const CallCandidate& c) { return mix(request.hash ^ mix(core::raw(c.id))); };
            if (order == 0 && m.last_pick == best.last_pick && draw(host) > draw(*s.best)) continue;
        }
        s.best = &host;
        best = m;
    }
    return s;
}

Choice take(const CallCandidate& host, const CallRequest& request, std::uint64_t latest_pick) noexcept {
    (*host.load)[request.need.first()].set_last_pick(latest_pick + 1);
    return {sip::Answer::selected, host.id};
}

}  // namespace

Choice choose_for_call(std::span<const CallCandidate> hosts, const CallRequest& request) noexcept {
    assert(!request.need.empty());
    const auto usable = [&](const CallCandidate& c) { return c.active && !c.full && !contains(request.tried, c.id); };
    if (request.preferred != core::no_destination) {
        const auto host = std::ranges::find(hosts, request.preferred, &CallCandidate::id);
        if (host != hosts.end() && usable(*host) && host->load->try_reserve(request.need)) return {sip::Answer::selected, host->id};
    }
    // Each failed reservation means that another worker took the last unit of the best host in between: look again, a few times.
    constexpr int rounds = 4;
    Scan s;
    for (int round = 0; round < rounds; ++round) {
        s = scan(hosts, request);
        if (s.best == nullptr) return {s.saw_full ? sip::Answer::full : sip::Answer::unavailable, core::no_destination};
        if (s.best->load->try_reserve(request.need)) return take(*s.best, request, s.latest_pick);
    }
    // Under such a rush any free unit will do.
    for (const auto& host : hosts)
        if (usable(host) && host.load->try_reserve(request.need)) return take(host, request, s.latest_pick);
    return {sip::Answer::full, core::no_destination};
}

bool can_take_call(std::span<const CallCandidate> hosts, ResourceSet need) noexcept {
    return std::ranges::any_of(hosts, [&](const CallCandidate& c) {
        return c.active && !c.full && need.all([&](ResourceId r) { return !(*c.load)[r].read().full(); });
    });
}

}  // namespace sipfront::balancer

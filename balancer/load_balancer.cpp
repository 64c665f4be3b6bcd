#include "balancer/load_balancer.hpp"

#include <algorithm>
#include <cassert>
#include <compare>
#include <limits>

#include "balancer/rendezvous.hpp"

namespace sipfront::balancer {
namespace {

bool contains(std::span<const core::DestinationId> ids, core::DestinationId id) noexcept { return std::ranges::find(ids, id) != ids.end(); }

// Which of two loads of one resource is the heavier: `greater` is `a`, which then has less to give.
std::strong_ordering compare(const ResourceLoad::Reading& a, const ResourceLoad::Reading& b, LbAlgorithm algorithm) noexcept {
    const std::uint64_t load_a = a.load, load_b = b.load;
    // load/capacity against load/capacity; both halves fit 32 bits, so the products are exact.
    if (algorithm == LbAlgorithm::relative) return load_a * b.capacity <=> load_b * a.capacity;
    // The fewest free units is the highest burden; nobody who is asked here has more load than capacity.
    return b.capacity - load_b <=> a.capacity - load_a;
}

// The scarcest of the resources that a call needs; full when one of them is.
ResourceLoad::Reading burden_of(const DestinationLoad& load, const CallRequest& request) noexcept {
    auto worst = load[request.need.first()].read();
    if (request.need.is_one()) [[likely]]
        return worst;
    request.need.all([&](ResourceId r) {
        const auto reading = load[r].read();
        if (reading.full() || (!worst.full() && compare(reading, worst, request.algorithm) > 0)) worst = reading;
        return !worst.full();
    });
    return worst;
}

struct Scan {
    const CallCandidate* best = nullptr;
    bool saw_full = false;
    std::uint64_t latest_pick = 0;
};

Scan scan(std::span<const CallCandidate> hosts, const CallRequest& request) noexcept {
    Scan s;
    ResourceLoad::Reading least;
    std::uint64_t pick_of_best = 0;
    const auto first = request.need.first();
    const auto draw = [&](const CallCandidate& c) { return mix(request.hash ^ mix(core::raw(c.id))); };
    for (const auto& host : hosts) {
        if (!host.active || (!request.tried.empty() && contains(request.tried, host.id))) continue;
        const auto burden = burden_of(*host.load, request);
        const auto last_pick = (*host.load)[first].last_pick();
        s.latest_pick = std::max(s.latest_pick, last_pick);
        if (host.full || burden.full()) {
            s.saw_full = true;
            continue;
        }
        if (s.best != nullptr) {
            const auto order = compare(burden, least, request.algorithm);
            if (order > 0) continue;
            if (order == 0 && last_pick >= pick_of_best && (last_pick > pick_of_best || draw(host) > draw(*s.best))) continue;
        }
        s.best = &host;
        least = burden;
        pick_of_best = last_pick;
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

#include "balancer/prober.hpp"

#include <cassert>

#include "balancer/rendezvous.hpp"

namespace sipfront::balancer {

Prober::Prober(core::WorkerId self, std::size_t workers, std::uint64_t seed)
    : self_{self}, workers_{workers}, random_{mix(seed ^ mix(core::raw(self)))} {
    assert(core::raw(self) < workers);
}

void Prober::refresh(const Snapshot& snapshot, core::Tick now) {
    interval_ = snapshot.probe().interval;
    timeout_ = snapshot.probe().timeout;
    jitter_ = std::clamp(snapshot.probe().jitter, 0.0, 1.0);
    std::vector<Entry> next;
    for (const auto& d : snapshot.destinations()) {
        if (!d.probed() || !owns(d.id)) continue;
        const auto* known = entry(d.id);
        Entry e = known != nullptr ? *known : Entry{.destination = d.id};
        // Also keeps a shortened interval from waiting for the old one.
        if (known == nullptr || e.due - now > 2 * interval_)
            e.due = now + core::Duration{static_cast<core::Duration::rep>(draw() * static_cast<double>(interval_.count()))};
        next.push_back(e);
    }
    entries_ = std::move(next);
    find_earliest();
}

std::optional<HealthEvent> Prober::on_response(core::DestinationId d, int status) {
    if (status < 200) return std::nullopt;
    return finish(d, sip::Outcome::alive, static_cast<std::uint16_t>(status));
}

void Prober::hurry(core::DestinationId d, core::Tick now) noexcept {
    auto* e = entry(d);
    if (e == nullptr || e->in_flight) return;
    e->due = now;
    find_earliest();
}

bool Prober::suspect(core::DestinationId d, core::Tick now) noexcept {
    auto* e = entry(d);
    if (e == nullptr || e->in_flight || now < e->trusted) return false;
    e->trusted = now + interval_;
    hurry(d, now);
    return true;
}

bool Prober::in_flight(core::DestinationId d) const noexcept {
    const auto e = std::ranges::find(entries_, d, &Entry::destination);
    return e != entries_.end() && e->in_flight;
}

Prober::Entry* Prober::entry(core::DestinationId d) noexcept {
    const auto e = std::ranges::find(entries_, d, &Entry::destination);
    return e != entries_.end() ? &*e : nullptr;
}

std::optional<HealthEvent> Prober::finish(core::DestinationId d, sip::Outcome outcome, std::uint16_t status) {
    auto* e = entry(d);
    if (e == nullptr || !e->in_flight) return std::nullopt;
    e->in_flight = false;
    find_earliest();
    return HealthEvent{d, outcome, true, status};
}

void Prober::find_earliest() noexcept {
    earliest_ = earliest_deadline_ = core::Tick::max();
    for (const auto& e : entries_) {
        if (e.in_flight) {
            earliest_deadline_ = std::min(earliest_deadline_, e.deadline);
        } else {
            earliest_ = std::min(earliest_, e.due);
        }
    }
}

core::Duration Prober::jittered_interval() noexcept {
    const auto factor = 1.0 + jitter_ * (2.0 * draw() - 1.0);
    return core::Duration{static_cast<core::Duration::rep>(factor * static_cast<double>(interval_.count()))};
}

double Prober::draw() noexcept {
    random_ = mix(random_);
    return static_cast<double>(random_ >> 11) * 0x1p-53;
}

}  // namespace sipfront::balancer

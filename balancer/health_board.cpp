#include "balancer/health_board.hpp"

#include <algorithm>
#include <utility>

#include "balancer/destination_uri.hpp"

namespace sipfront::balancer {

Evidence classify(const HealthEvent& event, const ProbeConfig& config) noexcept {
    if (event.outcome == sip::Outcome::timeout || event.outcome == sip::Outcome::transport_error) return Evidence::failure;
    if (!event.from_probe) return Evidence::alive;
    const auto listed = [&](const std::vector<std::uint16_t>& codes) { return std::ranges::find(codes, event.status) != codes.end(); };
    if (listed(config.full_codes)) return Evidence::probe_full;
    if (listed(config.alive_codes)) return Evidence::probe_alive;
    // 408 may be a proxy's word for a dead host behind it, 5xx a host that cannot serve; 6xx counts unless codes were chosen.
    const auto highest = config.alive_codes.empty() ? 699 : 499;
    const bool alive = event.status >= 200 && event.status <= highest && event.status != 408 && event.status / 100 != 5;
    return alive ? Evidence::probe_alive : Evidence::failure;
}

std::string_view StatusEvent::event_name() const noexcept {
    return kind == Kind::load_balancer ? "E_LOAD_BALANCER_STATUS" : "E_DISPATCHER_STATUS";
}

std::string_view StatusEvent::status() const noexcept {
    const bool in_service = to == State::active;
    if (kind == Kind::load_balancer) return in_service ? "enabled" : "disabled";
    return in_service ? "active" : "inactive";
}

bool HealthBoard::apply(const HealthEvent& event) {
    auto* e = entry(event.destination);
    if (e == nullptr) return false;
    const auto evidence = classify(event, probe_);
    // Nothing would ever bring a host back that is never probed, so nothing takes it out.
    if (!e->probed && evidence == Evidence::failure) return false;
    const auto before = e->health;
    change(*e, next(before, evidence, {probe_.probing_threshold, probe_.inactive_threshold}));
    const auto& after = e->health;
    return before.state() != after.state() || before.full != after.full || before.wants_life() != after.wants_life();
}

bool HealthBoard::command(core::DestinationId d, State wanted) {
    auto* e = entry(d);
    if (e == nullptr) return false;
    change(*e, commanded(wanted));
    return true;
}

std::vector<StatusEvent> HealthBoard::take_events() { return std::exchange(events_, {}); }

const Health* HealthBoard::find(core::DestinationId d) const noexcept {
    const auto i = core::raw(d);
    return i < entries_.size() && entries_[i] ? &entries_[i]->health : nullptr;
}

void HealthBoard::enroll(core::DestinationId d, const Identity& identity, State configured, int probe_mode) {
    if (entries_.size() <= core::raw(d)) entries_.resize(core::raw(d) + std::size_t{1});
    auto& slot = entries_[core::raw(d)];
    const bool probed = probe_mode != 0;
    if (!slot || slot->identity != identity) {
        slot = Entry{identity, configured, probed, commanded(configured)};
        return;
    }
    slot->probed = probed;
    if (slot->configured == configured) return;
    slot->configured = configured;
    change(*slot, commanded(configured));
}

void HealthBoard::forget(core::DestinationId d) noexcept {
    if (core::raw(d) < entries_.size()) entries_[core::raw(d)].reset();
}

HealthBoard::Entry* HealthBoard::entry(core::DestinationId d) noexcept {
    const auto i = core::raw(d);
    return i < entries_.size() && entries_[i] ? &*entries_[i] : nullptr;
}

void HealthBoard::change(Entry& e, Health to) {
    const auto from = std::exchange(e.health, to);
    if (from.state() == to.state() && from.full == to.full) return;
    events_.push_back(
        {e.identity.kind, e.identity.group, canonical_uri(e.identity.remote, e.identity.transport), from.state(), to.state(), to.full});
}

}  // namespace sipfront::balancer

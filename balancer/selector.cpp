#include "balancer/selector.hpp"

#include <algorithm>
#include <cassert>

#include "balancer/load_balancer.hpp"

namespace sipfront::balancer {

Selector::Selector(core::WorkerId self, core::Published<Snapshot>& published, const core::SecretKey& sticky_key)
    : self_{self}, published_{published}, sticky_key_{sticky_key}, told_(max_destinations) {}

bool Selector::refresh() noexcept {
    const auto* before = snapshot_;
    snapshot_ = published_.acquire(self_);
    if (snapshot_ == before) return false;
    seen_.fill({});
    return true;
}

sip::RouteAnswer Selector::balance(const sip::RouteQuery& q) { return balance(q.call_id_hash, q.preferred, q.tried); }

sip::RouteAnswer Selector::dispatch(const sip::RouteQuery& q) {
    const auto key = snapshot_ != nullptr ? dispatch_key(sticky_key_, snapshot_->ds_algorithm(), q.request) : 0;
    return dispatch(key, q.preferred, q.tried);
}

sip::RouteAnswer Selector::balance(std::uint64_t call_hash, core::DestinationId preferred, std::span<const core::DestinationId> tried) {
    Choice choice;
    if (snapshot_ != nullptr && !snapshot_->calls().empty())
        choice = choose_for_call(snapshot_->calls(), {snapshot_->call_resources(), snapshot_->lb_algorithm(), call_hash, preferred, tried});
    return answer(choice, SelectorCount::balanced, SelectorCount::balance_unavailable, SelectorCount::balance_full);
}

sip::RouteAnswer Selector::dispatch(std::uint64_t key, core::DestinationId preferred, std::span<const core::DestinationId> tried) {
    Choice choice;
    if (snapshot_ != nullptr) {
        auto* turns = snapshot_->ds_algorithm() == DsAlgorithm::round_robin ? &turns_ : nullptr;
        choice = choose_by_weight(snapshot_->dispatched(), {key, preferred, tried}, turns);
    }
    return answer(choice, SelectorCount::dispatched, SelectorCount::dispatch_unavailable, SelectorCount::dispatch_full);
}

sip::RouteAnswer Selector::answer(const Choice& choice, SelectorCount selected, SelectorCount unavailable, SelectorCount full) {
    if (choice.answer != sip::Answer::selected) {
        counters_[choice.answer == sip::Answer::full ? full : unavailable].add();
        return {choice.answer, {}};
    }
    counters_[selected].add();
    const auto* d = snapshot_->find(choice.destination);
    assert(d != nullptr);
    d->load->count_pick(self_);
    return {sip::Answer::selected, {d->id, d->identity.remote, d->identity.transport}};
}

void Selector::release(core::DestinationId d) {
    auto* load = load_of(d);
    if (load == nullptr) return counters_[SelectorCount::release_unknown].add();
    counters_[SelectorCount::released].add();
    const bool held = load->release(snapshot_->call_resources());
    if (!held) counters_[SelectorCount::release_underflow].add();
    assert(held);
}

void Selector::adopt(core::DestinationId d) {
    auto* load = load_of(d);
    if (load == nullptr) return counters_[SelectorCount::adopt_unknown].add();
    counters_[SelectorCount::adopted].add();
    load->adopt(snapshot_->call_resources());
}

void Selector::report(core::DestinationId d, sip::Outcome o) {
    if (core::raw(d) >= told_.size()) return;
    auto& told = told_[core::raw(d)];
    if (o == sip::Outcome::timeout || o == sip::Outcome::transport_error) {
        told.failure = true;
        gather({d, o});
        return;
    }
    // A healthy host proves its life with every response; control hears of it only where it is news.
    const auto* known = snapshot_ != nullptr ? snapshot_->find(d) : nullptr;
    if (told.alive_waiting || known == nullptr || !(told.failure || known->wants_life)) return;
    if (gather({d, o})) told = {false, true};
}

Selector::Source Selector::look_up(const core::IpAddress& a) const noexcept {
    const auto zone = snapshot_->zone_of(a);
    return {zone, snapshot_->guard().admits(a, zone)};
}

core::DestinationId Selector::find(const core::Endpoint& e, core::Transport t) const {
    return snapshot_ != nullptr ? snapshot_->find(e, t) : core::no_destination;
}

std::optional<sip::Target> Selector::target_of(core::DestinationId d) const {
    const auto* found = snapshot_ != nullptr ? snapshot_->find(d) : nullptr;
    if (found == nullptr) return std::nullopt;
    return sip::Target{.destination = d, .remote = found->identity.remote, .transport = found->identity.transport};
}

bool Selector::can_take_calls() const { return snapshot_ != nullptr && can_take_call(snapshot_->calls(), snapshot_->call_resources()); }

std::size_t Selector::take_evidence(std::span<HealthEvent> out) noexcept {
    const auto taken = std::min(out.size(), evidence_count_);
    for (std::size_t i = 0; i < taken; ++i) {
        out[i] = evidence_[i];
        told_[core::raw(out[i].destination)].alive_waiting = false;
    }
    std::move(evidence_.begin() + static_cast<std::ptrdiff_t>(taken), evidence_.begin() + static_cast<std::ptrdiff_t>(evidence_count_),
              evidence_.begin());
    evidence_count_ -= taken;
    return taken;
}

DestinationLoad* Selector::load_of(core::DestinationId d) const noexcept {
    const auto* known = snapshot_ != nullptr ? snapshot_->find(d) : nullptr;
    return known != nullptr ? known->load.get() : nullptr;
}

bool Selector::gather(const HealthEvent& event) {
    if (evidence_count_ == max_evidence) {
        counters_[SelectorCount::evidence_dropped].add();
        return false;
    }
    evidence_[evidence_count_++] = event;
    return true;
}

}  // namespace sipfront::balancer

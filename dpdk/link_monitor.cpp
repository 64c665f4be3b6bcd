#include "dpdk/link_monitor.hpp"

#include <algorithm>
#include <cassert>

namespace sipfront::dpdk {

LinkMonitor::LinkMonitor(const Config& config, core::Tick now)
    : config_{config}, members_(config.members), active_{config.preferred}, active_since_{now} {
    assert(config.members > 0 && config.preferred < config.members);
    for (auto& m : members_) m.carrier_since = now;
}

std::size_t LinkMonitor::poll(core::Tick now, const Evidence& evidence) {
    note_carrier(now, evidence.carrier);
    note_answers(now, evidence);
    const auto best = choose();
    if (best != active_) switch_to(best, now);
    return active_;
}

void LinkMonitor::note_carrier(core::Tick now, std::span<const bool> carrier) {
    assert(carrier.size() == members_.size());
    for (std::size_t i = 0; i < members_.size(); ++i) {
        auto& m = members_[i];
        if (carrier[i] != m.carrier) {
            m.carrier = carrier[i];
            m.carrier_since = now;
            m.silent = false;  // something was done to this link: it deserves another chance
        }
        m.up = m.carrier && (m.up || now - m.carrier_since >= config_.up_delay);
    }
}

void LinkMonitor::note_answers(core::Tick now, const Evidence& evidence) {
    if (evidence.answered) {
        unanswered_ = 0;
        members_[active_].silent = false;
        rotation_ = {};
        return;
    }
    // Without a carrier nobody can answer, which says nothing about the path behind it.
    if (config_.missed == 0 || !evidence.probed || !members_[active_].carrier) return;
    if (++unanswered_ < config_.missed) return;
    members_[active_].silent = true;
    if (!std::ranges::all_of(members_, [](const Member& m) { return m.silent || !m.up; })) return;
    // All silent: each gets its turn again, slower every time round, while the current one stays.
    if (now - active_since_ < rotation_) return;
    for (std::size_t i = 0; i < members_.size(); ++i) {
        if (i != active_) members_[i].silent = false;
    }
    rotation_ = std::min(std::max<core::Duration>(rotation_ * 2, std::chrono::seconds{1}), config_.longest_rotation);
}

std::size_t LinkMonitor::choose() const {
    // The first member from the active one on for which `is` holds.
    const auto next = [&](auto is) -> std::optional<std::size_t> {
        for (std::size_t step = 0; step < members_.size(); ++step) {
            const auto i = (active_ + step) % members_.size();
            if (is(members_[i])) return i;
        }
        return std::nullopt;
    };
    const auto good = [](const Member& m) { return m.up && !m.silent; };
    // While everybody is silent the preferred member is no better than the others: only an answer ends the rotation.
    const bool rotating = rotation_ != core::Duration{};
    if (good(members_[config_.preferred]) && !rotating) return config_.preferred;
    // A member with carrier, though silent or fresh, is better than none.
    for (const auto& found : {next(good), next([](const Member& m) { return m.up; }), next([](const Member& m) { return m.carrier; })}) {
        if (found) return *found;
    }
    return active_;
}

void LinkMonitor::switch_to(std::size_t member, core::Tick now) {
    active_ = member;
    active_since_ = now;
    unanswered_ = 0;
}

}  // namespace sipfront::dpdk

#include <algorithm>

#include "dpdk/data_plane.hpp"
#include "dpdk/link_monitor.hpp"

namespace sipfront::dpdk {
namespace {

// A switch may lose the first announcement while its port comes up.
constexpr std::uint32_t announcements = 3;

LinkMonitor::Config monitor_config(DataPlane& plane, const BondConfig& config) {
    LinkMonitor::Config c;
    c.members = plane.bond()->members().size();
    c.preferred = plane.bond()->preferred();
    c.up_delay = 5 * std::chrono::milliseconds{config.monitor_interval_ms};
    c.missed = config.arp_targets.empty() ? 0 : config.arp_missed;
    return c;
}

}  // namespace

BondMonitor::BondMonitor(DataPlane& plane, const BondConfig& config, std::vector<core::IpAddress> own, core::Tick now)
    : plane_{plane},
      monitor_{monitor_config(plane, config), now},
      targets_{config.arp_targets},
      own_{std::move(own)},
      polls_at_switch_(plane.workers()) {
    remember_polls();
}

std::optional<BondMonitor::Event> BondMonitor::poll(core::Tick now) {
    auto& bond = *plane_.bond();
    std::array<bool, most_members> carrier{};
    const auto members = std::min(bond.members().size(), carrier.size());
    for (std::size_t i = 0; i < members; ++i) carrier[i] = bond.carrier(i);
    const auto answers = plane_.answers();
    const LinkMonitor::Evidence evidence{{carrier.data(), members}, probed_, answers != answers_seen_};
    answers_seen_ = answers;

    const auto from = bond.active();
    const auto to = monitor_.poll(now, evidence);
    std::optional<Event> event;
    // The PMD moves by itself when a NIC reports its link down; it is brought in line, and a refusal is tried again next time.
    if (from != to && bond.activate(to)) {
        event = Event{from, to};
        switches_.add();
        announcements_left_ = announcements;
        remember_polls();
    } else if (from == to) {
        drain_inactive();
    }
    if (announcements_left_ > 0) {
        --announcements_left_;
        (void)plane_.announce(announced_);
    }
    send_probes();
    return event;
}

void BondMonitor::remember_polls() {
    for (std::size_t w = 0; w < polls_at_switch_.size(); ++w) {
        polls_at_switch_[w] = plane_.counters(core::WorkerId{static_cast<std::uint8_t>(w)}).polls.get();
    }
}

void BondMonitor::drain_inactive() {
    auto& bond = *plane_.bond();
    // A worker that has begun two polls since the switch has finished every burst on the old member.
    for (std::size_t w = 0; w < polls_at_switch_.size(); ++w) {
        if (plane_.counters(core::WorkerId{static_cast<std::uint8_t>(w)}).polls.get() < polls_at_switch_[w] + 2) return;
    }
    for (std::size_t i = 0; i < bond.members().size(); ++i) {
        // A NIC that reports its own link may be made active by the PMD at any moment: left alone.
        if (i != bond.active() && !bond.members()[i].kernel_interface.empty()) (void)bond.drain(i, plane_.wire().queues());
    }
}

void BondMonitor::send_probes() {
    probed_ = false;
    for (const auto& target : targets_) probed_ = plane_.probe(own_for(target), target) || probed_;
}

core::IpAddress BondMonitor::own_for(const core::IpAddress& target) const noexcept {
    const auto it = std::ranges::find_if(own_, [&](const core::IpAddress& a) { return a.family() == target.family(); });
    return it != own_.end() ? *it : core::IpAddress{};
}

}  // namespace sipfront::dpdk

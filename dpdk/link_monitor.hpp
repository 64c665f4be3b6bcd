// Watches the members of a bond and moves the traffic off a dead one: virtual members do not report their carrier to the bonding PMD,
// and a link may be up and lead nowhere. The decision is a pure machine on a manual clock; BondMonitor carries it out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/counters.hpp"
#include "core/endpoint.hpp"
#include "core/tick.hpp"
#include "dpdk/config.hpp"

namespace sipfront::dpdk {

class DataPlane;

// Which member should carry the traffic. Pure.
//   Carrier lost: the member is down at once. Carrier back: up after up_delay without interruption.
//   Silent: the active member has carrier, but no target answered for `missed` probes. Only the active member can be asked, so a
//   silent member is avoided until its carrier bounces, or until all others are worse; with every member silent the targets are
//   likelier dead than the links, and the rotation slows down.
//   The preferred member gets the traffic back when it is up and not silent.
class LinkMonitor {
public:
    struct Config {
        std::size_t members = 1;
        std::size_t preferred = 0;
        core::Duration up_delay = std::chrono::milliseconds{500};
        std::uint32_t missed = 3;  // unanswered probes until a member is silent; 0: no probing
        core::Duration longest_rotation = std::chrono::seconds{60};
    };
    // What one interval showed.
    struct Evidence {
        std::span<const bool> carrier;  // of each member
        bool probed = false;            // probes went out since the last poll
        bool answered = false;          // and a target answered
    };

    LinkMonitor(const Config& config, core::Tick now);
    // The member to use from now on; the active one when there is nothing better.
    std::size_t poll(core::Tick now, const Evidence& evidence);

    [[nodiscard]] std::size_t active() const noexcept { return active_; }
    [[nodiscard]] bool up(std::size_t member) const noexcept { return members_[member].up; }
    [[nodiscard]] bool silent(std::size_t member) const noexcept { return members_[member].silent; }

private:
    struct Member {
        bool carrier = true;
        bool up = true;
        bool silent = false;
        core::Tick carrier_since{};
    };

    void note_carrier(core::Tick now, std::span<const bool> carrier);
    void note_answers(core::Tick now, const Evidence& evidence);
    [[nodiscard]] std::size_t choose() const;
    void switch_to(std::size_t member, core::Tick now);

    Config config_;
    std::vector<Member> members_;
    std::size_t active_;
    std::uint32_t unanswered_ = 0;
    core::Tick active_since_;
    core::Duration rotation_{};  // least stay on a member while all are silent
};

// Control thread: reads carriers and answers, sends probes, drives the bond.
class BondMonitor {
public:
    struct Event {
        std::size_t from = 0, to = 0;  // members
    };

    // `own`: our addresses, asked from when the targets are probed. `plane` has a bond and outlives the monitor.
    BondMonitor(DataPlane& plane, const BondConfig& config, std::vector<core::IpAddress> own, core::Tick now);
    // Call it every monitor interval. After a switch the addresses handed to set_announced() have been announced already, and are
    // again in the next intervals.
    std::optional<Event> poll(core::Tick now);
    // The addresses whose place in the switches' tables follows the bond: the node's own, and the virtual ones while it is active.
    void set_announced(std::vector<core::IpAddress> addresses) { announced_ = std::move(addresses); }

    [[nodiscard]] const LinkMonitor& monitor() const noexcept { return monitor_; }
    [[nodiscard]] const core::Counter& switches() const noexcept { return switches_; }

private:
    static constexpr std::size_t most_members = 8;

    void remember_polls();
    void send_probes();
    void drain_inactive();
    [[nodiscard]] core::IpAddress own_for(const core::IpAddress& target) const noexcept;

    DataPlane& plane_;
    LinkMonitor monitor_;
    std::vector<core::IpAddress> targets_;
    std::vector<core::IpAddress> own_;
    std::vector<core::IpAddress> announced_;
    std::vector<std::uint64_t> polls_at_switch_;
    std::uint64_t answers_seen_ = 0;
    std::uint32_t announcements_left_ = 0;
    bool probed_ = false;
    core::Counter switches_;
};

}  // namespace sipfront::dpdk

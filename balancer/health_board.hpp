// What control knows of every destination's health. Control thread only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "balancer/config.hpp"
#include "balancer/destination.hpp"
#include "balancer/health_fsm.hpp"

namespace sipfront::balancer {

// A destination came into or went out of service: what OpenSIPS raises as an event.
struct StatusEvent {
    Kind kind{};
    std::uint32_t group = 0;
    std::string uri;
    State from{}, to{};
    bool full = false;  // after the change

    // "E_LOAD_BALANCER_STATUS" (group, uri, status) or "E_DISPATCHER_STATUS" (partition, group, address, status).
    [[nodiscard]] std::string_view event_name() const noexcept;
    // "enabled"/"disabled" of the load balancer, "active"/"inactive" of the dispatcher.
    [[nodiscard]] std::string_view status() const noexcept;
};

class HealthBoard {
public:
    explicit HealthBoard(ProbeConfig probe = {}) : probe_{std::move(probe)} {}

    // Thresholds and codes for the evidence from here on; health stays.
    void configure(ProbeConfig probe) { probe_ = std::move(probe); }

    // Evidence from a worker. True when a new snapshot must be published: state, fullness, or whether proofs of life matter.
    // Events about unknown destinations are ignored: their row is gone.
    bool apply(const HealthEvent& event);
    // The operator's command (lb_status, ds_set_state); false when there is no such destination.
    bool command(core::DestinationId d, State wanted);
    // What changed since the last call, oldest first.
    std::vector<StatusEvent> take_events();

    // Null for an unknown destination.
    [[nodiscard]] const Health* find(core::DestinationId d) const noexcept;

    // --- for the snapshot builder ---
    // A row as configured. The health of a destination that is known already stays, unless the row's own state was edited.
    void enroll(core::DestinationId d, const Identity& identity, State configured, int probe_mode);
    void forget(core::DestinationId d) noexcept;

private:
    struct Entry {
        Identity identity;
        State configured = State::active;
        bool probed = true;
        Health health;
    };
    Entry* entry(core::DestinationId d) noexcept;
    void change(Entry& e, Health to);

    ProbeConfig probe_;
    std::vector<std::optional<Entry>> entries_;  // by id
    std::vector<StatusEvent> events_;
};

}  // namespace sipfront::balancer

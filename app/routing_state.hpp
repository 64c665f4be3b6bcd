// Destinations and their health as control decides them: evidence and commands come in, snapshots for the workers go out.
// Control thread only.
#pragma once

#include <string>
#include <vector>

#include "app/telemetry.hpp"
#include "balancer/snapshot_builder.hpp"
#include "core/published.hpp"
#include "core/result.hpp"
#include "core/tick.hpp"

namespace sipfront::app {

class RoutingState {
public:
    // How often a snapshot is made anew while removed destinations wait for their last calls.
    static constexpr core::Duration leaving_interval = std::chrono::seconds{1};

    // Everything outlives the state. publish() must be called before the workers start.
    RoutingState(balancer::BalancerConfig config, std::size_t workers, core::Published<balancer::Snapshot>& published, ControlStats& stats);

    // What the rows made impossible, and what is surely not meant.
    struct Remarks {
        std::vector<std::string> errors, warnings;
    };
    Remarks publish();

    void apply(const balancer::HealthEvent& event);
    // Publishes if evidence or commands changed anything, or destinations are leaving; frees what nobody reads any more.
    // Returns the changes of state since the last call, oldest first.
    std::vector<balancer::StatusEvent> settle(core::Tick now);

    core::Status set_state(core::DestinationId d, balancer::State wanted);
    // Until a configuration with another capacity for that row comes.
    core::Status resize(std::uint32_t row_id, const std::string& resource, std::uint32_t capacity);
    // Loads, picks and health of destinations that stay are kept. What cannot change at run time stays as it was.
    Remarks replace(balancer::BalancerConfig next);

    [[nodiscard]] const balancer::BalancerConfig& config() const noexcept { return config_; }

private:
    balancer::BalancerConfig config_;
    core::Published<balancer::Snapshot>& published_;
    ControlStats& stats_;
    balancer::Registry registry_;
    balancer::HealthBoard health_;
    bool changed_ = false;
    core::Tick published_at_{};
};

}  // namespace sipfront::app

// The control thread: decides on health, publishes what workers read, follows the network, finds the addresses of host names,
// answers management, ends the process.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/command_table.hpp"
#include "app/config.hpp"
#include "app/destination_feed.hpp"
#include "app/dialog_keeper.hpp"
#include "app/event_loop.hpp"
#include "app/network_control.hpp"
#include "app/operations.hpp"
#include "app/routing_state.hpp"
#include "app/switchboard.hpp"
#include "kni/dns_client.hpp"
#include "kni/resolver.hpp"

namespace sipfront::app {

struct ControlParts {
    const Config& config;
    std::vector<std::string> config_files;  // read again by reload()
    Switchboard& switchboard;
    core::Published<balancer::Snapshot>& snapshots;
    Telemetry telemetry;
    ControlStats& stats;
    std::vector<ThreadStatus> threads;
    std::function<core::Tick()> clock;
    NetworkControl* network = nullptr;         // null: no data plane (tests)
    kni::Resolver* resolver = nullptr;         // null: nobody answers for names (tests)
    kni::DnsClient* dns = nullptr;             // what the resolver asks; null: nothing to watch (tests)
    DialogKeeper* keeper = nullptr;            // null: dialogs are kept nowhere else
    const core::Steering* steering = nullptr;  // null: no dialog is found by its Call-ID (tests)
    DestinationFeed* feed = nullptr;           // null: destinations come from the configuration
};

class Control final : public Operations {
public:
    static constexpr core::Duration tick_interval = std::chrono::milliseconds{10};

    // Publishes the first snapshot. What the parts refer to outlives it.
    explicit Control(ControlParts parts);
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;

    // Hangs everything periodic, the network and the signals into the loop. SIGHUP reloads; SIGTERM and SIGINT drain, and a
    // second one ends at once.
    core::Status attach(EventLoop& loop);

    // Evidence from the workers, publication, the end of draining; what attach() calls every tick_interval.
    void tick();
    // Takes what the feed brings; what attach() calls when it has something.
    void take_destinations();
    // One line of the management socket.
    std::string answer(std::string_view request);
    void on_signal(int signal);
    // The process should end now.
    [[nodiscard]] bool finished() const noexcept { return finished_; }

    [[nodiscard]] const Telemetry& telemetry() const override { return parts_.telemetry; }
    [[nodiscard]] const balancer::Snapshot* snapshot() const override { return parts_.snapshots.current(); }
    [[nodiscard]] std::uint64_t uptime_seconds() const override;
    [[nodiscard]] std::vector<PortStatus> ports() const override;
    [[nodiscard]] std::vector<ThreadStatus> threads() const override { return parts_.threads; }
    [[nodiscard]] std::vector<NameStatus> names() const override;
    [[nodiscard]] DestinationsStatus destinations_status() const override;
    core::Result<std::vector<DialogStatus>> dialogs(std::uint32_t index, std::uint32_t count) override;
    core::Result<std::vector<DialogStatus>> dialogs_of(const std::string& call_id, const std::string& from_tag) override;
    core::Result<bool> end_dialog(std::uint64_t id) override;
    ReloadReport reload() override;
    core::Status set_state(core::DestinationId d, balancer::State wanted) override;
    core::Status resize(std::uint32_t row_id, const std::string& resource, std::uint32_t capacity) override;
    core::Status probe(core::DestinationId d) override;
    [[nodiscard]] spdlog::level::level_enum log_level() const override { return level_; }
    void set_log_level(spdlog::level::level_enum level) override;
    void drain() override;

private:
    void resolve();
    void take_cache();
    void serve(const ha::DestinationTables& tables);
    void finish_draining(core::Tick now);
    void tell_workers(const WorkerCommand& command);
    void note(const std::vector<balancer::StatusEvent>& events);
    void finish() noexcept;
    bool ask(std::size_t worker, const std::shared_ptr<DialogListing>& q);

    ControlParts parts_;
    Config running_;  // what is in force
    RoutingState routing_;
    CommandTable commands_;
    DestinationsStatus destinations_;
    EventLoop* loop_ = nullptr;
    spdlog::level::level_enum level_;
    std::vector<std::shared_ptr<DialogListing>> unanswered_;  // a worker may still write to them
    core::Tick started_;
    core::Tick drain_until_{};
    bool draining_ = false;
    bool finished_ = false;
};

}  // namespace sipfront::app

// Prometheus: numbers are read from the counters when somebody scrapes, and never touched in between. docs/OPERATIONS.md lists them.
#pragma once

#include <memory>
#include <string>

#include "app/telemetry.hpp"
#include "core/endpoint.hpp"
#include "core/result.hpp"

namespace sipfront::app {

// Where scrapes find the destinations: a reader of the published snapshots besides the workers, used by one scrape at a time.
struct SnapshotReader {
    core::Published<balancer::Snapshot>* snapshots = nullptr;
    core::WorkerId id{};  // of no worker
};

// Serves http://listen/metrics on threads of its own until it goes.
class MetricsServer {
public:
    static core::Result<std::unique_ptr<MetricsServer>> open(const core::Endpoint& listen, Telemetry telemetry, SnapshotReader reader);
    ~MetricsServer();
    // Waits for a scrape in progress.
    MetricsServer(const MetricsServer&) = delete;
    MetricsServer& operator=(const MetricsServer&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept;

private:
    struct Impl;
    explicit MetricsServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// What a scrape answers, in the text format.
std::string metrics_text(const Telemetry& telemetry, const balancer::Snapshot* snapshot);

}  // namespace sipfront::app

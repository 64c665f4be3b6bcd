#include "app/metrics.hpp"

#include <exception>
#include <mutex>

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/text_serializer.h>

#include "app/metric_families.hpp"

namespace sipfront::app {

namespace {

Families collect(const Telemetry& telemetry, const balancer::Snapshot* snapshot) {
    Families out;
    process_families(out, telemetry);
    sip_families(out, telemetry);
    destination_families(out, telemetry, snapshot);
    worker_families(out, telemetry);
    journal_families(out, telemetry);
    return out;
}

class Source final : public prometheus::Collectable {
public:
    Source(Telemetry telemetry, SnapshotReader reader) : telemetry_{std::move(telemetry)}, reader_{reader} {}

    [[nodiscard]] Families Collect() const override {
        // Two scrapers at once would share the reader's epoch.
        const std::lock_guard one_at_a_time{mutex_};
        auto out = collect(telemetry_, reader_.snapshots->acquire(reader_.id));
        reader_.snapshots->leave(reader_.id);
        return out;
    }

private:
    Telemetry telemetry_;
    SnapshotReader reader_;
    mutable std::mutex mutex_;
};

}  // namespace

struct MetricsServer::Impl {
    std::shared_ptr<Source> source;
    prometheus::Exposer exposer;

    Impl(const std::string& address, std::shared_ptr<Source> s) : source{std::move(s)}, exposer{address, 2} {
        exposer.RegisterCollectable(source);
    }
};

core::Result<std::unique_ptr<MetricsServer>> MetricsServer::open(const core::Endpoint& listen, Telemetry telemetry, SnapshotReader reader) {
    try {
        auto source = std::make_shared<Source>(std::move(telemetry), reader);
        return std::unique_ptr<MetricsServer>{new MetricsServer{std::make_unique<Impl>(listen.to_string(), std::move(source))}};
    } catch (const std::exception& e) {
        return core::Error{"metrics.listen " + listen.to_string() + ": " + e.what() + "; give an address of this machine and a free port"};
    }
}

MetricsServer::MetricsServer(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
MetricsServer::~MetricsServer() = default;

std::uint16_t MetricsServer::port() const noexcept {
    const auto ports = impl_->exposer.GetListeningPorts();
    return ports.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(ports.front());
}

std::string metrics_text(const Telemetry& telemetry, const balancer::Snapshot* snapshot) {
    return prometheus::TextSerializer{}.Serialize(collect(telemetry, snapshot));
}

std::string_view name(ControlCount c) noexcept {
    static constexpr std::string_view names[] = {"reload_ok",        "reload_failed",     "snapshots",
                                                 "health_changes",   "bond_switches",     "admin_requests",
                                                 "commands_dropped", "destinations_read", "destinations_failed"};
    static_assert(std::size(names) == static_cast<std::size_t>(ControlCount::count_));
    return names[static_cast<std::size_t>(c)];
}

std::vector<balancer::DestinationView> destinations(const balancer::Snapshot* snapshot) {
    return snapshot == nullptr ? std::vector<balancer::DestinationView>{} : balancer::list(*snapshot);
}

}  // namespace sipfront::app

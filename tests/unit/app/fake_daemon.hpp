// Counters, destinations and operations as a daemon of two workers has them, without the daemon.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/operations.hpp"
#include "balancer/snapshot_builder.hpp"

namespace sipfront::app {

// Positional parameters; braces alone would make one value of a single one.
template <class... Values>
nlohmann::json positional(Values... values) {
    auto list = nlohmann::json::array();
    (list.push_back(values), ...);
    return list;
}

class FakeDaemon final : public Operations {
public:
    explicit FakeDaemon(std::size_t workers = 2)
        : stats(workers), ports_counted(workers), occupancy(workers), board{static_cast<std::uint32_t>(workers)} {
        config.load_balancer = {{.id = 1, .dst_uri = "sip:10.77.0.103", .resources = {{"pstn", 32}}, .attrs = "", .description = "FS1"},
                                {.id = 2, .dst_uri = "sip:10.77.0.104", .resources = {{"pstn", 16}}, .attrs = "", .description = "FS2"}};
        config.dispatcher = {{.id = 1, .destination = "sip:10.77.0.103", .weight = 3, .attrs = "", .description = "FS1"}};
        rebuild();
        for (std::size_t i = 0; i < workers; ++i) view.workers.push_back({&stats[i], &ports_counted[i], &occupancy[i]});
        view.switchboard = &board;
        view.control = &control;
        view.resolver = &resolved;
        view.version = "0.1.0";
        view.started = 1'700'000'000;
    }

    void rebuild() { current = balancer::build_snapshot(config, registry, health).snapshot; }
    const balancer::Destination& destination(std::size_t i) const { return current->destinations()[i]; }

    const Telemetry& telemetry() const override { return view; }
    const balancer::Snapshot* snapshot() const override { return current.get(); }
    std::uint64_t uptime_seconds() const override { return 77; }
    std::vector<PortStatus> ports() const override { return {{"net_a", true, true, false}, {"net_b", false, true, true}}; }
    std::vector<ThreadStatus> threads() const override { return {{"worker 0", 0}, {"worker 1", 1}, {"control", -1}}; }
    std::vector<NameStatus> names() const override { return known_names; }
    DestinationsStatus destinations_status() const override { return destinations_from; }
    core::Result<std::vector<DialogStatus>> dialogs(std::uint32_t index, std::uint32_t count) override {
        std::vector<DialogStatus> some;
        for (std::size_t i = index; i < calls.size() && some.size() < count; ++i) some.push_back(calls[i]);
        return some;
    }
    core::Result<std::vector<DialogStatus>> dialogs_of(const std::string& call_id, const std::string& from_tag) override {
        std::vector<DialogStatus> some;
        for (const auto& d : calls)
            if (d.call_id == call_id && d.from_tag == from_tag) some.push_back(d);
        return some;
    }
    core::Result<bool> end_dialog(std::uint64_t id) override {
        return std::erase_if(calls, [&](const DialogStatus& d) { return d.id == id; }) != 0;
    }
    ReloadReport reload() override {
        ++reloads;
        return report;
    }
    core::Status set_state(core::DestinationId d, balancer::State wanted) override {
        if (!health.command(d, wanted)) return core::Error{"unknown destination"};
        rebuild();
        return core::Done{};
    }
    core::Status resize(std::uint32_t row_id, const std::string& resource, std::uint32_t capacity) override {
        for (auto& row : config.load_balancer)
            for (auto& r : row.resources)
                if (row.id == row_id && r.name == resource) {
                    r.capacity = capacity;
                    rebuild();
                    return core::Done{};
                }
        return core::Error{"no resource " + resource};
    }
    core::Status probe(core::DestinationId) override { return core::Done{}; }
    spdlog::level::level_enum log_level() const override { return level; }
    void set_log_level(spdlog::level::level_enum l) override { level = l; }
    void drain() override { drained = true; }

    std::vector<WorkerStats> stats;
    std::vector<dpdk::PortCounters> ports_counted;
    std::vector<dpdk::Occupancy> occupancy;
    Switchboard board;
    ControlStats control;
    kni::ResolverStats resolved;
    std::vector<NameStatus> known_names;
    std::vector<DialogStatus> calls;
    balancer::BalancerConfig config;
    balancer::Registry registry{2};
    balancer::HealthBoard health;
    std::unique_ptr<const balancer::Snapshot> current;
    Telemetry view;
    ReloadReport report;
    DestinationsStatus destinations_from;
    int reloads = 0;
    spdlog::level::level_enum level = spdlog::level::info;
    bool drained = false;
};

}  // namespace sipfront::app

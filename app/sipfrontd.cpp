// The daemon: puts its parts together, runs them, takes them apart.
#include <atomic>
#include <barrier>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <exception>
#include <iostream>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/admin_server.hpp"
#include "app/config.hpp"
#include "app/control.hpp"
#include "app/destination_feed.hpp"
#include "app/dialog_keeper.hpp"
#include "app/metrics.hpp"
#include "app/network_control.hpp"
#include "app/worker.hpp"
#include "balancer/snapshot_builder.hpp"
#include "core/keys.hpp"
#include "core/log.hpp"
#include "core/reservation.hpp"
#include "dpdk/data_plane.hpp"
#include "dpdk/dpdk_io.hpp"
#include "dpdk/eal.hpp"
#include "kni/dns_client.hpp"
#include "kni/kernel_port.hpp"
#include "kni/resolver.hpp"

namespace {

using namespace sipfront;

constexpr int failed = 1, bad_config = 2;

struct Invocation {
    std::vector<std::string> config_files;
    bool check = false;
    bool foreground = false;
};

core::Result<core::KeyRing> load_keys(const app::Config& config) {
    if (!config.key_file.empty()) return core::KeyRing::load(config.key_file);
    core::log().warn("node.key_file is empty: calls in progress will not survive a restart");
    return core::KeyRing::ephemeral();
}

// The same on both nodes of a pair, so that registrations keep their hosts after a takeover, and dialogs their ids.
core::SecretKey key_for(const core::KeyRing& keys, std::string_view use) { return core::derive(keys.keys().front().secret, use); }

// What one worker's thread and the others look at.
struct WorkerSeat {
    app::WorkerStats stats;
    dpdk::Occupancy occupancy;
};

class Daemon {
public:
    Daemon(const app::Config& config, const Invocation& invocation, core::KeyRing keys)
        : config_{config},
          invocation_{invocation},
          keys_{std::move(keys)},
          workers_{config.data_plane.workers},
          seats_(workers_),
          switchboard_{workers_},
          snapshots_{workers_ + 1},
          names_{workers_},
          shared_{.proxy = config_.proxy,
                  .keys = keys_,
                  .steering = core::Steering{keys_.signing().digest, workers_},
                  .table_key = core::random_key(),
                  .sticky_key = key_for(keys_, "registrations"),
                  .dialog_key = key_for(keys_, "dialogs"),
                  .rate_table = config_.balancer.guard.rate_table,
                  .snapshots = snapshots_,
                  .names = names_,
                  .name_key = core::random_key(),
                  .switchboard = switchboard_,
                  .observers = {}} {}

    core::Status run() {
        auto loop = app::EventLoop::create();
        if (!loop) return loop.error();
        auto eal = dpdk::Eal::init(config_.data_plane);
        if (!eal) return eal.error();
        auto plane = open_plane();
        if (!plane) return plane.error();
        const dpdk::TscClock clock;
        auto network = app::NetworkControl::open(network_options(), **plane, stats_, clock.now());
        if (!network) return network.error();

        auto dns = kni::DnsClient::open(config_.resolver);
        if (!dns) return dns.error();
        kni::Resolver resolver{{.config = config_.resolver,
                                .families = families(),
                                .key = core::HashKey{shared_.name_key},
                                .dns = **dns,
                                .names = names_,
                                .stats = resolver_stats_,
                                .clock = [&clock] { return clock.now(); }}};

        std::unique_ptr<app::DatabaseFeed> feed;
        if (config_.database.destinations == ha::DestinationSource::database) {
            auto started = app::DatabaseFeed::start(config_.database);
            if (!started) return started.error();
            feed = std::move(*started);
        }
        std::unique_ptr<app::DialogKeeper> keeper;
        if (app::DialogKeeper::wanted(config_)) {
            keeper = std::make_unique<app::DialogKeeper>(keeper_parts(clock));
            shared_.observers = keeper->observers();
        }
        app::Control control{{.config = config_,
                              .config_files = invocation_.config_files,
                              .switchboard = switchboard_,
                              .snapshots = snapshots_,
                              .telemetry = telemetry(**plane, keeper.get()),
                              .stats = stats_,
                              .threads = threads(),
                              .clock = [&clock] { return clock.now(); },
                              .network = network->get(),
                              .resolver = &resolver,
                              .dns = dns->get(),
                              .keeper = keeper.get(),
                              .steering = &shared_.steering,
                              .feed = feed.get()}};
        if (auto s = control.attach(**loop); !s) return s;
        auto admin =
            app::AdminServer::open(config_.admin.socket, **loop, [&](std::string_view request) { return control.answer(request); });
        if (!admin) return admin.error();
        std::unique_ptr<app::MetricsServer> metrics;
        if (config_.metrics.enabled) {
            const core::WorkerId reader{static_cast<std::uint8_t>(workers_)};
            auto server = app::MetricsServer::open(config_.metrics.listen, control.telemetry(), {&snapshots_, reader});
            if (!server) return server.error();
            metrics = std::move(*server);
        }
        if (keeper != nullptr) keeper->recover(control.snapshot());
        auto served = serve(*eal, **plane, clock, **loop);
        if (keeper != nullptr) keeper->stop(std::chrono::seconds{5});
        core::log().info("sipfrontd has ended");
        return served;
    }

private:
    core::Result<std::unique_ptr<dpdk::DataPlane>> open_plane() {
        auto plane = dpdk::DataPlane::open(config_.data_plane);
        if (!plane) return plane;
        auto link = kni::open_kernel_port(
            config_.kernel, {.mac = (*plane)->wire().mac(), .workers = workers_, .mtu = config_.data_plane.mtu}, (*plane)->pools());
        if (!link) return link.error();
        (*plane)->attach_kernel(std::move(*link));
        return plane;
    }

    app::NetworkControl::Options network_options() const {
        std::vector<dpdk::Listener> listeners;
        for (const auto& l : config_.proxy.listeners)
            if (l.transport == core::Transport::udp) listeners.push_back({l.local, l.id});
        return {config_.data_plane, config_.kernel, std::move(listeners)};
    }

    // Those of the sockets that requests to names can leave from.
    kni::Families families() const {
        kni::Families f{.ipv4 = false, .ipv6 = false};
        for (const auto& l : config_.proxy.listeners) {
            if (l.transport != core::Transport::udp) continue;
            (l.local.address.is_v6() ? f.ipv6 : f.ipv4) = true;
        }
        return f;
    }

    app::DialogKeeper::Parts keeper_parts(const dpdk::TscClock& clock) {
        std::function<std::unique_ptr<ha::DialogStore>()> store;
        if (config_.database.engine != ha::DatabaseEngine::none) store = [&db = config_.database] { return ha::make_dialog_store(db); };
        std::function<std::unique_ptr<ha::CdrSink>()> cdr_table;
        if (config_.cdr.table) cdr_table = [&db = config_.database] { return ha::make_cdr_table(db); };
        return {.config = config_,
                .switchboard = switchboard_,
                .steering = shared_.steering,
                .clock = [&clock] { return clock.now(); },
                .told_all = [this](std::size_t worker) { return seats_[worker].stats.proxy.told_all.get(); },
                .store = std::move(store),
                .cdr_table = std::move(cdr_table)};
    }

    app::Telemetry telemetry(const dpdk::DataPlane& plane, const app::DialogKeeper* keeper) const {
        app::Telemetry t;
        if (keeper != nullptr) {
            const auto& service = keeper->service();
            t.journal = keeper->recovery() != nullptr ? &service.stats() : nullptr;
            for (std::uint32_t w = 0; w < workers_; ++w) t.lanes.push_back(&service.lane(w));
            for (std::size_t i = 0; i < t.cdr.size(); ++i) t.cdr[i] = service.cdr_stats(static_cast<ha::CdrTarget>(i));
            t.recovery = keeper->recovery();
        }
        for (std::uint32_t w = 0; w < workers_; ++w)
            t.workers.push_back({&seats_[w].stats, &plane.counters(core::WorkerId{static_cast<std::uint8_t>(w)}), &seats_[w].occupancy});
        t.switchboard = &switchboard_;
        t.control = &stats_;
        t.resolver = &resolver_stats_;
        for (const auto& p : config_.data_plane.ports) t.ports.push_back(p.device);
        t.version = SIPFRONT_VERSION;
        t.started = std::time(nullptr);
        return t;
    }

    std::vector<app::ThreadStatus> threads() const {
        std::vector<app::ThreadStatus> all;
        const auto cpus = dpdk::worker_cpus(config_.data_plane, dpdk::allowed_cpus());
        for (std::uint32_t w = 0; w < workers_; ++w)
            all.push_back({"worker " + std::to_string(w), cpus && w < cpus->size() ? static_cast<int>((*cpus)[w]) : -1});
        all.push_back({"control", -1});
        return all;
    }

    core::Status serve(dpdk::Eal& eal, dpdk::DataPlane& plane, const dpdk::TscClock& clock, app::EventLoop& loop) {
        std::atomic<bool> stop{false};  // control: writes, workers: read
        std::latch ready{workers_};
        std::barrier<> all_stopped{workers_};
        std::mutex failing;
        core::Status made = core::Done{};  // by the first worker that could not be made
        const std::function<void(core::WorkerId)> work = [&](core::WorkerId id) {
            auto& seat = seats_[core::raw(id)];
            dpdk::DpdkIo io{id, plane, clock};
            std::optional<app::Worker<dpdk::DpdkIo>> worker;
            try {
                const core::CommitAtOnce scope{config_.proxy.commit_tables};
                worker.emplace(id, shared_, io, seat.stats, clock.now());
            } catch (const std::exception& e) {
                const std::scoped_lock lock{failing};
                made = cannot_make(id, e);
            }
            ready.count_down();
            if (worker) run(*worker, io, seat, clock, stop);
            // What peers steered here lies in their mailboxes until the last of them has stopped.
            all_stopped.arrive_and_wait();
            if (worker) worker->stop();
            core::Outbox nothing_lent;
            io.stop(worker ? worker->outbox() : nothing_lent);
        };
        if (auto s = eal.launch_on_workers(workers_, work); !s) return s;
        ready.wait();
        if (!made) {
            stop.store(true, std::memory_order_relaxed);
            eal.wait_all();
            return made;
        }
        core::log().info("sipfrontd {} is ready: {} workers, {} listeners", SIPFRONT_VERSION, workers_, config_.proxy.listeners.size());
        if (const auto policy = core::huge_page_policy(); policy != "always" && policy != "madvise")
            core::log().warn("transparent huge pages are off: large tables cost more (docs/BENCHMARKS.md)");
        loop.run();
        stop.store(true, std::memory_order_relaxed);
        eal.wait_all();
        return core::Done{};
    }

    void run(app::Worker<dpdk::DpdkIo>& worker, const dpdk::DpdkIo& io, WorkerSeat& seat, const dpdk::TscClock& clock,
             const std::atomic<bool>& stop) const {
        dpdk::poll_until(stop, clock, idle_policy(), seat.occupancy, [&](core::Tick now) {
            const auto messages = worker.poll(now);
            if (messages > 0) seat.stats.burst_time.record(static_cast<std::uint64_t>((clock.now() - now).count()));
            return messages + io.last_activity();
        });
    }

    core::Error cannot_make(core::WorkerId id, const std::exception& e) const {
        return {fmt::format(
            "the tables of worker {} cannot be made: {}; lower sip.max_dialogs ({}), sip.max_transactions ({}) or sip.image_bytes "
            "({} MiB), or let them grow with sip.commit_tables = false",
            core::raw(id), e.what(), config_.proxy.max_dialogs, config_.proxy.max_transactions, config_.proxy.image_bytes >> 20)};
    }

    dpdk::IdlePolicy idle_policy() const {
        return dpdk::IdlePolicy{
            {.adaptive = config_.data_plane.adaptive_idle, .longest_sleep = std::chrono::microseconds{config_.data_plane.idle_sleep_us}}};
    }

    const app::Config& config_;
    const Invocation& invocation_;
    core::KeyRing keys_;
    std::uint32_t workers_;
    std::vector<WorkerSeat> seats_;
    app::Switchboard switchboard_;
    core::Published<balancer::Snapshot> snapshots_;  // one reader more than workers: the scrapes
    core::Published<core::NameTable> names_;
    app::ControlStats stats_;
    kni::ResolverStats resolver_stats_;
    app::WorkerShared shared_;
};

int check(const app::Config& config) {
    if (!config.key_file.empty()) {
        if (const auto keys = core::KeyRing::load(config.key_file); !keys) {
            std::cerr << keys.error().what << '\n';
            return bad_config;
        }
    }
    balancer::Registry registry{1};
    balancer::HealthBoard health;
    for (const auto& w : balancer::build_snapshot(config.balancer, registry, health).warnings) std::cerr << "warning: " << w << '\n';
    std::cout << "ok\n";
    return 0;
}

int start(const app::Config& config, const Invocation& invocation) {
    auto log = config.log;
    if (invocation.foreground) log.file.clear();
    app::block_signals({SIGHUP, SIGTERM, SIGINT});
    auto status = core::log_open(log);
    if (status) {
        status = ha::check_place(config.database);
    }
    if (status) {
        if (!core::has_aes) core::log().warn("this CPU has no AES instructions or no AVX: a call costs more than twice as much");
        auto keys = load_keys(config);
        status = keys ? std::make_unique<Daemon>(config, invocation, std::move(*keys))->run() : core::Status{keys.error()};
    }
    if (!status) core::log().critical("{}", status.error().what);
    core::log_close();
    if (status) return 0;
    std::cerr << "sipfrontd: " << status.error().what << '\n';
    return failed;
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App cli{"SIP front end for a cluster of media servers."};
    Invocation invocation;
    cli.add_option("--config", invocation.config_files, "a configuration file; may be given several times, later ones override")
        ->required();
    cli.add_flag("--check", invocation.check, "print every error of the configuration, or \"ok\", and touch nothing");
    cli.add_flag("--foreground", invocation.foreground, "log to standard error, whatever log.file says");
    cli.set_version_flag("--version", "sipfrontd " SIPFRONT_VERSION);
    cli.footer("Exit codes: 0 ended as asked, 1 failed, 2 wrong usage or configuration.");
    try {
        cli.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return cli.exit(e) == 0 ? 0 : bad_config;
    }
    const auto config = app::load_config(invocation.config_files);
    if (!config) {
        for (const auto& e : config.error()) std::cerr << e.to_string() << '\n';
        return bad_config;
    }
    return invocation.check ? check(*config) : start(*config, invocation);
} catch (const std::exception& e) {
    std::fprintf(stderr, "sipfrontd: %s\n", e.what());
    return failed;
}

#include "app/control.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

#include "app/admin_commands.hpp"
#include "app/destination_rows.hpp"
#include "core/log.hpp"

namespace sipfront::app {

Control::Control(ControlParts parts)
    : parts_{std::move(parts)},
      running_{parts_.config},
      routing_{running_.balancer, parts_.switchboard.workers(), parts_.snapshots, parts_.stats},
      level_{running_.log.level},
      started_{parts_.clock()} {
    add_admin_commands(commands_, *this);
    const auto remarks = routing_.publish();
    for (const auto& e : remarks.errors) core::log().error("{}", e);
    for (const auto& w : remarks.warnings) core::log().warn("{}", w);
    if (parts_.feed != nullptr) take_cache();
}

core::Status Control::attach(EventLoop& loop) {
    loop_ = &loop;
    if (auto s = loop.on_signals({SIGHUP, SIGTERM, SIGINT}, [this](int signal) { on_signal(signal); }); !s) return s;
    if (auto s = loop.every(tick_interval, [this] { tick(); }); !s) return s;
    if (auto* dns = parts_.dns; dns != nullptr) {
        const auto read = [dns, resolver = parts_.resolver](std::uint32_t) {
            dns->process();
            resolver->publish();
        };
        if (auto s = loop.watch(dns->fd(), EPOLLIN, read); !s) return s;
    }
    if (parts_.feed != nullptr && parts_.feed->fd() >= 0)
        if (auto s = loop.watch(parts_.feed->fd(), EPOLLIN, [this](std::uint32_t) { take_destinations(); }); !s) return s;
    auto* network = parts_.network;
    if (network == nullptr) return core::Done{};
    const auto clock = parts_.clock;
    if (auto s = loop.watch(network->fd(), EPOLLIN, [network](std::uint32_t) { network->mirror(); }); !s) return s;
    if (auto s = loop.every(std::chrono::seconds{1}, [network, clock] { network->refresh(clock()); }); !s) return s;
    return loop.every(std::chrono::milliseconds{running_.data_plane.bond.monitor_interval_ms},
                      [network, clock] { network->watch_links(clock()); });
}

void Control::tick() {
    const auto now = parts_.clock();
    for (std::uint32_t w = 0; w < parts_.switchboard.workers(); ++w) {
        auto& box = parts_.switchboard.evidence(core::WorkerId{static_cast<std::uint8_t>(w)});
        box.consume([this](const balancer::HealthEvent& e) { routing_.apply(e); }, Switchboard::EvidenceBox::capacity());
    }
    note(routing_.settle(now));
    if (parts_.network != nullptr) parts_.network->tick(now);
    if (parts_.resolver != nullptr) resolve();
    if (parts_.keeper != nullptr) parts_.keeper->tick(parts_.snapshots.current());
    std::erase_if(unanswered_, [](const auto& q) { return q->done.load(std::memory_order_acquire); });
    parts_.stats.log_lost.set(core::log_lost());
    if (draining_) finish_draining(now);
}

// Questions of the workers, timeouts of name servers, names that expire.
void Control::resolve() {
    for (std::uint32_t w = 0; w < parts_.switchboard.workers(); ++w)
        parts_.switchboard.questions(core::WorkerId{static_cast<std::uint8_t>(w)})
            .consume([this](const core::NameQuestion& q) { parts_.resolver->ask(q); }, Switchboard::QuestionBox::capacity());
    if (parts_.dns != nullptr) parts_.dns->tick();
    parts_.resolver->tick();
}

std::vector<NameStatus> Control::names() const {
    std::vector<NameStatus> all;
    if (parts_.resolver == nullptr) return all;
    const auto now = parts_.clock();
    for (const auto& row : parts_.resolver->rows()) {
        NameStatus n{.host = std::string{row.question.host()},
                     .port = row.question.port(),
                     .transport_named = row.question.transport_named(),
                     .transport = row.question.transport()};
        n.state = row.known ? row.answer.status : std::optional<core::NameStatus>{};
        n.underway = row.underway;
        if (row.known)
            n.seconds_left = std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::seconds>(row.answer.expires - now).count());
        n.targets.assign(row.answer.targets.begin(), row.answer.targets.begin() + row.answer.count);
        all.push_back(std::move(n));
    }
    return all;
}

// So that calls flow while the database is not there yet.
void Control::take_cache() {
    const auto cached = cached_destinations(running_.database);
    if (!cached) return core::log().info("destinations: none until the database answers ({})", cached.error().what);
    destinations_.from_cache = true;
    serve(*cached);
    core::log().info("destinations: {} and {} rows that were read before this start, until the database answers",
                     routing_.config().load_balancer.size(), routing_.config().dispatcher.size());
}

void Control::take_destinations() {
    auto answer = parts_.feed->take();
    if (!answer) return;
    destinations_.answered = answer->request;
    if (!answer->tables) {
        parts_.stats.counts[ControlCount::destinations_failed].add();
        // While the database is away it is asked every few seconds.
        if (const auto& what = answer->tables.error().what; destinations_.error != what) {
            core::log().error("destinations cannot be read, those in force stay: {}", what);
            destinations_.error = what;
        }
        return;
    }
    destinations_.error.clear();
    destinations_.from_cache = false;
    parts_.stats.counts[ControlCount::destinations_read].add();
    serve(*answer->tables);
    core::log().info("destinations: {} and {} rows from {}", routing_.config().load_balancer.size(), routing_.config().dispatcher.size(),
                     parts_.feed->name());
}

void Control::serve(const ha::DestinationTables& tables) {
    auto rows = to_rows(tables, running_.proxy.listeners);
    auto next = routing_.config();
    next.load_balancer = std::move(rows.load_balancer);
    next.dispatcher = std::move(rows.dispatcher);
    if (std::ranges::none_of(next.load_balancer, [&](const auto& row) { return row.group_id == next.lb_group; }))
        rows.warnings.push_back("no row of load_balancer is in group " + std::to_string(next.lb_group) + ", which takes the calls");
    if (std::ranges::none_of(next.dispatcher, [&](const auto& row) { return row.setid == next.ds_set; }))
        rows.warnings.push_back("no row of dispatcher is in set " + std::to_string(next.ds_set) + ", which takes the registrations");
    const auto remarks = routing_.replace(std::move(next));
    rows.skipped.insert(rows.skipped.end(), remarks.errors.begin(), remarks.errors.end());
    rows.warnings.insert(rows.warnings.end(), remarks.warnings.begin(), remarks.warnings.end());
    for (const auto& e : rows.skipped) core::log().error("{}", e);
    for (const auto& w : rows.warnings) core::log().warn("{}", w);
    parts_.stats.destination_rows_skipped.set(rows.skipped.size());
    destinations_.skipped = std::move(rows.skipped);
    destinations_.warnings = std::move(rows.warnings);
}

DestinationsStatus Control::destinations_status() const {
    auto status = destinations_;
    if (parts_.feed != nullptr) status.source = parts_.feed->name();
    return status;
}

void Control::note(const std::vector<balancer::StatusEvent>& events) {
    for (const auto& e : events) {
        core::log().warn("{} group={} uri={} status={} ({} -> {}{})", e.event_name(), e.group, e.uri, e.status(), balancer::name(e.from),
                         balancer::name(e.to), e.full ? ", full" : "");
    }
}

std::string Control::answer(std::string_view request) {
    parts_.stats.counts[ControlCount::admin_requests].add();
    return commands_.handle(request);
}

void Control::on_signal(int signal) {
    if (signal == SIGHUP) {
        reload();
    } else if (draining_) {
        core::log().warn("a second signal: ending at once");
        finish();
    } else {
        drain();
    }
}

std::uint64_t Control::uptime_seconds() const {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(parts_.clock() - started_).count());
}

std::vector<PortStatus> Control::ports() const { return parts_.network == nullptr ? std::vector<PortStatus>{} : parts_.network->ports(); }

ReloadReport Control::reload() {
    ReloadReport report;
    auto next = load_config(parts_.config_files);
    if (!next) {
        for (const auto& e : next.error()) report.errors.push_back(e.to_string());
        parts_.stats.counts[ControlCount::reload_failed].add();
        core::log().error("reload: the configuration has errors, nothing was changed:");
        for (const auto& e : report.errors) core::log().error("  {}", e);
        return report;
    }
    // With what commands changed since: a reload takes it back.
    running_.balancer = routing_.config();
    if (parts_.feed != nullptr || next->database.destinations == ha::DestinationSource::database) {
        next->balancer.load_balancer = running_.balancer.load_balancer;
        next->balancer.dispatcher = running_.balancer.dispatcher;
    }
    auto difference = changes(running_, *next);
    report.applied = std::move(difference.applied);
    report.needs_restart = std::move(difference.needs_restart);
    auto remarks = routing_.replace(std::move(next->balancer));
    report.warnings = std::move(remarks.warnings);
    report.warnings.insert(report.warnings.end(), remarks.errors.begin(), remarks.errors.end());
    if (parts_.feed != nullptr) report.reading = parts_.feed->request();
    running_.drain_timeout = next->drain_timeout;
    if (running_.log.level != next->log.level) set_log_level(running_.log.level = next->log.level);
    parts_.stats.counts[ControlCount::reload_ok].add();
    core::log().info("reload: {} keys changed", report.applied.size());
    for (const auto& key : report.needs_restart) core::log().warn("reload: {} changed, which takes a restart", key);
    for (const auto& w : report.warnings) core::log().warn("reload: {}", w);
    return report;
}

core::Status Control::set_state(core::DestinationId d, balancer::State wanted) {
    auto status = routing_.set_state(d, wanted);
    // A host on trial is asked at once.
    if (status && wanted == balancer::State::probing) return probe(d);
    return status;
}

core::Status Control::resize(std::uint32_t row_id, const std::string& resource, std::uint32_t capacity) {
    return routing_.resize(row_id, resource, capacity);
}

core::Status Control::probe(core::DestinationId d) {
    // Each worker knows whether the destination is its own to probe.
    tell_workers({WorkerCommand::Kind::probe, d});
    return core::Done{};
}

void Control::set_log_level(spdlog::level::level_enum level) {
    level_ = level;
    core::log_level(level);
}

void Control::tell_workers(const WorkerCommand& command) {
    for (std::uint32_t w = 0; w < parts_.switchboard.workers(); ++w)
        if (!parts_.switchboard.commands(core::WorkerId{static_cast<std::uint8_t>(w)}).try_post(command))
            parts_.stats.counts[ControlCount::commands_dropped].add();
}

void Control::drain() {
    if (draining_) return;
    draining_ = true;
    drain_until_ = parts_.clock() + running_.drain_timeout;
    parts_.stats.draining.set(1);
    tell_workers({WorkerCommand::Kind::drain, core::no_destination});
    core::log().info("draining: no new calls; ending when the last one has ended, or in {} ms", running_.drain_timeout.count());
}

void Control::finish_draining(core::Tick now) {
    const bool idle = std::ranges::all_of(parts_.telemetry.workers, [](const auto& w) { return w.stats->idle.get() != 0; });
    if (!idle && now < drain_until_) return;
    if (!idle) {
        const auto left = total(parts_.telemetry, [](const WorkerStats& s) { return s.proxy.dialogs.get(); });
        core::log().warn("drain_timeout: ending with {} dialogs", left);
    }
    finish();
}

void Control::finish() noexcept {
    finished_ = true;
    if (loop_ != nullptr) loop_->stop();
}

}  // namespace sipfront::app

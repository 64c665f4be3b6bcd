#include "app/dialog_keeper.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "balancer/introspection.hpp"
#include "core/log.hpp"

namespace sipfront::app {
namespace {

// For call records without a database: what the journal writes goes nowhere.
class NoStore final : public ha::DialogStore {
public:
    core::Result<core::Done, ha::StoreError> write(const ha::DialogBatch&) override { return core::Done{}; }
    core::Result<core::Done, ha::StoreError> read(const std::function<bool(ha::DialogRow&&)>&) override { return core::Done{}; }
    core::Result<std::uint64_t, ha::StoreError> sweep(core::NodeId, std::int64_t) override { return std::uint64_t{0}; }
    [[nodiscard]] std::string name() const override { return "none"; }
};

ha::StoreFactory factory_of(const std::function<std::unique_ptr<ha::DialogStore>()>& store) {
    if (store) return store;
    return [] { return std::make_unique<NoStore>(); };
}

}  // namespace

bool DialogKeeper::wanted(const Config& config) noexcept {
    return config.database.engine != ha::DatabaseEngine::none || config.cdr.wanted();
}

DialogKeeper::DialogKeeper(Parts parts)
    : parts_{std::move(parts)},
      service_{{.config = parts_.config.journal,
                .cdr = parts_.config.cdr,
                .cdr_table = parts_.cdr_table ? parts_.cdr_table() : nullptr,
                .node = parts_.config.proxy.node,
                .workers = parts_.switchboard.workers(),
                .store = factory_of(parts_.store),
                .clock =
                    [clock = parts_.clock] {
                        return ha::Instant{clock(), ha::unix_us_now()};
                    }}},
      end_told_(parts_.switchboard.workers()) {
    for (const auto& l : parts_.config.proxy.listeners) service_.journal().names().set(l.id, ha::to_text({l.transport, l.local}));
}

DialogKeeper::~DialogKeeper() { stop(std::chrono::seconds{1}); }

void DialogKeeper::recover(const balancer::Snapshot* snapshot) {
    if (snapshot != nullptr) name_destinations(*snapshot);
    if (!parts_.store) return service_.journal().recovered();
    for (std::size_t w = 0; w < end_told_.size(); ++w) tell(w, WorkerCommand::Kind::begin_recovery);
    std::map<std::pair<std::uint32_t, std::string>, core::DestinationId> destinations;
    if (snapshot != nullptr)
        for (const auto& d : balancer::list(*snapshot))
            if (d.kind == balancer::Kind::load_balancer) destinations.emplace(std::pair{d.group, d.uri}, d.id);
    recovery_ = std::make_unique<DialogRecovery>(DialogRecovery::Parts{.store = parts_.store(),
                                                                       .switchboard = parts_.switchboard,
                                                                       .steering = parts_.steering,
                                                                       .proxy = parts_.config.proxy,
                                                                       .node = parts_.config.proxy.node,
                                                                       .destinations = std::move(destinations),
                                                                       .clock = parts_.clock,
                                                                       .unix_us = ha::unix_us_now,
                                                                       .stats = recovery_stats_});
}

void DialogKeeper::tick(const balancer::Snapshot* snapshot) {
    if (snapshot != nullptr && snapshot != named_) name_destinations(*snapshot);
    if (recovery_ != nullptr && !recovered_ && recovery_stats_.done) {
        for (std::size_t w = 0; w < end_told_.size(); ++w)
            if (!end_told_[w]) end_told_[w] = tell(w, WorkerCommand::Kind::end_recovery);
        recovered_ = std::ranges::all_of(end_told_, std::identity{});
        if (recovered_) service_.journal().recovered();
    }
    for (std::size_t w = 0; w < end_told_.size(); ++w)
        if (service_.wants_all(w, parts_.told_all(w)) && tell(w, WorkerCommand::Kind::tell_dialogs)) service_.ordered(w);
}

void DialogKeeper::name_destinations(const balancer::Snapshot& snapshot) {
    named_ = &snapshot;
    for (const auto& d : balancer::list(snapshot)) {
        const bool counts = d.kind == balancer::Kind::load_balancer;
        service_.journal().names().set(d.id,
                                       {.uri = d.uri, .group = d.group, .resource = counts ? parts_.config.balancer.lb_resource : ""});
    }
}

bool DialogKeeper::tell(std::size_t worker, WorkerCommand::Kind kind) {
    return parts_.switchboard.commands(core::WorkerId{static_cast<std::uint8_t>(worker)}).try_post({.kind = kind});
}

void DialogKeeper::stop(std::chrono::milliseconds patience) {
    if (std::exchange(stopped_, true)) return;
    if (recovery_ != nullptr) recovery_->stop();
    if (!service_.stop(patience))
        core::log().warn("journal: not everything could be written within {} ms; the next start finds out what is true", patience.count());
}

}  // namespace sipfront::app

#include "app/routing_state.hpp"

#include <algorithm>
#include <utility>

namespace sipfront::app {

RoutingState::RoutingState(balancer::BalancerConfig config, std::size_t workers, core::Published<balancer::Snapshot>& published,
                           ControlStats& stats)
    : config_{std::move(config)}, published_{published}, stats_{stats}, registry_{workers}, health_{config_.probe} {}

RoutingState::Remarks RoutingState::publish() {
    auto build = balancer::build_snapshot(config_, registry_, health_);
    // An id that was free and is in use again begins with clean counts.
    const auto* before = published_.current();
    for (const auto& d : build.snapshot->destinations())
        if (before != nullptr && before->find(d.id) == nullptr) stats_.failures[core::raw(d.id)].set(0);
    published_.publish(std::move(build.snapshot));
    stats_.counts[ControlCount::snapshots].add();
    changed_ = false;
    return {std::move(build.errors), std::move(build.warnings)};
}

void RoutingState::apply(const balancer::HealthEvent& event) {
    const auto id = core::raw(event.destination);
    if (id < stats_.failures.size() && balancer::classify(event, config_.probe) == balancer::Evidence::failure) stats_.failures[id].add();
    changed_ = health_.apply(event) || changed_;
}

std::vector<balancer::StatusEvent> RoutingState::settle(core::Tick now) {
    if (changed_ || (registry_.leaving() > 0 && now - published_at_ >= leaving_interval)) {
        publish();
        published_at_ = now;
    }
    if (published_.waiting() > 0) published_.reclaim();
    auto events = health_.take_events();
    stats_.counts[ControlCount::health_changes].add(events.size());
    return events;
}

core::Status RoutingState::set_state(core::DestinationId d, balancer::State wanted) {
    if (!health_.command(d, wanted)) return core::Error{"the destination is gone; list them again"};
    publish();
    return core::Done{};
}

core::Status RoutingState::resize(std::uint32_t row_id, const std::string& resource, std::uint32_t capacity) {
    const auto row = std::ranges::find(config_.load_balancer, row_id, &balancer::LoadBalancerRow::id);
    if (row == config_.load_balancer.end()) return core::Error{"no row has the id " + std::to_string(row_id)};
    const auto spec = std::ranges::find(row->resources, resource, &balancer::ResourceSpec::name);
    if (spec == row->resources.end()) return core::Error{"row " + std::to_string(row_id) + " has no resource \"" + resource + "\""};
    spec->capacity = capacity;
    publish();
    return core::Done{};
}

RoutingState::Remarks RoutingState::replace(balancer::BalancerConfig next) {
    next.lb_resource = config_.lb_resource;
    next.guard.rate_table = config_.guard.rate_table;
    config_ = std::move(next);
    return publish();
}

}  // namespace sipfront::app

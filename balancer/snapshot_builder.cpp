#include "balancer/snapshot_builder.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "balancer/destination_uri.hpp"
#include "balancer/resources.hpp"
#include "sip/osip_codec.hpp"

namespace sipfront::balancer {
namespace {

class Builder {
public:
    Builder(const BalancerConfig& config, Registry& registry, HealthBoard& health)
        : config_{config}, registry_{registry}, health_{health} {}

    SnapshotBuild run() {
        health_.configure(config_.probe);
        registry_.begin();
        settle_call_resources();
        for (const auto& row : config_.load_balancer) add(row);
        for (const auto& row : config_.dispatcher) add(row);
        add_leaving();
        parts_.resource_names = registry_.resource_names();
        parts_.lb_group = config_.lb_group;
        parts_.ds_set = config_.ds_set;
        parts_.lb_algorithm = config_.lb_algorithm;
        parts_.ds_algorithm = config_.ds_algorithm;
        parts_.probe = config_.probe;
        parts_.cluster = PrefixSet{config_.cluster_prefixes};
        parts_.carriers = PrefixSet{config_.carrier_prefixes};
        parts_.guard = GuardPolicy{config_.guard};
        parts_.overload = OverloadPolicy{config_.overload};
        out_.snapshot = std::make_unique<const Snapshot>(std::move(parts_));
        return std::move(out_);
    }

private:
    // What a call uses cannot change while calls are up: they would give back something else than they took.
    void settle_call_resources() {
        ResourceSet wanted;
        for (const auto& name : parse_resource_names(config_.lb_resource)) {
            if (const auto id = registry_.resource(name)) wanted.add(*id);
        }
        if (wanted.empty()) {
            out_.errors.push_back("lb_resource: names no resource; write the one that a call uses, such as pstn");
        } else if (registry_.call_resources().empty()) {
            registry_.fix_call_resources(wanted);
        } else if (registry_.call_resources() != wanted) {
            out_.errors.push_back("lb_resource: cannot change to \"" + config_.lb_resource + "\" while running; restart for that");
        }
        parts_.call_resources = registry_.call_resources();
    }

    void add(const LoadBalancerRow& row) {
        const auto where = [&](std::string_view column) {
            return "load_balancer row " + std::to_string(row.id) + ", " + std::string{column};
        };
        if (!valid_probe_mode(row.probe_mode)) return fail(where("probe_mode"), bad_probe_mode(row.probe_mode));
        ResourceSet offers;
        for (const auto& r : row.resources) {
            const auto id = registry_.resource(r.name);
            if (!id)
                return fail(where("resources"),
                            "there are more than " + std::to_string(max_resources) + " different resource names; use fewer");
            offers.add(*id);
        }
        auto* d = enlist(Kind::load_balancer, row.group_id, row.dst_uri, where("dst_uri"), State::active, row.probe_mode);
        if (d == nullptr) return;
        if (row.group_id == config_.lb_group && !offers.includes(parts_.call_resources))
            warn(where("resources"), "lacks \"" + config_.lb_resource + "\", so it gets no calls; add it or move the row to another group");
        set_capacities(*d->load, row.resources);
        d->row_id = row.id;
        d->resources = row.resources;
        d->offers = offers;
        d->attrs = row.attrs;
        d->description = row.description;
    }

    void add(const DispatcherRow& row) {
        const auto where = [&](std::string_view column) { return "dispatcher row " + std::to_string(row.id) + ", " + std::string{column}; };
        if (!valid_probe_mode(row.probe_mode)) return fail(where("probe_mode"), bad_probe_mode(row.probe_mode));
        constexpr std::array configured{State::active, State::inactive, State::probing};
        if (row.state < 0 || row.state > 2)
            return fail(where("state"), std::to_string(row.state) + " is not a state; write 0 (active), 1 (inactive) or 2 (probing)");
        const auto state = configured[static_cast<std::size_t>(row.state)];
        if (state == State::probing && row.probe_mode == 0)
            warn(where("probe_mode"),
                 "0 with state 2 (probing) means that nothing ever brings the host into service; use probe_mode 1 or 2");
        auto* d = enlist(Kind::dispatcher, row.setid, row.destination, where("destination"), state, row.probe_mode);
        if (d == nullptr) return;
        d->row_id = row.id;
        d->weight = row.weight;
        d->priority = row.priority;
        d->attrs = row.attrs;
        d->description = row.description;
    }

    // The common part of both tables. Null if the row was refused. The pointer lives until the next call.
    Destination* enlist(Kind kind, std::uint32_t group, const std::string& text, const std::string& where, State state, int probe_mode) {
        const auto uri = parse_destination_uri(text);
        if (!uri) return fail(where, uri.error().what), nullptr;
        const Identity identity{kind, group, uri->remote, uri->transport};
        if (!seen_.insert(identity).second)
            return fail(where, "\"" + text + "\" is in this group already; remove one of the two rows"), nullptr;
        auto* entry = registry_.enroll(identity);
        if (entry == nullptr)
            return fail(where, "there are more than " + std::to_string(max_destinations) + " destinations; remove some"), nullptr;
        health_.enroll(entry->id, identity, state, probe_mode);
        auto& d = place(identity, *entry);
        d.phase = Phase::live;
        d.lease = Registry::lease(*entry);
        d.probe_mode = probe_mode;
        return &d;
    }

    Destination& place(const Identity& identity, const Registry::Entry& entry) {
        auto& d = parts_.destinations.emplace_back();
        d.id = entry.id;
        d.identity = identity;
        d.phase = entry.phase;
        d.uri = canonical_uri(identity.remote, identity.transport);
        sip::RequestSpec probe{.method = "OPTIONS", .request_uri = d.uri, .from_uri = config_.probe.from_uri, .to_uri = d.uri};
        probe.headers.emplace_back("Accept", "application/sdp");
        if (auto text = sip::make_request_template(probe)) {
            d.probe_request = std::move(*text);
        } else {
            warn("probe.from_uri", text.error().what + "; no probe can be sent");
        }
        d.load = entry.load;
        if (const auto* h = health_.find(entry.id)) {
            d.state = h->state();
            d.full = h->full;
            d.wants_life = h->wants_life();
        }
        return d;
    }

    void add_leaving() {
        const auto keep = [&](const Identity& identity, Registry::Entry& entry) {
            auto& d = place(identity, entry);
            if (entry.phase == Phase::lingering) d.lease = Registry::lease(entry);
        };
        registry_.settle(keep, [&](core::DestinationId id) { health_.forget(id); });
    }

    // Resources that the row no longer has keep their count for the calls that took them.
    void set_capacities(DestinationLoad& load, const std::vector<ResourceSpec>& specs) {
        const auto& names = registry_.resource_names();
        for (std::size_t i = 0; i < names.size(); ++i) {
            const auto spec = std::ranges::find(specs, names[i], &ResourceSpec::name);
            load[static_cast<ResourceId>(i)].set_capacity(spec != specs.end() ? spec->capacity : 0);
        }
    }

    static bool valid_probe_mode(int mode) { return mode >= 0 && mode <= 2; }
    static std::string bad_probe_mode(int mode) {
        return std::to_string(mode) + " is not a probe mode; write 0 (never), 1 (when out of service) or 2 (always)";
    }
    void fail(const std::string& where, const std::string& why) { out_.errors.push_back(where + ": " + why); }
    void warn(const std::string& where, const std::string& why) { out_.warnings.push_back(where + ": " + why); }

    const BalancerConfig& config_;
    Registry& registry_;
    HealthBoard& health_;
    SnapshotParts parts_;
    SnapshotBuild out_;
    std::set<Identity> seen_;
};

}  // namespace

SnapshotBuild build_snapshot(const BalancerConfig& config, Registry& registry, HealthBoard& health) {
    return Builder{config, registry, health}.run();
}

}  // namespace sipfront::balancer

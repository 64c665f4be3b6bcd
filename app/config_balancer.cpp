// The keys of [balancer], of [overload] and of the tables of destinations.
#include "app/config_schema.hpp"
#include "balancer/resources.hpp"

namespace sipfront::app {

using namespace std::chrono_literals;

namespace {

constexpr std::int64_t u32_max = 0xffff'ffff;

const TextForm<std::vector<balancer::ResourceSpec>>& resources_form() {
    using Resources = std::vector<balancer::ResourceSpec>;
    static const TextForm<Resources> form{[](std::string_view text) {
                                              auto read = balancer::parse_resources(text);
                                              return read ? std::optional{std::move(*read)} : std::nullopt;
                                          },
                                          [](const Resources& resources) { return balancer::format_resources(resources); },
                                          "resources with their capacities in calls, as \"pstn=32\" or \"pstn=32;conf=4\""};
    return form;
}

void bind_probe(Binder& b, balancer::ProbeConfig& p) {
    b.duration("interval", p.interval, 100ms, 1h);
    b.duration("timeout", p.timeout, 50ms, 32s);
    b.real("jitter", p.jitter, 0, 0.5);
    b.number("probing_threshold", p.probing_threshold, 1, 100);
    b.number("inactive_threshold", p.inactive_threshold, 1, 100);
    b.numbers("alive_codes", p.alive_codes, 200, 699);
    b.numbers("full_codes", p.full_codes, 400, 699);
    b.text("from_uri", p.from_uri);
}

void bind_guard(Binder& b, balancer::GuardConfig& g) {
    b.list("allow", g.allow, prefix_form());
    b.list("deny", g.deny, prefix_form());
    b.number("rate_per_source", g.rate_per_source, 0, 1'000'000);
    b.number("rate_burst", g.rate_burst, 1, 10'000'000);
    b.list("scanner_agents", g.scanner_agents, plain_form());
    b.reloadable(false);
    b.number("rate_table", g.rate_table, 1'024, 1 << 24);
}

void bind_overload(Binder& b, balancer::OverloadConfig& o) {
    b.flag("enabled", o.enabled);
    b.duration("target_delay", o.target_delay, 1ms, 1s);
    b.duration("retry_after_min", o.retry_after_min, 1s, 10min);
    b.duration("retry_after_max", o.retry_after_max, 1s, 10min);
    b.list("emergency", o.emergency, plain_form());
    b.list("resource_priority", o.resource_priority, plain_form());
}

void bind_load_balancer_row(Binder& b, balancer::LoadBalancerRow& row) {
    b.number("id", row.id, 0, u32_max);
    b.number("group_id", row.group_id, 0, u32_max);
    b.text("dst_uri", row.dst_uri);
    b.formed("resources", row.resources, resources_form());
    b.number("probe_mode", row.probe_mode, 0, 2);
    b.text("attrs", row.attrs);
    b.text("description", row.description);
}

void bind_dispatcher_row(Binder& b, balancer::DispatcherRow& row) {
    b.number("id", row.id, 0, u32_max);
    b.number("setid", row.setid, 0, u32_max);
    b.text("destination", row.destination);
    b.number("state", row.state, 0, 2);
    b.number("weight", row.weight, 0, 1'000'000);
    b.number("priority", row.priority, -1'000'000, 1'000'000);
    b.number("probe_mode", row.probe_mode, 0, 2);
    b.text("attrs", row.attrs);
    b.text("description", row.description);
}

}  // namespace

void bind_balancer(Binder& root, balancer::BalancerConfig& config) {
    using balancer::DsAlgorithm;
    using balancer::LbAlgorithm;
    root.reloadable(true);
    root.table("balancer", [&](Binder& b) {
        b.number("lb_group", config.lb_group, 0, u32_max);
        b.number("ds_set", config.ds_set, 0, u32_max);
        // Calls in progress give back what they took.
        b.reloadable(false);
        b.text("lb_resource", config.lb_resource);
        b.reloadable(true);
        b.choice("lb_algorithm", config.lb_algorithm, {{"absolute", LbAlgorithm::absolute}, {"relative", LbAlgorithm::relative}});
        b.choice("ds_algorithm", config.ds_algorithm,
                 {{"aor", DsAlgorithm::aor},
                  {"round_robin", DsAlgorithm::round_robin},
                  {"call_id", DsAlgorithm::call_id},
                  {"request_user", DsAlgorithm::request_user}});
        b.list("cluster_prefixes", config.cluster_prefixes, prefix_form());
        b.list("carrier_prefixes", config.carrier_prefixes, prefix_form());
        b.table("probe", [&](Binder& t) { bind_probe(t, config.probe); });
        b.table("guard", [&](Binder& t) { bind_guard(t, config.guard); });
    });
    root.table("overload", [&](Binder& b) { bind_overload(b, config.overload); });
    root.rows("load_balancer", config.load_balancer, bind_load_balancer_row);
    root.rows("dispatcher", config.dispatcher, bind_dispatcher_row);
    root.reloadable(false);
}

}  // namespace sipfront::app

#include "app/config_schema.hpp"

#include <algorithm>
#include <array>

namespace sipfront::app {

using namespace std::chrono_literals;
using sip::Method;

namespace {

constexpr std::int64_t u32_max = 0xffff'ffff;

const TextForm<kni::KernelConfig::Address>& interface_address_form() {
    static const TextForm<kni::KernelConfig::Address> form{
        [](std::string_view text) -> std::optional<kni::KernelConfig::Address> {
            // Not core::Prefix::parse alone: that clears the host bits, which are the address here.
            const auto slash = text.find('/');
            const auto address = core::IpAddress::parse(text.substr(0, slash));
            const auto prefix = core::Prefix::parse(text);
            if (!address || !prefix || slash == std::string_view::npos) return std::nullopt;
            return kni::KernelConfig::Address{*address, prefix->length};
        },
        [](const kni::KernelConfig::Address& a) { return a.address.to_string() + '/' + std::to_string(a.length); },
        "an address and its prefix length, as \"10.77.0.101/24\" or \"fd77::101/64\""};
    return form;
}

const TextForm<core::Endpoint>& listener_form() {
    static const TextForm<core::Endpoint> form{[](std::string_view text) { return core::Endpoint::parse(text, 5060); },
                                               [](const core::Endpoint& e) { return e.address ? e.to_string() : std::string{}; },
                                               "an address and a port, as \"10.77.0.100:5060\" or \"[fd77::100]:5060\""};
    return form;
}

// ":9090" is the node's own address.
const TextForm<core::Endpoint>& metrics_form() {
    static const TextForm<core::Endpoint> form{
        [](std::string_view text) -> std::optional<core::Endpoint> {
            const bool own = text.starts_with(':');
            auto e = core::Endpoint::parse(own ? "0.0.0.0" + std::string{text} : std::string{text}, 9090);
            if (e && own) e->address = {};
            return e && e->port != 0 ? e : std::nullopt;
        },
        [](const core::Endpoint& e) { return e.address ? e.to_string() : ':' + std::to_string(e.port); },
        "an address and a port, as \"10.77.0.101:9090\", or \":9090\" for the node's own address"};
    return form;
}

const TextForm<dpdk::PortConfig>& port_form() {
    static const TextForm<dpdk::PortConfig> form{
        [](std::string_view text) { return text.empty() ? std::nullopt : std::optional{dpdk::PortConfig{std::string{text}}}; },
        [](const dpdk::PortConfig& p) { return p.device; },
        "a PCI address (\"0000:18:00.0\") or a virtual device (\"net_af_packet0,iface=eth1\")"};
    return form;
}

void bind_log(Binder& b, core::LogConfig& log) {
    b.text("file", log.file);
    b.reloadable(true);
    b.choice("level", log.level,
             {{"trace", spdlog::level::trace},
              {"debug", spdlog::level::debug},
              {"info", spdlog::level::info},
              {"warning", spdlog::level::warn},
              {"error", spdlog::level::err},
              {"critical", spdlog::level::critical},
              {"off", spdlog::level::off}});
    b.reloadable(false);
    b.number("queue", log.queue, 64, 1 << 20);
}

void bind_timers(Binder& b, sip::Timers& t) {
    b.duration("t1", t.t1, 10ms, 10s);
    b.duration("t2", t.t2, 100ms, 1min);
    b.duration("t4", t.t4, 100ms, 1min);
    // RFC 3261 §16.6 step 11: timer C MUST be larger than 3 minutes.
    b.duration("timer_c", t.timer_c, 180'001ms, 1h);
    b.duration("fr_timer", t.fr_timer, 100ms, 32s);
    b.duration("fr_inv_timer", t.fr_inv_timer, 1s, 1h);
    b.duration("dialog_timeout", t.dialog_timeout, 1min, 24h * 30);
    b.duration("dialog_ping", t.dialog_ping, 0s, 24h);
    b.duration("challenge_memory", t.challenge_memory, 1s, 10min);
}

void bind_methods(Binder& b, sip::ProxyConfig& p) {
    using Policy = sip::MethodPolicy;
    // Only what can begin something is listed; the rest travels inside dialogs or hop by hop.
    constexpr std::array initial{Method::invite,  Method::register_, Method::options, Method::subscribe, Method::notify,
                                 Method::message, Method::publish,   Method::refer,   Method::info,      Method::unknown};
    for (const auto m : initial) {
        std::string key{sip::name(m)};
        std::transform(key.begin(), key.end(), key.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        auto& policy = p.methods[static_cast<std::size_t>(m)];
        // A unit of load belongs to a dialog, and only INVITE makes dialogs that we count.
        if (m == Method::invite)
            b.choice(key, policy, {{"balance", Policy::balance}, {"dispatch", Policy::dispatch}, {"reject", Policy::reject}});
        else
            b.choice(key, policy, {{"dispatch", Policy::dispatch}, {"reject", Policy::reject}});
    }
}

void bind_sip(Binder& b, sip::ProxyConfig& p) {
    b.number("max_forwards_default", p.max_forwards_default, 1, 255);
    b.number("fork_attempts", p.fork_attempts, 1, 16);
    b.numbers("failover_codes", p.failover_codes, 500, 599);
    b.flag("disable_503_translation", p.disable_503_translation);
    b.flag("repair_routes", p.repair_routes);
    b.flag("bye_on_timeout", p.bye_on_timeout);
    b.flag("append_fromtag", p.append_fromtag);
    b.flag("loop_detection", p.loop_detection);
    b.flag("count_outbound", p.count_outbound);
    b.choice("cluster_to_self", p.cluster_to_self,
             {{"reject", sip::SelfPolicy::reject}, {"balance_elsewhere", sip::SelfPolicy::balance_elsewhere}});
    b.choice("path", p.path,
             {{"always", sip::PathPolicy::always}, {"supported", sip::PathPolicy::supported}, {"off", sip::PathPolicy::off}});
    b.choice("large_requests", p.large_requests, {{"fragment", sip::LargeRequests::fragment}, {"stream", sip::LargeRequests::stream}});
    b.text("server_name", p.server_name);
    b.number("max_transactions", p.max_transactions, 1'024, 1LL << 26);
    b.number("max_dialogs", p.max_dialogs, 1'024, 1LL << 26);
    b.size("image_bytes", p.image_bytes, 1ULL << 20, 1ULL << 40);
    b.flag("commit_tables", p.commit_tables);
    b.table("timers", [&](Binder& t) { bind_timers(t, p.timers); });
    b.table("methods", [&](Binder& t) { bind_methods(t, p); });
    b.table("trust", [&](Binder& t) {
        t.list("strip", p.trust_strip, plain_form());
        t.flag("set_auth_headers", p.set_auth_headers);
        t.text("auth_ip_header", p.auth_ip_header);
        t.text("auth_port_header", p.auth_port_header);
    });
    b.rows("listeners", p.listeners, [](Binder& row, sip::Listener& l) {
        row.formed("address", l.local, listener_form());
        row.choice("transport", l.transport, {{"udp", core::Transport::udp}});
    });
}

void bind_data_plane(Binder& b, dpdk::DataPlaneConfig& d) {
    b.list("ports", d.ports, port_form());
    b.number("workers", d.workers, 1, core::max_workers);
    b.numbers("cores", d.cores, 0, 1'023);
    b.number("rx_descriptors", d.rx_descriptors, 64, 8'192);
    b.number("tx_descriptors", d.tx_descriptors, 64, 8'192);
    b.number("mbufs", d.mbufs, 1'024, 1 << 22);
    b.number("mtu", d.mtu, 576, 9'000);
    b.flag("huge_pages", d.huge_pages);
    auto memory = std::uint64_t{d.memory_mb} << 20;
    b.size("memory", memory, 64ULL << 20, 1ULL << 40);
    d.memory_mb = static_cast<std::uint32_t>(memory >> 20);
    b.text("file_prefix", d.file_prefix);
    b.list("eal_args", d.eal_args, plain_form());
    b.flag("adaptive_idle", d.adaptive_idle);
    std::chrono::microseconds idle{d.idle_sleep_us};
    b.duration("idle_sleep", idle, 1us, 1ms);
    d.idle_sleep_us = static_cast<std::uint32_t>(idle.count());
    std::chrono::milliseconds reassembly{d.reassembly_timeout_ms};
    b.duration("reassembly_timeout", reassembly, 10ms, 60s);
    d.reassembly_timeout_ms = static_cast<std::uint32_t>(reassembly.count());
    b.number("reassembly_contexts", d.reassembly_contexts, 16, 65'536);
    b.number("reassembly_buffers", d.reassembly_buffers, 256, 262'144);
    b.table("bond", [&](Binder& t) {
        t.choice("mode", d.bond.mode, {{"none", dpdk::BondMode::none}, {"active_backup", dpdk::BondMode::active_backup}});
        t.text("primary", d.bond.primary);
        std::chrono::milliseconds interval{d.bond.monitor_interval_ms};
        t.duration("monitor_interval", interval, 10ms, 10s);
        d.bond.monitor_interval_ms = static_cast<std::uint32_t>(interval.count());
        t.list("arp_targets", d.bond.arp_targets, address_form());
        t.number("arp_missed", d.bond.arp_missed, 1, 100);
    });
}

void bind_kernel(Binder& b, kni::KernelConfig& k) {
    b.text("interface", k.interface);
    b.choice("device", k.device,
             {{"automatic", kni::DeviceKind::automatic}, {"tap", kni::DeviceKind::tap}, {"virtio_user", kni::DeviceKind::virtio_user}});
    b.list("addresses", k.addresses, interface_address_form());
    b.list("virtual_addresses", k.virtual_addresses, interface_address_form());
    b.number("exception_rate", k.exception_rate, 0, u32_max);
    b.number("probe_rate", k.probe_rate, 1, 100'000);
    b.rows("routes", k.routes, [](Binder& row, kni::Gateway& g) {
        row.formed("destination", g.destination, prefix_form());
        row.formed("via", g.via, address_form());
        row.number("metric", g.metric, 0, u32_max);
    });
}

const TextForm<core::Endpoint>& name_server_form() {
    static const TextForm<core::Endpoint> form{[](std::string_view text) {
                                                   const auto e = core::Endpoint::parse(text, 53);
                                                   return e && e->port != 0 && !e->address.is_multicast() ? e : std::nullopt;
                                               },
                                               [](const core::Endpoint& e) { return e.address ? e.to_string() : std::string{}; },
                                               "an address, and a port other than 53, as \"10.77.0.1\" or \"[fd77::1]:5353\""};
    return form;
}

void bind_resolver(Binder& b, kni::ResolverConfig& r, sip::Timers& t) {
    b.list("servers", r.servers, name_server_form());
    b.duration("timeout", r.timeout, 100ms, 30s);
    b.number("tries", r.tries, 1, 10);
    b.duration("wait", t.name_wait, 100ms, 32s);
    b.number("max_names", r.max_names, 16, 16'384);
    b.duration("max_ttl", r.max_ttl, 1s, 24h);
    b.duration("negative_ttl", r.negative_ttl, 1s, 1h);
    b.duration("failure_ttl", r.failure_ttl, 1s, 10min);
}

}  // namespace

const TextForm<core::IpAddress>& address_form() {
    static const TextForm<core::IpAddress> form{[](std::string_view text) { return core::IpAddress::parse(text); },
                                                [](const core::IpAddress& a) { return a ? a.to_string() : std::string{}; },
                                                "an IP address, as \"10.77.0.1\" or \"fd77::1\""};
    return form;
}

const TextForm<core::Prefix>& prefix_form() {
    static const TextForm<core::Prefix> form{[](std::string_view text) { return core::Prefix::parse(text); },
                                             [](const core::Prefix& p) { return p.address ? p.to_string() : std::string{}; },
                                             "a network, as \"10.0.0.0/8\" or \"fd00::/8\""};
    return form;
}

const TextForm<std::string>& plain_form() {
    static const TextForm<std::string> form{
        [](std::string_view text) { return text.empty() ? std::nullopt : std::optional{std::string{text}}; },
        [](const std::string& s) { return s; }, "a string that is not empty"};
    return form;
}

void bind_config(Binder& root, Config& config) {
    root.table("node", [&](Binder& b) {
        auto id = core::raw(config.proxy.node);
        b.number("id", id, 1, 255);
        config.proxy.node = core::NodeId{id};
        b.text("key_file", config.key_file);
        b.reloadable(true);
        b.duration("drain_timeout", config.drain_timeout, 0s, 24h);
    });
    root.table("log", [&](Binder& b) { bind_log(b, config.log); });
    root.table("data_plane", [&](Binder& b) { bind_data_plane(b, config.data_plane); });
    root.table("kernel", [&](Binder& b) { bind_kernel(b, config.kernel); });
    root.table("sip", [&](Binder& b) { bind_sip(b, config.proxy); });
    bind_balancer(root, config.balancer);
    root.table("database", [&](Binder& b) { bind_database(b, config.database); });
    root.table("resolver", [&](Binder& b) { bind_resolver(b, config.resolver, config.proxy.timers); });
    bind_journal(root, config.journal, config.cdr);
    root.table("metrics", [&](Binder& b) {
        b.flag("enabled", config.metrics.enabled);
        b.formed("listen", config.metrics.listen, metrics_form());
    });
    root.table("admin", [&](Binder& b) { b.text("socket", config.admin.socket); });
}

}  // namespace sipfront::app

// What follows from other keys, and the rules that hold between keys.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "app/config_schema.hpp"
#include "balancer/destination_uri.hpp"
#include "balancer/resources.hpp"

namespace sipfront::app {

namespace {

using Addresses = std::vector<kni::KernelConfig::Address>;

bool holds(const Addresses& addresses, const core::IpAddress& a) {
    return std::any_of(addresses.begin(), addresses.end(), [&](const auto& one) { return one.address == a; });
}

bool reachable(const Addresses& addresses, const core::IpAddress& a) {
    return std::any_of(addresses.begin(), addresses.end(), [&](const auto& one) {
        const auto net = core::Prefix::parse(one.address.to_string() + '/' + std::to_string(one.length));
        return net && net->contains(a);
    });
}

std::string row_path(std::string_view table, std::size_t i, std::string_view key) { return fmt::format("{}[{}].{}", table, i, key); }

std::string ms(std::chrono::milliseconds d) { return format_duration(d); }

void check_timers(const sip::Timers& t, const balancer::ProbeConfig& probe, Binding& out) {
    if (t.t1 >= t.t2) out.fail("sip.timers.t1", fmt::format("is {}, not below t2 ({})", ms(t.t1), ms(t.t2)), "make t1 smaller than t2");
    if (t.fr_timer > t.t1 * 64)
        out.fail("sip.timers.fr_timer", fmt::format("is {}, beyond 64*t1 ({}), when the transaction ends", ms(t.fr_timer), ms(t.t1 * 64)),
                 "make it smaller, or t1 larger");
    if (t.fr_inv_timer > t.timer_c)
        out.fail("sip.timers.fr_inv_timer", fmt::format("is {}, beyond timer_c ({})", ms(t.fr_inv_timer), ms(t.timer_c)),
                 "make it at most timer_c");
    if (probe.timeout >= probe.interval)
        out.fail("balancer.probe.timeout", fmt::format("is {}, not below the interval ({})", ms(probe.timeout), ms(probe.interval)),
                 "make it smaller than balancer.probe.interval");
}

void check_overload(const balancer::OverloadConfig& o, Binding& out) {
    if (o.retry_after_min > o.retry_after_max)
        out.fail("overload.retry_after_min", fmt::format("is {}, above retry_after_max ({})", ms(o.retry_after_min), ms(o.retry_after_max)),
                 "make it at most retry_after_max");
    for (const auto& e : o.emergency)
        if (e.find_first_of(" \t\r\n<>@;") != std::string::npos)
            out.fail("overload.emergency", fmt::format("\"{}\" is neither the user of a URI nor its beginning", e),
                     "write it as \"112\" or \"urn:service:sos\"");
    for (const auto& p : o.resource_priority)
        if (const auto dot = p.find('.'); dot == 0 || dot == std::string::npos || dot + 1 == p.size())
            out.fail("overload.resource_priority", fmt::format("\"{}\" is not a namespace and a priority", p),
                     "write it as in the header field, \"ets.0\"");
}

void check_headers(const sip::ProxyConfig& p, Binding& out) {
    const auto is_token = [](std::string_view s) {
        return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
            return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                   std::string_view{"-.!%*_+`'~"}.find(c) != std::string_view::npos;
        });
    };
    const auto check = [&](const std::string& key, std::string_view header) {
        if (!is_token(header))
            out.fail(key, fmt::format("\"{}\" is not a header field's name", header), "write the name alone, as \"X-AUTH-IP\"");
    };
    for (const auto& h : p.trust_strip) check("sip.trust.strip", h);
    check("sip.trust.auth_ip_header", p.auth_ip_header);
    check("sip.trust.auth_port_header", p.auth_port_header);
    if (p.server_name.find_first_of("\r\n") != std::string::npos) out.fail("sip.server_name", "holds a line end", "write it in one line");
}

void check_listeners(const Config& c, Binding& out) {
    if (c.proxy.listeners.empty())
        out.fail("sip.listeners", "there is no address to listen on",
                 "give kernel.addresses and kernel.virtual_addresses, or [[sip.listeners]]");
    if (c.proxy.listeners.size() > 32) out.fail("sip.listeners", fmt::format("has {} rows", c.proxy.listeners.size()), "give at most 32");
    std::set<std::pair<core::Endpoint, core::Transport>> seen;
    for (std::size_t i = 0; i < c.proxy.listeners.size(); ++i) {
        const auto& l = c.proxy.listeners[i];
        const auto path = row_path("sip.listeners", i, "address");
        if (!l.local.address) {
            out.fail(path, "is missing", "give an address and a port, as \"10.77.0.100:5060\"");
            continue;
        }
        if (l.local.port == 0) out.fail(path, "has port 0", "give the port that clients send to");
        if (!holds(c.kernel.addresses, l.local.address) && !holds(c.kernel.virtual_addresses, l.local.address))
            out.fail(path, fmt::format("{} is neither an address of this node nor a virtual one", l.local.address.to_string()),
                     "add it to kernel.addresses or kernel.virtual_addresses");
        if (!seen.emplace(l.local, l.transport).second)
            out.fail(path, fmt::format("{} is listed twice for {}", l.local.to_string(), core::param_name(l.transport)),
                     "remove one of the rows");
    }
    const auto tcp = [](const sip::Listener& l) { return l.transport == core::Transport::tcp; };
    if (c.proxy.large_requests == sip::LargeRequests::stream && std::none_of(c.proxy.listeners.begin(), c.proxy.listeners.end(), tcp))
        out.fail("sip.large_requests", "is \"stream\", and no listener speaks TCP: this version has no TCP transport yet",
                 "set it to \"fragment\"");
    // Probes leave from the node's own address in either role.
    const auto own = [](const sip::Listener& l) { return !l.virtual_ip && l.transport == core::Transport::udp; };
    if (!c.proxy.listeners.empty() && std::none_of(c.proxy.listeners.begin(), c.proxy.listeners.end(), own))
        out.fail("sip.listeners", "none of them is on the node's own address, from which hosts are probed",
                 "add a UDP listener on one of kernel.addresses");
}

void check_data_plane(const dpdk::DataPlaneConfig& d, Binding& out) {
    if (d.ports.empty()) out.fail("data_plane.ports", "is empty", "list the NICs, as [\"0000:18:00.0\", \"0000:18:00.1\"]");
    std::set<std::string> devices;
    for (const auto& p : d.ports)
        if (!devices.insert(p.device).second) out.fail("data_plane.ports", fmt::format("\"{}\" is listed twice", p.device), "list it once");
    if (d.bond.mode == dpdk::BondMode::none && d.ports.size() > 1)
        out.fail("data_plane.ports", fmt::format("has {} ports and no bond", d.ports.size()),
                 "set data_plane.bond.mode = \"active_backup\", or list one port");
    if (d.bond.mode != dpdk::BondMode::none && d.ports.size() < 2)
        out.fail("data_plane.bond.mode", fmt::format("asks for a bond, of {} port", d.ports.size()),
                 "list two ports or more in data_plane.ports");
    if (!d.bond.primary.empty() && !devices.contains(d.bond.primary))
        out.fail("data_plane.bond.primary", fmt::format("\"{}\" is not among data_plane.ports", d.bond.primary),
                 "write it as it stands there");
    if (!d.cores.empty() && d.cores.size() != d.workers)
        out.fail("data_plane.cores", fmt::format("names {} cores for {} workers", d.cores.size(), d.workers),
                 "name one for each worker, or none");
    if (std::set<std::uint32_t>{d.cores.begin(), d.cores.end()}.size() != d.cores.size())
        out.fail("data_plane.cores", "names a core twice", "give every worker a core of its own");
    const auto power_of_two = [&](std::string_view key, std::uint16_t n) {
        if ((n & (n - 1)) != 0)
            out.fail(fmt::format("data_plane.{}", key), fmt::format("{} is not a power of two", n), "give 256, 512, 1024, ...");
    };
    power_of_two("rx_descriptors", d.rx_descriptors);
    power_of_two("tx_descriptors", d.tx_descriptors);
    // Both rings of every queue may be full at once, and a burst of each worker is in the air besides.
    const auto needed = (std::uint64_t{d.rx_descriptors} + d.tx_descriptors + 256) * d.workers * std::max<std::size_t>(1, d.ports.size());
    if (d.mbufs < needed)
        out.fail("data_plane.mbufs", fmt::format("{} are fewer than the descriptors of all queues hold", d.mbufs),
                 fmt::format("give at least {}", needed));
}

void check_kernel(const kni::KernelConfig& k, Binding& out) {
    if (k.addresses.empty()) out.fail("kernel.addresses", "is empty", "give the node's own address, as [\"10.77.0.101/24\"]");
    // IFNAMSIZ less the terminating zero.
    if (k.interface.empty() || k.interface.size() > 15 || k.interface.find_first_of("/ ") != std::string::npos)
        out.fail("kernel.interface", fmt::format("\"{}\" is not an interface's name", k.interface), "give 1 to 15 letters and digits");
    std::set<core::IpAddress> seen;
    const auto once = [&](const Addresses& addresses, const char* key) {
        for (const auto& a : addresses)
            if (!seen.insert(a.address).second)
                out.fail(key, fmt::format("{} is given twice", a.address.to_string()),
                         "keep it either as the node's own or as a virtual one");
    };
    once(k.addresses, "kernel.addresses");
    once(k.virtual_addresses, "kernel.virtual_addresses");
    for (std::size_t i = 0; i < k.routes.size(); ++i) {
        const auto& r = k.routes[i];
        if (!r.destination.address || !r.via) {
            out.fail(fmt::format("kernel.routes[{}]", i), "lacks its destination or via",
                     "write { destination = \"0.0.0.0/0\", via = \"10.77.0.1\" }");
        } else if (r.destination.address.family() != r.via.family()) {
            out.fail(row_path("kernel.routes", i, "via"), "is of another address family than the destination",
                     "give a gateway of the same family");
        } else if (!reachable(k.addresses, r.via)) {
            out.fail(row_path("kernel.routes", i, "via"), fmt::format("{} is on none of the node's networks", r.via.to_string()),
                     "give a gateway inside the prefix of one of kernel.addresses");
        }
    }
}

// The host's socket; nullopt after reporting what is wrong with the URI.
std::optional<core::Endpoint> check_destination(const Config& c, const std::string& path, const std::string& uri, Binding& out) {
    if (uri.empty()) return out.fail(path, "is missing", "write it as \"sip:10.77.0.103\" or \"sip:10.77.0.103:5070\""), std::nullopt;
    const auto parsed = balancer::parse_destination_uri(uri);
    if (!parsed) return out.fail(path, parsed.error().what, ""), std::nullopt;
    if (parsed->transport != core::Transport::udp)
        return out.fail(path, fmt::format("\"{}\" asks for a transport other than UDP", uri), "leave the transport out"), std::nullopt;
    const auto& e = parsed->remote;
    if (std::any_of(c.proxy.listeners.begin(), c.proxy.listeners.end(), [&](const auto& l) { return l.local == e; }))
        out.fail(path, fmt::format("{} is a listener of ours: requests would loop", e.to_string()), "give the host's own address");
    return e;
}

// Its rows are looked at when they are read.
bool from_database(const Config& c) { return c.database.destinations == ha::DestinationSource::database; }

bool names_resource(const balancer::LoadBalancerRow& row, std::string_view wanted) {
    return std::any_of(row.resources.begin(), row.resources.end(), [&](const auto& r) { return r.name == wanted; });
}

void check_load_balancer(const Config& c, Binding& out) {
    const auto& b = c.balancer;
    std::set<std::pair<std::uint32_t, core::Endpoint>> seen;
    std::set<std::uint32_t> ids;
    std::vector<const balancer::LoadBalancerRow*> group;
    for (std::size_t i = 0; i < b.load_balancer.size(); ++i) {
        const auto& row = b.load_balancer[i];
        const auto host = check_destination(c, row_path("load_balancer", i, "dst_uri"), row.dst_uri, out);
        if (host && !seen.emplace(row.group_id, *host).second)
            out.fail(row_path("load_balancer", i, "dst_uri"), fmt::format("{} is in group {} twice", row.dst_uri, row.group_id),
                     "add its capacities up in one row");
        if (!ids.insert(row.id).second)
            out.fail(row_path("load_balancer", i, "id"), fmt::format("{} names another row already", row.id),
                     "give every row an id of its own, or none");
        if (row.resources.empty()) out.fail(row_path("load_balancer", i, "resources"), "is missing", "give the capacities, as \"pstn=32\"");
        if (row.group_id == b.lb_group) group.push_back(&row);
    }
    if (from_database(c) || c.proxy.methods[static_cast<std::size_t>(sip::Method::invite)] != sip::MethodPolicy::balance) return;
    if (group.empty())
        return out.fail("balancer.lb_group", fmt::format("no row of [[load_balancer]] is in group {}, which takes the calls", b.lb_group),
                        "add destinations with that group_id, or name another group");
    const auto wanted = balancer::parse_resource_names(b.lb_resource);
    for (const auto& name : wanted)
        if (std::none_of(group.begin(), group.end(), [&](const auto* row) { return names_resource(*row, name); }))
            out.fail("balancer.lb_resource", fmt::format("no row of group {} has the resource \"{}\"", b.lb_group, name),
                     "name resources that the rows have");
    if (wanted.empty()) out.fail("balancer.lb_resource", "is empty", "name the resource that a call uses, as \"pstn\"");
}

void check_dispatcher(const Config& c, Binding& out) {
    const auto& b = c.balancer;
    std::set<std::pair<std::uint32_t, core::Endpoint>> seen;
    std::set<std::uint32_t> ids;
    bool in_set = false;
    for (std::size_t i = 0; i < b.dispatcher.size(); ++i) {
        const auto& row = b.dispatcher[i];
        const auto host = check_destination(c, row_path("dispatcher", i, "destination"), row.destination, out);
        if (host && !seen.emplace(row.setid, *host).second)
            out.fail(row_path("dispatcher", i, "destination"), fmt::format("{} is in set {} twice", row.destination, row.setid),
                     "add the weights up in one row");
        if (!ids.insert(row.id).second)
            out.fail(row_path("dispatcher", i, "id"), fmt::format("{} names another row already", row.id),
                     "give every row an id of its own, or none");
        in_set = in_set || (row.setid == b.ds_set && row.weight > 0);
    }
    const auto& methods = c.proxy.methods;
    if (!from_database(c) && !in_set && std::find(methods.begin(), methods.end(), sip::MethodPolicy::dispatch) != methods.end())
        out.fail("balancer.ds_set",
                 fmt::format("no row of [[dispatcher]] with a weight is in set {}, which takes the registrations", b.ds_set),
                 "add destinations with that setid, or set the methods of [sip.methods] to \"reject\"");
}

}  // namespace

void derive(Config& config) {
    config.proxy.keep_parties = config.cdr.wanted();
    auto& listeners = config.proxy.listeners;
    if (listeners.empty())
        for (const auto* addresses : {&config.kernel.virtual_addresses, &config.kernel.addresses})
            for (const auto& a : *addresses) listeners.push_back({{}, {a.address, 5060}, core::Transport::udp, false});
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        listeners[i].id = core::ListenerId{static_cast<std::uint8_t>(i)};
        listeners[i].virtual_ip = holds(config.kernel.virtual_addresses, listeners[i].local.address);
    }
    const auto number = [](auto& rows) {
        for (std::size_t i = 0; i < rows.size(); ++i)
            if (rows[i].id == 0) rows[i].id = static_cast<std::uint32_t>(i + 1);
    };
    number(config.balancer.load_balancer);
    number(config.balancer.dispatcher);
    if (!config.metrics.listen.address && !config.kernel.addresses.empty())
        config.metrics.listen.address = config.kernel.addresses.front().address;
}

void check_config(const Config& config, Binding& binding) {
    check_data_plane(config.data_plane, binding);
    check_kernel(config.kernel, binding);
    check_timers(config.proxy.timers, config.balancer.probe, binding);
    check_overload(config.balancer.overload, binding);
    check_headers(config.proxy, binding);
    check_listeners(config, binding);
    check_load_balancer(config, binding);
    check_dispatcher(config, binding);
    check_database(config, binding);
    check_journal(config, binding);
    // sun_path holds 108 octets, the terminating zero included.
    if (config.admin.socket.empty() || config.admin.socket.size() > 107)
        binding.fail("admin.socket", "is not a path that a Unix socket can have", "give a path of 1 to 107 octets");
}

}  // namespace sipfront::app

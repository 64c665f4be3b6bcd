// Where in-dialog requests and the cluster's own requests go: along a verified cookie, by the dialog's record, or by
// Route and Request-URI for the cluster alone. Everything else is refused: this is no open relay.
#include "sip/proxy.hpp"
#include "sip/text_builder.hpp"

namespace sipfront::sip {
namespace {

bool lists(const Message& m, HeaderId header, std::string_view token) noexcept {
    for (const auto* h = m.first(header); h != nullptr; h = m.next(h)) {
        auto rest = m.at(h->value);
        for (std::string_view one; next_value(rest, one);)
            if (iequals(one, token)) return true;
    }
    return false;
}

}  // namespace

void Proxy::refuse(NextHop& hop, int code, std::string_view reason, LocalReply why) noexcept {
    hop.code = code;
    hop.reason = reason;
    hop.why = why;
}

std::optional<Target> Proxy::numeric_target(const Uri& uri) noexcept {
    if (uri.scheme != Scheme::sip && uri.scheme != Scheme::sips) return std::nullopt;
    auto transport = uri.scheme == Scheme::sips ? core::Transport::tls : core::Transport::udp;
    auto host = uri.address();
    if (!uri.params.empty()) {
        if (const auto maddr = uri.param("maddr")) host = core::IpAddress::parse(*maddr);
        const auto spoken = uri.transport();
        if (!spoken && uri.param("transport")) return std::nullopt;
        transport = spoken.value_or(transport);
    }
    if (!host || host->is_multicast()) return std::nullopt;
    return Target{.destination = core::no_destination,
                  .remote = {*host, uri.port != 0 ? uri.port : core::default_port(transport)},
                  .transport = transport};
}

void Proxy::aim(NextHop& hop, const Target& target, const core::Flow& in, const Socket* from, bool foreign) noexcept {
    if (!foreign && sockets_.at(target.remote, target.transport) != nullptr)
        return refuse(hop, 482, "Loop Detected (target is this proxy)", LocalReply::self_loop);
    // The socket the route names, else the one the request came to, else the virtual IP, else any that fits.
    const auto fits = [&target](const Socket* s) {
        return s != nullptr && s->listener.transport == target.transport &&
               s->listener.local.address.family() == target.remote.address.family();
    };
    const auto* best = from;
    if (!fits(best)) best = sockets_.of(in);
    if (!fits(best)) [[unlikely]] {
        best = nullptr;
        for (const bool virtual_ip : {true, false})
            for (const auto& s : sockets_.all())
                if (best == nullptr && s.listener.virtual_ip == virtual_ip && fits(&s)) best = &s;
        if (best == nullptr) {
            drop(ProxyDrop::no_listener);
            return refuse(hop, 503, "Service Unavailable (no socket for this transport)", LocalReply::unresolvable);
        }
    }
    hop.socket = best;
    hop.out.local = best->listener.local;
    hop.out.remote = target.remote;
    hop.out.listener = best->listener.id;
    hop.out.transport = target.transport;
    hop.out.zone = router_.zone_of(target.remote);
    hop.out.connection = core::no_connection;
}

// A sips URI is reached over TLS, whichever URI the next hop was found by (RFC 3261 §8.1.2, §16.6 step 7), or not at all: there is no
// exception for the last hop (RFC 5630 §5.3).
void Proxy::require_security(NextHop& hop) {
    hop.secure = true;
    if (hop.code != 0 || hop.out.transport == core::Transport::tls) return;
    if (hop.route == Transaction::Route::balanced) router_.release(hop.destination);
    refuse(hop, 480, "Temporarily Unavailable", LocalReply::sips_not_allowed);
}

void Proxy::route_in_dialog(const Request& r, NextHop& hop) {
    const auto& m = r.m;
    if (r.routes.cookie != nullptr) return route_by_cookie(r, *r.routes.cookie, hop);
    if (r.routes.cookie_present) return refuse(hop, 403, "Forbidden (route does not verify)", LocalReply::forbidden_route);
    const bool cluster = r.in.zone == core::Zone::cluster;
    if (!cluster && !r.routes.next.empty()) return refuse(hop, 403, "Forbidden (foreign Route)", LocalReply::forbidden_route);
    if (config_.repair_routes && r.routes.next.empty()) {
        auto* d = dialogs_.find(r.call_id_hash, m.from_tag());
        if (d == nullptr) d = dialogs_.find(r.call_id_hash, m.to_tag());
        if (d != nullptr) return repair_route(r, *d, hop);
    }
    if (cluster) return route_from_cluster(r, hop);
    return refuse(hop, 481, "Call/Transaction Does Not Exist", LocalReply::no_dialog);
}

void Proxy::route_by_cookie(const Request& r, const RouteCookie& c, NextHop& hop) {
    if (c.node == config_.node) {
        if (const auto* d = dialogs_.get(c.dialog); d != nullptr && d->call_id_hash == r.call_id_hash) hop.dialog = c.dialog;
    }
    if (!hop.dialog) [[unlikely]]
        hop.dialog = dialog_of(r, c);
    hop.symmetric = c.symmetric;
    const bool from_host_side = r.routes.from_caller == c.caller_in_cluster;
    // The host's own address stays trusted for its dialogs when the host has left the configuration.
    const bool in_cluster = r.in.zone == core::Zone::cluster || r.in.remote.address == c.host.address;
    if (from_host_side) {
        if (!in_cluster) return refuse(hop, 403, "Forbidden (not from the cluster)", LocalReply::forbidden_route);
        return route_towards_client(r, c, hop);
    }
    return route_towards_host(r, c, hop);
}

// From outside: the next hop is the cookie's host, or another address of the cluster; no foreign Route may remain.
void Proxy::route_towards_host(const Request& r, const RouteCookie& c, NextHop& hop) {
    const auto in_cluster = [&](const Target& t) { return t.remote == c.host || router_.zone_of(t.remote) == core::Zone::cluster; };
    Target target{.destination = core::no_destination, .remote = c.host, .transport = c.host_transport};
    bool foreign = false;
    const auto contact = [&] {
        const auto* d = dialogs_.get(hop.dialog);
        return d == nullptr ? std::string_view{} : d->get(d->caller_in_cluster ? DialogText::caller_contact : DialogText::callee_contact);
    };
    if (!r.routes.next.empty()) [[unlikely]] {
        const auto uri = parse_uri(r.routes.next_uri);
        const auto t = uri ? numeric_target(*uri) : std::nullopt;
        if (!t || !in_cluster(*t)) return refuse(hop, 403, "Forbidden (foreign Route)", LocalReply::forbidden_route);
        target = *t;
        hop.follow_next_route = true;
    } else {
        const auto shown = numeric_target(r.uri);
        if (sockets_.named_by(r.uri, shown ? &shown->remote : nullptr) != nullptr) {
            // The client addresses us instead of the host: its Contact is known from the dialog, or the host sorts it out.
            hop.uri = contact();
        } else if (shown && in_cluster(*shown)) {
            target.remote = shown->remote;
            target.transport = shown->transport;
            foreign = r.uri.params.empty();  // named_by() has looked at all sockets
        } else if (r.uri.address() || r.uri.param("maddr")) {
            if (const auto known = contact(); known.empty() || known != r.m.request_uri())
                return refuse(hop, 403, "Forbidden (Request-URI is not of this dialog)", LocalReply::forbidden_route);
        }
    }
    hop.destination = router_.find(target.remote, target.transport);
    aim(hop, target, r.in, r.routes.towards, foreign);
}

// From the cluster: a foreign Route is followed; else the client's Contact, or the flow it really comes from.
void Proxy::route_towards_client(const Request& r, const RouteCookie& c, NextHop& hop) {
    Target flow{.destination = core::no_destination, .remote = c.client, .transport = c.client_transport};
    std::optional<Target> target;
    hop.caller_in_cluster = true;
    if (!r.routes.next.empty()) {
        const auto uri = parse_uri(r.routes.next_uri);
        target = locate(uri, r, hop);
        if (!target) return;
        hop.follow_next_route = true;
    } else if (sockets_.named_by(r.uri) != nullptr) {
        if (const auto* d = dialogs_.get(hop.dialog))
            hop.uri = d->get(d->caller_in_cluster ? DialogText::callee_contact : DialogText::caller_contact);
    } else if (const auto* d = dialogs_.get(hop.dialog); !c.symmetric && (d == nullptr || !d->symmetric)) {
        // No record says what the client's answer showed: a private address behind another one.
        const auto shown = d == nullptr ? r.uri.address() : std::nullopt;
        hop.symmetric = shown && shown->is_private() && *shown != c.client.address && router_.zone_of(c.client) == core::Zone::outside;
        if (!hop.symmetric && !locate_contact(r.uri, r, hop, target)) return;
    }
    const bool by_flow = !target;
    aim(hop, target.value_or(flow), r.in, r.routes.towards);
    if (by_flow) hop.out.connection = c.connection;
}

// A request that lost its route set (integrated sipp scenarios, broken phones) but fits a live dialog by Call-ID and tags.
void Proxy::repair_route(const Request& r, Dialog& d, NextHop& hop) {
    const auto& m = r.m;
    const auto caller_tag = d.get(DialogText::caller_tag);
    const auto callee_tag = d.get(DialogText::callee_tag);
    const bool from_caller = m.from_tag() == caller_tag;
    const auto other = from_caller ? m.to_tag() : m.from_tag();
    if ((!from_caller && m.to_tag() != caller_tag) || (!callee_tag.empty() && other != callee_tag))
        return refuse(hop, 481, "Call/Transaction Does Not Exist", LocalReply::no_dialog);

    const bool towards_host = from_caller != d.caller_in_cluster;
    if (!towards_host && r.in.zone != core::Zone::cluster && r.in.remote.address != d.host.remote.address)
        return refuse(hop, 403, "Forbidden (not from the cluster)", LocalReply::forbidden_route);
    hop.dialog = dialogs_.handle_of(d);
    hop.caller_in_cluster = !towards_host;
    const auto contact = d.get(from_caller ? DialogText::callee_contact : DialogText::caller_contact);
    const auto routes = d.get(from_caller ? DialogText::callee_routes : DialogText::caller_routes);
    if (sockets_.named_by(r.uri) != nullptr && !contact.empty()) hop.uri = contact;
    if (r.waiting == nullptr) count(ProxyEvent::route_repaired);

    const auto& flow = towards_host ? d.host : d.client;
    Target target{.destination = d.destination, .remote = flow.remote, .transport = flow.transport};
    if (!routes.empty()) {
        auto rest = routes;
        std::string_view first;
        next_value(rest, first);
        const auto name_addr = parse_name_addr(first);
        const auto uri = name_addr ? parse_uri(name_addr->uri) : std::nullopt;
        const auto t = locate(uri, r, hop);
        if (!t) return;
        target.remote = t->remote;
        target.transport = t->transport;
        hop.routes = routes;
    } else if (!d.symmetric && !towards_host && !contact.empty()) {
        std::optional<Target> t;
        if (!locate_contact(parse_uri(contact), r, hop, t)) return;
        if (t) {
            target.remote = t->remote;
            target.transport = t->transport;
        }
    }
    hop.destination = towards_host ? d.destination : core::no_destination;
    aim(hop, target, r.in, sockets_.of(flow));
    if (target.remote == flow.remote) hop.out.connection = flow.connection;
}

// A request from a host goes where its Route or Request-URI says; it is never balanced back.
void Proxy::route_from_cluster(const Request& r, NextHop& hop) {
    hop.caller_in_cluster = true;
    hop.destination = router_.find(r.in.remote, r.in.transport);
    if (r.routes.flow_present) return route_by_flow(r, hop);
    if (!r.routes.next.empty()) {
        const auto uri = parse_uri(r.routes.next_uri);
        const auto target = locate(uri, r, hop);
        if (!target) return;
        hop.follow_next_route = true;
        return aim(hop, *target, r.in, r.routes.towards);
    }
    if (sockets_.named_by(r.uri) != nullptr) {
        if (config_.cluster_to_self == SelfPolicy::balance_elsewhere && r.m.method() == Method::invite && r.m.to_tag().empty())
            return route_balanced(r, Transaction::Route::balanced, hop);
        if (named_dialog(r.m)) return refuse(hop, 481, "Call/Transaction Does Not Exist", LocalReply::no_dialog);
        return refuse(hop, 404, "Not Found (the Request-URI names the proxy)", LocalReply::self_loop);
    }
    const auto target = locate(r.uri, r, hop);
    if (!target) return;
    return aim(hop, *target, r.in, r.routes.towards);
}

// To a registered client, along the Path that its REGISTER got from us (RFC 5626 §5.3.1). What further Route there is lies behind
// that flow.
void Proxy::route_by_flow(const Request& r, NextHop& hop) {
    if (!r.routes.flow) return refuse(hop, 403, "Forbidden (flow token does not verify)", LocalReply::forbidden_route);
    hop.by_flow = true;
    hop.follow_next_route = !r.routes.next.empty();
    aim(hop, {.destination = core::no_destination, .remote = r.routes.flow->client, .transport = r.routes.flow->transport}, r.in,
        r.routes.towards);
    hop.out.connection = r.routes.flow->connection;
    if (hop.code == 0) count(ProxyEvent::flow_followed);
}

core::DestinationId Proxy::holder_of(const NamedDialog& named, std::uint64_t call_id_hash) noexcept {
    const auto holder = [&](std::string_view hosts_tag, std::string_view clients_tag) {
        for (const auto callers_tag : {clients_tag, hosts_tag}) {
            const auto* d = dialogs_.find(call_id_hash, callers_tag);
            if (d == nullptr || d->state == DialogState::deleted || d->get(DialogText::call_id) != named.call_id) continue;
            if (d->caller_in_cluster != (callers_tag == hosts_tag)) continue;
            const auto callee_tag = d->get(DialogText::callee_tag);  // empty while it rings
            if (callee_tag.empty() || callee_tag == (d->caller_in_cluster ? clients_tag : hosts_tag)) return d->destination;
        }
        return core::no_destination;
    };
    const auto found = holder(named.recipient_tag, named.other_tag);
    return found != core::no_destination || !named.either_way ? found : holder(named.other_tag, named.recipient_tag);
}

// RFC 3891 §3: only the host that holds the dialog can do anything with such an INVITE. False: it names none that a host of ours
// holds, or it names none.
bool Proxy::route_to_holder(const Request& r, NextHop& hop) {
    if (r.lead.holder == core::no_destination || r.m.method() != Method::invite) return false;
    const auto target = router_.target_of(r.lead.holder);
    if (!target) return false;
    hop.caller_in_cluster = r.in.zone == core::Zone::cluster;
    hop.destination = hop.caller_in_cluster ? router_.find(r.in.remote, r.in.transport) : target->destination;
    hop.to_holder = true;
    aim(hop, *target, r.in, r.routes.towards);
    if (hop.code == 0) count(ProxyEvent::holder_followed);
    return true;
}

bool Proxy::wants_path(const Request& r) const noexcept {
    if (config_.path != PathPolicy::supported) return config_.path == PathPolicy::always;
    return lists(r.m, HeaderId::supported, "path");
}

void Proxy::route_balanced(const Request& r, Transaction::Route how, NextHop& hop) {
    core::DestinationId preferred = core::no_destination;
    if (r.m.first(HeaderId::authorization) != nullptr || r.m.first(HeaderId::proxy_authorization) != nullptr) {
        preferred = challenges_.find(r.call_id_hash, r.now);
        if (preferred != core::no_destination) count(ProxyEvent::challenge_followed);
    }
    const RouteQuery query{.request = r.m, .from = r.in, .now = r.now, .call_id_hash = r.call_id_hash, .preferred = preferred, .tried = {}};
    const bool balance = how == Transaction::Route::balanced;
    const auto answer = balance ? router_.balance(query) : router_.dispatch(query);
    if (answer.answer == Answer::full) return refuse(hop, 503, "Service Unavailable (all hosts full)", LocalReply::all_full);
    if (answer.answer == Answer::unavailable) return refuse(hop, 503, "Service Unavailable (no host)", LocalReply::no_destination);
    hop.destination = answer.target.destination;
    hop.route = how;
    aim(hop, answer.target, r.in, r.routes.towards);
    if (hop.code != 0 && balance) router_.release(answer.target.destination);
}

}  // namespace sipfront::sip

#include "sip/sockets.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace sipfront::sip {
namespace {

std::optional<core::Endpoint> endpoint_of(const Uri& uri, std::optional<core::Transport> transport) noexcept {
    auto host = uri.address();
    if (const auto maddr = uri.param("maddr")) host = core::IpAddress::parse(*maddr);
    if (!host) return std::nullopt;
    const auto spoken = transport.value_or(uri.scheme == Scheme::sips ? core::Transport::tls : core::Transport::udp);
    return core::Endpoint{*host, uri.port != 0 ? uri.port : core::default_port(spoken)};
}

Socket make_socket(const Listener& l) {
    Socket s{.listener = l, .sent_by = l.local.to_string()};
    s.host_length = s.sent_by.rfind(':');
    s.via.append("Via: SIP/2.0/").append(core::via_name(l.transport)).append(" ").append(s.sent_by).append(";branch=");
    auto hostport = s.sent_by;
    if (l.transport != core::Transport::udp) hostport.append(";transport=").append(core::param_name(l.transport));
    s.record_route = "Record-Route: <sip:" + hostport + ";lr;sf=";
    s.path_uri = hostport + ";lr>";
    if (l.transport == core::Transport::tls) {
        s.secure_record_route = "Record-Route: <sips:" + s.sent_by + ";lr;sf=";
        s.secure_path_uri = s.sent_by + ";lr>";
    }
    return s;
}

}  // namespace

Sockets::Sockets(std::span<const Listener> listeners) {
    for (const auto& l : listeners) {
        assert(core::raw(l.id) == sockets_.size());
        sockets_.push_back(make_socket(l));
    }
}

const Socket* Sockets::at(const core::Endpoint& e, core::Transport t) const noexcept {
    for (const auto& s : sockets_)
        if (s.listener.local.port == e.port && s.listener.local == e && s.listener.transport == t) return &s;
    return nullptr;
}

const Socket* Sockets::of(const core::Flow& flow) const noexcept {
    const auto id = core::raw(flow.listener);
    if (id < sockets_.size() && sockets_[id].listener.local == flow.local && sockets_[id].listener.transport == flow.transport)
        return &sockets_[id];
    return at(flow.local, flow.transport);
}

core::Flow Sockets::flow(const core::FarEnd& end) const noexcept {
    core::Flow f;
    if (const auto* s = of(end)) f.local = s->listener.local;
    f.remote = end.remote;
    f.listener = end.listener;
    f.transport = end.transport;
    f.zone = end.zone;
    f.connection = end.connection;
    return f;
}

const Socket* Sockets::named_by(const Uri& uri) const noexcept {
    if (uri.scheme != Scheme::sip && uri.scheme != Scheme::sips) return nullptr;
    if (uri.params.empty() && uri.scheme == Scheme::sip && uri.host.front() != '[') {
        // An IPv4 address has one spelling: it needs no reading.
        const auto port = uri.port != 0 ? uri.port : core::default_port(core::Transport::udp);
        const auto named = [&](const Socket& s) { return s.listener.local.port == port && s.host() == uri.host; };
        const auto found = std::find_if(sockets_.begin(), sockets_.end(), named);
        return found != sockets_.end() ? &*found : nullptr;
    }
    const auto transport = uri.transport();
    const auto e = endpoint_of(uri, transport);
    if (!e) return nullptr;
    const Socket* same_address = nullptr;
    for (const auto& s : sockets_) {
        if (s.listener.local != *e) continue;
        if (!transport || s.listener.transport == *transport) return &s;
        same_address = &s;
    }
    return same_address;
}

bool Sockets::sent(const TopVia& via, const Message& m) const noexcept {
    if (via.port != 0) {
        const std::string_view shown{m.wire().data() + via.host.off, via.port_text.end() - via.host.off};
        for (const auto& s : sockets_)
            if (shown == s.sent_by) return true;
    }
    const auto address = core::IpAddress::parse(m.at(via.host));
    if (!address) return false;
    const core::Endpoint e{*address, via.port != 0 ? via.port : std::uint16_t{5060}};
    return std::any_of(sockets_.begin(), sockets_.end(), [&](const Socket& s) { return s.listener.local == e; });
}

Sockets::OwnRoute Sockets::read_own_route(std::string_view value) const noexcept {
    constexpr std::string_view ftag = ";ftag=";
    for (const auto& s : sockets_) {
        const auto head = s.route();
        if (!value.starts_with(head)) continue;
        // The cookie, a from-tag if there is one, and the end. Whether the cookie's characters can be one's at all is for whoever
        // opens it to say.
        auto cookie = value.substr(head.size());
        if (cookie.find('>') != cookie.size() - 1) return {};
        cookie.remove_suffix(1);
        const auto semicolon = cookie.find(';');
        if (semicolon == std::string_view::npos) return {&s, cookie};
        const auto tag = cookie.substr(semicolon);
        const bool ends = tag.starts_with(ftag) && tag.find(';', ftag.size()) == std::string_view::npos;
        return ends ? OwnRoute{&s, cookie.substr(0, semicolon)} : OwnRoute{};
    }
    return {};
}

}  // namespace sipfront::sip

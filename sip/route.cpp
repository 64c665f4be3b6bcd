#include "sip/route.hpp"

namespace sipfront::sip {
namespace {

std::optional<core::Endpoint> endpoint_of(const Uri& uri) noexcept {
    auto host = uri.address();
    if (const auto maddr = uri.param("maddr")) host = core::IpAddress::parse(*maddr);
    if (!host) return std::nullopt;
    const auto transport = uri.transport().value_or(uri.scheme == Scheme::sips ? core::Transport::tls : core::Transport::udp);
    return core::Endpoint{*host, uri.port != 0 ? uri.port : core::default_port(transport)};
}

// Takes the cookie of an own Route URI: it verifies with the caller's tag, so the tag that fits tells the direction.
void take_cookie(RouteInfo& info, const Message& m, const Uri& uri, const core::KeyRing& keys) noexcept {
    const auto text = uri.param("sf");
    if (!text || info.cookie) return;
    info.cookie_present = true;
    info.cookie = open_cookie(*text, m.call_id(), m.from_tag(), keys);
    info.from_caller = info.cookie.has_value();
    if (!info.cookie && !m.to_tag().empty()) info.cookie = open_cookie(*text, m.call_id(), m.to_tag(), keys);
}

struct RouteValue {
    const Header* header = nullptr;
    std::string_view value;
    Uri uri;
    std::string_view uri_text;
};

// Walks the values of all Route headers in order; false from `f` ends the walk.
template <class F>
bool for_each_route(const Message& m, F&& f) noexcept {
    for (const auto* h = m.first(HeaderId::route); h != nullptr; h = m.next(h)) {
        auto rest = m.at(h->value);
        for (std::string_view one; next_value(rest, one);) {
            const auto name_addr = parse_name_addr(one);
            if (!name_addr) return false;
            const auto uri = parse_uri(name_addr->uri);
            if (!uri) return false;
            if (!f(RouteValue{h, one, *uri, name_addr->uri})) return true;
        }
    }
    return true;
}

}  // namespace

const Listener* listener_at(const core::Endpoint& e, core::Transport t, std::span<const Listener> listeners) noexcept {
    for (const auto& l : listeners)
        if (l.local == e && l.transport == t) return &l;
    return nullptr;
}

const Listener* own_listener(const Uri& uri, std::span<const Listener> listeners) noexcept {
    if (uri.scheme != Scheme::sip && uri.scheme != Scheme::sips) return nullptr;
    const auto e = endpoint_of(uri);
    if (!e) return nullptr;
    const Listener* same_socket = nullptr;
    const auto transport = uri.transport();
    for (const auto& l : listeners) {
        if (l.local != *e) continue;
        if (!transport || l.transport == *transport) return &l;
        same_socket = &l;
    }
    return same_socket;
}

RouteInfo read_routes(const Message& m, const Uri& uri, std::span<const Listener> listeners, const core::KeyRing& keys) noexcept {
    RouteInfo info;
    // A strict router before us put the URI of our Record-Route into the Request-URI (§16.4).
    if (uri.param("sf") && uri.param("lr") && own_listener(uri, listeners) != nullptr && m.first(HeaderId::route) != nullptr) {
        info.strict_upstream = true;
        info.towards = own_listener(uri, listeners);
        take_cookie(info, m, uri, keys);
    }
    RouteValue last;
    const bool ok = for_each_route(m, [&](const RouteValue& v) {
        last = v;
        if (!info.next.empty()) return info.strict_upstream;  // a strict upstream needs the very last value
        const auto* own = own_listener(v.uri, listeners);
        if (own != nullptr && info.own_count < info.own.size()) {
            info.own[info.own_count++] = {v.header, v.value};
            info.towards = own;
            take_cookie(info, m, v.uri, keys);
            return true;
        }
        info.next = v.value;
        info.next_uri = v.uri_text;
        info.next_is_strict = !v.uri.param("lr").has_value();
        return info.strict_upstream;
    });
    info.malformed = !ok;
    if (info.strict_upstream && last.header != nullptr) {
        info.target_header = last.header;
        info.target_value = last.value;
        info.target_uri = last.uri_text;
        if (info.next == last.value) info.next = info.next_uri = {};
    }
    return info;
}

bool is_loop(const Message& m, std::uint32_t loop, std::span<const Listener> listeners) noexcept {
    for (const auto* h = m.first(HeaderId::via); h != nullptr; h = m.next(h)) {
        auto rest = m.at(h->value);
        for (std::string_view one; next_value(rest, one);) {
            const auto semicolon = one.find(';');
            if (semicolon == std::string_view::npos) continue;
            const auto branch_text = find_param(one.substr(semicolon + 1), "branch");
            if (!branch_text) continue;
            const auto branch = read_branch(*branch_text);
            if (!branch || branch->loop != loop) continue;
            const auto head = trim(one.substr(0, semicolon));
            const auto space = head.find_last_of(" \t");
            if (space == std::string_view::npos) continue;
            const auto sent_by = core::Endpoint::parse(head.substr(space + 1), 5060);
            if (!sent_by) continue;
            for (const auto& l : listeners)
                if (l.local == *sent_by) return true;
        }
    }
    return false;
}

std::string_view branch_below_top(const Message& m) noexcept {
    const auto* h = m.first(HeaderId::via);
    auto rest = m.at(h->value);
    std::string_view one;
    next_value(rest, one);
    if (!next_value(rest, one)) {
        h = m.next(h);
        if (h == nullptr) return {};
        rest = m.at(h->value);
        if (!next_value(rest, one)) return {};
    }
    const auto semicolon = one.find(';');
    if (semicolon == std::string_view::npos) return {};
    return find_param(one.substr(semicolon + 1), "branch").value_or(std::string_view{});
}

}  // namespace sipfront::sip

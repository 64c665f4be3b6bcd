#include "sip/route.hpp"

#include "sip/via.hpp"

namespace sipfront::sip {
namespace {

// The cookie of an own Route URI: it verifies with the caller's tag, so the tag that fits tells the direction.
void open_either_way(std::string_view text, const Message& m, const CallIdentity& call, const core::KeyRing& keys,
                     std::optional<RouteCookie>& cookie, bool& from_caller) noexcept {
    from_caller = open_cookie(text, call, m.from_tag(), keys, cookie);
    if (!from_caller && !m.to_tag().empty()) open_cookie(text, call, m.to_tag(), keys, cookie);
}

void take_cookie(RouteInfo& info, const Message& m, const CallIdentity& call, std::optional<std::string_view> text,
                 const core::KeyRing& keys) noexcept {
    if (!text || info.cookie != nullptr) return;
    info.cookie_present = true;
    open_either_way(*text, m, call, keys, info.read, info.from_caller);
    if (info.read) info.cookie = &*info.read;
}

struct RouteValue {
    const Header* header = nullptr;
    std::string_view value;
    Uri uri;
    std::string_view uri_text;
};

// Walks the values of all Route, Record-Route or Path headers in order; false from `f` ends the walk.
template <class F>
bool for_each_route(const Message& m, HeaderId header, F&& f) noexcept {
    for (const auto* h = m.first(header); h != nullptr; h = m.next(h)) {
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

void read_own_route(const Message& m, const CallIdentity& call, const Sockets& sockets, const core::KeyRing& keys,
                    OwnCookie& found) noexcept {
    found.socket = nullptr;
    found.cookie.reset();
    const auto* h = m.first(HeaderId::route);
    if (h == nullptr || m.next(h) != nullptr) return;
    const auto own = sockets.read_own_route(m.at(h->value));
    if (own.socket == nullptr) return;
    found.socket = own.socket;
    open_either_way(own.cookie, m, call, keys, found.cookie, found.from_caller);
}

void read_any_routes(const Message& m, const CallIdentity& call, const Uri& uri, const OwnCookie& own_cookie, const Sockets& sockets,
                     const core::KeyRing& keys, RouteInfo& info) noexcept {
    // A strict router before us put the URI of our Record-Route into the Request-URI (§16.4).
    if (uri.param("sf") && uri.param("lr") && sockets.named_by(uri) != nullptr) {
        info.strict_upstream = true;
        info.towards = sockets.named_by(uri);
        take_cookie(info, m, call, uri.param("sf"), keys);
    } else if (own_cookie.socket != nullptr) {
        return info.take(m, own_cookie);
    }
    RouteValue last;
    const bool ok = for_each_route(m, HeaderId::route, [&](const RouteValue& v) {
        last = v;
        if (!info.next.empty()) return info.strict_upstream;  // a strict upstream needs the very last value
        const auto* own = sockets.named_by(v.uri);
        if (own != nullptr && info.own_count < info.own.size()) {
            info.own[info.own_count++] = {v.header, v.value};
            info.towards = own;
            take_cookie(info, m, call, v.uri.param("sf"), keys);
            if (!info.flow_present && v.uri.user.starts_with(flow_mark)) {
                info.flow_present = true;
                info.flow = open_flow_token(v.uri.user, keys);
            }
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
}

bool leads_to_sips(const Message& m) noexcept {
    bool secure = is_sips(m.request_uri());
    for_each_route(m, HeaderId::route, [&](const RouteValue& v) {
        secure = secure || v.uri.scheme == Scheme::sips;
        return false;
    });
    return secure;
}

std::optional<RouteCookie> recorded_cookie(const Message& m, const CallIdentity& call, const core::KeyRing& keys) noexcept {
    std::optional<RouteCookie> cookie;
    for_each_route(m, HeaderId::record_route, [&](const RouteValue& v) {
        if (const auto text = v.uri.param("sf")) open_cookie(*text, call, m.from_tag(), keys, cookie);
        return false;  // ours is the topmost one
    });
    return cookie;
}

core::Flow registered_flow(const Message& m, const Sockets& sockets, const core::KeyRing& keys) noexcept {
    core::Flow flow;
    for_each_route(m, HeaderId::path, [&](const RouteValue& v) {
        const auto* own = sockets.named_by(v.uri);
        const auto token = own != nullptr ? open_flow_token(v.uri.user, keys) : std::nullopt;
        if (token) {
            flow.local = own->listener.local;
            flow.listener = own->listener.id;
            flow.remote = token->client;
            flow.transport = token->transport;
            flow.connection = token->connection;
        }
        return own != nullptr && !token;
    });
    return flow;
}

std::string_view first_contact(const Message& m) noexcept {
    const auto* h = m.first(HeaderId::contact);
    if (h == nullptr) return {};
    auto rest = m.at(h->value);
    // Where an addr-spec in angle brackets ends does not depend on what follows: whether there are more values need not be known.
    if (rest.starts_with('<'))
        if (const auto first = parse_name_addr(rest)) return first->uri;
    std::string_view one;
    next_value(rest, one);
    const auto name_addr = parse_name_addr(one);
    return name_addr ? name_addr->uri : std::string_view{};
}

bool is_loop_by_any(const Message& m, std::uint32_t loop, const Sockets& sockets) noexcept {
    const auto* h = m.first(HeaderId::via);
    for (; h != nullptr; h = m.next(h)) {
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
            for (const auto& s : sockets.all())
                if (s.listener.local == *sent_by) return true;
        }
    }
    return false;
}

namespace {

std::string_view value_below_top(const Message& m) noexcept {
    const auto* h = m.first(HeaderId::via);
    auto rest = m.at(h->value);
    std::string_view one;
    if (h->value != m.top_via().value) {
        next_value(rest, one);
        if (next_value(rest, one)) return one;
    }
    h = m.next(h);
    if (h == nullptr) return {};
    rest = m.at(h->value);
    return next_value(rest, one) ? one : std::string_view{};
}

}  // namespace

bool has_value_below_top(const Message& m) noexcept { return !value_below_top(m).empty(); }

bool via_below_top(const Message& m, TopVia& via) noexcept {
    const auto value = value_below_top(m);
    if (value.empty() || !parse_via(value, via)) return false;
    const auto shift = m.slice(value).off;
    for (auto* s : {&via.value, &via.transport, &via.host, &via.port_text, &via.branch, &via.received, &via.maddr, &via.rport})
        s->off = static_cast<std::uint16_t>(s->off + shift);
    return true;
}

}  // namespace sipfront::sip

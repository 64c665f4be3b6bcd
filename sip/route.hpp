// Route preprocessing (RFC 3261 §16.4): which Route values are ours, what they say, and what is left.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/keys.hpp"
#include "sip/edit.hpp"
#include "sip/message.hpp"
#include "sip/sockets.hpp"
#include "sip/token.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {

// One Route value of ours that has to go.
struct OwnRoute {
    const Header* header;
    std::string_view value;
};

// The Route of nearly all in-dialog requests: our Record-Route as we wrote it, and nothing else.
struct OwnCookie {
    const Socket* socket = nullptr;  // nullptr: the Route set is another one, or there is none
    std::optional<RouteCookie> cookie;
    bool from_caller = true;
};
void read_own_route(const Message& m, const CallIdentity& call, const Sockets& sockets, const core::KeyRing& keys,
                    OwnCookie& found) noexcept;

struct RouteInfo {
    RouteInfo() noexcept {}  // of our own: the whole would be cleared before its members are set
    RouteInfo(const RouteInfo&) = delete;
    RouteInfo& operator=(const RouteInfo&) = delete;

    // There is no other Route than this one.
    void take(const Message& m, const OwnCookie& route) noexcept {
        const auto* header = m.first(HeaderId::route);
        own[own_count++] = {header, m.at(header->value)};
        towards = route.socket;
        cookie_present = true;
        cookie = route.cookie ? &*route.cookie : nullptr;
        from_caller = route.from_caller;
    }

    std::array<OwnRoute, 2> own;  // two after a double Record-Route
    std::size_t own_count = 0;
    const Socket* towards = nullptr;      // the socket of the last own value: requests leave from there
    bool cookie_present = false;          // an own value had `sf=`, valid or not
    const RouteCookie* cookie = nullptr;  // the one that verified: read_own_route()'s, or `read`
    std::optional<RouteCookie> read;
    bool from_caller = true;    // which tag the cookie verified with
    bool flow_present = false;  // an own value had a flow token, valid or not: the topmost one, which we put on top
    std::optional<FlowToken> flow;
    std::string_view next;        // the first Route value that is not ours; empty when none is left
    std::string_view next_uri;    // its addr-spec
    bool next_is_strict = false;  // it lacks `lr`
    // Strict router upstream: the Request-URI was ours and the last Route value takes its place.
    bool strict_upstream = false;
    const Header* target_header = nullptr;
    std::string_view target_value;  // the Route value to remove
    std::string_view target_uri;    // the new Request-URI
    bool malformed = false;         // a Route value that is no name-addr: 400
};

// Reads the Route set of a request into a fresh `info`, which stays where it is and refers to `own`. `uri` is its parsed
// Request-URI, `call` its Call-ID, `own` what read_own_route() said.
void read_any_routes(const Message& m, const CallIdentity& call, const Uri& uri, const OwnCookie& own, const Sockets& sockets,
                     const core::KeyRing& keys, RouteInfo& info) noexcept;
[[gnu::always_inline]] inline void read_routes(const Message& m, const CallIdentity& call, const Uri& uri, const OwnCookie& own,
                                               const Sockets& sockets, const core::KeyRing& keys, RouteInfo& info) noexcept {
    if (m.first(HeaderId::route) == nullptr) return;
    if (own.socket == nullptr || !uri.params.empty()) return read_any_routes(m, call, uri, own, sockets, keys, info);
    info.take(m, own);
}

// Whether a request of ours has a sips URI for its Request-URI or its topmost Route.
bool leads_to_sips(const Message& m) noexcept;

// What our Record-Route in a request of ours says; nullopt when there is none.
std::optional<RouteCookie> recorded_cookie(const Message& m, const CallIdentity& call, const core::KeyRing& keys) noexcept;

// The flow that our Path in a REGISTER of ours names. `local` is empty when there is none.
core::Flow registered_flow(const Message& m, const Sockets& sockets, const core::KeyRing& keys) noexcept;

// The addr-spec of the first Contact; empty when there is none.
std::string_view first_contact(const Message& m) noexcept;

// Whether any Via below the top one is ours with the same loop part: the request came around unchanged (§16.3 step 4).
bool is_loop_by_any(const Message& m, std::uint32_t loop, const Sockets& sockets) noexcept;
[[gnu::always_inline]] inline bool is_loop(const Message& m, std::uint32_t loop, const Sockets& sockets) noexcept {
    const auto& top = m.top_via();
    const auto* h = m.first(HeaderId::via);
    // The sender's own Via, and no other: only one that may have our form needs a look.
    if (top.branch.len != branch_length && h->value == top.value && m.next(h) == nullptr) [[likely]]
        return false;
    return is_loop_by_any(m, loop, sockets);
}

// Whether anything stands below the top Via value.
bool has_value_below_top(const Message& m) noexcept;
inline bool has_via_below_top(const Message& m) noexcept {
    const auto* h = m.first(HeaderId::via);
    return (h->value == m.top_via().value && m.next(h) != nullptr) || has_value_below_top(m);
}
// The Via value below the top one, which the MAC of our branch covers, with slices of the message; false when there is none or it is
// malformed.
bool via_below_top(const Message& m, TopVia& via) noexcept;

}  // namespace sipfront::sip

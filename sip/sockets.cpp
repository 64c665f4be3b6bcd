#include "sip/sockets.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

#include <emmintrin.h>

#include "sip/copy.hpp"
#include "sip/token.hpp"

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
    s.most_recorded = std::max(s.record_route.size(), s.secure_record_route.size()) + std::tuple_size_v<decltype(CookieText::chars)> +
                      std::string_view{";ftag=>\r\n"}.size() + Socket::longest_ftag;
    return s;
}

// Where one of two characters first stands, or the size. Sixteen octets or more in front of the text are readable.
std::size_t find_either(std::string_view text, char a, char b) noexcept {
    constexpr std::size_t block = 16;
    const auto hits = [a, b](const char* p) {
        const auto octets = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const auto hit = _mm_or_si128(_mm_cmpeq_epi8(octets, _mm_set1_epi8(a)), _mm_cmpeq_epi8(octets, _mm_set1_epi8(b)));
        return static_cast<unsigned>(_mm_movemask_epi8(hit));
    };
    const char* at = text.data();
    const char* const end = at + text.size();
    for (; static_cast<std::size_t>(end - at) >= block; at += block)
        if (const auto found = hits(at))
            return static_cast<std::size_t>(at - text.data()) + static_cast<std::size_t>(std::countr_zero(found));
    // The rest is read from its end.
    const auto found = hits(end - block) >> (block - static_cast<std::size_t>(end - at));
    return found == 0 ? text.size() : static_cast<std::size_t>(at - text.data()) + static_cast<std::size_t>(std::countr_zero(found));
}

// Whether one of two characters stands in a text, with the same before it.
bool has_either(std::string_view text, char a, char b) noexcept {
    const auto hits = [a, b](const char* p) {
        const auto octets = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        return _mm_or_si128(_mm_cmpeq_epi8(octets, _mm_set1_epi8(a)), _mm_cmpeq_epi8(octets, _mm_set1_epi8(b)));
    };
    constexpr std::size_t block = 16;
    auto found = hits(text.data() + text.size() - block);  // of the end
    if (text.size() < block) return _mm_movemask_epi8(found) >> (block - text.size()) != 0;
    for (std::size_t at = 0; at + block < text.size(); at += block) found = _mm_or_si128(found, hits(text.data() + at));
    return _mm_movemask_epi8(found) != 0;
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
        for (const auto& s : sockets_)
            if (s.listener.local.port == port && same_octets(s.host(), uri.host)) return &s;
        return nullptr;
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
        const auto text = shown(via, m);
        for (const auto& s : sockets_)
            if (same_octets(text, s.sent_by)) return true;
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
        if (value.size() < head.size() || !same_octets(value.substr(0, head.size()), head)) continue;
        // The cookie, a from-tag if there is one, and the end. Whether the cookie's characters can be one's at all is for whoever
        // opens it to say.
        const auto text = value.substr(head.size());
        constexpr auto usual = shortest_cookie;
        if (text.size() > usual && text.back() == '>' && !has_either(text.substr(0, usual), ';', '>')) [[likely]] {
            const OwnRoute own{&s, text.substr(0, usual)};
            if (text.size() == usual + 1) return own;
            const auto behind = text.substr(usual, text.size() - usual - 1);
            const bool tagged = behind.size() >= ftag.size() && same_octets(behind.substr(0, ftag.size()), ftag);
            if (tagged && !has_either(behind.substr(ftag.size()), ';', '>')) return own;
        }
        const auto end = find_either(text, ';', '>');
        if (end == text.size()) return {};
        auto last = end;
        if (text[end] == ';') {
            const auto tag = text.substr(end);
            if (tag.size() < ftag.size() || !same_octets(tag.substr(0, ftag.size()), ftag)) return {};
            last = end + ftag.size() + find_either(tag.substr(ftag.size()), ';', '>');
            if (last == text.size() || text[last] == ';') return {};
        }
        return last + 1 == text.size() ? OwnRoute{&s, text.substr(0, end)} : OwnRoute{};
    }
    return {};
}

}  // namespace sipfront::sip

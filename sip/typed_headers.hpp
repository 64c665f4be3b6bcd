// Values that Parser decodes during its pass. Templates over the delimiter walk, so that a value in a marked message and one
// in plain text are read by the same grammar. Internal to sip/.
#pragma once

#include <cstring>

#include "sip/params.hpp"

namespace sipfront::sip {

namespace via_detail {

// protocol-name LWS / LWS version LWS / with any spelling; the offset behind, or npos.
inline std::size_t skip_protocol(Text t, std::size_t at, std::size_t end) noexcept {
    for (int part = 0; part < 2; ++part) {
        const auto from = at;
        while (at < end && grammar::is(t[at], grammar::token)) ++at;
        if (at == from) return npos;
        at = t.skip_lws(at, end);
        if (at == end || t[at] != '/') return npos;
        at = t.skip_lws(at + 1, end);
    }
    return at;
}

// sent-by: the offset behind it and any white space, or npos.
inline std::size_t read_sent_by(Text t, std::size_t at, std::size_t end, TopVia& via) noexcept {
    const auto host = at;
    if (at < end && t[at] == '[') {
        ++at;
        while (at < end && grammar::is(t[at], grammar::ipv6)) ++at;
        if (at == end || t[at] != ']' || at == host + 1) return npos;
        ++at;
    } else {
        while (at < end && grammar::is(t[at], grammar::hostname)) ++at;
        if (at == host) return npos;
    }
    via.host = Text::slice(host, at);
    at = skip_lws_and_comments(t, at, end);
    if (at >= end || t[at] != ':') return at;
    const auto port = at = t.skip_lws(at + 1, end);
    std::uint32_t number = 0;
    for (; at < end && grammar::is(t[at], grammar::digit); ++at) {
        number = number * 10 + static_cast<std::uint32_t>(t[at] - '0');
        if (number > 65535) return npos;
    }
    if (number == 0) return npos;
    via.port = static_cast<std::uint16_t>(number);
    via.port_text = Text::slice(port, at);
    return skip_lws_and_comments(t, at, end);
}

[[gnu::always_inline]] inline void note_param(Text t, const Param& p, TopVia& via) noexcept {
    const char* const name = t.data + p.name.off;
    if (p.name.len == 6 && grammar::spells<"branch">(name)) {
        if (!via.branch) via.branch = p.value;
    } else if (p.name.len == 5 && grammar::spells<"rport">(name)) {
        if (via.has_rport) return;
        via.has_rport = true;
        via.rport = p.whole;
        via.rport_has_value = p.value.len != 0;
    } else if (p.name.len == 8 && grammar::spells<"received">(name)) {
        if (!via.received) via.received = p.value;
    } else if (p.name.len == 5 && grammar::spells<"maddr">(name)) {
        if (!via.maddr) via.maddr = p.value;
    }
}

}  // namespace via_detail

// The first value of [from, end), both trimmed.
template <class Delimiters>
[[gnu::always_inline]] inline bool read_via(Text t, std::size_t from, std::size_t end, Delimiters d, TopVia& via) noexcept {
    via.value = Text::slice(from, end);
    auto at = from;
    if (end - from > 12 && grammar::spells<"sip/2.0/">(t.data + from) && grammar::spells<"udp ">(t.data + from + 8)) [[likely]] {
        at += 12;
        via.transport = Text::slice(from + 8, from + 11);
    } else {
        at = via_detail::skip_protocol(t, from, end);
        if (at == npos) return false;
        const auto transport = at;
        while (at < end && grammar::is(t[at], grammar::token)) ++at;
        if (at == transport || at == end || !grammar::is_lws(t[at])) return false;
        via.transport = Text::slice(transport, at);
    }
    at = via_detail::read_sent_by(t, t.skip_lws(at, end), end, via);
    if (at == npos) return false;
    if (at < end && t[at] == ';') d.seek(at + 1);
    while (at < end && t[at] == ';') {
        Param p;
        if (!next_param(t, d, at, end, p)) return false;
        via_detail::note_param(t, p, via);
    }
    if (at < end && t[at] != ',') return false;
    via.value = Text::slice(from, t.trim_end(from, at));
    return true;
}

inline bool is_scheme(std::string_view s) noexcept {
    if (s.size() == 3 && grammar::spells<"sip">(s.data())) return true;
    return !s.empty() && grammar::is(s[0], grammar::alpha) && grammar::all(s, grammar::scheme);
}

struct NameAddrParts {
    Slice display, uri;
    std::size_t params = 0;  // at the ';' of the first parameter, or at the end
    bool angled = false;
};

// Past the quoted-string that opens at `open`. The closing quote is a delimiter too; only escapes need a closer look.
template <class Delimiters>
bool skip_quoted(Text t, Delimiters& d, std::size_t open, std::size_t end) noexcept {
    auto close = d.next();
    while (close < end && t[close] != '"') close = d.next();
    if (close >= end) return false;
    if (t[close - 1] != '\\') return true;
    const auto behind = grammar::quoted_end(t.view(open, end), 0);
    if (behind == npos) return false;
    d.seek(open + behind);
    return true;
}

// addr-spec without <>: it ends at the first ';', whatever follows belongs to the header (RFC 3261 §20).
template <class Delimiters>
[[gnu::noinline]] bool finish_bare_uri(Text t, std::size_t uri, std::size_t colon, std::size_t end, Delimiters& d,
                                       NameAddrParts& parts) noexcept {
    auto at = d.next();
    for (; at < end && t[at] != ';'; at = d.next())
        if (t[at] == '<' || t[at] == '>' || t[at] == '"' || t[at] == ',') return false;
    parts.uri = Text::slice(uri, t.trim_end(uri, at));
    parts.params = at;
    return parts.uri.end() > colon + 1 && t.is_solid(parts.uri);
}

// name-addr or addr-spec of [from, end), both trimmed; parameters are left unread. False: no URI, one without a scheme or
// with white space inside, an unterminated quote or a missing '>'.
template <class Delimiters>
[[gnu::always_inline]] inline bool split_name_addr(Text t, std::size_t from, std::size_t end, Delimiters& d,
                                                   NameAddrParts& parts) noexcept {
    auto at = d.next();
    for (; at < end && t[at] != '<' && t[at] != ':'; at = d.next()) {
        if (t[at] == ';' || (t[at] == '"' && !skip_quoted(t, d, at, end))) return false;
    }
    if (at >= end) return false;
    const auto angle = at;
    auto uri = from, colon = at;
    parts.angled = t[at] == '<';
    if (parts.angled) {
        uri = angle + 1;
        colon = d.next();
        if (colon >= end || t[colon] != ':') return false;
    }
    if (!is_scheme(t.view(uri, colon))) return false;
    if (!parts.angled) return finish_bare_uri(t, uri, colon, end, d, parts);
    do {
        at = d.next();
        if (at >= end) return false;
    } while (!grammar::breaks_uri(t[at]));
    if (t[at] != '>' || at == colon + 1) return false;
    parts.display = Text::slice(from, t.trim_end(from, angle));
    parts.uri = Text::slice(uri, at);
    at = t.skip_lws(at + 1, end);
    if (at < end && t[at] != ';') return false;
    d.seek(at + 1);
    parts.params = at;
    return true;
}

// From and To. A second tag is refused: elements that take the other one would disagree about the dialog.
template <class Delimiters>
[[gnu::always_inline]] inline bool read_party(Text t, std::size_t from, std::size_t end, Delimiters d, Party& party) noexcept {
    NameAddrParts parts;
    if (!split_name_addr(t, from, end, d, parts)) return false;
    party.uri = parts.uri;
    bool tagged = false;
    for (auto at = parts.params; at < end;) {
        Param p;
        if (t[at] != ';' || !next_param(t, d, at, end, p)) return false;
        if (p.name.len != 3 || !grammar::spells<"tag">(t.data + p.name.off)) continue;
        if (tagged) return false;
        tagged = true;
        party.tag = p.value;
    }
    return true;
}

}  // namespace sipfront::sip

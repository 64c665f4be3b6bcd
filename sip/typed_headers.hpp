// Values that Parser decodes during its pass. Templates over the delimiter walk, so that a value in a marked message and one in
// plain text are read by the same grammar. Internal to sip/.
#pragma once

#include <cstring>

#include "sip/digits.hpp"
#include "sip/octet_class.hpp"
#include "sip/params.hpp"
#include "sip/scan.hpp"
#include "sip/uri.hpp"

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

// sent-by: the offset behind it and any white space, or npos. The host is whatever stands up to a delimiter: it is compared
// and forwarded, never resolved.
template <class Cursor>
[[gnu::always_inline]] inline std::size_t read_sent_by(Text t, std::size_t at, std::size_t end, Cursor& d, TopVia& via) noexcept {
    const auto host = at;
    if (at < end && t[at] == '[') {
        ++at;
        while (at < end && grammar::is(t[at], grammar::ipv6)) ++at;
        if (at == end || t[at] != ']' || at == host + 1) return npos;
        d.seek(++at);
    }
    const auto behind = std::min(d.next(), end);
    if (behind == host || (at != host && behind != at)) return npos;
    via.host = Text::slice(host, behind);
    at = behind;
    if (at < end && (grammar::is_lws(t[at]) || t[at] == '(')) [[unlikely]] {
        at = skip_lws_and_comments(t, at, end);
        if (at == npos) return npos;
        d.seek(at + 1);
    }
    if (at == end || t[at] != ':') return at;
    auto port = at + 1;
    if (port < end && grammar::is_lws(t[port])) [[unlikely]]
        d.seek(port = t.skip_lws(port, end));
    at = std::min(d.next(), end);
    const auto number = grammar::decimal(t.view(port, at), 65535);
    if (!number || *number == 0) return npos;
    via.port = static_cast<std::uint16_t>(*number);
    via.port_text = Text::slice(port, at);
    return at < end && t[at] != ';' ? skip_lws_and_comments(t, at, end) : at;
}

[[gnu::always_inline]] inline void note_param(Text t, const Param& p, TopVia& via) noexcept {
    const char* const name = t.data + p.from;
    const auto length = p.name_length();
    if (length == 6 && grammar::spells<"branch">(name)) {
        if (!via.branch) via.branch = p.value_slice();
    } else if (length == 5 && grammar::spells<"rport">(name)) {
        if (via.has_rport) return;
        via.has_rport = true;
        via.rport = p.whole();
        via.rport_has_value = p.has_value && p.end != p.value;
    } else if (length == 8 && grammar::spells<"received">(name)) {
        if (!via.received) via.received = p.value_slice();
    } else if (length == 5 && grammar::spells<"maddr">(name)) {
        if (!via.maddr) via.maddr = p.value_slice();
    }
}

}  // namespace via_detail

// The first value of [from, end), both trimmed.
template <class Source>
[[gnu::always_inline]] inline bool read_via(Text t, std::size_t from, std::size_t end, Source source, TopVia& via) noexcept {
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
    at = t.skip_lws(at, end);
    auto d = source.delimiters(at, end);
    at = via_detail::read_sent_by(t, at, end, d, via);
    if (at == npos) return false;
    d.seek(at + 1);
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
    return !s.empty() && grammar::is(s[0], grammar::alpha) && grammar::all(s, grammar::scheme);
}

// The colon behind the scheme that begins at `from`, which is not alone; npos: none.
[[gnu::always_inline]] inline std::size_t scheme_end(Text t, std::size_t from, std::size_t end) noexcept {
    if (end - from > 4 && grammar::spells<"sip:">(t.data + from)) [[likely]]
        return from + 3;
    const auto colon = t.view(from, end).find(':');
    return colon != npos && from + colon + 1 < end && is_scheme(t.view(from, from + colon)) ? from + colon : npos;
}

struct NameAddrParts {
    std::size_t display_end = 0;  // the display name begins with the value
    std::size_t uri = 0, uri_end = 0;
    std::size_t params = 0;  // at the ';' of the first parameter, or at the end
    bool angled = false;
};

// addr-spec without <>: it ends at the first ';', whatever follows belongs to the header (RFC 3261 §20).
template <class Source>
[[gnu::noinline]] bool split_bare_uri(Text t, std::size_t from, std::size_t end, Source source, NameAddrParts& parts) noexcept {
    auto d = source.delimiters(from, end);
    auto at = d.next();
    for (; at < end && t[at] != ';'; at = d.next())
        if (t[at] == '<' || t[at] == '>' || t[at] == '"' || t[at] == ',') return false;
    parts.params = std::min(at, end);
    parts.uri = from;
    parts.uri_end = t.trim_end(from, parts.params);
    return scheme_end(t, from, parts.uri_end) != npos && t.is_solid(from, parts.uri_end);
}

// The '<' behind the display name that begins at `from`; `end` when there is none, npos when a quote has no end.
template <class Source>
[[gnu::noinline]] std::size_t find_angle(Text t, std::size_t from, std::size_t end, Source source) noexcept {
    auto d = source.breakers(from, end);
    for (auto at = d.next(); at < end; at = d.next()) {
        if (t[at] == '<') return at;
        if (t[at] != '"') continue;
        // The closing quote is a breaker too; only escapes need a closer look.
        auto close = d.next();
        while (close < end && t[close] != '"') close = d.next();
        if (close >= end) return npos;
        if (t[close - 1] != '\\') continue;
        const auto behind = grammar::quoted_end(t.view(at, end), 0);
        if (behind == npos) return npos;
        d.seek(at + behind);
    }
    return end;
}

// The first breaker behind an opening '<' that is nearly always the '>'.
template <class Source>
[[gnu::always_inline]] inline std::size_t find_uri_end(Text t, std::size_t from, std::size_t end, Source source) noexcept {
    const auto uri = t.view(from, end);
    const auto close = uri.find('>');
    return close != npos && !breaks_uri(uri.substr(0, close)) ? from + close : source.breakers(from, end).next();
}

// name-addr or addr-spec of [from, end), both trimmed; parameters are left unread. False: no URI, one without a scheme or
// with white space inside, an unterminated quote or a missing '>'.
template <class Source>
[[gnu::always_inline]] inline bool split_name_addr(Text t, std::size_t from, std::size_t end, Source source,
                                                   NameAddrParts& parts) noexcept {
    if (from == end) return false;
    auto angle = from;
    if (t[from] != '<') {
        angle = find_angle(t, from, end, source);
        if (angle == npos) return false;
        // A ':' or ';' that comes first belongs to a bare URI, whose parameters may well quote a '<'.
        const auto display = t.view(from, angle);
        if (angle == end || (t[from] != '"' && display.find_first_of(":;") != npos)) return split_bare_uri(t, from, end, source, parts);
    }
    parts.angled = true;
    parts.display_end = angle;
    parts.uri = angle + 1;
    parts.uri_end = find_uri_end(t, parts.uri, end, source);
    if (parts.uri_end >= end || t[parts.uri_end] != '>' || scheme_end(t, parts.uri, parts.uri_end) == npos) return false;
    auto at = parts.uri_end + 1;
    if (at < end && t[at] != ';') [[unlikely]]
        at = t.skip_lws(at, end);
    parts.params = at;
    return at == end || t[at] == ';';
}

// From and To. A second tag is refused: elements that take the other one would disagree about the dialog.
template <class Source>
[[gnu::always_inline]] inline bool read_party(Text t, std::size_t from, std::size_t end, Source source, Party& party) noexcept {
    NameAddrParts parts;
    if (!split_name_addr(t, from, end, source, parts)) return false;
    party.uri = Text::slice(parts.uri, parts.uri_end);
    if (parts.params == end) return true;
    bool tagged = false;
    auto d = source.delimiters(parts.params + 1, end);
    for (auto at = parts.params; at < end;) {
        Param p;
        if (t[at] != ';' || !next_param(t, d, at, end, p)) return false;
        if (p.name_length() != 3 || !grammar::spells<"tag">(t.data + p.from)) continue;
        if (tagged) return false;
        tagged = true;
        party.tag = p.value_slice();
    }
    return true;
}

std::int64_t odd_number(std::string_view digits, std::uint32_t max) noexcept;

// The usual forms from stop to stop. Each says nothing about a value that it does not take: the readers above judge it. Octets::step
// octets are readable at any place of the value and behind it; the value is a message's: what stands at `end` is white space or a
// control, and what stands in front of it is neither.
namespace plain {

// `SIP/2.0/UDP host[:port]` with branch, rport and received, in any order and without white space.
template <class Octets>
[[gnu::always_inline]] inline bool via(const char* t, std::size_t from, std::size_t end, TopVia& via) noexcept {
    const Stops<Octets, grammar::param_end> ends{t};
    const auto host = from + 12;
    if (host >= end || !grammar::begins<"sip/2.0/udp ">(t + from)) return false;
    auto stop = Stops<Octets, grammar::delimiter>{t}.next(host);
    if (stop == host || t[host] == '[') return false;
    Text::store(via.transport, from + 8, 3);
    Text::store(via.host, host, stop - host);
    if (t[stop] == ':') {
        const auto port = digits::leading(t + stop + 1);
        if (port.number - 1 >= 65535) return false;
        via.port = static_cast<std::uint16_t>(port.number);
        Text::store(via.port_text, stop + 1, port.count);
        stop += 1 + port.count;
    }
    while (t[stop] == ';') {
        const auto at = stop + 1;
        if (grammar::begins<"branch=">(t + at)) {
            stop = ends.next(at + 7);
            if (via.branch || stop <= at + 7) return false;
            Text::store(via.branch, at + 7, stop - at - 7);
        } else if (grammar::begins<"rport">(t + at)) {
            stop = at + 5;
            if (via.has_rport) return false;
            via.has_rport = true;
            if (t[stop] == '=') {
                stop = ends.next(at + 6);
                if (stop == at + 6) return false;
                via.rport_has_value = true;
            }
            Text::store(via.rport, at, stop - at);
        } else if (grammar::begins<"received=">(t + at)) {
            stop = ends.next(at + 9);
            if (via.received || stop <= at + 9) return false;
            Text::store(via.received, at + 9, stop - at - 9);
        } else {
            return false;
        }
    }
    // A value behind a comma is somebody else's.
    if (stop != end && t[stop] != ',') return false;
    Text::store(via.value, from, stop - from);
    return true;
}

// `<sip:...>` or `"name" <sip:...>`, with no parameter or with a tag alone.
template <class Octets>
[[gnu::always_inline]] inline bool party(const char* t, std::size_t from, std::size_t end, Party& party) noexcept {
    const Stops<Octets, grammar::no_uri> breakers{t};
    auto uri = from + 1;
    if (t[from] == '"') {
        auto close = breakers.next(from + 1);
        while (t[close] == ' ' && close < end) close = breakers.next(close + 1);
        if (!grammar::begins<"\" <sip:">(t + close) || t[close - 1] == '\\') return false;
        uri = close + 3;
    } else if (!grammar::begins<"<sip:">(t + from)) {
        return false;
    }
    const auto close = breakers.next(uri + 4);
    if (t[close] != '>' || close == uri + 4) return false;
    Text::store(party.uri, uri, close - uri);
    if (close + 1 == end) return true;
    const auto tag = close + 6;
    if (!grammar::begins<";tag=">(t + close + 1) || Stops<Octets, grammar::param_end>{t}.next(tag) != end) return false;
    Text::store(party.tag, tag, end - tag);
    return true;
}

}  // namespace plain

}  // namespace sipfront::sip

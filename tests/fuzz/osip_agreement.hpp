// Compares what the zero-copy parser and libosip2 read in the same message, field by field.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sip/grammar.hpp"
#include "sip/message.hpp"
#include "sip/osip_codec.hpp"
#include "sip/uri.hpp"
#include "tests/fuzz/strict_grammar.hpp"

namespace sipfront::sip::agreement {

inline int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// As osip decodes: escapes resolved, and the text ends at a decoded NUL, since osip keeps C strings.
inline std::string unescape(std::string_view s) {
    std::string out;
    for (std::size_t i = 0; i < s.size(); ++i) {
        const bool escaped = s[i] == '%' && i + 2 < s.size() && hex_digit(s[i + 1]) >= 0 && hex_digit(s[i + 2]) >= 0;
        const char c = escaped ? static_cast<char>(hex_digit(s[i + 1]) * 16 + hex_digit(s[i + 2])) : s[i];
        if (escaped) i += 2;
        if (c == '\0') break;
        out += c;
    }
    return out;
}

inline std::string_view without_brackets(std::string_view host) noexcept {
    if (host.starts_with('[') && host.ends_with(']')) return trim(host.substr(1, host.size() - 2));
    return host;
}

// Leading zeros do not matter; 0 for an empty text.
inline std::optional<std::uint32_t> number(std::string_view s) noexcept {
    std::uint32_t n = 0;
    if (s.empty()) return n;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), n);
    return error == std::errc{} && end == s.data() + s.size() ? std::optional{n} : std::nullopt;
}

inline std::size_t count_values(const Message& m, HeaderId id) noexcept {
    std::size_t n = 0;
    for (const auto* h = m.first(id); h != nullptr; h = m.next(h)) {
        std::string_view rest = m.at(h->value), one;
        while (next_value(rest, one)) n += one.empty() ? 0 : 1;
    }
    return n;
}

// Whether a comparison can be held against either side. Where osip is known to be wrong or to have another idea:
// - it keeps C strings: a NUL ends what it reads;
// - HTAB is a separator for it only at the start of a folded line;
// - a lone CR or LF ends a line for it;
// - it stops at a '%' that begins no escape;
// - it takes multipart bodies apart, and leaks a part's Content-Type when there are two.
inline bool comparable(const Message& m) noexcept {
    for (const auto* h = m.first(HeaderId::content_type); h != nullptr; h = m.next(h))
        if (iequals(m.at(h->value).substr(0, 9), "multipart")) return false;
    const auto head = m.wire().substr(0, m.headers_end());
    char previous = '\0';
    for (std::size_t i = 0; i < head.size(); ++i) {
        const char c = head[i];
        if (c == '\0' || c == '\t') return false;
        if ((c == '\n') != (previous == '\r')) return false;
        if (c == '%' && (i + 2 >= head.size() || hex_digit(head[i + 1]) < 0 || hex_digit(head[i + 2]) < 0)) return false;
        previous = c;
    }
    return true;
}

// Each side takes more of malformed header fields than the other somewhere and makes of them what it likes. So of a message that may
// be malformed those fields are compared that RFC 3261 §25.1 has as they stand.
enum class Input { well_formed, any };

// Collects what differs; empty when nothing does.
class Differences {
public:
    Differences(const Message& m, const ReferenceMessage& r, Input input = Input::well_formed) : input_{input} {
        start_line(m, r);
        call_id_and_cseq(m, r);
        party("From", m, HeaderId::from, m.from(), r.from);
        party("To", m, HeaderId::to, m.to(), r.to);
        vias(m, r);
        routes("Routes", m, HeaderId::route, r.routes);
        routes("Record-Routes", m, HeaderId::record_route, r.record_routes);
        contact(m, r);
        body(m, r);
    }

    [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
    void same(std::string_view field, std::string_view ours, std::string_view theirs) {
        if (ours != theirs) text_.append(field).append(": ours '").append(ours).append("' osip '").append(theirs).append("'\n");
    }
    void same(std::string_view field, std::size_t ours, std::size_t theirs) {
        same(field, std::string_view{std::to_string(ours)}, std::to_string(theirs));
    }

    template <class Read>
    [[nodiscard]] bool counts(const Message& m, HeaderId id, Read read) const {
        return input_ == Input::well_formed || strict::every(m, id, read);
    }

    void uri(const std::string& field, std::string_view ours, const ReferenceUri& theirs) {
        const auto u = parse_uri(ours);
        // For osip any scheme that begins with "sip" is sip.
        if (u && u->scheme == Scheme::other && iequals(u->scheme_name.substr(0, 3), "sip")) return;
        if (!u) return same(field, "(no URI) " + std::string{ours}, theirs.scheme + ":" + theirs.host + theirs.opaque);
        if (!iequals(u->scheme_name, theirs.scheme)) same(field + " scheme", u->scheme_name, theirs.scheme);
        if (u->scheme != Scheme::sip && u->scheme != Scheme::sips) return same(field, u->host, trim(theirs.opaque));
        same(field + " user", unescape(u->user), theirs.user);
        same(field + " password", unescape(u->password), theirs.password);
        same(field + " host", without_brackets(u->host), theirs.host);
        same(field + " port", u->port, number(theirs.port).value_or(0xffffffff));
    }

    void start_line(const Message& m, const ReferenceMessage& r) {
        same("status", static_cast<std::size_t>(m.status()), static_cast<std::size_t>(r.status));
        if (!m.is_request()) return;
        same("method", m.method_name(), r.method);
        if (input_ == Input::well_formed || strict::Reader{m.request_uri()}.request_uri())
            uri("Request-URI", m.request_uri(), r.request_uri);
    }

    void call_id_and_cseq(const Message& m, const ReferenceMessage& r) {
        if (counts(m, HeaderId::call_id, [](strict::Reader value) { return value.call_id(); })) same("Call-ID", m.call_id(), r.call_id);
        if (!counts(m, HeaderId::cseq, [](strict::Reader value) { return value.cseq(); })) return;
        same("CSeq number", std::to_string(m.cseq().number), std::to_string(number(r.cseq_number).value_or(0)));
        same("CSeq method", m.at(m.cseq().method_name), r.cseq_method);
    }

    void party(const std::string& field, const Message& m, HeaderId id, const Party& ours, const ReferenceParty& theirs) {
        if (!counts(m, id, [](strict::Reader value) { return value.party(); })) return;
        uri(field, m.at(ours.uri), theirs.uri);
        same(field + " tag", m.at(ours.tag), theirs.tag);
    }

    void vias(const Message& m, const ReferenceMessage& r) {
        if (!counts(m, HeaderId::via, [](strict::Reader value) { return value.vias(); })) return;
        const auto& v = m.top_via();
        same("Via transport", m.at(v.transport), r.via_transport);
        same("Via host", without_brackets(m.at(v.host)), r.via_host);
        same("Via port", v.port, number(r.via_port).value_or(0xffffffff));
        same("Via branch", m.at(v.branch), r.via_branch);
        same("Vias", count_values(m, HeaderId::via), r.vias);
    }

    void routes(std::string_view field, const Message& m, HeaderId id, std::size_t theirs) {
        if (counts(m, id, [](strict::Reader value) { return value.routes(); })) same(field, count_values(m, id), theirs);
    }

    void contact(const Message& m, const ReferenceMessage& r) {
        const auto* h = m.first(HeaderId::contact);
        if (h == nullptr || !r.contact || !counts(m, HeaderId::contact, [](strict::Reader value) { return value.contacts(); })) return;
        std::string_view rest = m.at(h->value), one;
        const auto value = next_value(rest, one) ? parse_name_addr(one) : std::nullopt;
        uri("Contact", value ? value->uri : "", *r.contact);
    }

    void body(const Message& m, const ReferenceMessage& r) {
        if (m.content_length() >= 0 && counts(m, HeaderId::content_length, [](strict::Reader value) { return value.number(); }))
            same("Content-Length", std::to_string(m.content_length()), std::to_string(number(*r.content_length).value_or(0)));
        if (!r.body.empty()) same("body", m.body(), r.body);
    }

    Input input_;
    std::string text_;
};

}  // namespace sipfront::sip::agreement

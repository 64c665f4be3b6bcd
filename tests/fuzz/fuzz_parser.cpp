// The parser on anything: every slice stays inside the message, all scanners read the same, steering's shortcut agrees, and
// what was accepted once is accepted again from its own wire image.
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "sip/message.hpp"
#include "sip/scan.hpp"
#include "sip/uri.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace sipfront::sip;

void check_slice(const Message& m, Slice s) { CHECK(s.end() <= m.wire().size()); }

bool within(Slice inner, Slice outer) { return inner.off >= outer.off && inner.end() <= outer.end(); }

void check_bounds(const Message& m, std::string_view input) {
    const auto wire = m.wire();
    CHECK(wire.empty() || (wire.data() >= input.data() && wire.data() + wire.size() <= input.data() + input.size()));
    const auto& v = m.top_via();
    for (const auto s : {v.value, v.transport, v.host, v.port_text, v.branch, v.received, v.maddr, v.rport, m.from().uri, m.from().tag,
                         m.to().uri, m.to().tag, m.cseq().method_name, m.request_uri_slice()})
        check_slice(m, s);
    CHECK(m.headers_begin() <= wire.size() && m.headers_end() <= wire.size());
    CHECK(m.headers().size() <= Message::max_headers);
    std::uint32_t behind = 0;
    for (const auto& h : m.headers()) {
        check_slice(m, h.line);
        CHECK(h.line.off >= behind && within(h.name(), h.line) && (h.value.len == 0 || within(h.value, h.line)));
        CHECK(h.id < HeaderId::count_ && parse_header_name(m.at(h.name())) == h.id);
        CHECK(m.at(h.value) == trim(m.at(h.value)));
        behind = h.line.end();
    }
}

void check_index(const Message& m) {
    for (std::size_t id = 0; id < static_cast<std::size_t>(HeaderId::other); ++id) {
        const auto* h = m.first(static_cast<HeaderId>(id));
        for (const auto& one : m.headers()) {
            if (one.id != static_cast<HeaderId>(id)) continue;
            CHECK(h == &one);
            h = m.next(h);
        }
        CHECK(h == nullptr);
    }
    std::string_view one;
    for (const auto& h : m.headers())
        for (std::string_view rest = m.at(h.value); next_value(rest, one);)
            if (const auto value = parse_name_addr(one)) static_cast<void>(parse_uri(value->uri));
}

void check_accepted(const Message& m, std::string_view input) {
    CHECK(!m.call_id().empty() && find_call_id(input) == m.call_id());
    CHECK(m.top_via().value && m.top_via().host && m.from().uri && m.to().uri && m.cseq().method_name);
    CHECK(m.is_request() ? m.status() == 0 && !m.request_uri().empty() && !m.method_name().empty()
                         : m.status() >= 100 && m.status() <= 699);
    CHECK(m.max_forwards() >= -1 && m.max_forwards() <= 255);
    CHECK(m.content_length() < 0 || m.body().size() == static_cast<std::size_t>(m.content_length()));
    CHECK(m.headers_begin() <= m.headers_end());
    if (m.is_request()) CHECK(m.at(m.cseq().method_name) == m.method_name());
}

// All that a message says of itself must be the same, wherever its bytes lie.
bool same(const Message& a, const Message& b) {
    const auto &v = a.top_via(), &w = b.top_via();
    const auto via = [](const TopVia& x) {
        return std::array{x.value, x.transport, x.host, x.port_text, x.branch, x.received, x.maddr, x.rport};
    };
    if (via(v) != via(w) || v.port != w.port || v.has_rport != w.has_rport || v.rport_has_value != w.rport_has_value) return false;
    if (a.wire() != b.wire() || a.is_request() != b.is_request() || a.method() != b.method() || a.status() != b.status()) return false;
    if (a.method_name() != b.method_name() || a.request_uri() != b.request_uri() || a.reason_phrase() != b.reason_phrase()) return false;
    if (a.call_id() != b.call_id() || a.from_tag() != b.from_tag() || a.to_tag() != b.to_tag() || a.from().uri != b.from().uri ||
        a.to().uri != b.to().uri)
        return false;
    if (a.cseq().number != b.cseq().number || a.cseq().method != b.cseq().method || a.cseq().method_name != b.cseq().method_name)
        return false;
    if (a.max_forwards() != b.max_forwards() || a.content_length() != b.content_length() || a.body() != b.body()) return false;
    if (a.headers_begin() != b.headers_begin() || a.headers_end() != b.headers_end() || a.headers().size() != b.headers().size())
        return false;
    for (std::size_t i = 0; i < a.headers().size(); ++i) {
        const auto &h = a.headers()[i], &g = b.headers()[i];
        if (h.line != g.line || h.name() != g.name() || h.value != g.value || h.id != g.id) return false;
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // Of its exact size on the heap, so that one octet of over-read is one too many.
    const auto exact = std::make_unique_for_overwrite<char[]>(size);
    if (size != 0) std::memcpy(exact.get(), data, size);
    const std::string_view input{exact.get(), size};

    static Message first, other;
    scan::force(scan::Isa::scalar);
    const auto verdict = first.parse(input);
    CHECK(verdict < ParseError::count_ && !name(verdict).empty());
    const auto call_id = find_call_id(input);
    check_bounds(first, input);
    check_index(first);
    for (const auto isa : {scan::Isa::sse, scan::Isa::avx2}) {
        if (!scan::supported(isa)) continue;
        scan::force(isa);
        CHECK(other.parse(input) == verdict);
        CHECK(same(first, other));
        CHECK(find_call_id(input) == call_id);
    }
    scan::force(scan::best());

    if (verdict != ParseError::none) return 0;
    check_accepted(first, input);
    CHECK(other.parse(first.wire()) == ParseError::none);
    CHECK(same(first, other));
    return 0;
}

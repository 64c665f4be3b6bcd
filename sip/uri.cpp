#include "sip/uri.hpp"

#include <algorithm>

#include "sip/digits.hpp"
#include "sip/grammar.hpp"
#include "sip/octet_class.hpp"
#include "sip/scan.hpp"
#include "sip/typed_headers.hpp"

namespace sipfront::sip {
namespace {

using grammar::is;

bool iequals_octets(std::string_view a, std::string_view b) noexcept {
    for (std::size_t i = 0; i < a.size(); ++i)
        if (grammar::lower(a[i]) != grammar::lower(b[i])) return false;
    return true;
}

// Of one that is not sip.
Scheme other_scheme(std::string_view name) noexcept {
    if (iequals(name, "sips")) return Scheme::sips;
    return iequals(name, "tel") ? Scheme::tel : Scheme::other;
}

// What ends the parts of a URI, as bits from its first octet on; behind the text all are of no hostname.
struct Landmarks {
    std::uint64_t ats, no_hostname;
};
constexpr std::size_t least_marked = 16, most_marked = 64;

// Of a text of least_marked to most_marked octets. Blocks overlap where it is no multiple of theirs.
[[gnu::always_inline]] inline Landmarks landmarks_of(const char* text, std::size_t size) noexcept {
    std::uint64_t ats = 0, hostname = 0;
    const auto look = [&ats, &hostname, text ](std::size_t from) __attribute__((always_inline)) {
        const auto v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + from));
        ats |= std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('@'))))} << from;
        hostname |= std::uint64_t{Sse::octets_of<grammar::hostname>(text + from)} << from;
    };
    look(0);
    look(size - 16);
    if (size > 32) {
        look(16);
        look(size - 32);
    }
    return {ats, ~hostname};
}
// 64 if there is none.
constexpr std::size_t lowest(std::uint64_t marks) noexcept { return static_cast<unsigned>(std::countr_zero(marks)); }

// The parts of a URI from some offset on, as far as they are there: each returns the offset behind, npos when they are not right.

std::size_t take_port(std::string_view text, std::size_t at, Uri& uri) noexcept {
    if (at == text.size() || text[at] != ':') return at;
    std::uint32_t port = 0;
    for (++at; at < text.size(); ++at) {
        const auto digit = static_cast<std::uint32_t>(static_cast<unsigned char>(text[at])) - '0';
        if (digit > 9) break;
        port = std::min(port * 10 + digit, 65536U);
    }
    uri.port = static_cast<std::uint16_t>(port);
    return port - 1 < 65535 ? at : npos;  // no digit is none, and neither is zero
}

// host [":" port]
[[gnu::noinline]] std::size_t take_hostport(std::string_view text, std::size_t at, Uri& uri) noexcept {
    const auto host = at;
    if (at < text.size() && text[at] == '[') {
        at = text.find(']', host);
        if (at == npos || at == host + 1 || !grammar::all(text.substr(host + 1, at - host - 1), grammar::ipv6)) return npos;
        ++at;
    } else {
        while (at < text.size() && is(text[at], grammar::hostname)) ++at;
    }
    uri.host = text.substr(host, at - host);
    return at != host ? take_port(text, at, uri) : npos;
}

// userinfo = user [":" password]
[[gnu::noinline]] void split_password(Uri& uri) noexcept {
    const auto colon = uri.user.find(':');
    if (colon == npos) return;
    uri.password = uri.user.substr(colon + 1);
    uri.user = uri.user.substr(0, colon);
}

// [userinfo "@"] host [":" port]
[[gnu::noinline]] std::size_t take_any(std::string_view text, std::size_t at, Uri& uri) noexcept {
    // No '@' can stand unescaped in a user part, so the first one ends it; ';' and '?' can (RFC 3261 §25.1, user-unreserved).
    if (const auto end = text.find('@', at); end != npos) {
        uri.user = text.substr(at, end - at);
        split_password(uri);
        if (uri.user.empty()) return npos;
        at = end + 1;
    }
    return take_hostport(text, at, uri);
}

// The same of a text of least_marked to most_marked octets.
[[gnu::always_inline]] inline std::size_t take_marked(std::string_view text, std::size_t at, Uri& uri) noexcept {
    const char* const p = text.data();
    const auto size = text.size();
    const auto marks = landmarks_of(p, size);
    if (marks.ats != 0) {
        const auto end = lowest(marks.ats);
        uri.user = {p + at, end - at};
        // No ':' is an octet of host names.
        if ((marks.no_hostname & ((std::uint64_t{1} << end) - 1)) >> at != 0) [[unlikely]]
            split_password(uri);
        if (uri.user.empty()) return npos;
        at = end + 1;
    }
    if (at == size || p[at] == '[') [[unlikely]]
        return take_hostport(text, at, uri);
    const auto behind = marks.no_hostname >> at << at;
    const auto host_end = lowest(behind);
    uri.host = {p + at, host_end - at};
    if (at == host_end) return npos;
    if (host_end == size || p[host_end] != ':') return host_end;
    const auto port = host_end + 1, end = lowest(behind & (behind - 1));
    if (end - port - 1 >= digits::most || end < digits::most) [[unlikely]]
        return take_port(text, host_end, uri);
    const auto number = static_cast<std::uint64_t>(digits::trailing(p + end, end - port));
    uri.port = static_cast<std::uint16_t>(number);
    return number - 1 < 65535 ? end : npos;
}

// The ';' behind a parameter whose value begins behind `equals` and may have quotes.
std::size_t param_end(std::string_view params, std::size_t equals) noexcept {
    auto end = std::min(params.find(';'), params.size());
    if (end < equals) return end;
    for (end = equals + 1; end < params.size() && params[end] != ';';)
        end = params[end] == '"' ? std::min(grammar::quoted_end(params, end), params.size()) : end + 1;
    return end;
}

// The top-level comma, or the end of the text.
std::size_t value_end(std::string_view text) noexcept {
    std::size_t end = 0;
    while (end < text.size() && text[end] != ',') {
        auto behind = std::string_view::npos;
        if (text[end] == '"') {
            behind = grammar::quoted_end(text, end);
        } else if (text[end] == '<') {
            behind = text.find('>', end);
        } else if (text[end] == '(') {
            behind = grammar::comment_end(text, end);
        }
        end = behind == std::string_view::npos ? end + 1 : behind;
    }
    return end;
}

}  // namespace

bool breaks_uri(std::string_view text) noexcept {
    const auto size = text.size();
    if (size < 16) return !std::none_of(text.begin(), text.end(), grammar::breaks_uri);
    std::uint32_t seen = size % 16 == 0 ? 0 : Sse::octets_of<grammar::no_uri>(text.data() + size - 16);
    for (std::size_t from = 0; from + 16 <= size; from += 16) seen |= Sse::octets_of<grammar::no_uri>(text.data() + from);
    return seen != 0;
}

bool is_sips(std::string_view uri) noexcept { return uri.size() > 5 && iequals(uri.substr(0, 5), "sips:"); }

std::optional<Uri> parse_uri(std::string_view text) noexcept {
    std::optional<Uri> uri{std::in_place};
    if (breaks_uri(text) || !parse_solid_uri(text, *uri)) uri.reset();
    return uri;
}

bool parse_solid_uri(std::string_view text, Uri& uri) noexcept {
    std::size_t at = 4;
    if (text.size() > 4 && grammar::spells<"sip:">(text.data())) [[likely]] {
        uri.scheme = Scheme::sip;
        uri.scheme_name = {text.data(), 3};
    } else {
        const auto colon = scheme_end({text.data()}, 0, text.size());
        if (colon == npos) return false;
        uri.scheme_name = text.substr(0, colon);
        uri.scheme = other_scheme(uri.scheme_name);
        at = colon + 1;
        if (uri.scheme != Scheme::sips) {
            uri.host = text.substr(at);
            return true;
        }
    }
    const bool marked = text.size() >= least_marked && text.size() <= most_marked;
    at = marked ? take_marked(text, at, uri) : take_any(text, at, uri);
    if (at == text.size()) return true;
    if (at == npos) return false;
    if (text[at] != ';' && text[at] != '?') return false;
    const auto rest = text.substr(at);
    const auto question = rest.find('?');
    if (question != npos) uri.headers = rest.substr(question + 1);
    if (question != 0) uri.params = rest.substr(1, question - 1);
    return true;
}

std::optional<core::Transport> Uri::transport() const noexcept {
    if (params.empty()) return scheme == Scheme::sips ? std::optional{core::Transport::tls} : std::nullopt;
    const auto named = param("transport");
    const auto transport = named ? core::parse_transport(*named) : std::nullopt;
    if (scheme != Scheme::sips) return transport;
    return !named || transport == core::Transport::tcp || transport == core::Transport::tls ? std::optional{core::Transport::tls}
                                                                                            : std::nullopt;
}

std::optional<NameAddr> parse_name_addr(std::string_view value) noexcept {
    // `<sip:...>` alone
    constexpr std::size_t least = std::string_view{"<sip:h>"}.size(), most = 0xffff;
    if (value.size() - least <= most - least && value.front() == '<' && value.back() == '>' && grammar::spells<"sip:">(value.data() + 1))
        [[likely]] {
        const auto uri = value.substr(1, value.size() - 2);
        if (!breaks_uri(uri)) return NameAddr{value.substr(0, 0), uri, value.substr(value.size()), true};
    }
    value = trim(value);
    if (value.size() > most) return std::nullopt;
    const auto end = value.size();
    NameAddrParts parts;
    if (!split_name_addr({value.data()}, 0, end, scan::Plain{value.data()}, parts)) return std::nullopt;
    return NameAddr{trim(value.substr(0, parts.display_end)), value.substr(parts.uri, parts.uri_end - parts.uri),
                    parts.params < end ? trim(value.substr(parts.params + 1)) : value.substr(end), parts.angled};
}

std::optional<std::string_view> find_param(std::string_view params, std::string_view name) noexcept {
    if (params.empty()) return std::nullopt;
    const bool quotes = params.find('"') != std::string_view::npos;
    while (!params.empty()) {
        auto end = std::min(params.find(';'), params.size());
        auto equals = params.substr(0, end).find('=');
        if (quotes) {
            equals = params.find('=');
            end = equals == std::string_view::npos ? end : param_end(params, equals);
            if (equals > end) equals = std::string_view::npos;
        }
        const auto whole = params.substr(0, end);
        if (iequals(trim(whole.substr(0, equals)), name))
            return equals == std::string_view::npos ? whole.substr(end) : trim(whole.substr(equals + 1));
        params.remove_prefix(std::min(end + 1, params.size()));
    }
    return std::nullopt;
}

bool next_value(std::string_view& rest, std::string_view& one) noexcept {
    while (!rest.empty()) {
        auto end = rest.find(',');
        if (end == std::string_view::npos) [[likely]] {
            end = rest.size();
        } else {
            end = value_end(rest);
        }
        one = trim(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (!one.empty()) return true;
    }
    return false;
}

bool iequals(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    std::size_t i = 0;
    for (; i + 8 <= a.size(); i += 8) {
        const auto differing = grammar::load64(a.data() + i) ^ grammar::load64(b.data() + i);
        if (differing == 0) continue;
        // Only the case bit may differ, and then only that of letters.
        if ((differing & ~0x2020202020202020U) != 0 || !iequals_octets(a.substr(i, 8), b.substr(i, 8))) return false;
    }
    return iequals_octets(a.substr(i), b.substr(i));
}

std::string_view trim(std::string_view s) noexcept {
    while (!s.empty() && grammar::is_lws(s.front())) s.remove_prefix(1);
    while (!s.empty() && grammar::is_lws(s.back())) s.remove_suffix(1);
    return s;
}

}  // namespace sipfront::sip

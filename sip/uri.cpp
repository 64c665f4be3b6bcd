#include "sip/uri.hpp"

#include <algorithm>

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

Scheme scheme_of(std::string_view name) noexcept {
    if (name.size() == 3 && grammar::spells<"sip">(name.data())) return Scheme::sip;
    if (iequals(name, "sips")) return Scheme::sips;
    return iequals(name, "tel") ? Scheme::tel : Scheme::other;
}

// host [":" port] at the front of `rest`, which keeps what follows.
bool split_hostport(std::string_view& rest, Uri& uri) noexcept {
    std::size_t end = 0;
    if (!rest.empty() && rest[0] == '[') {
        end = rest.find(']');
        if (end == std::string_view::npos || end == 1 || !grammar::all(rest.substr(1, end - 1), grammar::ipv6)) return false;
        ++end;
    } else {
        while (end < rest.size() && is(rest[end], grammar::hostname)) ++end;
        if (end == 0) return false;
    }
    uri.host = rest.substr(0, end);
    rest.remove_prefix(end);
    if (!rest.empty() && rest[0] == ':') {
        end = 1;
        while (end < rest.size() && is(rest[end], grammar::digit)) ++end;
        const auto port = grammar::decimal(rest.substr(1, end - 1), 65535);
        if (!port || *port == 0) return false;
        uri.port = static_cast<std::uint16_t>(*port);
        rest.remove_prefix(end);
    }
    return rest.empty() || rest[0] == ';' || rest[0] == '?';
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
    const auto colon = scheme_end({text.data()}, 0, text.size());
    if (colon == std::string_view::npos) return false;
    uri.scheme_name = text.substr(0, colon);
    uri.scheme = scheme_of(uri.scheme_name);
    auto rest = text.substr(colon + 1);
    if (uri.scheme != Scheme::sip && uri.scheme != Scheme::sips) {
        uri.host = rest;
        return true;
    }
    // No '@' can stand unescaped in a user part, so the first one ends it; ';' and '?' can (RFC 3261 §25.1, user-unreserved).
    if (const auto at = rest.find('@'); at != std::string_view::npos) {
        const auto userinfo = rest.substr(0, at);
        const auto password = userinfo.find(':');
        uri.user = userinfo.substr(0, password);
        if (uri.user.empty()) return false;
        if (password != std::string_view::npos) uri.password = userinfo.substr(password + 1);
        rest.remove_prefix(at + 1);
    }
    if (!split_hostport(rest, uri)) return false;
    if (rest.empty()) return true;
    const auto question = rest.find('?');
    if (question != std::string_view::npos) uri.headers = rest.substr(question + 1);
    rest = rest.substr(0, question);
    if (!rest.empty()) uri.params = rest.substr(1);
    return true;
}

std::optional<std::string_view> Uri::param(std::string_view name) const noexcept { return find_param(params, name); }

std::optional<core::Transport> Uri::transport() const noexcept {
    if (params.empty()) return scheme == Scheme::sips ? std::optional{core::Transport::tls} : std::nullopt;
    const auto named = param("transport");
    const auto transport = named ? core::parse_transport(*named) : std::nullopt;
    if (scheme != Scheme::sips) return transport;
    return !named || transport == core::Transport::tcp || transport == core::Transport::tls ? std::optional{core::Transport::tls}
                                                                                            : std::nullopt;
}

std::optional<NameAddr> parse_name_addr(std::string_view value) noexcept {
    value = trim(value);
    if (value.size() > 0xffff) return std::nullopt;
    const auto end = value.size();
    NameAddrParts parts;
    if (!split_name_addr({value.data()}, 0, end, scan::Plain{value.data()}, parts)) return std::nullopt;
    return NameAddr{trim(value.substr(0, parts.display_end)), value.substr(parts.uri, parts.uri_end - parts.uri),
                    parts.params < end ? trim(value.substr(parts.params + 1)) : value.substr(end), parts.angled};
}

std::optional<std::string_view> NameAddr::param(std::string_view name) const noexcept { return find_param(params, name); }

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

#include "sip/uri.hpp"

#include <algorithm>

#include "sip/grammar.hpp"
#include "sip/scan.hpp"
#include "sip/typed_headers.hpp"

namespace sipfront::sip {
namespace {

using grammar::is;

Scheme scheme_of(std::string_view name) noexcept {
    if (iequals(name, "sip")) return Scheme::sip;
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
        end = std::min(rest.find_first_of(";?"), rest.size());
        const auto port = grammar::decimal(rest.substr(1, end - 1), 65535);
        if (!port || *port == 0) return false;
        uri.port = static_cast<std::uint16_t>(*port);
        rest.remove_prefix(end);
    }
    return rest.empty() || rest[0] == ';' || rest[0] == '?';
}

}  // namespace

std::optional<Uri> parse_uri(std::string_view text) noexcept {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
    if (!is(text.front(), grammar::alpha) || !grammar::all(text.substr(0, colon), grammar::scheme)) return std::nullopt;
    if (std::ranges::any_of(text, grammar::breaks_uri)) return std::nullopt;
    Uri uri;
    uri.scheme_name = text.substr(0, colon);
    uri.scheme = scheme_of(uri.scheme_name);
    auto rest = text.substr(colon + 1);
    if (uri.scheme != Scheme::sip && uri.scheme != Scheme::sips) {
        uri.host = rest;
        return uri;
    }
    // No '@' can stand unescaped in a user part, so the first one ends it; ';' and '?' can (RFC 3261 §25.1, user-unreserved).
    if (const auto at = rest.find('@'); at != std::string_view::npos) {
        const auto userinfo = rest.substr(0, at);
        const auto password = userinfo.find(':');
        uri.user = userinfo.substr(0, password);
        if (uri.user.empty()) return std::nullopt;
        if (password != std::string_view::npos) uri.password = userinfo.substr(password + 1);
        rest.remove_prefix(at + 1);
    }
    if (!split_hostport(rest, uri)) return std::nullopt;
    const auto question = rest.find('?');
    if (question != std::string_view::npos) uri.headers = rest.substr(question + 1);
    rest = rest.substr(0, question);
    if (!rest.empty()) uri.params = rest.substr(1);
    return uri;
}

std::optional<std::string_view> Uri::param(std::string_view name) const noexcept { return find_param(params, name); }

std::optional<core::Transport> Uri::transport() const noexcept {
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
    while (!params.empty()) {
        auto equals = std::string_view::npos;
        std::size_t end = 0;
        while (end < params.size() && params[end] != ';') {
            if (params[end] == '"' && equals != std::string_view::npos) {
                end = std::min(grammar::quoted_end(params, end), params.size());
                continue;
            }
            if (params[end] == '=' && equals == std::string_view::npos) equals = end;
            ++end;
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
        std::size_t end = 0;
        while (end < rest.size() && rest[end] != ',') {
            auto behind = std::string_view::npos;
            if (rest[end] == '"') {
                behind = grammar::quoted_end(rest, end);
            } else if (rest[end] == '<') {
                behind = rest.find('>', end);
            } else if (rest[end] == '(') {
                behind = grammar::comment_end(rest, end);
            }
            end = behind == std::string_view::npos ? end + 1 : behind;
        }
        one = trim(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (!one.empty()) return true;
    }
    return false;
}

bool iequals(std::string_view a, std::string_view b) noexcept {
    return std::ranges::equal(a, b, [](char x, char y) { return grammar::lower(x) == grammar::lower(y); });
}

std::string_view trim(std::string_view s) noexcept {
    while (!s.empty() && grammar::is_lws(s.front())) s.remove_prefix(1);
    while (!s.empty() && grammar::is_lws(s.back())) s.remove_suffix(1);
    return s;
}

}  // namespace sipfront::sip

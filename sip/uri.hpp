// SIP URIs and name-addr values, decoded on demand. RFC 3261 §19.1, §20.10, §25.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/endpoint.hpp"

namespace sipfront::sip {

enum class Scheme : std::uint8_t { sip, sips, tel, other };

// Views into the text it was parsed from.
struct Uri {
    Scheme scheme = Scheme::other;
    std::string_view scheme_name;
    std::string_view user;  // without the password; may hold parameters of its own ("user;par=x")
    std::string_view password;
    std::string_view host;     // IPv6 with its brackets; for tel: and unknown schemes everything after the colon
    std::uint16_t port = 0;    // 0: absent
    std::string_view params;   // without the leading ';'
    std::string_view headers;  // without the leading '?'

    // The value of a parameter (any case); empty view with data() != nullptr for one without a value; nullopt if absent.
    [[nodiscard]] inline std::optional<std::string_view> param(std::string_view name) const noexcept;
    [[nodiscard]] std::optional<core::IpAddress> address() const noexcept { return core::IpAddress::parse(host); }
    [[nodiscard]] std::optional<core::Transport> transport() const noexcept;
};

// Whether there is an octet that no URI has: a control, SP, " < > or DEL.
bool breaks_uri(std::string_view text) noexcept;

// Whether a URI begins as a sips one.
bool is_sips(std::string_view uri) noexcept;

// nullopt: no scheme, white space or <> inside, bad port, unbalanced brackets, empty host of a sip or sips URI.
std::optional<Uri> parse_uri(std::string_view text) noexcept;
// The same for a text that breaks_uri() does not hold of: a parsed request's Request-URI. Fills a fresh `uri`, where it stays;
// false in place of nullopt.
bool parse_solid_uri(std::string_view text, Uri& uri) noexcept;

// `"Bob" <sip:bob@b>;tag=x` or `sip:bob@b;tag=x` (parameters of the latter belong to the header, RFC 3261 §20).
struct NameAddr {
    std::string_view display;
    std::string_view uri;     // addr-spec, without <>
    std::string_view params;  // header parameters, without the leading ';'
    bool angled = false;

    [[nodiscard]] inline std::optional<std::string_view> param(std::string_view name) const noexcept;
};
std::optional<NameAddr> parse_name_addr(std::string_view value) noexcept;

// A parameter of a ';'-separated list (quoted values keep their quotes); as Uri::param.
std::optional<std::string_view> find_param(std::string_view params, std::string_view name) noexcept;
// Most URIs have none.
inline std::optional<std::string_view> Uri::param(std::string_view name) const noexcept {
    return params.empty() ? std::nullopt : find_param(params, name);
}
inline std::optional<std::string_view> NameAddr::param(std::string_view name) const noexcept {
    return params.empty() ? std::nullopt : find_param(params, name);
}

// Splits a header value at its top-level commas (not in quotes, <> or comments). Each value comes without white space around.
//   for (std::string_view rest = value, one; next_value(rest, one);) ...
bool next_value(std::string_view& rest, std::string_view& one) noexcept;

// Any-case comparison of ASCII text.
bool iequals(std::string_view a, std::string_view b) noexcept;
// Without leading and trailing SP, HT, CR, LF.
std::string_view trim(std::string_view s) noexcept;

}  // namespace sipfront::sip

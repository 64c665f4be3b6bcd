#include "core/endpoint.hpp"

#include <algorithm>
#include <bit>
#include <charconv>

#include "core/dotted_quad.hpp"

namespace sipfront::core {
namespace {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool equals_ignoring_case(std::string_view text, std::string_view lower_case) noexcept {
    return std::ranges::equal(text, lower_case, [](char a, char b) { return lower(a) == b; });
}

// All of `text` as a decimal number of at most `max_digits` digits, not above `max`.
std::optional<std::uint32_t> parse_number(std::string_view text, std::size_t max_digits, std::uint32_t max) noexcept {
    if (text.empty() || text.size() > max_digits) return std::nullopt;
    std::uint32_t n = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        n = n * 10 + static_cast<std::uint32_t>(c - '0');
    }
    if (n > max) return std::nullopt;
    return n;
}

constexpr int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

// RFC 4291 section 2.2. Three colons (the ABNF error of RFC 3261 that RFC 5118 section 4.10 quotes) are no address.
std::optional<std::array<std::uint8_t, 16>> parse_v6(std::string_view text) noexcept {
    std::array<std::uint8_t, 16> out{};
    std::size_t used = 0;
    auto gap = out.size() + 1;  // where "::" stands; beyond the end: nowhere
    if (text.starts_with("::")) {
        gap = 0;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        const auto end = std::min(text.find(':'), text.size());
        const auto group = text.substr(0, end);
        if (group.find('.') != std::string_view::npos) {
            const auto embedded = parse_dotted_quad(text);
            if (!embedded || used > 12) return std::nullopt;
            for (int shift = 24; shift >= 0; shift -= 8) out[used++] = static_cast<std::uint8_t>(*embedded >> shift);
            break;
        }
        if (group.empty() || group.size() > 4 || used > 14) return std::nullopt;
        int value = 0;
        for (const char c : group) {
            const int digit = hex_value(c);
            if (digit < 0) return std::nullopt;
            value = value * 16 + digit;
        }
        out[used++] = static_cast<std::uint8_t>(value >> 8);
        out[used++] = static_cast<std::uint8_t>(value);
        text.remove_prefix(end);
        if (text.empty()) break;
        if (text.starts_with("::")) {
            if (gap <= out.size()) return std::nullopt;
            gap = used;
            text.remove_prefix(2);
        } else {
            text.remove_prefix(1);
            if (text.empty()) return std::nullopt;
        }
    }
    if (gap > out.size()) {
        if (used != out.size()) return std::nullopt;
        return out;
    }
    // "::" stands for at least one group.
    if (used > 14) return std::nullopt;
    const auto tail = used - gap;
    std::memmove(out.data() + out.size() - tail, out.data() + gap, tail);
    std::memset(out.data() + gap, 0, out.size() - used);
    return out;
}

// 00 to 99.
constexpr auto pairs = [] {
    std::array<char, 200> t{};
    for (std::size_t n = 0; n < 100; ++n) {
        t[2 * n] = static_cast<char>('0' + n / 10);
        t[2 * n + 1] = static_cast<char>('0' + n % 10);
    }
    return t;
}();

char* write_number(char* out, std::uint32_t n) noexcept { return std::to_chars(out, out + 10, n).ptr; }

// What an octet looks like in an address: up to three digits and the dot behind, and how many these are.
struct Octet {
    std::array<char, 4> text;
    std::uint32_t length;
};
constexpr auto octets_text = [] {
    std::array<Octet, 256> t{};
    for (std::size_t n = 0; n < t.size(); ++n) {
        auto& [text, length] = t[n];
        if (n >= 100) text[length++] = static_cast<char>('0' + n / 100);
        if (n >= 10) text[length++] = static_cast<char>('0' + n / 10 % 10);
        text[length++] = static_cast<char>('0' + n % 10);
        text[length++] = '.';
    }
    return t;
}();

// `out` has room for max_text octets: whole words are stored.
char* write_v4(char* out, const std::uint8_t* octets) noexcept {
    for (int i = 0; i < 4; ++i) {
        const auto& octet = octets_text[octets[i]];
        std::memcpy(out, octet.text.data(), 4);
        out += octet.length;
    }
    return out - 1;
}

// RFC 5952: lower case, the longest run of two or more zero groups (the first of equals) shortened.
char* write_v6(char* out, const std::uint8_t* octets) noexcept {
    std::array<std::uint32_t, 8> groups{};
    for (std::size_t i = 0; i < 8; ++i) groups[i] = (std::uint32_t{octets[2 * i]} << 8) | octets[2 * i + 1];
    std::size_t best = 8;
    std::size_t best_length = 1;
    for (std::size_t i = 0; i < 8;) {
        auto end = i;
        while (end < 8 && groups[end] == 0) ++end;
        if (end - i > best_length) best = i, best_length = end - i;
        i = end + 1;
    }
    const bool mapped = best == 0 && best_length == 5 && groups[5] == 0xffff;
    for (std::size_t i = 0; i < 8;) {
        if (i == best) {
            *out++ = ':';
            *out++ = ':';
            i += best_length;
            continue;
        }
        if (i > 0 && i != best + best_length) *out++ = ':';
        if (mapped && i == 6) return write_v4(out, octets + 12);
        out = std::to_chars(out, out + 4, groups[i], 16).ptr;
        ++i;
    }
    return out;
}

template <std::size_t Max, class T>
std::string written(const T& value) {
    std::array<char, Max> text;
    return {text.data(), value.write(text.data())};
}

// The finaliser of SplitMix64: every input bit reaches every output bit.
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

std::uint64_t hash_address(const IpAddress& a, std::uint64_t seed) noexcept {
    std::array<std::uint64_t, 2> words{};
    const auto octets = a.bytes();
    std::memcpy(words.data(), octets.data(), octets.size());
    const auto first = mix(words[0] + 0x9e3779b97f4a7c15 * (seed + static_cast<std::uint64_t>(a.family())));
    return a.is_v4() ? first : mix(first + words[1]);
}

}  // namespace

std::size_t write_port(char* out, std::uint16_t port) noexcept {
    if (port < 1000) return static_cast<std::size_t>(write_number(out, port) - out);
    const std::uint32_t high = port / 100U, low = port % 100U;
    const auto first = high / 100;  // of five digits, or 0
    std::size_t n = 0;
    if (first != 0) out[n++] = static_cast<char>('0' + first);
    std::memcpy(out + n, pairs.data() + 2 * (high % 100), 2);
    std::memcpy(out + n + 2, pairs.data() + 2 * low, 2);
    return n + 4;
}

std::string_view octet_text(std::uint8_t n) noexcept { return {octets_text[n].text.data(), octets_text[n].length - 1}; }

std::string_view param_name(Transport t) noexcept {
    switch (t) {
        case Transport::udp:
            return "udp";
        case Transport::tcp:
            return "tcp";
        case Transport::tls:
            return "tls";
    }
    return {};
}

std::string_view via_name(Transport t) noexcept {
    switch (t) {
        case Transport::udp:
            return "UDP";
        case Transport::tcp:
            return "TCP";
        case Transport::tls:
            return "TLS";
    }
    return {};
}

std::optional<Transport> parse_transport(std::string_view text) noexcept {
    for (const auto t : {Transport::udp, Transport::tcp, Transport::tls}) {
        if (equals_ignoring_case(text, param_name(t))) return t;
    }
    return std::nullopt;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
    const bool bracketed = text.size() >= 2 && text.front() == '[' && text.back() == ']';
    if (bracketed) text = text.substr(1, text.size() - 2);
    if (text.size() > max_text) return std::nullopt;
    if (const auto address = bracketed ? std::nullopt : parse_dotted_quad(text)) return v4(*address);
    if (text.find(':') != std::string_view::npos) {
        const auto octets = parse_v6(text);
        return octets ? std::optional{v6(*octets)} : std::nullopt;
    }
    return std::nullopt;
}

std::size_t IpAddress::write(char* out) const noexcept {
    const char* end = out;
    if (is_v4()) end = write_v4(out, bytes_.data());
    if (is_v6()) end = write_v6(out, bytes_.data());
    return static_cast<std::size_t>(end - out);
}

std::string IpAddress::to_string() const { return written<max_text>(*this); }

std::optional<Endpoint> Endpoint::parse(std::string_view text, std::uint16_t default_port) noexcept {
    auto host = text;
    std::optional<std::string_view> port_text;
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos) return std::nullopt;
        host = text.substr(0, close + 1);
        const auto rest = text.substr(close + 1);
        if (!rest.empty() && rest[0] != ':') return std::nullopt;
        if (!rest.empty()) port_text = rest.substr(1);
    } else if (const auto colon = text.find(':'); colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
        // Exactly one colon: more of them are an IPv6 address without brackets, which can have no port.
        host = text.substr(0, colon);
        port_text = text.substr(colon + 1);
    }
    const auto address = IpAddress::parse(host);
    if (!address) return std::nullopt;
    if (!port_text) return Endpoint{*address, default_port};
    const auto port = parse_number(*port_text, 5, 65535);
    if (!port) return std::nullopt;
    return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::size_t Endpoint::write(char* out) const noexcept {
    char* p = out;
    if (address.is_v6()) *p++ = '[';
    p += address.write(p);
    if (address.is_v6()) *p++ = ']';
    *p++ = ':';
    return static_cast<std::size_t>(write_number(p, port) - out);
}

std::string Endpoint::to_string() const { return written<max_text>(*this); }

std::optional<Prefix> Prefix::parse(std::string_view text) noexcept {
    const auto slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    const std::uint32_t whole = address->is_v4() ? 32 : 128;
    const auto length = slash == std::string_view::npos ? std::optional{whole} : parse_number(text.substr(slash + 1), 3, whole);
    if (!length) return std::nullopt;
    if (address->is_v4()) {
        const auto mask = *length == 0 ? 0U : ~std::uint32_t{0} << (32 - *length);
        return Prefix{IpAddress::v4(address->v4_host_order() & mask), static_cast<std::uint8_t>(*length)};
    }
    std::array<std::uint8_t, 16> octets{};
    std::ranges::copy(address->bytes(), octets.begin());
    for (std::uint32_t bit = *length; bit < 128; ++bit) octets[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
    return Prefix{IpAddress::v6(octets), static_cast<std::uint8_t>(*length)};
}

bool Prefix::contains(const IpAddress& a) const noexcept {
    if (a.family() != address.family()) return false;
    const auto ours = address.bytes();
    const auto theirs = a.bytes();
    const std::size_t whole = length / 8;
    if (std::memcmp(ours.data(), theirs.data(), whole) != 0) return false;
    const auto rest = length % 8;
    return rest == 0 || ((ours[whole] ^ theirs[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

std::string Prefix::to_string() const { return address.to_string() + '/' + std::to_string(length); }

bool IpAddress::is_private() const noexcept {
    static constexpr auto prefix = [](std::uint32_t address, std::uint8_t length) { return Prefix{IpAddress::v4(address), length}; };
    if (is_v6()) return (bytes_[0] & 0xfe) == 0xfc || (bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80);
    static constexpr std::array prefixes = {prefix(0x0a000000, 8), prefix(0xac100000, 12), prefix(0xc0a80000, 16), prefix(0x64400000, 10),
                                            prefix(0xa9fe0000, 16)};
    return std::ranges::any_of(prefixes, [this](const Prefix& p) { return p.contains(*this); });
}

std::size_t EndpointHash::operator()(const IpAddress& a) const noexcept { return hash_address(a, 0); }
std::size_t EndpointHash::operator()(const Endpoint& e) const noexcept { return hash_address(e.address, std::uint64_t{e.port} + 3); }

}  // namespace sipfront::core

// Addresses: IPv4 and IPv6 alike, trivially copyable, comparable, hashable, printable without allocation.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <immintrin.h>

namespace sipfront::core {

enum class Family : std::uint8_t { none, ipv4, ipv6 };
enum class Transport : std::uint8_t { udp, tcp, tls };

// "udp", "tcp", "tls" as URI parameters spell them; "UDP", "TCP", "TLS" as Via does.
std::string_view param_name(Transport t) noexcept;
std::string_view via_name(Transport t) noexcept;
// Any case. Empty for a transport we do not speak.
std::optional<Transport> parse_transport(std::string_view text) noexcept;
constexpr std::uint16_t default_port(Transport t) noexcept { return t == Transport::tls ? 5061 : 5060; }
constexpr bool is_reliable(Transport t) noexcept { return t != Transport::udp; }

class IpAddress {
public:
    // Longest text form: an IPv6 address with an embedded IPv4 one.
    static constexpr std::size_t max_text = 46;

    constexpr IpAddress() = default;
    // `host_order`: 10.77.0.1 is 0x0a4d0001.
    static constexpr IpAddress v4(std::uint32_t host_order) noexcept {
        IpAddress a;
        a.family_ = Family::ipv4;
        if (std::is_constant_evaluated()) {
            for (int i = 0; i < 4; ++i) a.bytes_[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
        } else {
            // One store: whoever copies the address next would wait for several to reach the cache.
            _mm_storeu_si128(reinterpret_cast<__m128i*>(a.bytes_.data()),
                             _mm_cvtsi32_si128(static_cast<int>(__builtin_bswap32(host_order))));
        }
        return a;
    }
    // `bytes`: 16 octets in network order.
    static IpAddress v6(std::span<const std::uint8_t, 16> bytes) noexcept {
        IpAddress a;
        a.family_ = Family::ipv6;
        std::memcpy(a.bytes_.data(), bytes.data(), 16);
        return a;
    }
    // Dotted quad, IPv6 with or without brackets. No names, no zone ids.
    static std::optional<IpAddress> parse(std::string_view text) noexcept;

    [[nodiscard]] constexpr Family family() const noexcept { return family_; }
    [[nodiscard]] constexpr bool is_v4() const noexcept { return family_ == Family::ipv4; }
    [[nodiscard]] constexpr bool is_v6() const noexcept { return family_ == Family::ipv6; }
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return family_ != Family::none; }
    [[nodiscard]] constexpr std::uint32_t v4_host_order() const noexcept {
        return (std::uint32_t{bytes_[0]} << 24) | (std::uint32_t{bytes_[1]} << 16) | (std::uint32_t{bytes_[2]} << 8) | bytes_[3];
    }
    // 4 or 16 octets in network order.
    [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return {bytes_.data(), is_v4() ? 4U : 16U}; }
    // Means something behind a NAT only: RFC 1918, RFC 6598, RFC 4193, link-local.
    [[nodiscard]] bool is_private() const noexcept;
    [[nodiscard]] bool is_multicast() const noexcept { return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : is_v6() && bytes_[0] == 0xff; }

    // Writes the text form without brackets, at most max_text octets; returns the length.
    std::size_t write(char* out) const noexcept;
    [[nodiscard]] std::string to_string() const;

    friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;
    // In two words and without a branch; the octets behind an IPv4 address are zero.
    friend constexpr bool operator==(const IpAddress& a, const IpAddress& b) noexcept {
        using Words = std::array<std::uint64_t, 2>;
        const auto x = std::bit_cast<Words>(a.bytes_), y = std::bit_cast<Words>(b.bytes_);
        return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | static_cast<std::uint64_t>(static_cast<int>(a.family_) ^ static_cast<int>(b.family_))) == 0;
    }

private:
    std::array<std::uint8_t, 16> bytes_{};
    Family family_ = Family::none;
};

struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;

    // Longest text form: "[" IPv6 "]:" port.
    static constexpr std::size_t max_text = IpAddress::max_text + 8;

    // "10.77.0.1:5060", "[fd77::1]:5060", or without a port, which is then `default_port`.
    static std::optional<Endpoint> parse(std::string_view text, std::uint16_t default_port = 0) noexcept;
    // As a Via sent-by or a URI hostport shows it: IPv6 in brackets, always with the port. At most max_text octets.
    std::size_t write(char* out) const noexcept;
    [[nodiscard]] std::string to_string() const;

    friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// Writes a port in decimal, at most five octets; returns the length.
std::size_t write_port(char* out, std::uint16_t port) noexcept;

// A number of one octet in decimal; static storage.
std::string_view octet_text(std::uint8_t n) noexcept;

// An address and a prefix length, for access lists, zones and routes.
struct Prefix {
    IpAddress address;
    std::uint8_t length = 0;

    // "10.0.0.0/8", "fd00::/8", or a bare address (whole length). Host bits are cleared.
    static std::optional<Prefix> parse(std::string_view text) noexcept;
    [[nodiscard]] bool contains(const IpAddress& a) const noexcept;
    [[nodiscard]] std::string to_string() const;

    friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;
};

// Not keyed: for tables whose keys come from configuration or are bounded otherwise.
struct EndpointHash {
    std::size_t operator()(const IpAddress& a) const noexcept;
    std::size_t operator()(const Endpoint& e) const noexcept;
};

}  // namespace sipfront::core

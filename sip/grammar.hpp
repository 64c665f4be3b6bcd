// Character classes and small lexical helpers of the SIP grammar. RFC 3261 §25.1.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

#include <immintrin.h>

namespace sipfront::sip::grammar {

enum : std::uint16_t {
    alpha = 1,
    digit = 2,
    token = 4,         // alphanum - . ! % * _ + ` ' ~
    hostname = 8,      // alphanum - . and the underscore that real networks use
    scheme = 16,       // alphanum + - .
    lws = 32,          // SP HT, and the CR LF of a fold
    ipv6 = 64,         // hexadecimal digits : .
    delimiter = 128,   // where structure may change
    breaker = 256,     // of those, what ends a URI or a bare display name: controls SP " < >
    unescaped = 512,   // of a token, what a URI parameter shows as it is: not % and `
    no_uri = 1024,     // what no URI has: a breaker or DEL
    param_end = 2048,  // where a parameter without quotes or comments may end or get its value: controls SP " ( , ; =
};

namespace detail {
constexpr std::array<std::uint16_t, 256> make_classes() {
    std::array<std::uint16_t, 256> t{};
    const auto add = [&t](std::string_view chars, int classes) {
        for (const char c : chars) {
            auto& entry = t[static_cast<unsigned char>(c)];
            entry = static_cast<std::uint16_t>(entry | classes);
        }
    };
    add("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", alpha | unescaped | token | hostname | scheme);
    add("0123456789", digit | unescaped | token | hostname | scheme | ipv6);
    add("abcdefABCDEF:.", ipv6);
    add("-.", token | hostname | scheme);
    add("!%*_+`'~", token);
    add("_", hostname);
    add("-.!*_+'~", unescaped);
    add("+", scheme);
    add(" \t\r\n", lws);
    add(" \"(,:;<=>", delimiter);
    add(" <>\"", breaker | no_uri);
    add("\x7f", no_uri);
    add(" \"(,;=", param_end);
    for (std::size_t c = 0; c < 0x20; ++c) t[c] = static_cast<std::uint16_t>(t[c] | delimiter | breaker | no_uri | param_end);
    return t;
}
inline constexpr auto classes = make_classes();
}  // namespace detail

constexpr bool is(char c, int classes) noexcept { return (detail::classes[static_cast<unsigned char>(c)] & classes) != 0; }
constexpr bool is_lws(char c) noexcept { return is(c, lws); }
constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
constexpr bool breaks_uri(char c) noexcept { return is(c, no_uri); }
constexpr bool all(std::string_view s, int classes) noexcept {
    for (const char c : s)
        if (!is(c, classes)) return false;
    return true;
}
constexpr bool is_token(std::string_view s) noexcept { return !s.empty() && all(s, token); }

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

inline std::uint64_t load64(const char* p) noexcept {
    std::uint64_t w;
    std::memcpy(&w, p, sizeof w);
    return w;
}

// Up to eight octets of text as load64 would read them.
constexpr std::uint64_t word(std::string_view s) noexcept {
    std::uint64_t w = 0;
    for (std::size_t i = 0; i < s.size() && i < 8; ++i) w |= std::uint64_t{static_cast<unsigned char>(s[i])} << (8 * i);
    return w;
}
// Which bits of a word decide an any-case comparison with `s`: all but the case bit of letters, nothing behind its end.
constexpr std::uint64_t caseless_mask(std::string_view s) noexcept {
    std::uint64_t w = 0;
    for (std::size_t i = 0; i < s.size() && i < 8; ++i) w |= std::uint64_t{is(s[i], alpha) ? 0xdfU : 0xffU} << (8 * i);
    return w;
}
constexpr bool caseless_equal(std::uint64_t loaded, std::string_view s) noexcept { return ((loaded ^ word(s)) & caseless_mask(s)) == 0; }

template <std::size_t N>
struct Literal {
    char text[N - 1]{};
    consteval Literal(const char (&s)[N]) noexcept {
        for (std::size_t i = 0; i + 1 < N; ++i) text[i] = s[i];
    }
    [[nodiscard]] consteval std::string_view view() const noexcept { return {text, N - 1}; }
};

namespace detail {
template <Literal L, bool AnyCase, class Word, std::size_t At>
[[gnu::always_inline]] inline Word differ(const char* p) noexcept {
    constexpr auto part = L.view().substr(At, sizeof(Word));
    constexpr auto care = AnyCase ? static_cast<Word>(caseless_mask(part)) : static_cast<Word>(~Word{0});
    Word w;
    std::memcpy(&w, p + At, sizeof w);
    return static_cast<Word>((w ^ static_cast<Word>(word(part))) & care);
}

template <Literal L, bool AnyCase>
[[gnu::always_inline]] inline bool equal(const char* p) noexcept {
    constexpr std::size_t n = L.view().size();
    static_assert(n >= 2 && n <= 16);
    using Word = std::conditional_t<(n >= 8), std::uint64_t, std::conditional_t<(n >= 4), std::uint32_t, std::uint16_t>>;
    if constexpr (n == sizeof(Word)) return differ<L, AnyCase, Word, 0>(p) == 0;
    return (differ<L, AnyCase, Word, 0>(p) | differ<L, AnyCase, Word, n - sizeof(Word)>(p)) == 0;
}
}  // namespace detail

// Whether the octets at `p` are the literal. Reads just as many, in two overlapping words at most.
template <Literal L>
[[gnu::always_inline]] inline bool reads(const char* p) noexcept {
    return detail::equal<L, false>(p);
}
// The same in any case.
template <Literal L>
[[gnu::always_inline]] inline bool spells(const char* p) noexcept {
    return detail::equal<L, true>(p);
}
namespace detail {
// Of a literal: its octets, and which of their bits an any-case comparison looks at.
struct alignas(16) Window {
    std::array<std::uint64_t, 2> text, care;
};
template <Literal L>
inline constexpr Window window{{word(L.view()), word(L.view().substr(8))}, {caseless_mask(L.view()), caseless_mask(L.view().substr(8))}};
}  // namespace detail

// The same where eight octets can be read, or sixteen for a literal of more than eight.
template <Literal L>
[[gnu::always_inline]] inline bool begins(const char* p) noexcept {
    if constexpr (L.view().size() <= 8) {
        return ((load64(p) ^ word(L.view())) & caseless_mask(L.view())) == 0;
    } else {
        const auto load = [](const void* from) __attribute__((always_inline)) { return static_cast<const __m128i*>(from); };
        const auto& want = detail::window<L>;
        const auto differing = _mm_xor_si128(_mm_loadu_si128(load(p)), *load(want.text.data()));
        return _mm_testz_si128(differing, *load(want.care.data())) != 0;
    }
}

// Unsigned decimal, digits only. nullopt: empty, another octet, or above `max`.
constexpr std::optional<std::uint32_t> decimal(std::string_view s, std::uint32_t max) noexcept {
    while (s.size() > 10 && s.front() == '0') s.remove_prefix(1);
    if (s.empty() || s.size() > 10) return std::nullopt;
    std::uint64_t n = 0;
    for (const char c : s) {
        const auto value = static_cast<std::uint32_t>(static_cast<unsigned char>(c)) - '0';
        if (value > 9) return std::nullopt;
        n = n * 10 + value;
    }
    return n <= max ? std::optional{static_cast<std::uint32_t>(n)} : std::nullopt;
}

// Behind the quote that closes the quoted-string opened at s[open]; npos when none does.
constexpr std::size_t quoted_end(std::string_view s, std::size_t open) noexcept {
    for (std::size_t i = open + 1; i < s.size(); ++i) {
        if (s[i] == '\\') {
            ++i;
        } else if (s[i] == '"') {
            return i + 1;
        }
    }
    return std::string_view::npos;
}

// Behind the parenthesis that closes the comment opened at s[open] (comments nest); npos when none does.
constexpr std::size_t comment_end(std::string_view s, std::size_t open) noexcept {
    int depth = 0;
    for (std::size_t i = open; i < s.size(); ++i) {
        if (s[i] == '\\') {
            ++i;
        } else if (s[i] == '(') {
            ++depth;
        } else if (s[i] == ')' && --depth == 0) {
            return i + 1;
        }
    }
    return std::string_view::npos;
}

}  // namespace sipfront::sip::grammar

// A call's number as the messages carry it: sixteen hexadecimal digits in Call-ID, tags and branches. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace sipfront::traffic {

inline constexpr std::size_t number_digits = 16;
using NumberText = std::array<char, number_digits>;

// Names a call of this run: a slot and how often it has been taken.
struct CallNumber {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;

    friend bool operator==(const CallNumber&, const CallNumber&) = default;
};

namespace detail {

struct HexTables {
    std::array<std::array<char, 2>, 256> pair{};
    std::array<std::uint8_t, 256> value{};

    constexpr HexTables() {
        constexpr char digits[] = "0123456789abcdef";
        for (unsigned i = 0; i < 256; ++i) {
            pair[i] = {digits[i >> 4], digits[i & 15]};
            value[i] = 0x80;
        }
        for (unsigned i = 0; i < 16; ++i) value[static_cast<unsigned char>(digits[i])] = static_cast<std::uint8_t>(i);
    }
};
inline constexpr HexTables hex;

}  // namespace detail

inline NumberText to_text(CallNumber n) noexcept {
    NumberText text;
    const auto word = std::uint64_t{n.generation} << 32 | n.slot;
    for (std::size_t i = 0; i < 8; ++i) std::memcpy(text.data() + 2 * i, detail::hex.pair[word >> (56 - 8 * i) & 0xff].data(), 2);
    return text;
}

// Reads sixteen octets; false unless all are lower-case digits.
inline bool from_text(const char* text, CallNumber& out) noexcept {
    std::uint64_t word = 0;
    std::uint8_t seen = 0;
    for (std::size_t i = 0; i < number_digits; ++i) {
        const auto v = detail::hex.value[static_cast<unsigned char>(text[i])];
        seen |= v;
        word = word << 4 | (v & 15);
    }
    out = {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)};
    return seen < 16;
}

}  // namespace sipfront::traffic

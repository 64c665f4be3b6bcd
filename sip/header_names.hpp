// Header field names to ids without a loop over octets: a collision-free table over length, first and last letter, then one
// masked comparison a word. RFC 3261 §7.3.1, §7.3.3; compact forms of the IANA registry.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "sip/grammar.hpp"
#include "sip/message.hpp"

namespace sipfront::sip::names {

inline constexpr std::size_t longest = 24;  // room, in whole words; the longest name has 19 octets

struct alignas(64) Entry {
    std::array<std::uint64_t, longest / 8> want{}, care{};
    std::uint8_t length = 0;
    HeaderId id = HeaderId::other;
};

// The low five bits of a letter are the same in either case.
constexpr std::size_t slot_of(std::size_t length, char first, char last) noexcept {
    const auto f = static_cast<unsigned>(first) & 31, l = static_cast<unsigned>(last) & 31;
    return (f + 8 * (f + l + length)) & 255;
}

struct Table {
    std::array<std::uint16_t, 256> slots{};  // the entry's offset in octets; 0: the one that matches nothing
    std::array<Entry, static_cast<std::size_t>(HeaderId::count_) + 1> entries{};
    std::array<HeaderId, 32> compact{};  // by the letter's low five bits
    bool collides = false;
};
extern const Table table;

// Any name, wherever it lies.
HeaderId find(const char* p, std::size_t length) noexcept;

// The one entry that a name of two octets or more can match; its length is to be compared first.
[[gnu::always_inline]] inline const Entry& candidate(const char* p, std::size_t length) noexcept {
    const auto* const entries = reinterpret_cast<const char*>(table.entries.data());
    return *reinterpret_cast<const Entry*>(entries + table.slots[slot_of(length, *p, *(p + length - 1))]);
}
// Zero when the name at `p`, of the entry's length, is the entry's. `longest` octets are readable there.
[[gnu::always_inline]] inline std::uint64_t differ(const char* p, const Entry& e) noexcept {
    auto d = (grammar::load64(p) ^ e.want[0]) & e.care[0];
    if (e.length > 8) {
        d |= (grammar::load64(p + 8) ^ e.want[1]) & e.care[1];
        d |= (grammar::load64(p + 16) ^ e.want[2]) & e.care[2];
    }
    return d;
}

}  // namespace sipfront::sip::names

// Header field names to ids without a loop over octets: a collision-free table over length, first and last letter, then one
// masked comparison of sixteen octets. RFC 3261 §7.3.1, §7.3.3; compact forms of the IANA registry.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <smmintrin.h>

#include "sip/grammar.hpp"
#include "sip/message.hpp"

namespace sipfront::sip::names {

// A name of up to `quick_longest` octets and the ": " behind it fit one comparison.
inline constexpr std::size_t window = 16, quick_longest = window - 2;

struct alignas(64) Entry {
    // Of "name: ", and which of their bits decide.
    alignas(window) std::array<std::uint8_t, window> want{}, care{};
    // What turns the offset and length of a line, without its LF, into the value's: one SP before it, CR LF behind.
    std::uint32_t value = 0;
    std::uint16_t length = 0;
    HeaderId id = HeaderId::other;
    std::uint64_t mark = 0;  // bit(id)
};

// Of names of two octets or more. The low five bits of a letter are the same in either case.
constexpr std::size_t slot_of(std::size_t length, char first, char last) noexcept {
    const auto f = static_cast<unsigned>(first) & 31, l = static_cast<unsigned>(last) & 31;
    return (f + 8 * (f + l + length)) & 255;
}
// Of names of up to `quick_longest` octets; `start`: the line's first four octets.
constexpr std::size_t quick_slot_of(std::uint32_t start, std::uint32_t length) noexcept {
    return ((start | 0x20202020U) + length) * 0x5266ac89U >> 25;
}

struct Table {
    // The entry's offset in octets; 0: the one that matches nothing.
    std::array<std::uint16_t, 256> slots{};
    std::array<std::uint16_t, 128> quick_slots{};
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
// The one entry that a line can begin with; `length`: where its first colon is.
[[gnu::always_inline]] inline const Entry& quick_candidate(const char* line, std::uint32_t length) noexcept {
    std::uint32_t start;
    std::memcpy(&start, line, sizeof start);
    return *reinterpret_cast<const Entry*>(reinterpret_cast<const char*>(table.entries.data()) +
                                           table.quick_slots[quick_slot_of(start, length)]);
}
// Whether these sixteen octets at a line's start are the entry's name, if it is a quick one, and ": ".
[[gnu::always_inline]] inline bool reads(__m128i line, const Entry& e) noexcept {
    const auto want = _mm_load_si128(reinterpret_cast<const __m128i*>(e.want.data()));
    const auto care = _mm_load_si128(reinterpret_cast<const __m128i*>(e.care.data()));
    return _mm_testz_si128(_mm_xor_si128(line, want), care) != 0;
}

}  // namespace sipfront::sip::names

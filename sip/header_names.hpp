// Header field names to ids without a loop over octets: a collision-free table of those short enough for one masked comparison of
// sixteen octets, and one of all over length, first and last letter. RFC 3261 §7.3.1, §7.3.3; compact forms of the IANA registry.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <immintrin.h>

#include "sip/grammar.hpp"
#include "sip/message.hpp"

namespace sipfront::sip::names {

// A name of up to `quick_longest` octets and the ": " behind it fit one comparison.
inline constexpr std::size_t window = 16, quick_longest = window - 2;

struct alignas(64) Entry {
    // Of "name: ", and which of their bits decide.
    alignas(window) std::array<std::uint8_t, window> want{}, care{};
    // What its header field is, once the place of the LF before its line is added to both offsets and the length of the line, with its
    // own LF, to both lengths. The value has one SP before it and CR LF behind.
    Header form;
    std::uint64_t mark = 0;  // bit(form.id)
};

// Of names of two octets or more. The low five bits of a letter are the same in either case.
constexpr std::size_t slot_of(std::size_t length, char first, char last) noexcept {
    const auto f = static_cast<unsigned>(first) & 31, l = static_cast<unsigned>(last) & 31;
    return (f + 8 * (f + l + length)) & 255;
}

// Of names of up to `quick_longest` octets: a checksum, which is one instruction, over the line's first four octets (with the case
// bit set) and the place of its first colon as a single bit. It is the entry's offset in octets.
constexpr std::uint32_t quick_slots = 512, quick_mask = (quick_slots - 1) * sizeof(Entry);
constexpr std::uint32_t quick_seed(std::uint32_t colons) noexcept { return colons & (0U - colons); }
constexpr std::uint32_t quick_text(std::uint32_t start) noexcept { return start | 0x20202020U; }

struct Table {
    std::array<Entry, quick_slots> quick{};  // an empty one is of nothing that a line begins with
    std::array<HeaderId, 256> slots{};
    std::array<HeaderId, 32> compact{};  // by the letter's low five bits
    bool collides = false;
};
extern const Table table;
alignas(window) extern const std::array<char, window> colons;

// Any name, wherever it lies.
HeaderId find(const char* p, std::size_t length) noexcept;

// The one entry that a line beginning with these sixteen octets can begin with.
[[gnu::always_inline]] inline const Entry& quick_candidate(__m128i line) noexcept {
    const auto is_colon = _mm_cmpeq_epi8(line, _mm_load_si128(reinterpret_cast<const __m128i*>(colons.data())));
    const auto start = static_cast<std::uint32_t>(_mm_cvtsi128_si32(line));
    const auto seed = quick_seed(static_cast<std::uint32_t>(_mm_movemask_epi8(is_colon)));
    const auto offset = _mm_crc32_u32(seed, quick_text(start)) & quick_mask;
    return *reinterpret_cast<const Entry*>(reinterpret_cast<const char*>(table.quick.data()) + offset);
}
// Whether these sixteen octets at a line's start are the entry's name, if it is a quick one, and ": ".
[[gnu::always_inline]] inline bool reads(__m128i line, const Entry& e) noexcept {
    const auto want = _mm_load_si128(reinterpret_cast<const __m128i*>(e.want.data()));
    const auto care = _mm_load_si128(reinterpret_cast<const __m128i*>(e.care.data()));
    return _mm_testz_si128(_mm_xor_si128(line, want), care) != 0;
}

}  // namespace sipfront::sip::names

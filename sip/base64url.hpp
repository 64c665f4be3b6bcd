// Base64url without padding (RFC 4648 §5), twelve octets at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <immintrin.h>

namespace sipfront::sip {

// `out` has room for 4 * ceil(n / 3) characters; returns the length.
std::size_t base64url_encode(const std::uint8_t* in, std::size_t n, char* out) noexcept;
// Returns the number of octets, or 0 when a character is foreign or there are more than `room` octets.
std::size_t base64url_decode(std::string_view in, std::uint8_t* out, std::size_t room) noexcept;

// What both consist of, for tokens whose length is known.
namespace base64url {

// Twelve octets, of the sixteen that are loaded, to sixteen characters and back (W. Mula, D. Lemire, "Base64 encoding and
// decoding at almost the speed of a memory copy", 2019), with the alphabet of RFC 4648 §5.
inline constexpr std::size_t block_octets = 12, block_chars = 16;

// In memory, not constants: the compiler would build those anew wherever it inlines their use.
struct alignas(16) Row {
    std::array<std::uint8_t, 16> octets{};
};
struct EncodeTables {
    Row spread;                   // three octets, twice two of them, for each four characters
    Row high_bits, high_factors;  // the first and third of four values
    Row low_bits, low_factors;    // the second and fourth
    Row last_letter, letters, capitals;
    Row distances;  // from values to characters
};
struct DecodeTables {
    Row nibble;
    Row by_high, by_low;  // classes of characters
    Row underscore, underscore_row;
    Row distances;  // from characters to values
    Row pairs, triples, gather;
};
extern const EncodeTables encode_tables;
extern const DecodeTables decode_tables;

inline __m128i load(const void* p) noexcept { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline __m128i load(const Row& row) noexcept { return _mm_load_si128(reinterpret_cast<const __m128i*>(&row)); }
inline void store(void* p, __m128i v) noexcept { _mm_storeu_si128(static_cast<__m128i*>(p), v); }

inline __m128i encode_block(__m128i octets) noexcept {
    const auto& t = encode_tables;
    const auto spread = _mm_shuffle_epi8(octets, load(t.spread));
    const auto high = _mm_mulhi_epu16(_mm_and_si128(spread, load(t.high_bits)), load(t.high_factors));
    const auto low = _mm_mullo_epi16(_mm_and_si128(spread, load(t.low_bits)), load(t.low_factors));
    const auto values = _mm_or_si128(high, low);
    // One class a range of the alphabet; each adds its own distance from value to character.
    auto classes = _mm_subs_epu8(values, load(t.last_letter));
    classes = _mm_or_si128(classes, _mm_and_si128(_mm_cmpgt_epi8(load(t.letters), values), load(t.capitals)));
    return _mm_add_epi8(values, _mm_shuffle_epi8(load(t.distances), classes));
}

// Twelve octets, and a register that is zero unless a character is foreign. A character is foreign when the entries of its two nibbles
// share a bit.
struct Decoded {
    __m128i octets;
    __m128i foreign;
};

inline Decoded decode_block(__m128i text) noexcept {
    const auto& t = decode_tables;
    const auto high = _mm_and_si128(_mm_srli_epi16(text, 4), load(t.nibble));
    const auto low = _mm_and_si128(text, load(t.nibble));
    const auto shared = _mm_and_si128(_mm_shuffle_epi8(load(t.by_high), high), _mm_shuffle_epi8(load(t.by_low), low));
    const auto row = _mm_or_si128(high, _mm_and_si128(_mm_cmpeq_epi8(text, load(t.underscore)), load(t.underscore_row)));
    const auto values = _mm_add_epi8(text, _mm_shuffle_epi8(load(t.distances), row));
    const auto triples = _mm_madd_epi16(_mm_maddubs_epi16(values, load(t.pairs)), load(t.triples));
    return {_mm_shuffle_epi8(triples, load(t.gather)), shared};
}

inline bool is_zero(__m128i v) noexcept { return _mm_testz_si128(v, v) != 0; }

inline __m128i words(std::uint64_t low, std::uint64_t high) noexcept {
    return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
}
inline std::uint64_t low_word(__m128i v) noexcept { return static_cast<std::uint64_t>(_mm_cvtsi128_si64(v)); }
inline std::uint64_t high_word(__m128i v) noexcept { return static_cast<std::uint64_t>(_mm_extract_epi64(v, 1)); }

// Octets that move the last `n` of sixteen characters to the front, from entry n on, and fill up with 'A', from entry 16 - n on.
inline constexpr auto slide = [] {
    std::array<std::uint8_t, 2 * block_chars> t{};
    for (std::size_t i = 0; i < t.size(); ++i) t[i] = i < block_chars ? static_cast<std::uint8_t>(i) : 0x80;
    return t;
}();
inline constexpr auto fill = [] {
    std::array<char, 2 * block_chars> t{};
    for (std::size_t i = block_chars; i < t.size(); ++i) t[i] = 'A';
    return t;
}();

// The last 1 to 16 characters before `end`, of a text of sixteen or more.
inline __m128i load_last(const char* end, std::size_t n) noexcept {
    const auto moved = _mm_shuffle_epi8(load(end - block_chars), load(slide.data() + block_chars - n));
    return _mm_or_si128(moved, load(fill.data() + block_chars - n));
}

}  // namespace base64url
}  // namespace sipfront::sip

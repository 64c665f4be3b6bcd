#include "core/aes.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace sipfront::core {
namespace {

constexpr std::uint8_t twice(std::uint8_t a) noexcept { return static_cast<std::uint8_t>(a << 1 ^ (a >> 7) * 0x1b); }

// FIPS 197 §5.1.1: the inverse in GF(2^8), then an affine map. `power` runs through all elements but 0 as powers of the generator 3,
// and `inverse` through its inverses.
consteval std::array<std::uint8_t, 256> make_s_box() {
    std::array<std::uint8_t, 256> s{};
    std::uint8_t power = 1, inverse = 1;
    do {
        power = static_cast<std::uint8_t>(power ^ twice(power));
        for (const int shift : {1, 2, 4}) inverse = static_cast<std::uint8_t>(inverse ^ inverse << shift);  // divides by 3
        if ((inverse & 0x80) != 0) inverse ^= 0x09;
        auto image = inverse;
        for (const int turn : {1, 2, 3, 4}) image ^= std::rotl(inverse, turn);
        s.at(power) = image ^ 0x63;
    } while (power != 1);
    s[0] = 0x63;
    return s;
}

alignas(16) constexpr auto s_box = make_s_box();

// One row of sixteen entries after the other: octets of other rows get an index that shuffles give zero for.
__m128i sub_bytes(__m128i state) noexcept {
    auto found = _mm_setzero_si128();
    for (std::size_t row = 0; row < 16; ++row) {
        const auto entries = _mm_load_si128(reinterpret_cast<const __m128i*>(s_box.data() + 16 * row));
        found = _mm_or_si128(found, _mm_shuffle_epi8(entries, _mm_adds_epu8(state, _mm_set1_epi8(0x70))));
        state = _mm_sub_epi8(state, _mm_set1_epi8(16));
    }
    return found;
}

__m128i shift_rows(__m128i state) noexcept {
    return _mm_shuffle_epi8(state, _mm_setr_epi8(0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11));
}

// 2a + 3b + c + d of each column's octets: 2(a + b) + b + (c + d).
__m128i mix_columns(__m128i state) noexcept {
    const auto next = _mm_shuffle_epi8(state, _mm_setr_epi8(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12));
    const auto pairs = _mm_xor_si128(state, next);
    const auto opposite = _mm_shuffle_epi8(pairs, _mm_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
    const auto carries = _mm_and_si128(_mm_cmplt_epi8(pairs, _mm_setzero_si128()), _mm_set1_epi8(0x1b));
    const auto doubled = _mm_xor_si128(_mm_add_epi8(pairs, pairs), carries);
    return _mm_xor_si128(_mm_xor_si128(doubled, next), opposite);
}

}  // namespace

__m128i AesShuffles::round(__m128i state, __m128i key) noexcept { return _mm_xor_si128(mix_columns(shift_rows(sub_bytes(state))), key); }
__m128i AesShuffles::last_round(__m128i state, __m128i key) noexcept { return _mm_xor_si128(shift_rows(sub_bytes(state)), key); }

bool has_aes = __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("avx") != 0;

// FIPS 197 §5.2, on words as they lie in memory.
AesKey::AesKey(const SecretKey& key) noexcept {
    std::uint32_t w[4 * (rounds + 1)];
    std::memcpy(w, &key, sizeof key);
    std::uint8_t constant = 1;
    for (std::size_t i = 4; i < std::size(w); ++i) {
        auto word = w[i - 1];
        if (i % 4 == 0) {
            word = static_cast<std::uint32_t>(_mm_cvtsi128_si32(sub_bytes(_mm_cvtsi32_si128(static_cast<int>(std::rotr(word, 8))))));
            word ^= constant;
            constant = twice(constant);
        }
        w[i] = w[i - 4] ^ word;
    }
    std::memcpy(round, w, sizeof w);
}

}  // namespace sipfront::core

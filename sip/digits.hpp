// Decimal numbers of up to eight digits without a loop over them. Internal to sip/.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <immintrin.h>

namespace sipfront::sip::digits {

inline constexpr std::size_t most = 8;

// In memory, not constants: the compiler would build those anew wherever it inlines their use.
struct alignas(16) Tables {
    std::array<std::uint8_t, 16> zero{}, nine{};
    std::array<std::int8_t, 16> tens{};
    std::array<std::int16_t, 8> hundreds{}, myriads{};
    using Octets = std::array<std::int8_t, 16>;
    std::array<Octets, most + 1> first{};  // the order that puts the first n octets of eight last
    std::array<Octets, most + 1> last{};   // -1 for the last n octets of eight
};
extern const Tables tables;

namespace detail {
[[gnu::always_inline]] inline __m128i load(const void* p) noexcept { return _mm_load_si128(static_cast<const __m128i*>(p)); }

// Of eight digits' values, the last one in the highest octet.
[[gnu::always_inline]] inline std::uint32_t number_of(__m128i values) noexcept {
    const auto pairs = _mm_maddubs_epi16(values, load(tables.tens.data()));
    const auto fours = _mm_madd_epi16(pairs, load(tables.hundreds.data()));
    const auto whole = _mm_madd_epi16(_mm_packus_epi32(fours, fours), load(tables.myriads.data()));
    return static_cast<std::uint32_t>(_mm_cvtsi128_si32(whole));
}
[[gnu::always_inline]] inline __m128i values_at(const char* p) noexcept {
    return _mm_sub_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)), load(tables.zero.data()));
}
}  // namespace detail

struct Leading {
    std::uint32_t number, count;
};
// The digits at `p`, where eight octets can be read: their number, and how many they are. Of eight there may be more.
[[gnu::always_inline]] inline Leading leading(const char* p) noexcept {
    const auto values = detail::values_at(p);
    const auto good = _mm_cmpeq_epi8(_mm_min_epu8(values, detail::load(tables.nine.data())), values);
    const auto count = static_cast<unsigned>(std::countr_zero(~static_cast<std::uint32_t>(_mm_movemask_epi8(good))));
    return {detail::number_of(_mm_shuffle_epi8(values, detail::load(&tables.first[count]))), count};
}

// The number that the `count` octets (1 to 8) in front of `end` are, where eight can be read; negative: they are not all digits.
[[gnu::always_inline]] inline std::int64_t trailing(const char* end, std::size_t count) noexcept {
    const auto values = _mm_and_si128(detail::values_at(end - most), detail::load(&tables.last[count]));
    const auto above = _mm_subs_epu8(values, detail::load(tables.nine.data()));
    if (_mm_testz_si128(above, above) == 0) [[unlikely]]
        return -1;
    return detail::number_of(values);
}

}  // namespace sipfront::sip::digits

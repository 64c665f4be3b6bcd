#include "core/dotted_quad.hpp"

#include <array>
#include <cstring>

#include <immintrin.h>

namespace sipfront::core {
namespace {

constexpr std::size_t shortest = 7, longest = 15;

// Texts of the same shape, which is where their three dots are and their end.
struct alignas(32) Shape {
    std::array<std::int8_t, 16> order;  // takes the digits to hundreds, tens and ones, the fourth octet of each lane in front of them
    std::uint32_t marks = 0;            // bit i: a dot, or the end, at octet i
    std::uint32_t leads = 0;            // the first digits of several
};

constexpr std::uint32_t slot_of(std::uint32_t marks) noexcept { return marks * 0xa950f001U >> 24; }

consteval Shape shape_of(std::array<std::size_t, 4> lengths) {
    Shape s;
    s.order.fill(-1);
    std::size_t at = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        const auto n = lengths.at(i);
        for (std::size_t d = 0; d < n; ++d) s.order.at(4 * i + 4 - n + d) = static_cast<std::int8_t>(at + d);
        if (n > 1) s.leads |= 1U << at;
        s.marks |= 1U << (at + n);
        at += n + 1;
    }
    return s;
}

consteval auto make_shapes() {
    std::array<Shape, 256> shapes{};
    for (std::size_t i = 0; i < 81; ++i) {
        const auto s = shape_of({1 + i / 27, 1 + i / 9 % 3, 1 + i / 3 % 3, 1 + i % 3});
        auto& place = shapes.at(slot_of(s.marks));
        if (place.marks != 0) throw "slot_of needs another factor";
        place = s;
    }
    return shapes;
}
constinit const auto shapes = make_shapes();

template <class Word>
std::uint64_t load(const char* p) noexcept {
    Word w;
    std::memcpy(&w, p, sizeof w);
    return w;
}

// Of `shortest` to `longest` octets, zeros behind them. Never reads beyond them.
__m128i load(std::string_view text) noexcept {
    const char* const p = text.data();
    const auto size = text.size();
    if (size == shortest) return _mm_cvtsi64_si128(static_cast<long long>(load<std::uint32_t>(p) | load<std::uint32_t>(p + 3) << 24));
    const auto high = load<std::uint64_t>(p + size - 8) >> 8 * (longest - size) >> 8;
    return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(load<std::uint64_t>(p)));
}

}  // namespace

std::optional<std::uint32_t> parse_dotted_quad(std::string_view text) noexcept {
    if (text.size() - shortest > longest - shortest) return std::nullopt;
    const auto octets = load(text);
    const auto mask_of = [](__m128i v) { return static_cast<std::uint32_t>(_mm_movemask_epi8(v)); };
    const auto digits = _mm_sub_epi8(octets, _mm_set1_epi8('0'));
    const auto dots = mask_of(_mm_cmpeq_epi8(octets, _mm_set1_epi8('.')));
    const auto are_digits = mask_of(_mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits));
    const auto end = 1U << text.size();
    const auto& shape = shapes[slot_of(dots | end)];
    const auto zeros = mask_of(_mm_cmpeq_epi8(digits, _mm_setzero_si128()));
    if ((dots | are_digits) != end - 1 || shape.marks != (dots | end) || (shape.leads & zeros) != 0) return std::nullopt;
    const auto ordered = _mm_shuffle_epi8(digits, _mm_load_si128(reinterpret_cast<const __m128i*>(shape.order.data())));
    const auto pairs = _mm_maddubs_epi16(ordered, _mm_set1_epi32(0x010a6400));  // 0, 100, 10, 1
    const auto numbers = _mm_madd_epi16(pairs, _mm_set1_epi16(1));
    const auto above = _mm_cmpgt_epi32(numbers, _mm_set1_epi32(255));
    if (_mm_testz_si128(above, above) == 0) return std::nullopt;
    const auto packed = _mm_packus_epi16(_mm_packus_epi32(numbers, numbers), _mm_setzero_si128());
    return __builtin_bswap32(static_cast<std::uint32_t>(_mm_cvtsi128_si32(packed)));
}

}  // namespace sipfront::core

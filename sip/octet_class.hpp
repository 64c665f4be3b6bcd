// What the pass over a message looks at octets with: where the next one of a grammar class is, for values, which are short and read
// one after the other; and where the lines end. One set of these for each of scan::Isa, of the same names. Internal to sip/.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "sip/grammar.hpp"

namespace sipfront::sip {

// An octet is of a class when the entries of its two nibbles share a bit; none from 0x80 on is. Twice sixteen of each.
struct alignas(32) Nibbles {
    std::array<std::int8_t, 32> low{}, high{};
};

// In memory, not constants: the compiler would build those anew wherever it inlines their use.
extern const Nibbles delimiter_nibbles, no_uri_nibbles, hostname_nibbles;
alignas(32) extern const std::array<std::int8_t, 32> low_nibble, line_feed;

template <int Class>
constexpr const Nibbles& nibbles() noexcept {
    static_assert(Class == grammar::delimiter || Class == grammar::no_uri || Class == grammar::hostname);
    return Class == grammar::delimiter ? delimiter_nibbles : Class == grammar::no_uri ? no_uri_nibbles : hostname_nibbles;
}

// What line_feeds() looks at.
inline constexpr std::ptrdiff_t block = 64;

// The functions for AVX2 are not always_inline: their callers become ones for AVX2 only where those are inlined themselves, into
// Parser::run_avx2, which takes everything into itself.
struct Avx2 {
    static constexpr std::size_t shortest = 64;
    static constexpr bool short_cuts = true;
    static constexpr std::size_t step = 32;

    // Which of the `step` octets at `p` are of this class, from the lowest bit on.
    template <int Class>
    [[gnu::target("avx2")]] static inline std::uint32_t octets_of(const char* p) noexcept {
        const auto load = [](const void* from) __attribute__((always_inline)) { return static_cast<const __m256i*>(from); };
        const auto v = _mm256_loadu_si256(load(p));
        const auto high_nibbles = _mm256_and_si256(_mm256_srli_epi16(v, 4), *load(low_nibble.data()));
        const auto low = _mm256_shuffle_epi8(*load(nibbles<Class>().low.data()), v);
        const auto high = _mm256_shuffle_epi8(*load(nibbles<Class>().high.data()), high_nibbles);
        return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpgt_epi8(_mm256_and_si256(low, high), _mm256_setzero_si256())));
    }
    // Which of the 64 octets at `p` are LFs.
    [[gnu::target("avx2")]] static inline std::uint64_t line_feeds(const char* p) noexcept {
        const auto load = [](const void* from) __attribute__((always_inline)) { return static_cast<const __m256i*>(from); };
        const auto feed = *load(line_feed.data());
        const auto low = _mm256_cmpeq_epi8(_mm256_loadu_si256(load(p)), feed);
        const auto high = _mm256_cmpeq_epi8(_mm256_loadu_si256(load(p + 32)), feed);
        return std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(low))} |
               std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(high))} << 32;
    }
    // Of the last `size` octets of a text, which are fewer than a block: together with those in front of them they fill one.
    [[gnu::target("avx2")]] static inline std::uint64_t last_line_feeds(const char* p, std::ptrdiff_t size) noexcept {
        return line_feeds(p + size - block) >> (block - size);
    }
};

struct Sse {
    static constexpr std::size_t shortest = 64;
    static constexpr bool short_cuts = true;
    static constexpr std::size_t step = 16;

    template <int Class>
    [[gnu::always_inline]] static std::uint32_t octets_of(const char* p) noexcept {
        const auto load = [](const void* from) __attribute__((always_inline)) { return static_cast<const __m128i*>(from); };
        const auto v = _mm_loadu_si128(load(p));
        const auto high_nibbles = _mm_and_si128(_mm_srli_epi16(v, 4), *load(low_nibble.data()));
        const auto low = _mm_shuffle_epi8(*load(nibbles<Class>().low.data()), v);
        const auto high = _mm_shuffle_epi8(*load(nibbles<Class>().high.data()), high_nibbles);
        return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpgt_epi8(_mm_and_si128(low, high), _mm_setzero_si128())));
    }
    [[gnu::always_inline]] static std::uint64_t line_feeds(const char* p) noexcept {
        std::uint64_t found = 0;
        for (unsigned i = 0; i < 64; i += 16) {
            const auto v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
            found |= std::uint64_t{static_cast<std::uint16_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n'))))} << i;
        }
        return found;
    }
    [[gnu::always_inline]] static std::uint64_t last_line_feeds(const char* p, std::ptrdiff_t size) noexcept {
        return line_feeds(p + size - block) >> (block - size);
    }
};

// The twin that the others are compared with: it takes no short cut, so that nothing but its lines is asked for.
struct Scalar {
    static constexpr std::size_t shortest = 0;
    static constexpr bool short_cuts = false;
    static constexpr std::size_t step = 16;

    template <int Class>
    static std::uint32_t octets_of(const char* p) noexcept {
        std::uint32_t found = 0;
        for (unsigned i = 0; i < step; ++i) found |= std::uint32_t{grammar::is(p[i], Class)} << i;
        return found;
    }
    static std::uint64_t line_feeds(const char* p) noexcept { return last_line_feeds(p, block); }
    static std::uint64_t last_line_feeds(const char* p, std::ptrdiff_t size) noexcept {
        std::uint64_t found = 0;
        for (std::ptrdiff_t i = 0; i < size; ++i) found |= std::uint64_t{p[i] == '\n'} << i;
        return found;
    }
};

template <class Octets, int Class>
struct Stops {
    const char* data;

    // The first octet of this class at `at` or behind. There is one, and behind it Octets::step more can be read.
    [[nodiscard, gnu::always_inline]] std::size_t next(std::size_t at) const noexcept {
        for (;; at += Octets::step) {
            const auto found = Octets::template octets_of<Class>(data + at);
            if (found != 0) [[likely]]
                return at + static_cast<unsigned>(std::countr_zero(found));
        }
    }
};

// Walks the LFs of a text of Octets::shortest octets or more.
template <class Octets>
class LineFeeds {
public:
    [[gnu::always_inline]] LineFeeds(const char* begin, const char* end) noexcept : block_{begin}, end_{end}, left_{load()} {}
    // The next one; at `end` or behind when there is none, and then it is not to be asked again more than a few times.
    [[gnu::always_inline]] const char* next() noexcept {
        const char* const at = peek();
        left_ &= left_ - 1;
        return at;
    }
    [[gnu::always_inline]] const char* peek() noexcept {
        while (left_ == 0) {
            block_ += block;
            left_ = load();
        }
        return block_ + std::countr_zero(left_);
    }

private:
    [[gnu::always_inline]] std::uint64_t load() const noexcept {
        const auto behind = end_ - block_;
        if (behind >= block) [[likely]]
            return Octets::line_feeds(block_);
        return behind > 0 ? Octets::last_line_feeds(block_, behind) : ~std::uint64_t{0};
    }

    const char* block_;
    const char* end_;
    std::uint64_t left_;
};

}  // namespace sipfront::sip

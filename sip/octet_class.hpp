// What the pass over a message looks at octets with: where the next one of a grammar class is, for values, which are short and read
// one after the other; and where the lines end. One set of these for each of scan::Isa, of the same names. Internal to sip/.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <immintrin.h>

#include "sip/grammar.hpp"

namespace sipfront::sip {

// Two ways to look for a class, both exact. Where the octets of one are told apart by their low nibbles, one look-up by these gives the
// only octet that it can be: the controls count as SP, which is of the class with them, and one more octet may be looked for beside.
// Else an octet is of the class when the entries of its two nibbles share a bit. None from 0x80 on is of any.
struct alignas(32) Needles {
    std::array<std::uint8_t, 32> by_low{}, other{};
};
struct alignas(32) Nibbles {
    std::array<std::int8_t, 32> low{}, high{};
};

// In memory, not constants: the compiler would build those anew wherever it inlines their use. Twice sixteen of each.
extern const Needles delimiter_needles, no_uri_needles, param_end_needles;
extern const Nibbles hostname_nibbles;
alignas(32) extern const std::array<std::int8_t, 32> low_nibble, line_feed, blank;

template <int Class>
constexpr const Needles& needles() noexcept {
    static_assert(Class == grammar::delimiter || Class == grammar::no_uri || Class == grammar::param_end);
    return Class == grammar::delimiter ? delimiter_needles : Class == grammar::no_uri ? no_uri_needles : param_end_needles;
}
// Which low nibbles are those of several octets of the class above SP.
constexpr unsigned shared_nibbles(int octet_class) {
    unsigned seen = 0, shared = 0;
    for (unsigned c = ' '; c < 0x80; ++c) {
        if (!grammar::is(static_cast<char>(c), octet_class)) continue;
        shared |= seen & 1U << (c & 15);
        seen |= 1U << (c & 15);
    }
    return shared;
}

// What line_feeds() looks at.
inline constexpr std::size_t block = 64;

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
        if constexpr (Class == grammar::hostname) {
            const auto high_nibbles = _mm256_and_si256(_mm256_srli_epi16(v, 4), *load(low_nibble.data()));
            const auto low = _mm256_shuffle_epi8(*load(hostname_nibbles.low.data()), v);
            const auto high = _mm256_shuffle_epi8(*load(hostname_nibbles.high.data()), high_nibbles);
            return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpgt_epi8(_mm256_and_si256(low, high), _mm256_setzero_si256())));
        } else {
            const auto octets = _mm256_max_epu8(v, *load(blank.data()));
            auto found = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(*load(needles<Class>().by_low.data()), octets), octets);
            if constexpr (shared_nibbles(Class) != 0)
                found = _mm256_or_si256(found, _mm256_cmpeq_epi8(v, *load(needles<Class>().other.data())));
            return static_cast<std::uint32_t>(_mm256_movemask_epi8(found));
        }
    }
    // Without a detour over halves of vectors.
    template <class T>
    [[gnu::target("avx2")]] static inline void assign(T& to, const T& from) noexcept {
        static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 16 == 0);
        auto* const out = reinterpret_cast<char*>(&to);
        const auto* const in = reinterpret_cast<const char*>(&from);
        std::size_t at = 0;
        for (; at + 32 <= sizeof(T); at += 32) {
            const auto v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + at));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + at), v);
        }
        if (at != sizeof(T))
            _mm_storeu_si128(reinterpret_cast<__m128i*>(out + at), _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + at)));
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
    [[gnu::target("avx2")]] static inline std::uint64_t last_line_feeds(const char* p, std::size_t size) noexcept {
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
        if constexpr (Class == grammar::hostname) {
            const auto high_nibbles = _mm_and_si128(_mm_srli_epi16(v, 4), *load(low_nibble.data()));
            const auto low = _mm_shuffle_epi8(*load(hostname_nibbles.low.data()), v);
            const auto high = _mm_shuffle_epi8(*load(hostname_nibbles.high.data()), high_nibbles);
            return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpgt_epi8(_mm_and_si128(low, high), _mm_setzero_si128())));
        } else {
            const auto octets = _mm_max_epu8(v, *load(blank.data()));
            auto found = _mm_cmpeq_epi8(_mm_shuffle_epi8(*load(needles<Class>().by_low.data()), octets), octets);
            if constexpr (shared_nibbles(Class) != 0) found = _mm_or_si128(found, _mm_cmpeq_epi8(v, *load(needles<Class>().other.data())));
            return static_cast<std::uint32_t>(_mm_movemask_epi8(found));
        }
    }
    template <class T>
    static void assign(T& to, const T& from) noexcept {
        to = from;
    }
    [[gnu::always_inline]] static std::uint64_t line_feeds(const char* p) noexcept {
        std::uint64_t found = 0;
        for (unsigned i = 0; i < 64; i += 16) {
            const auto v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
            found |= std::uint64_t{static_cast<std::uint16_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n'))))} << i;
        }
        return found;
    }
    [[gnu::always_inline]] static std::uint64_t last_line_feeds(const char* p, std::size_t size) noexcept {
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
    template <class T>
    static void assign(T& to, const T& from) noexcept {
        to = from;
    }
    static std::uint64_t line_feeds(const char* p) noexcept { return last_line_feeds(p, block); }
    static std::uint64_t last_line_feeds(const char* p, std::size_t size) noexcept {
        std::uint64_t found = 0;
        for (std::size_t i = 0; i < size; ++i) found |= std::uint64_t{p[i] == '\n'} << i;
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
    [[gnu::always_inline]] LineFeeds(const char* data, std::size_t size) noexcept
        : data_{data},
          size_{size},
          whole_{Octets::shortest >= block || size >= block ? size - block + 1 : 0},
          left_{Octets::shortest >= block ? Octets::line_feeds(data) : load()} {}
    // Whether there is another one.
    [[gnu::always_inline]] bool more() noexcept {
        while (__builtin_expect(left_ == 0, 0) != 0) {
            block_ += block;
            if (block_ >= whole_ && block_ >= size_) return false;
            left_ = load();
        }
        return true;
    }
    // That one.
    [[gnu::always_inline]] std::size_t next() noexcept {
        const auto at = block_ + static_cast<unsigned>(std::countr_zero(left_));
        left_ &= left_ - 1;
        return at;
    }

private:
    [[gnu::always_inline]] std::uint64_t load() const noexcept {
        return block_ < whole_ ? Octets::line_feeds(data_ + block_) : Octets::last_line_feeds(data_ + block_, size_ - block_);
    }

    const char* data_;
    std::size_t size_, whole_;  // a whole block begins before `whole_`
    std::size_t block_ = 0;
    std::uint64_t left_;
};

}  // namespace sipfront::sip

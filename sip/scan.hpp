// The vectorised look at a message: where its lines end, 64 octets at a time. Three implementations with identical results; the
// widest one that the machine has is chosen at start-up. With `scalar` the parser takes no short cut either: it is the twin that
// all others are compared with.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <tmmintrin.h>

#include "sip/grammar.hpp"

namespace sipfront::sip::scan {

inline constexpr std::size_t block = 64;
inline constexpr std::size_t longest = 65536;

struct Kernel {
    // Offsets of the message's LFs through the one before the empty line (LF or CR LF) that ends the headers, at most `room` of
    // them; all LFs when there is no such line. `size` is at most `longest`. Returns how many. Never reads beyond `size`.
    std::size_t (*find_lines)(const char* data, std::size_t size, std::uint16_t* out, std::size_t room) noexcept;
    // Offset of the Call-ID header line (long or compact name); `size` when none comes before the empty line.
    std::size_t (*find_call_id_line)(const char* data, std::size_t size) noexcept;
    bool short_cuts = true;
};

enum class Isa : std::uint8_t { scalar, sse, avx2 };

// Set before main() and constant from then on.
extern constinit const Kernel* active;

bool supported(Isa isa) noexcept;
const Kernel& kernel(Isa isa) noexcept;
// For tests and benchmarks only: no other thread may be parsing.
void force(Isa isa) noexcept;
Isa best() noexcept;

// Of a word that is not zero.
inline std::size_t lowest(std::uint64_t word) noexcept { return static_cast<unsigned>(std::countr_zero(word)); }

// Which of the sixteen octets at `p` are delimiters (grammar::delimiter), the first one lowest.
[[gnu::always_inline]] inline unsigned delimiters16(const char* p) noexcept {
    // The classes of an octet are the bits that the entries of its two nibbles share.
    // 1: 0x00-0x1f, 2: SP ", 4: ( , and 8: < > 16: : ; =
    const auto low_nibbles = _mm_setr_epi8(3, 1, 3, 1, 1, 1, 1, 1, 5, 1, 17, 17, 13, 17, 9, 1);
    const auto high_nibbles = _mm_setr_epi8(1, 1, 6, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    const auto v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const auto low = _mm_shuffle_epi8(low_nibbles, v);
    const auto high = _mm_shuffle_epi8(high_nibbles, _mm_and_si128(_mm_srli_epi16(v, 4), _mm_set1_epi8(0x0f)));
    const auto none = _mm_cmpeq_epi8(_mm_and_si128(low, high), _mm_setzero_si128());
    return static_cast<unsigned>(_mm_movemask_epi8(none)) ^ 0xffffU;
}

// The first delimiter of [at, end), or `end`. Sixteen octets are readable at any place of it.
[[gnu::always_inline]] inline std::size_t find_delimiter(const char* data, std::size_t at, std::size_t end) noexcept {
    for (; at < end; at += 16) {
        if (const auto found = delimiters16(data + at); found != 0)
            return std::min(at + static_cast<unsigned>(std::countr_zero(found)), end);
    }
    return end;
}

// Walks the octets of a class in [from, end), one by one.
template <int Class>
class PlainCursor {
public:
    PlainCursor(const char* data, std::size_t from, std::size_t end) noexcept : data_{data}, at_{from}, end_{end} {}
    std::size_t next() noexcept {
        while (at_ < end_ && !grammar::is(data_[at_], Class)) ++at_;
        return at_ < end_ ? at_++ : end_;
    }
    void seek(std::size_t from) noexcept { at_ = from; }

private:
    const char* data_;
    std::size_t at_, end_;
};

// Where the readers of values get their cursors from. Breakers are those delimiters that end a URI: controls, SP and any of " < >.
struct Plain {
    const char* data;
    [[nodiscard]] PlainCursor<grammar::delimiter> delimiters(std::size_t from, std::size_t end) const noexcept { return {data, from, end}; }
    [[nodiscard]] PlainCursor<grammar::breaker> breakers(std::size_t from, std::size_t end) const noexcept { return {data, from, end}; }
};

}  // namespace sipfront::sip::scan

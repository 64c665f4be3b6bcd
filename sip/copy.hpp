// Copies of the few octets that a header value has, without a call: most of what a message is built of is shorter than a
// cache line, and its length is known at run time only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <emmintrin.h>

namespace sipfront::sip {

// memcpy() for texts that do not overlap. Nothing outside of them is read or written.
[[gnu::always_inline]] inline void copy_octets(char* to, const char* from, std::size_t n) noexcept {
    // The compiler shall not reason from the sizes of the arrays that it knows: it warns of the branches not taken.
    __asm__("" : "+r"(to), "+r"(from));
    const auto move16 = [&](std::size_t at) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + at), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at)));
    };
    if (n > 64) {
        std::memcpy(to, from, n);
    } else if (n >= 16) {
        // From both ends; the middle may be copied twice.
        move16(0);
        if (n > 32) {
            move16(16);
            move16(n - 32);
        }
        move16(n - 16);
    } else if (n >= 8) {
        std::uint64_t head, tail;
        std::memcpy(&head, from, 8);
        std::memcpy(&tail, from + n - 8, 8);
        std::memcpy(to, &head, 8);
        std::memcpy(to + n - 8, &tail, 8);
    } else if (n >= 4) {
        std::uint32_t head, tail;
        std::memcpy(&head, from, 4);
        std::memcpy(&tail, from + n - 4, 4);
        std::memcpy(to, &head, 4);
        std::memcpy(to + n - 4, &tail, 4);
    } else if (n >= 2) {
        std::uint16_t head, tail;
        std::memcpy(&head, from, 2);
        std::memcpy(&tail, from + n - 2, 2);
        std::memcpy(to, &head, 2);
        std::memcpy(to + n - 2, &tail, 2);
    } else if (n != 0) {
        *to = *from;
    }
}

// What copy_blocks() may read or write behind the octets it is asked for.
inline constexpr std::size_t copy_slack = 15;
// The same in whole blocks of sixteen octets, of which a short text has one. Returns where the copy ends.
[[gnu::always_inline]] inline char* copy_blocks(char* to, const char* from, std::size_t n) noexcept {
    std::size_t at = 0;
    do {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + at), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at)));
        at += 16;
    } while (at < n);
    return to + n;
}

// Equality of texts as short as these, without a call.
[[gnu::always_inline]] inline bool same_octets(std::string_view a, std::string_view b) noexcept {
    const auto n = a.size();
    if (n != b.size()) return false;
    const auto same16 = [&](std::size_t at) {
        return _mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a.data() + at)),
                              _mm_loadu_si128(reinterpret_cast<const __m128i*>(b.data() + at)));
    };
    const auto differ = [&]<class Word>(Word, std::size_t at) {
        Word x, y;
        std::memcpy(&x, a.data() + at, sizeof x);
        std::memcpy(&y, b.data() + at, sizeof y);
        return x ^ y;
    };
    if (n > 32) return std::memcmp(a.data(), b.data(), n) == 0;
    if (n >= 16) return _mm_movemask_epi8(_mm_and_si128(same16(0), same16(n - 16))) == 0xffff;
    if (n >= 8) return (differ(std::uint64_t{}, 0) | differ(std::uint64_t{}, n - 8)) == 0;
    if (n >= 4) return (differ(std::uint32_t{}, 0) | differ(std::uint32_t{}, n - 4)) == 0;
    return n == 0 || (a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1]);
}

}  // namespace sipfront::sip

// Octets as words, in the machine's order, without a copy through memory: a word loaded from octets just stored one by one waits
// until they have left the core.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sipfront::core {

// Words are little-endian on the wire and in memory alike.
static_assert(std::endian::native == std::endian::little);

inline std::uint64_t load_word(const void* p) noexcept {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    return word;
}

// `n` < 8 octets as the low octets of a word; reads nothing beyond them.
inline std::uint64_t load_partial(const void* p, std::size_t n) noexcept {
    const auto* octets = static_cast<const std::uint8_t*>(p);
    if (n >= 4) {
        std::uint32_t low;
        std::uint32_t high;
        std::memcpy(&low, octets, sizeof low);
        std::memcpy(&high, octets + n - 4, sizeof high);
        return low | (std::uint64_t{high} << (8 * (n - 4)));
    }
    if (n == 0) return 0;
    const auto octet = [octets](std::size_t i) { return std::uint64_t{octets[i]}; };
    return octet(0) | (octet(n / 2) << (8 * (n / 2))) | (octet(n - 1) << (8 * (n - 1)));
}

// The last `n` < 8 octets before `end` as load_partial() gives them, where eight or more may be read before `end`: no branch.
inline std::uint64_t load_tail(const void* end, std::size_t n) noexcept {
    return load_word(static_cast<const std::uint8_t*>(end) - 8) >> 8 >> (56 - 8 * n);
}

}  // namespace sipfront::core

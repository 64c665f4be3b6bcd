#include "dpdk/checksum.hpp"

#include <immintrin.h>

#include "core/words.hpp"

namespace sipfront::dpdk {
namespace {

constexpr std::uint16_t swap16(std::uint16_t v) noexcept { return static_cast<std::uint16_t>((v << 8) | (v >> 8)); }

std::uint16_t fold(std::uint64_t sum) noexcept {
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return static_cast<std::uint16_t>(sum);
}

}  // namespace

std::uint16_t ones_sum(std::span<const std::uint8_t> bytes, std::uint32_t start) noexcept {
    // Summed in the machine's order and swapped once at the end (RFC 1071 2(B)). Halves of words in 64-bit lanes: a datagram is too
    // short for a lane to overflow, so no carry is looked after before the end.
    const auto low = _mm_set1_epi64x(0xffffffff);
    auto even = _mm_setzero_si128();
    auto odd = _mm_setzero_si128();
    const auto* p = bytes.data();
    auto left = bytes.size();
    for (; left >= 16; p += 16, left -= 16) {
        const auto words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        even = _mm_add_epi64(even, _mm_and_si128(words, low));
        odd = _mm_add_epi64(odd, _mm_srli_epi64(words, 32));
    }
    const auto lanes = _mm_add_epi64(even, odd);
    auto sum = static_cast<std::uint64_t>(_mm_extract_epi64(lanes, 0)) + static_cast<std::uint64_t>(_mm_extract_epi64(lanes, 1));
    const auto add = [&sum](std::uint64_t word) { sum += (word & 0xffffffff) + (word >> 32); };
    if (left >= 8) {
        add(core::load_word(p));
        p += 8;
        left -= 8;
    }
    add(core::load_partial(p, left));
    return fold(std::uint64_t{swap16(fold(sum))} + start);
}

std::uint16_t pseudo_header_sum(const core::IpAddress& source, const core::IpAddress& destination, std::uint32_t udp_length,
                                std::uint8_t protocol) noexcept {
    return fold(std::uint64_t{address_sum(source)} + address_sum(destination) + (udp_length >> 16) + (udp_length & 0xffff) + protocol);
}

std::uint32_t address_sum(const core::IpAddress& address) noexcept {
    if (!address.is_v4()) return ones_sum(address.bytes());
    const auto v = address.v4_host_order();
    return (v >> 16) + (v & 0xffff);
}

}  // namespace sipfront::dpdk

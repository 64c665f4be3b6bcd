#include "dpdk/checksum.hpp"

#include <bit>
#include <cstring>

namespace sipfront::dpdk {
namespace {

constexpr std::uint16_t swap16(std::uint16_t v) noexcept { return static_cast<std::uint16_t>((v << 8) | (v >> 8)); }

// Addition that brings the carry around: the sum of 64-bit words folds to the sum of 16-bit words.
void add(std::uint64_t& sum, std::uint64_t word) noexcept {
    sum += word;
    sum += sum < word ? 1U : 0U;
}

std::uint16_t fold(std::uint64_t sum) noexcept {
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return static_cast<std::uint16_t>(sum);
}

std::uint64_t word_at(const std::uint8_t* p) noexcept {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    return word;
}

}  // namespace

std::uint16_t ones_sum(std::span<const std::uint8_t> bytes, std::uint32_t start) noexcept {
    static_assert(std::endian::native == std::endian::little);
    // Summed in the machine's order and swapped once at the end (RFC 1071 2(B)). Two accumulators break the chain of carries.
    std::uint64_t even = 0;
    std::uint64_t odd = 0;
    const auto* p = bytes.data();
    auto left = bytes.size();
    for (; left >= 16; p += 16, left -= 16) {
        add(even, word_at(p));
        add(odd, word_at(p + 8));
    }
    if (left >= 8) {
        add(even, word_at(p));
        p += 8;
        left -= 8;
    }
    if (left > 0) {
        std::uint64_t tail = 0;
        std::memcpy(&tail, p, left);
        add(odd, tail);
    }
    add(even, odd);
    return fold(std::uint64_t{swap16(fold(even))} + start);
}

std::uint16_t pseudo_header_sum(const core::IpAddress& source, const core::IpAddress& destination, std::uint32_t udp_length,
                                std::uint8_t protocol) noexcept {
    const std::uint32_t addresses = std::uint32_t{ones_sum(source.bytes())} + ones_sum(destination.bytes());
    return fold(std::uint64_t{addresses} + (udp_length >> 16) + (udp_length & 0xffff) + protocol);
}

}  // namespace sipfront::dpdk

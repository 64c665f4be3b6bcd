#include "sip/base64url.hpp"

#include <algorithm>
#include <cstring>
#include <initializer_list>

namespace sipfront::sip {

namespace base64url {
namespace {

consteval Row filled(std::uint8_t octet) {
    Row row;
    row.octets.fill(octet);
    return row;
}

// Four times the same 32 bits, the least significant octet first.
consteval Row repeated(std::uint32_t word) {
    Row row;
    for (std::size_t i = 0; i < 16; ++i) row.octets.at(i) = static_cast<std::uint8_t>(word >> (8 * (i % 4)));
    return row;
}

consteval Row listed(std::initializer_list<int> octets) {
    Row row;
    std::ranges::transform(octets, row.octets.begin(), [](int o) { return static_cast<std::uint8_t>(o); });
    return row;
}

// A bit for each set of rows of the alphabet, which are the characters' high nibbles: 2 has '-', 3 digits, 4 and 5 upper case and '_',
// 6 and 7 lower case.
constexpr int none = 1, row_2 = 2, row_3 = 4, rows_4_6 = 8, row_5 = 16, row_7 = 32;
constexpr int all = none | row_2, odd = all | row_3 | row_5 | row_7;
constexpr int lower = 'a' - 26, digit = '0' - 52, dash = '-' - 62, underscore = '_' - 63;

}  // namespace

constinit const EncodeTables encode_tables{
    .spread = listed({1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10}),
    .high_bits = repeated(0x0fc0fc00),
    .high_factors = repeated(0x04000040),
    .low_bits = repeated(0x003f03f0),
    .low_factors = repeated(0x01000010),
    .last_letter = filled(51),
    .letters = filled(26),
    .capitals = filled(13),
    .distances = listed({lower, digit, digit, digit, digit, digit, digit, digit, digit, digit, digit, dash, underscore, 'A', 0, 0}),
};

constinit const DecodeTables decode_tables{
    .nibble = filled(0x0f),
    .by_high = listed({none, none, row_2, row_3, rows_4_6, row_5, rows_4_6, row_7, none, none, none, none, none, none, none, none}),
    .by_low = listed({all | rows_4_6, all, all, all, all, all, all, all, all, all, all | row_3, odd, odd, odd & ~row_2, odd, odd & ~row_5}),
    .underscore = filled('_'),
    .underscore_row = filled(8),  // with its own it makes 13
    .distances = listed({0, 0, -dash, -digit, -'A', -'A', -lower, -lower, 0, 0, 0, 0, 0, -underscore, 0, 0}),
    .pairs = repeated(0x01400140),
    .triples = repeated(0x00011000),
    .gather = listed({2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1}),
};

}  // namespace base64url

using namespace base64url;

std::size_t base64url_encode(const std::uint8_t* in, std::size_t n, char* out) noexcept {
    char* o = out;
    for (; n >= block_chars; n -= block_octets, in += block_octets, o += block_chars) store(o, encode_block(load(in)));
    while (n > 0) {
        // Not to read or write beyond either end.
        const auto octets = std::min(n, block_octets);
        const auto chars = (octets * 4 + 2) / 3;
        alignas(16) std::array<std::uint8_t, block_chars> padded{};
        std::memcpy(padded.data(), in, octets);
        store(padded.data(), encode_block(load(padded.data())));
        std::memcpy(o, padded.data(), chars);
        in += octets;
        n -= octets;
        o += chars;
    }
    return static_cast<std::size_t>(o - out);
}

std::size_t base64url_decode(std::string_view in, std::uint8_t* out, std::size_t room) noexcept {
    const std::size_t octets = in.size() * 3 / 4;
    if (octets > room || in.size() % 4 == 1) return 0;
    const char* at = in.data();
    const char* const end = at + in.size();
    std::size_t done = 0;
    for (; end - at >= static_cast<std::ptrdiff_t>(block_chars) && room - done >= block_chars; at += block_chars, done += block_octets) {
        const auto block = decode_block(load(at));
        if (!is_zero(block.foreign)) return 0;
        store(out + done, block.octets);
    }
    // What is left, and what whole stores would write beyond the room for.
    const bool is_long = in.size() >= block_chars;
    while (done < octets) {
        alignas(16) std::array<char, block_chars> block;
        const auto chars = std::min(static_cast<std::size_t>(end - at), block_chars);
        auto text = _mm_set1_epi8('A');
        if (is_long) [[likely]] {
            text = load_last(at + chars, chars);
        } else {
            store(block.data(), text);
            std::memcpy(block.data(), at, chars);
            text = load(block.data());
        }
        const auto decoded = decode_block(text);
        if (!is_zero(decoded.foreign)) return 0;
        if (room - done >= block_chars) [[likely]] {
            store(out + done, decoded.octets);
        } else {
            store(block.data(), decoded.octets);
            std::memcpy(out + done, block.data(), std::min(octets - done, block_octets));
        }
        at += chars;
        done += block_octets;
    }
    return octets;
}

}  // namespace sipfront::sip

#include "core/aes.hpp"

#include <array>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

__m128i block_of(std::string_view hex) {
    std::array<unsigned char, 16> octets{};
    for (std::size_t i = 0; i < octets.size(); ++i)
        octets[i] = static_cast<unsigned char>(std::stoi(std::string{hex.substr(2 * i, 2)}, nullptr, 16));
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(octets.data()));
}

std::string hex_of(__m128i block) {
    std::array<unsigned char, 16> octets{};
    _mm_storeu_si128(reinterpret_cast<__m128i*>(octets.data()), block);
    std::string hex;
    for (const auto o : octets) {
        std::array<char, 3> two{};
        std::snprintf(two.data(), two.size(), "%02x", static_cast<unsigned>(o));
        hex += two.data();
    }
    return hex;
}

AesKey key_of(std::string_view hex) {
    const auto block = block_of(hex);
    return AesKey{{static_cast<std::uint64_t>(_mm_cvtsi128_si64(block)), static_cast<std::uint64_t>(_mm_extract_epi64(block, 1))}};
}

constexpr std::string_view appendix_b_key = "2b7e151628aed2a6abf7158809cf4f3c", appendix_c_key = "000102030405060708090a0b0c0d0e0f";

template <class Aes>
void expect_the_vectors() {
    EXPECT_EQ(hex_of(encrypt<Aes>(key_of(appendix_b_key), block_of("3243f6a8885a308d313198a2e0370734"))),
              "3925841d02dc09fbdc118597196a0b32");
    const auto key = key_of(appendix_c_key);
    const auto plain = block_of("00112233445566778899aabbccddeeff");
    EXPECT_EQ(hex_of(encrypt<Aes>(key, plain)), "69c4e0d86a7b0430d8cdb78070b4c55a");
    const auto second = Aes::round(_mm_xor_si128(plain, key.round[0]), key.round[1]);
    EXPECT_EQ(hex_of(second), "89d810e8855ace682d1843d8cb128fe4");
}

TEST(Aes, ShufflesGiveTheVectorsOfFips197) { expect_the_vectors<AesShuffles>(); }

TEST(Aes, InstructionsGiveTheVectorsOfFips197) {
    if (!has_aes) GTEST_SKIP() << "this CPU has none";
    expect_the_vectors<AesInstructions>();
}

TEST(Aes, KeysAreExpandedAsInFips197) {
    const auto key = key_of(appendix_b_key);
    EXPECT_EQ(hex_of(key.round[0]), appendix_b_key);
    EXPECT_EQ(hex_of(key.round[1]), "a0fafe1788542cb123a339392a6c7605");
    EXPECT_EQ(hex_of(key.round[8]), "ead27321b58dbad2312bf5607f8d292f");
    EXPECT_EQ(hex_of(key.round[9]), "ac7766f319fadc2128d12941575c006e");
    EXPECT_EQ(hex_of(key.round[10]), "d014f9a8c9ee2589e13f0cc8b6630ca6");
}

TEST(Aes, BothSetsAgree) {
    if (!has_aes) GTEST_SKIP() << "this CPU has one only";
    std::mt19937_64 random{197};
    const auto any = [&random] { return _mm_set_epi64x(static_cast<long long>(random()), static_cast<long long>(random())); };
    for (int i = 0; i < 20'000; ++i) {
        const auto state = any(), key = any();
        ASSERT_EQ(hex_of(AesInstructions::round(state, key)), hex_of(AesShuffles::round(state, key)));
        ASSERT_EQ(hex_of(AesInstructions::last_round(state, key)), hex_of(AesShuffles::last_round(state, key)));
    }
    for (int octet = 0; octet < 256; ++octet) {
        const auto state = _mm_set1_epi8(static_cast<char>(octet));
        ASSERT_EQ(hex_of(AesInstructions::round(state, state)), hex_of(AesShuffles::round(state, state)));
    }
}

}  // namespace
}  // namespace sipfront::core

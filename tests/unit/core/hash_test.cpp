#include "core/hash.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

// Key 00 01 .. 0f and message 00 01 .. n-1, as in the reference implementation.
constexpr SipKey vector_key{0x0706050403020100, 0x0f0e0d0c0b0a0908};

constexpr std::array<std::uint64_t, 64> vectors_24{
    0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
    0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
    0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5, 0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794,
    0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd, 0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8,
    0xb8ad50c6f649af94, 0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad, 0xde4daaaca71dc9a5, 0xa6a2506687956571,
    0xad87a3535c49ef28, 0x32d892fad841c342, 0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238, 0x15e034d40fa197ae,
    0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c, 0x0e3ea96b5304a7d0, 0xad0c42d6fc585992,
    0x187306c89bc215a9, 0xd4a60abcf3792b95, 0xf935451de4f21df2, 0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb,
    0xe612a3cb9ecba951, 0xc766e62cfcadaf96, 0xee64435a9752fe72, 0xa192d576b245165a, 0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f,
    0x7fa8220ba3b2ecea, 0x245731c13ca42499, 0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
    0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572};

constexpr std::array<std::uint64_t, 16> vectors_13{0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb,
                                                   0xcf75576088d38328, 0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140,
                                                   0x369095118d299a8e, 0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
                                                   0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34, 0xd320d86d2a519956};

std::string counting(std::size_t n) {
    std::string s(n, ' ');
    for (std::size_t i = 0; i < n; ++i) s[i] = static_cast<char>(i);
    return s;
}

TEST(SipHash24, MatchesTheReferenceVectors) {
    for (std::size_t n = 0; n < vectors_24.size(); ++n) EXPECT_EQ(siphash24(vector_key, counting(n)), vectors_24[n]) << n;
}

TEST(SipHash13, MatchesAnIndependentImplementation) {
    for (std::size_t n = 0; n < vectors_13.size(); ++n) EXPECT_EQ(siphash13(vector_key, counting(n)), vectors_13[n]) << n;
}

template <class Hasher, class OneShot>
void expect_any_split_agrees(OneShot one_shot) {
    std::mt19937_64 random{24};
    for (int round = 0; round < 5000; ++round) {
        const SipKey key{random(), random()};
        std::string text(random() % 100, ' ');
        for (auto& c : text) c = static_cast<char>(random());
        Hasher hasher{key};
        for (std::size_t done = 0; done < text.size();) {
            const auto left = text.size() - done;
            if (left >= 8 && random() % 4 == 0) {
                std::uint64_t word = 0;
                for (std::size_t i = 0; i < 8; ++i) word |= std::uint64_t{static_cast<std::uint8_t>(text[done + i])} << (8 * i);
                hasher.update_u64(word);
                done += 8;
            } else {
                const auto n = random() % std::min<std::size_t>(left + 1, 20);
                hasher.update(std::string_view{text}.substr(done, n));
                done += n;
            }
        }
        ASSERT_EQ(hasher.finish(), one_shot(key, text));
    }
}

TEST(SipHasher24, AnySplitGivesTheHashOfTheWhole) { expect_any_split_agrees<SipHasher24>(siphash24); }
TEST(SipHasher13, AnySplitGivesTheHashOfTheWhole) { expect_any_split_agrees<SipHasher13>(siphash13); }

TEST(SipHash, DependsOnEveryBitOfKeyAndText) {
    const auto text = counting(20);
    const auto hash = siphash13(vector_key, text);
    for (int bit = 0; bit < 64; ++bit) {
        EXPECT_NE(siphash13({vector_key.k0 ^ (std::uint64_t{1} << bit), vector_key.k1}, text), hash);
        EXPECT_NE(siphash13({vector_key.k0, vector_key.k1 ^ (std::uint64_t{1} << bit)}, text), hash);
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto changed = text;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        EXPECT_NE(siphash13(vector_key, changed), hash);
    }
    EXPECT_NE(siphash13(vector_key, std::string(7, char{})), siphash13(vector_key, std::string(8, char{})));
}

TEST(SipHash, PaddedTextsAreWholeWords) {
    const SipKey key{1, 2};
    const auto padded = [&](std::string_view a, std::string_view b) {
        SipHasher24 h{key};
        h.update_u64((a.size() << 32) | b.size());
        h.update_padded(a);
        h.update_padded(b);
        return h.finish();
    };
    const auto spelled = [&](std::string a, std::string b) {
        const auto sizes = (a.size() << 32) | b.size();
        a.resize((a.size() + 7) / 8 * 8);
        b.resize((b.size() + 7) / 8 * 8);
        return SipHasher24{key}.update_u64(sizes).update(a).update(b).finish();
    };
    for (std::size_t n = 0; n < 40; ++n) {
        const std::string a(n, 'a'), b(39 - n, 'b');
        EXPECT_EQ(padded(a, b), spelled(a, b)) << n;
    }
    EXPECT_NE(padded("ab", "c"), padded("a", "bc"));
}

// Numbered texts differ in a few digits of neighbouring words, which is where a weak fold lets differences cancel.
TEST(QuickHash, TellsNumberedTextsApart) {
    for (std::uint64_t seed = 0; seed < 64; ++seed) {
        std::vector<std::uint64_t> all;
        for (unsigned turn = 0; turn < 16; ++turn)
            for (unsigned high = 0; high < 4; ++high)
                for (unsigned low = 0; low < 16; ++low) {
                    std::array<char, 48> text;
                    const auto length = std::snprintf(text.data(), text.size(), "z9hG4bKi%08x%08x12ab34cd", turn, high << 16 | low);
                    all.push_back(quick_hash(seed, {text.data(), static_cast<std::size_t>(length)}));
                }
        std::ranges::sort(all);
        EXPECT_EQ(std::ranges::adjacent_find(all), all.end()) << seed;
    }
}

TEST(QuickHash, TellsTextsSeedsAndLengthsApart) {
    std::vector<std::uint64_t> all;
    std::string text;
    for (std::size_t n = 0; n < 200; ++n, text += static_cast<char>('a' + n % 26)) {
        all.push_back(quick_hash(1, text));
        all.push_back(quick_hash(2, text));
        all.push_back(quick_hash(1, text + std::string(1, '\0')));
    }
    std::ranges::sort(all);
    EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
}

}  // namespace
}  // namespace sipfront::core

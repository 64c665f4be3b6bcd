#include "core/hash.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace sipfront::core {
namespace {

const HashKey key{SecretKey{0x0706050403020100, 0x0f0e0d0c0b0a0908}};

std::string noise(std::size_t n, std::mt19937_64& random) {
    std::string s(n, ' ');
    for (auto& c : s) c = static_cast<char>(random());
    return s;
}

std::uint64_t without_instructions(const HashKey& k, std::string_view text, std::uint64_t before = 0) {
    const auto had = std::exchange(has_aes, false);
    const auto value = digest(k, text, before);
    has_aes = had;
    return value;
}

std::uint64_t mac(const HashKey& k, std::string_view text, std::uint64_t low, std::uint64_t high) {
    return with_aes(
        [](auto aes, const HashKey* with, std::string_view t, std::uint64_t l, std::uint64_t h) {
            KeyedHash<decltype(aes)> hash{*with};
            hash.text(t);
            return hash.mac(l, h);
        },
        &k, text, low, high);
}

__m128i block_of(std::string_view octets) {
    std::array<char, 16> whole{};
    std::ranges::copy(octets, whole.begin());
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(whole.data()));
}

// As the header describes it, octets first gathered into blocks.
struct Block {
    __m128i octets;
};

std::vector<Block> blocks_of(std::string_view text) {
    std::vector<Block> all;
    if (text.size() >= 16) {
        all.push_back({block_of(text.substr(0, 16))});
        for (std::size_t at = 16; at + 16 < text.size(); at += 16) all.push_back({block_of(text.substr(at, 16))});
        all.push_back({block_of(text.substr(text.size() - 16))});
    } else if (text.size() >= 8) {
        all.push_back({block_of(std::string{text.substr(0, 8)} + std::string{text.substr(text.size() - 8)})});
    } else if (!text.empty()) {
        all.push_back({block_of(text)});
    }
    return all;
}

__m128i spelled_sum(const std::vector<Block>& blocks) {
    auto mask = key.mask, sum = _mm_setzero_si128();
    for (const auto& block : blocks) {
        auto state = _mm_xor_si128(block.octets, mask);
        for (const auto& round : key.inner) state = AesShuffles::round(state, round);
        sum = _mm_xor_si128(sum, AesShuffles::round(state, _mm_setzero_si128()));
        mask = _mm_add_epi64(mask, key.step);
    }
    return sum;
}

std::uint64_t low_half(__m128i v) { return static_cast<std::uint64_t>(_mm_cvtsi128_si64(v)); }

std::uint64_t spelled_digest(std::string_view text, std::uint64_t before) {
    auto blocks = blocks_of(text);
    blocks.insert(blocks.begin(), {_mm_set_epi64x(static_cast<long long>(before), static_cast<long long>(text.size()))});
    auto state = _mm_xor_si128(spelled_sum(blocks), key.outer.round[0]);
    for (int i = 1; i <= 4; ++i) state = AesShuffles::round(state, key.outer.round[i]);
    return low_half(state);
}

std::uint64_t spelled_mac(std::string_view text, std::uint64_t low, std::uint64_t high) {
    const auto head = _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
    return low_half(encrypt<AesShuffles>(key.outer, _mm_xor_si128(spelled_sum(blocks_of(text)), head)));
}

TEST(KeyedHash, IsWhatTheHeaderSaysWithAndWithoutInstructions) {
    std::mt19937_64 random{1};
    for (std::size_t n = 0; n <= 300; ++n) {
        const auto text = noise(n, random);
        const auto a = random(), b = random();
        ASSERT_EQ(digest(key, text, a), spelled_digest(text, a)) << n;
        ASSERT_EQ(without_instructions(key, text, a), spelled_digest(text, a)) << n;
        ASSERT_EQ(mac(key, text, a, b), spelled_mac(text, a, b)) << n;
    }
}

// A page between two that nobody may touch.
class GuardedPage {
public:
    static constexpr std::size_t size = 4096;

    GuardedPage() : pages_{static_cast<char*>(::mmap(nullptr, 3 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))} {
        if (pages_ == MAP_FAILED || ::mprotect(begin(), size, PROT_READ | PROT_WRITE) != 0) std::abort();
    }
    GuardedPage(const GuardedPage&) = delete;
    GuardedPage& operator=(const GuardedPage&) = delete;
    ~GuardedPage() { ::munmap(pages_, 3 * size); }
    [[nodiscard]] char* begin() const { return pages_ + size; }
    [[nodiscard]] char* end() const { return begin() + size; }

private:
    char* pages_;
};

TEST(KeyedHash, ReadsNothingBeyondATextAndSeesNotWhereItLies) {
    const GuardedPage page;
    std::mt19937_64 random{2};
    for (std::size_t n = 0; n <= 300; ++n) {
        const auto text = noise(n, random);
        const auto expected = digest(key, text);
        for (char* const at : {page.begin(), page.end() - n}) {
            std::ranges::copy(text, at);
            ASSERT_EQ(digest(key, {at, n}), expected) << n;
            ASSERT_EQ(without_instructions(key, {at, n}), expected) << n;
        }
    }
}

TEST(KeyedHash, DependsOnEveryBitOfSecretAndText) {
    for (const std::size_t n : {1, 7, 8, 15, 16, 17, 40}) {
        const std::string text(n, 'x');
        const auto hash = digest(key, text);
        const auto signature = mac(key, text, 0, 0);
        for (int bit = 0; bit < 64; ++bit) {
            const auto flip = std::uint64_t{1} << bit;
            for (const auto& other :
                 {SecretKey{0x0706050403020100 ^ flip, 0x0f0e0d0c0b0a0908}, SecretKey{0x0706050403020100, 0x0f0e0d0c0b0a0908 ^ flip}}) {
                EXPECT_NE(digest(HashKey{other}, text), hash);
                EXPECT_NE(mac(HashKey{other}, text, 0, 0), signature);
            }
            EXPECT_NE(digest(key, text, flip), hash);
            EXPECT_NE(mac(key, text, flip, 0), signature);
            EXPECT_NE(mac(key, text, 0, flip), signature);
        }
        for (std::size_t i = 0; i < 8 * n; ++i) {
            auto changed = text;
            changed[i / 8] = static_cast<char>(changed[i / 8] ^ (1 << i % 8));
            EXPECT_NE(digest(key, changed), hash);
            EXPECT_NE(mac(key, changed, 0, 0), signature);
        }
    }
}

// Where blocks overlap or are filled up, the length tells; where they are equal, their places do.
TEST(KeyedHash, TellsLengthsAndPlacesApart) {
    std::vector<std::uint64_t> all;
    for (std::size_t n = 0; n <= 300; ++n) {
        all.push_back(digest(key, std::string(n, '\0')));
        all.push_back(digest(key, std::string(n, 'a')));
    }
    const std::string one(16, '1'), two(16, '2');
    for (const auto& text : {one + two, two + one, one + one + two, one + two + one, two + one + one, one + one + one})
        all.push_back(digest(key, text));
    std::ranges::sort(all);
    EXPECT_EQ(std::ranges::unique(all).size(), 1U) << "the empty text of either octet, and no other";
}

// A message of two blocks whose difference is that of their masks would vanish if the masks were known.
TEST(KeyedHash, EqualBlocksDoNotCancel) {
    const std::string one(16, '1');
    EXPECT_NE(digest(key, one + one), digest(key, std::string(32, '2')));
    EXPECT_NE(digest(key, one + one), digest(key, one + one + one + one));
}

TEST(KeyedHash, FillsBucketsEvenlyByEitherEnd) {
    constexpr std::size_t texts = 65'536, buckets = 256;
    std::array<std::size_t, buckets> low{}, high{};
    for (std::size_t i = 0; i < texts; ++i) {
        const auto hash = digest(key, "call-" + std::to_string(i) + "@10.77.0.2");
        ++low[hash % buckets];
        ++high[hash >> 56];
    }
    for (const auto& counts : {low, high}) {
        double squares = 0;
        for (const auto n : counts) squares += (static_cast<double>(n) - 256.0) * (static_cast<double>(n) - 256.0) / 256.0;
        EXPECT_LT(squares, 255 + 5 * 22.6) << "chi-squared, 255 degrees of freedom";
        EXPECT_GT(squares, 255 - 5 * 22.6);
    }
}

TEST(Derive, IsAesOfTheLabel) {
    const SecretKey secret{1, 2};
    const auto expected = encrypt<AesShuffles>(AesKey{secret}, block_of("sixteen letters!"));
    EXPECT_EQ(derive(secret, "sixteen letters!").k0, low_half(expected));
    EXPECT_EQ(derive(secret, "sixteen letters!").k1, low_half(_mm_srli_si128(expected, 8)));
    EXPECT_NE(derive(secret, "a"), derive(secret, "b"));
    EXPECT_NE(derive(secret, "a"), derive({1, 3}, "a"));
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

// Keyed hashes on AES: nobody without the key can aim at a bucket or forge a MAC.
//
// A message is a number of 16-octet blocks, which tell where each of its parts begins. Each is masked with a secret that differs from
// block to block and goes through four AES rounds under secret round keys; the results are added up. So no block waits for another
// one. What is made of the sum:
// - a digest, for tables and steering: by four more AES rounds, so that what anyone chooses goes through eight keyed rounds; attacks that
//   gain more than a few bits end at seven of those of AES-128 (and take 2^97 blocks there). No more is claimed.
// - a MAC: by AES-128 as a whole, under a key of its own. It is a PRF as long as AES-128 is one and no two sums meet (Minematsu, Tsunoo,
//   "Provably Secure MACs from Differentially-Uniform Permutations and AES-Based Implementations", FSE 2006). Two meet with a chance of
//   some 2^-113 where each block has round keys of its own (Keliher, Sui, "Exact maximum expected differential and linear probability
//   for two-round AES", 2007); ours share theirs behind their masks, and are assumed to do as keys do on the average.
// Both are cut to 64 bits. The same on any CPU (core/aes.hpp). Thread-safe, pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/aes.hpp"
#include "core/words.hpp"

namespace sipfront::core {

// A key of 16 octets for the purpose that `label`, of 1 to 16 characters, names: AES-128 of the label. Those of two labels have nothing
// to do with each other.
SecretKey derive(const SecretKey& secret, std::string_view label) noexcept;

// A secret as the hashes need it: made once, four cache lines long.
struct HashKey {
    explicit HashKey(const SecretKey& secret = {}) noexcept;

    // Those of one secret.
    friend bool operator==(const HashKey& a, const HashKey& b) noexcept {
        const auto differing = _mm_xor_si128(a.mask, b.mask);
        return _mm_testz_si128(differing, differing) != 0;
    }

    __m128i mask;      // of the first block
    __m128i step;      // added, to both halves, for the next one's
    __m128i inner[3];  // round keys of the blocks; the fourth round has none
    AesKey outer;
};

// Of one message, in a function that with_aes() runs. A message of one meaning is never one of another meaning under the same key:
// its first words say what it is, and how long its texts are.
template <class Aes>
class KeyedHash {
public:
    explicit KeyedHash(const HashKey& key) noexcept : key_{key}, mask_{key.mask}, sum_{_mm_setzero_si128()} {}

    void words(std::uint64_t low, std::uint64_t high) noexcept { add(block(low, high)); }
    // The first sixteen octets, the last sixteen, which may overlap, and whole blocks between them.
    void text(std::string_view t) noexcept {
        const char* p = t.data();
        const auto n = t.size();
        if (n >= 16) [[likely]] {
            const char* const last = p + n - 16;
            add(load(p));
            while ((p += 16) < last) add(load(p));
            add(load(last));
        } else if (n >= 8) {
            words(load_word(p), load_word(p + n - 8));
        } else if (n > 0) {
            words(load_partial(p, n), 0);
        }
    }
    [[nodiscard]] std::uint64_t digest() const noexcept {
        auto state = _mm_xor_si128(sum_, key_.outer.round[0]);
        for (int i = 1; i <= 4; ++i) state = Aes::round(state, key_.outer.round[i]);
        return low_half(state);
    }
    // Of two words more: with the whole AES behind them they need no rounds of their own.
    [[nodiscard]] std::uint64_t mac(std::uint64_t low, std::uint64_t high) const noexcept {
        return low_half(encrypt<Aes>(key_.outer, _mm_xor_si128(sum_, block(low, high))));
    }

private:
    static __m128i load(const char* p) noexcept { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
    static __m128i block(std::uint64_t low, std::uint64_t high) noexcept {
        return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
    }
    static std::uint64_t low_half(__m128i v) noexcept { return static_cast<std::uint64_t>(_mm_cvtsi128_si64(v)); }

    void add(__m128i b) noexcept {
        auto state = _mm_xor_si128(b, mask_);
        mask_ = _mm_add_epi64(mask_, key_.step);
        state = Aes::round(Aes::round(Aes::round(state, key_.inner[0]), key_.inner[1]), key_.inner[2]);
        sum_ = _mm_xor_si128(sum_, Aes::round(state, _mm_setzero_si128()));
    }

    const HashKey& key_;
    __m128i mask_;
    __m128i sum_;
};

// Of a text, and of what came before it, if anything did.
std::uint64_t digest(const HashKey& key, std::string_view text, std::uint64_t before = 0) noexcept;

// Not keyed: for a value that nobody gains by making equal to another one. Chained by its seed. Two words are folded in by both
// halves of their product: by the low half alone, what differs in high octets would hardly spread, and texts that differ in a few
// digits would meet.
inline std::uint64_t quick_hash(std::uint64_t seed, std::string_view text) noexcept {
    __extension__ using Product = unsigned __int128;
    const auto fold = [](std::uint64_t a, std::uint64_t b) noexcept {
        const auto product = static_cast<Product>(a ^ 0x9e3779b97f4a7c15) * (b ^ 0x9fb21c651e98df25);
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    };
    const char* p = text.data();
    auto left = text.size();
    auto h = fold(seed, left);
    for (; left > 16; p += 16, left -= 16) h = fold(h ^ load_word(p), load_word(p + 8));
    // What is left from both ends: the middle may count twice.
    if (text.size() >= 16) return fold(h ^ load_word(p + left - 16), load_word(p + left - 8));
    if (left >= 8) return fold(h ^ load_word(p), load_word(p + left - 8));
    return fold(h, load_partial(p, left));
}

}  // namespace sipfront::core

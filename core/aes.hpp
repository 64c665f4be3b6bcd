// AES-128 (FIPS 197) round by round, for the keyed hashes of core/hash.hpp. The rounds come in two sets with the same results: by the
// CPU's instructions, and by shuffles, which every x86-64-v2 CPU has, in constant time and many times slower. Thread-safe, pure.
#pragma once

#include <cstdint>
#include <string_view>

#include <immintrin.h>

namespace sipfront::core {

// 128 secret bits; as octets, k0 first, the least significant octet first.
struct SecretKey {
    std::uint64_t k0 = 0;
    std::uint64_t k1 = 0;

    friend bool operator==(const SecretKey&, const SecretKey&) = default;
};

// A round is SubBytes, ShiftRows, MixColumns, AddRoundKey; the last one goes without MixColumns (FIPS 197 §5.1).
struct AesInstructions {
    [[gnu::target("aes,avx")]] static inline __m128i round(__m128i state, __m128i key) noexcept { return _mm_aesenc_si128(state, key); }
    [[gnu::target("aes,avx")]] static inline __m128i last_round(__m128i state, __m128i key) noexcept {
        return _mm_aesenclast_si128(state, key);
    }
};
struct AesShuffles {
    static __m128i round(__m128i state, __m128i key) noexcept;
    static __m128i last_round(__m128i state, __m128i key) noexcept;
};

// Whether this CPU has what AesInstructions takes. False until the process has set its variables up, which costs time and changes no
// result. Tests clear it.
extern bool has_aes;

// All round keys.
struct AesKey {
    static constexpr int rounds = 10;

    explicit AesKey(const SecretKey& key) noexcept;

    __m128i round[rounds + 1];
};

template <class Aes>
inline __m128i encrypt(const AesKey& key, __m128i block) noexcept {
    auto state = _mm_xor_si128(block, key.round[0]);
    for (int i = 1; i < AesKey::rounds; ++i) state = Aes::round(state, key.round[i]);
    return Aes::last_round(state, key.round[AesKey::rounds]);
}

// Runs Body(aes, args...), where `aes` is one of the sets above. What Body calls is inlined into it, so that the rounds are single
// instructions; Body is a lambda without captures, and its arguments travel in registers.
template <class Body, class... Args>
[[gnu::target("aes,avx"), gnu::flatten, gnu::noinline]] auto by_aes_instructions(Args... args) noexcept {
    return Body{}(AesInstructions{}, args...);
}
template <class Body, class... Args>
[[gnu::cold, gnu::noinline]] auto by_aes_shuffles(Args... args) noexcept {
    return Body{}(AesShuffles{}, args...);
}
template <class Body, class... Args>
[[gnu::always_inline]] inline auto with_aes(Body, Args... args) noexcept {
    if (has_aes) [[likely]]
        return by_aes_instructions<Body>(args...);
    return by_aes_shuffles<Body>(args...);
}

}  // namespace sipfront::core

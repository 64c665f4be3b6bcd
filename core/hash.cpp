#include "core/hash.hpp"

#include <cassert>
#include <cstring>

namespace sipfront::core {
namespace {

__m128i derive_block(const SecretKey& secret, std::string_view label) noexcept {
    assert(!label.empty() && label.size() <= sizeof(__m128i));
    auto block = _mm_setzero_si128();
    std::memcpy(&block, label.data(), label.size());
    return encrypt<AesShuffles>(AesKey{secret}, block);
}

}  // namespace

SecretKey derive(const SecretKey& secret, std::string_view label) noexcept {
    const auto block = derive_block(secret, label);
    return {static_cast<std::uint64_t>(_mm_cvtsi128_si64(block)), static_cast<std::uint64_t>(_mm_extract_epi64(block, 1))};
}

HashKey::HashKey(const SecretKey& secret) noexcept
    : mask{derive_block(secret, "mask")},
      step{derive_block(secret, "step")},
      inner{derive_block(secret, "inner 1"), derive_block(secret, "inner 2"), derive_block(secret, "inner 3")},
      outer{derive(secret, "outer")} {}

std::uint64_t digest(const HashKey& key, std::string_view text, std::uint64_t before) noexcept {
    return with_aes(
        [](auto aes, const HashKey* k, std::string_view t, std::uint64_t earlier) noexcept {
            KeyedHash<decltype(aes)> h{*k};
            h.words(t.size(), earlier);
            h.text(t);
            return h.digest();
        },
        &key, text, before);
}

}  // namespace sipfront::core

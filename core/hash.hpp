// SipHash (Aumasson, Bernstein 2012), keyed: nobody without the key can aim at a bucket or forge a MAC.
// 2-4 for MACs (cookies, branches, flow tokens), 1-3 for tables and steering. Thread-safe, pure.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/words.hpp"

namespace sipfront::core {

struct SipKey {
    std::uint64_t k0 = 0;
    std::uint64_t k1 = 0;

    friend bool operator==(const SipKey&, const SipKey&) = default;
};

std::uint64_t siphash24(const SipKey& key, std::string_view text) noexcept;
std::uint64_t siphash13(const SipKey& key, std::string_view text) noexcept;

namespace detail {

template <int CompressionRounds, int FinalRounds>
class SipState {
public:
    explicit SipState(const SipKey& key) noexcept
        : v0_{key.k0 ^ 0x736f6d6570736575},
          v1_{key.k1 ^ 0x646f72616e646f6d},
          v2_{key.k0 ^ 0x6c7967656e657261},
          v3_{key.k1 ^ 0x7465646279746573} {}

    void compress(std::uint64_t word) noexcept {
        v3_ ^= word;
        for (int i = 0; i < CompressionRounds; ++i) round();
        v0_ ^= word;
    }
    // `tail`: the last octets, fewer than eight, low first; `length`: of the whole message.
    std::uint64_t finish(std::uint64_t tail, std::uint64_t length) noexcept {
        compress(tail | (length << 56));
        v2_ ^= 0xff;
        for (int i = 0; i < FinalRounds; ++i) round();
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    }

private:
    void round() noexcept {
        v0_ += v1_;
        v2_ += v3_;
        v1_ = std::rotl(v1_, 13) ^ v0_;
        v3_ = std::rotl(v3_, 16) ^ v2_;
        v0_ = std::rotl(v0_, 32);
        v2_ += v1_;
        v0_ += v3_;
        v1_ = std::rotl(v1_, 17) ^ v2_;
        v3_ = std::rotl(v3_, 21) ^ v0_;
        v2_ = std::rotl(v2_, 32);
    }

    std::uint64_t v0_;
    std::uint64_t v1_;
    std::uint64_t v2_;
    std::uint64_t v3_;
};

}  // namespace detail

// The same value as the one-shot function over the concatenation of all updates. Finish once.
template <int CompressionRounds, int FinalRounds>
class SipHasher {
public:
    explicit SipHasher(const SipKey& key) noexcept : state_{key} {}

    SipHasher& update(std::string_view text) noexcept {
        const char* p = text.data();
        auto left = text.size();
        length_ += left;
        if (pending_ > 0) {
            const auto taken = left < 8 - pending_ ? left : 8 - pending_;
            tail_ |= load_partial(p, taken) << (8 * pending_);
            pending_ += taken;
            if (pending_ < 8) return *this;
            state_.compress(tail_);
            p += taken;
            left -= taken;
        }
        for (; left >= 8; p += 8, left -= 8) state_.compress(load_word(p));
        tail_ = load_partial(p, left);
        pending_ = left;
        return *this;
    }
    // The text as whole words, the last one filled up with zeros: quicker, but whoever uses it hashes the length as well. What
    // was hashed before must have ended with a whole word.
    SipHasher& update_padded(std::string_view text) noexcept {
        const char* p = text.data();
        const char* const words_end = p + (text.size() & ~std::size_t{7});
        const auto left = text.size() & 7;
        length_ += text.size() + (-text.size() & 7);
        for (; p != words_end; p += 8) state_.compress(load_word(p));
        if (left != 0) state_.compress(text.size() > 8 ? load_tail(p + left, left) : load_partial(p, left));
        return *this;
    }
    // Eight octets, the least significant first.
    SipHasher& update_u64(std::uint64_t word) noexcept {
        length_ += 8;
        if (pending_ == 0) {
            state_.compress(word);
        } else {
            state_.compress(tail_ | (word << (8 * pending_)));
            tail_ = word >> (64 - 8 * pending_);
        }
        return *this;
    }
    std::uint64_t finish() noexcept { return state_.finish(tail_, length_); }

private:
    detail::SipState<CompressionRounds, FinalRounds> state_;
    std::uint64_t tail_ = 0;
    std::size_t pending_ = 0;  // octets in tail_, always fewer than eight between calls
    std::uint64_t length_ = 0;
};

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

using SipHasher24 = SipHasher<2, 4>;
using SipHasher13 = SipHasher<1, 3>;

}  // namespace sipfront::core

#include "core/hash.hpp"

namespace sipfront::core {
namespace {

template <int CompressionRounds, int FinalRounds>
std::uint64_t siphash(const SipKey& key, std::string_view text) noexcept {
    detail::SipState<CompressionRounds, FinalRounds> state{key};
    const char* p = text.data();
    const char* const words_end = p + (text.size() & ~std::size_t{7});
    for (; p != words_end; p += 8) state.compress(load_word(p));
    const auto left = text.size() & 7;
    return state.finish(text.size() > 8 ? load_tail(p + left, left) : load_partial(p, left), text.size());
}

}  // namespace

std::uint64_t siphash24(const SipKey& key, std::string_view text) noexcept { return siphash<2, 4>(key, text); }
std::uint64_t siphash13(const SipKey& key, std::string_view text) noexcept { return siphash<1, 3>(key, text); }

}  // namespace sipfront::core

#include "sip/scan.hpp"

#include <algorithm>
#include <array>

#include <immintrin.h>

namespace sipfront::sip::scan {
namespace {

enum class Line : std::uint8_t { other, call_id, empty };

inline Line judge_line(const char* data, std::size_t size, std::size_t at) noexcept {
    if (at >= size) return Line::other;
    const char c = data[at];
    if (c == '\n' || (c == '\r' && at + 1 < size && data[at + 1] == '\n')) return Line::empty;
    std::size_t behind = 0;
    if ((c | 0x20) == 'i') {
        behind = at + 1;
    } else if ((c | 0x20) == 'c' && size - at > 8 && grammar::caseless_equal(grammar::load64(data + at), "call-id")) {
        behind = at + 7;
    } else {
        return Line::other;
    }
    while (behind < size && grammar::is_blank(data[behind])) ++behind;
    return behind < size && data[behind] == ':' ? Line::call_id : Line::other;
}

// Judges the lines that begin behind this block's newlines. True: `found` is the answer.
inline bool hunt_call_id(const char* data, std::size_t size, std::size_t base, std::uint64_t newline, std::size_t& found) noexcept {
    for (; newline != 0; newline &= newline - 1) {
        const auto at = base + static_cast<std::size_t>(std::countr_zero(newline)) + 1;
        const auto line = judge_line(data, size, at);
        if (line == Line::other) continue;
        found = line == Line::call_id ? at : size;
        return true;
    }
    return false;
}

// Of the last, partial block: where to load 64 octets that end with the message, and how far to shift their masks. A
// message shorter than a block is copied into `padded`.
struct Tail {
    const char* load;
    unsigned shift;
};
inline Tail tail_of(const char* data, std::size_t size, std::size_t base, std::array<char, block>& padded) noexcept {
    if (size >= block) return {data + size - block, static_cast<unsigned>(block - (size - base))};
    padded.fill('a');  // nothing that is looked for
    std::memcpy(padded.data(), data, size);
    return {padded.data(), 0};
}

// ---- scalar

void newlines_scalar(const char* data, std::size_t size, std::uint64_t* out) noexcept {
    std::fill_n(out, words_of(size) - 1, 0);
    out[words_of(size) - 1] = ~std::uint64_t{0};
    for (std::size_t i = 0; i < size; ++i)
        if (data[i] == '\n') out[i / block] |= std::uint64_t{1} << i % block;
}

std::size_t call_id_scalar(const char* data, std::size_t size) noexcept {
    auto found = size;
    for (const char* p = data; (p = static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(data + size - p)))) != nullptr;
         ++p)
        if (hunt_call_id(data, size, static_cast<std::size_t>(p - data), 1, found)) break;
    return found;
}

// ---- vectors

[[gnu::target("ssse3"), gnu::always_inline]] inline std::uint64_t newlines16(const char* p) noexcept {
    std::uint64_t mask = 0;
    for (unsigned i = 0; i < block; i += 16) {
        const auto v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
        mask |= std::uint64_t{static_cast<std::uint16_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n'))))} << i;
    }
    return mask;
}

[[gnu::target("ssse3")]] void newlines_sse(const char* data, std::size_t size, std::uint64_t* out) noexcept {
    std::size_t base = 0;
    for (; base + block <= size; base += block) *out++ = newlines16(data + base);
    out[0] = 0;
    out[1] = ~std::uint64_t{0};
    if (base == size) return;
    std::array<char, block> padded;
    const auto tail = tail_of(data, size, base, padded);
    *out = newlines16(tail.load) >> tail.shift;
}

[[gnu::target("ssse3")]] std::size_t call_id_sse(const char* data, std::size_t size) noexcept {
    auto found = size;
    std::size_t base = 0;
    for (; base + block <= size; base += block)
        if (hunt_call_id(data, size, base, newlines16(data + base), found)) return found;
    if (base == size) return found;
    std::array<char, block> padded;
    const auto tail = tail_of(data, size, base, padded);
    hunt_call_id(data, size, base, newlines16(tail.load) >> tail.shift, found);
    return found;
}

[[gnu::target("avx2"), gnu::always_inline]] inline std::uint64_t joined(__m256i a, __m256i b) noexcept {
    return std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(a))} |
           std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(b))} << 32;
}

[[gnu::target("avx2"), gnu::always_inline]] inline __m256i load_avx2(const char* p) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

[[gnu::target("avx2"), gnu::always_inline]] inline std::uint64_t newlines32(const char* p) noexcept {
    const auto lf = _mm256_set1_epi8('\n');
    return joined(_mm256_cmpeq_epi8(load_avx2(p), lf), _mm256_cmpeq_epi8(load_avx2(p + 32), lf));
}

[[gnu::target("avx2")]] void newlines_avx2(const char* data, std::size_t size, std::uint64_t* out) noexcept {
    std::size_t base = 0;
    for (; base + block <= size; base += block) *out++ = newlines32(data + base);
    out[0] = 0;
    out[1] = ~std::uint64_t{0};
    if (base == size) return;
    std::array<char, block> padded;
    const auto tail = tail_of(data, size, base, padded);
    *out = newlines32(tail.load) >> tail.shift;
}

[[gnu::target("avx2")]] std::size_t call_id_avx2(const char* data, std::size_t size) noexcept {
    auto found = size;
    std::size_t base = 0;
    for (; base + block <= size; base += block)
        if (hunt_call_id(data, size, base, newlines32(data + base), found)) return found;
    if (base == size) return found;
    std::array<char, block> padded;
    const auto tail = tail_of(data, size, base, padded);
    hunt_call_id(data, size, base, newlines32(tail.load) >> tail.shift, found);
    return found;
}

constexpr Kernel scalar_kernel{newlines_scalar, call_id_scalar, Isa::scalar};
constexpr Kernel sse_kernel{newlines_sse, call_id_sse, Isa::sse};
constexpr Kernel avx2_kernel{newlines_avx2, call_id_avx2, Isa::avx2};

}  // namespace

constinit const Kernel* active = &scalar_kernel;

bool supported(Isa isa) noexcept {
    __builtin_cpu_init();
    switch (isa) {
        case Isa::avx2:
            return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi") != 0 && __builtin_cpu_supports("bmi2") != 0;
        case Isa::sse:
            return __builtin_cpu_supports("ssse3") != 0;
        case Isa::scalar:
            break;
    }
    return true;
}

const Kernel& kernel(Isa isa) noexcept {
    switch (isa) {
        case Isa::avx2:
            return avx2_kernel;
        case Isa::sse:
            return sse_kernel;
        case Isa::scalar:
            break;
    }
    return scalar_kernel;
}

void force(Isa isa) noexcept { active = &kernel(isa); }

Isa best() noexcept { return supported(Isa::avx2) ? Isa::avx2 : supported(Isa::sse) ? Isa::sse : Isa::scalar; }

namespace {
[[maybe_unused]] const bool chosen = (force(best()), true);
}  // namespace

}  // namespace sipfront::sip::scan

#include "sip/scan.hpp"

#include <array>

#include <immintrin.h>

namespace sipfront::sip::scan {
namespace {

// True when a newline of this block ends an empty line: LF LF or LF CR LF. `before` is the block before's newline mask.
inline bool ends_headers(const char* data, std::size_t base, std::uint64_t newline, std::uint64_t before) noexcept {
    auto near = newline & ((newline << 1 | before >> 63) | (newline << 2 | before >> 62));
    for (; near != 0; near &= near - 1) {
        const auto at = base + static_cast<std::size_t>(std::countr_zero(near));
        if (data[at - 1] == '\n' || (data[at - 1] == '\r' && data[at - 2] == '\n')) return true;
    }
    return false;
}

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
    padded.fill('a');  // no newline, no delimiter
    std::memcpy(padded.data(), data, size);
    return {padded.data(), 0};
}

// Marks block `n` in `out`.
inline void set(Marks& out, std::size_t n, std::uint64_t newline, std::uint64_t delimiter) noexcept {
    out.newline[n] = newline;
    out.delimiter[n] = delimiter;
}

inline std::size_t closed(Marks& out, std::size_t n) noexcept {
    set(out, n, 0, 0);
    return n;
}

// ---- scalar

std::size_t mark_scalar(const char* data, std::size_t size, Marks& out) noexcept {
    std::uint64_t before = 0;
    std::size_t n = 0;
    for (std::size_t base = 0; base < size; base += block) {
        std::uint64_t newline = 0, delimiter = 0;
        for (std::size_t i = 0; i < std::min(block, size - base); ++i) {
            newline |= std::uint64_t{data[base + i] == '\n'} << i;
            delimiter |= std::uint64_t{grammar::is(data[base + i], grammar::delimiter)} << i;
        }
        set(out, n++, newline, delimiter);
        if (ends_headers(data, base, newline, before)) break;
        before = newline;
    }
    return closed(out, n);
}

std::size_t call_id_scalar(const char* data, std::size_t size) noexcept {
    auto found = size;
    for (const char* p = data; (p = static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(data + size - p)))) != nullptr;
         ++p)
        if (hunt_call_id(data, size, static_cast<std::size_t>(p - data), 1, found)) break;
    return found;
}

// ---- vectors: the classes of an octet are the bits that the entries of its two nibbles share

// 1: 0x00-0x1f, 2: SP ", 4: ( , and 8: < > 16: : ; =
alignas(16) constexpr std::array<std::uint8_t, 16> low_nibbles = {3, 1, 3, 1, 1, 1, 1, 1, 5, 1, 17, 17, 13, 17, 9, 1};
alignas(16) constexpr std::array<std::uint8_t, 16> high_nibbles = {1, 1, 6, 24};

inline __m128i table(const std::array<std::uint8_t, 16>& t) noexcept { return _mm_load_si128(reinterpret_cast<const __m128i*>(t.data())); }

[[gnu::target("ssse3"), gnu::always_inline]] inline std::uint64_t newlines_sse(const char* p) noexcept {
    std::uint64_t mask = 0;
    for (unsigned i = 0; i < block; i += 16) {
        const auto v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
        mask |= std::uint64_t{static_cast<std::uint16_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n'))))} << i;
    }
    return mask;
}

[[gnu::target("ssse3"), gnu::always_inline]] inline void mark_block_sse(const char* p, Marks& out, std::size_t n, unsigned shift) noexcept {
    std::uint64_t delimiter = 0;
    for (unsigned i = 0; i < block; i += 16) {
        const auto v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
        const auto low = _mm_shuffle_epi8(table(low_nibbles), v);
        const auto high = _mm_shuffle_epi8(table(high_nibbles), _mm_and_si128(_mm_srli_epi16(v, 4), _mm_set1_epi8(0x0f)));
        const auto classes = _mm_and_si128(low, high);
        const auto plain = _mm_cmpeq_epi8(classes, _mm_setzero_si128());
        delimiter |= std::uint64_t{static_cast<std::uint16_t>(~_mm_movemask_epi8(plain))} << i;
    }
    set(out, n, newlines_sse(p) >> shift, delimiter >> shift);
}

[[gnu::target("ssse3")]] std::size_t mark_sse(const char* data, std::size_t size, Marks& out) noexcept {
    std::uint64_t before = 0;
    std::size_t base = 0, n = 0;
    for (; base + block <= size; base += block) {
        mark_block_sse(data + base, out, n, 0);
        const auto newline = out.newline[n++];
        if (ends_headers(data, base, newline, before)) return closed(out, n);
        before = newline;
    }
    if (base == size) return closed(out, n);
    std::array<char, block> padded;
    const auto tail = tail_of(data, size, base, padded);
    mark_block_sse(tail.load, out, n++, tail.shift);
    return closed(out, n);
}

[[gnu::target("ssse3")]] std::size_t call_id_sse(const char* data, std::size_t size) noexcept {
    auto found = size;
    std::size_t base = 0;
    for (; base + block <= size; base += block)
        if (hunt_call_id(data, size, base, newlines_sse(data + base), found)) return found;
    if (base == size) return found;
    std::array<char, block> padded;
    const auto tail = tail_of(data, size, base, padded);
    hunt_call_id(data, size, base, newlines_sse(tail.load) >> tail.shift, found);
    return found;
}

[[gnu::target("avx2"), gnu::always_inline]] inline std::uint64_t joined(__m256i a, __m256i b) noexcept {
    return std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(a))} |
           std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(b))} << 32;
}

[[gnu::target("avx2"), gnu::always_inline]] inline __m256i load_avx2(const char* p) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

[[gnu::target("avx2"), gnu::always_inline]] inline std::uint64_t newlines_avx2(const char* p) noexcept {
    const auto lf = _mm256_set1_epi8('\n');
    return joined(_mm256_cmpeq_epi8(load_avx2(p), lf), _mm256_cmpeq_epi8(load_avx2(p + 32), lf));
}

[[gnu::target("avx2"), gnu::always_inline]] inline __m256i classes_avx2(const char* p) noexcept {
    const auto v = load_avx2(p);
    const auto low = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table(low_nibbles)), v);
    const auto high = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table(high_nibbles)),
                                          _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(0x0f)));
    return _mm256_and_si256(low, high);
}

// Octets that are in any of the classes.
[[gnu::target("avx2"), gnu::always_inline]] inline std::uint64_t any_avx2(__m256i a, __m256i b) noexcept {
    const auto zero = _mm256_setzero_si256();
    return ~joined(_mm256_cmpeq_epi8(a, zero), _mm256_cmpeq_epi8(b, zero));
}

[[gnu::target("avx2"), gnu::always_inline]] inline void mark_block_avx2(const char* p, Marks& out, std::size_t n, unsigned shift) noexcept {
    const auto a = classes_avx2(p), b = classes_avx2(p + 32);
    set(out, n, newlines_avx2(p) >> shift, any_avx2(a, b) >> shift);
}

[[gnu::target("avx2")]] std::size_t mark_avx2(const char* data, std::size_t size, Marks& out) noexcept {
    std::uint64_t before = 0;
    std::size_t base = 0, n = 0;
    for (; base + block <= size; base += block) {
        mark_block_avx2(data + base, out, n, 0);
        const auto newline = out.newline[n++];
        if (ends_headers(data, base, newline, before)) return closed(out, n);
        before = newline;
    }
    if (base == size) return closed(out, n);
    std::array<char, block> padded;
    const auto tail = tail_of(data, size, base, padded);
    mark_block_avx2(tail.load, out, n++, tail.shift);
    return closed(out, n);
}

[[gnu::target("avx2")]] std::size_t call_id_avx2(const char* data, std::size_t size) noexcept {
    auto found = size;
    std::size_t base = 0;
    for (; base + block <= size; base += block)
        if (hunt_call_id(data, size, base, newlines_avx2(data + base), found)) return found;
    if (base == size) return found;
    std::array<char, block> padded;
    const auto tail = tail_of(data, size, base, padded);
    hunt_call_id(data, size, base, newlines_avx2(tail.load) >> tail.shift, found);
    return found;
}

constexpr Kernel scalar_kernel{mark_scalar, call_id_scalar};
constexpr Kernel sse_kernel{mark_sse, call_id_sse};
constexpr Kernel avx2_kernel{mark_avx2, call_id_avx2};

}  // namespace

constinit const Kernel* active = &scalar_kernel;

bool supported(Isa isa) noexcept {
    __builtin_cpu_init();
    switch (isa) {
        case Isa::avx2:
            return __builtin_cpu_supports("avx2") != 0;
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

// The vectorised look at a message: where its lines end, 64 octets at a time. Three implementations with identical results; the
// widest one that the machine has is chosen at start-up, for the parser too (octet_class.hpp). With `scalar` that takes no short
// cut either: it is the twin that all others are compared with.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <tmmintrin.h>

#include "sip/grammar.hpp"

namespace sipfront::sip::scan {

inline constexpr std::size_t block = 64;
inline constexpr std::size_t longest = 65536;
constexpr std::size_t words_of(std::size_t size) noexcept { return size / block + 2; }

enum class Isa : std::uint8_t { scalar, sse, avx2 };  // sse: SSSE3; avx2: and BMI2

struct Kernel {
    // Where the LFs are: bit i % 64 of out[i / 64] is octet i. Writes words_of(size) words, the last of them all ones. Never reads
    // beyond `size`.
    void (*find_newlines)(const char* data, std::size_t size, std::uint64_t* out) noexcept;
    // Offset of the Call-ID header line (long or compact name); `size` when none comes before the empty line.
    std::size_t (*find_call_id_line)(const char* data, std::size_t size) noexcept;
    Isa isa;
};

// Set before main() and constant from then on.
extern constinit const Kernel* active;

bool supported(Isa isa) noexcept;
const Kernel& kernel(Isa isa) noexcept;
// For tests and benchmarks only: no other thread may be parsing.
void force(Isa isa) noexcept;
Isa best() noexcept;

// Of a word that is not zero.
inline std::size_t lowest(std::uint64_t word) noexcept { return static_cast<unsigned>(std::countr_zero(word)); }

// Walks the LFs that find_newlines() found.
class Newlines {
public:
    // From octet `at` on.
    explicit Newlines(const std::uint64_t* words, std::size_t at = 0) noexcept
        : word_{words + at / block}, left_{*word_ & ~std::uint64_t{0} << at % block}, base_{at / block * block} {}
    // The next one; beyond the text when there is none, and then it is not to be asked again more than a few times.
    [[gnu::always_inline]] std::size_t next() noexcept {
        skip_empty();
        const auto at = base_ + lowest(left_);
        left_ &= left_ - 1;
        return at;
    }
    [[nodiscard]] std::size_t peek() noexcept {
        skip_empty();
        return base_ + lowest(left_);
    }

private:
    [[gnu::always_inline]] void skip_empty() noexcept {
        while (left_ == 0) {
            left_ = *++word_;
            base_ += block;
        }
    }

    const std::uint64_t* word_;
    std::uint64_t left_;
    std::size_t base_;
};

// Walks the octets of a class in [from, end), one by one.
template <int Class>
class PlainCursor {
public:
    PlainCursor(const char* data, std::size_t from, std::size_t end) noexcept : data_{data}, at_{from}, end_{end} {}
    std::size_t next() noexcept {
        while (at_ < end_ && !grammar::is(data_[at_], Class)) ++at_;
        return at_ < end_ ? at_++ : end_;
    }
    void seek(std::size_t from) noexcept { at_ = from; }

private:
    const char* data_;
    std::size_t at_, end_;
};

// Where the readers of values get their cursors from. Breakers are those delimiters that end a URI: controls, SP and any of " < >.
struct Plain {
    const char* data;
    [[nodiscard]] PlainCursor<grammar::delimiter> delimiters(std::size_t from, std::size_t end) const noexcept { return {data, from, end}; }
    [[nodiscard]] PlainCursor<grammar::breaker> breakers(std::size_t from, std::size_t end) const noexcept { return {data, from, end}; }
};

}  // namespace sipfront::sip::scan

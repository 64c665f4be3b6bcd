// The vectorised look at a message: where its lines end and where its structure may change, 64 octets at a time. Three
// implementations with identical results; the widest one that the machine has is chosen at start-up.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "sip/grammar.hpp"

namespace sipfront::sip::scan {

inline constexpr std::size_t block = 64;
inline constexpr std::size_t longest = 65536;

// Bit i of the whole stands for octet i of the message. Only what a scan has been over is written, and one cleared word more.
struct Marks {
    using Bits = std::array<std::uint64_t, longest / block + 2>;
    Bits newline;    // LF
    Bits delimiter;  // controls, SP and any of " ( , : ; < = >
};

struct Kernel {
    // Marks the blocks from the start of the message (at most `longest` octets) through the one with the empty line that ends
    // the headers, or all of them when there is none. Returns how many. Never reads beyond `size`.
    std::size_t (*mark_headers)(const char* data, std::size_t size, Marks& out) noexcept;
    // Offset of the Call-ID header line (long or compact name); `size` when none comes before the empty line.
    std::size_t (*find_call_id_line)(const char* data, std::size_t size) noexcept;
};

enum class Isa : std::uint8_t { scalar, sse, avx2 };

// Set before main() and constant from then on.
extern constinit const Kernel* active;

bool supported(Isa isa) noexcept;
const Kernel& kernel(Isa isa) noexcept;
// For tests and benchmarks only: no other thread may be parsing.
void force(Isa isa) noexcept;
Isa best() noexcept;

// Of a word that is not zero.
inline std::size_t lowest(std::uint64_t word) noexcept { return static_cast<unsigned>(std::countr_zero(word)); }

// The bits of the 57 octets or more from `at` on, the first one lowest.
inline std::uint64_t window(const std::uint64_t* bits, std::size_t at) noexcept {
    std::uint64_t w;
    std::memcpy(&w, reinterpret_cast<const char*>(bits) + at / 8, sizeof w);
    return w >> at % 8;
}

// Walks the marks of [from, end).
class Cursor {
public:
    Cursor(const Marks::Bits& bits, std::size_t from, std::size_t end) noexcept : bits_{bits.data()}, end_{end} { seek(from); }
    // Offset of the next one, `end` or beyond when there is none.
    std::size_t next() noexcept {
        while (word_ == 0) [[unlikely]] {
                base_ = (base_ & ~std::size_t{7}) + block;
                if (base_ >= end_) return end_;
                word_ = window(bits_, base_);
            }
        const auto at = base_ + lowest(word_);
        word_ &= word_ - 1;
        return at;
    }
    // `from` is at most one octet behind the end.
    void seek(std::size_t from) noexcept {
        base_ = from;
        word_ = window(bits_, from);
    }

private:
    const std::uint64_t* bits_;
    std::uint64_t word_;
    std::size_t base_, end_;
};

// The same walk over text that nobody marked.
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

// Of those that another cursor finds, the ones of a class.
template <int Class>
class Among {
public:
    Among(const char* data, Cursor all, std::size_t end) noexcept : data_{data}, all_{all}, end_{end} {}
    std::size_t next() noexcept {
        auto at = all_.next();
        while (at < end_ && !grammar::is(data_[at], Class)) at = all_.next();
        return at;
    }
    void seek(std::size_t from) noexcept { all_.seek(from); }

private:
    const char* data_;
    Cursor all_;
    std::size_t end_;
};

// Where the readers of values get their cursors from: a message that is marked, or plain text. Breakers are those delimiters that
// end a URI: controls, SP and any of " < >.
struct Marked {
    const char* data;
    const Marks& marks;
    [[nodiscard]] Cursor delimiters(std::size_t from, std::size_t end) const noexcept { return {marks.delimiter, from, end}; }
    [[nodiscard]] Among<grammar::breaker> breakers(std::size_t from, std::size_t end) const noexcept {
        return {data, delimiters(from, end), end};
    }
};
struct Plain {
    const char* data;
    [[nodiscard]] PlainCursor<grammar::delimiter> delimiters(std::size_t from, std::size_t end) const noexcept { return {data, from, end}; }
    [[nodiscard]] PlainCursor<grammar::breaker> breakers(std::size_t from, std::size_t end) const noexcept { return {data, from, end}; }
};

}  // namespace sipfront::sip::scan

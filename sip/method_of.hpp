// parse_method() where it is not worth a call. Internal to sip/.
#pragma once

#include <array>
#include <cstring>

#include "sip/grammar.hpp"
#include "sip/message.hpp"

namespace sipfront::sip {

[[gnu::always_inline]] inline Method method_of(std::string_view token) noexcept {
    using grammar::reads;
    const auto* p = token.data();
    switch (token.size()) {
        case 3:
            return reads<"ACK">(p) ? Method::ack : reads<"BYE">(p) ? Method::bye : Method::unknown;
        case 4:
            return reads<"INFO">(p) ? Method::info : Method::unknown;
        case 5:
            return reads<"PRACK">(p) ? Method::prack : reads<"REFER">(p) ? Method::refer : Method::unknown;
        case 6:
            return reads<"INVITE">(p)   ? Method::invite
                   : reads<"CANCEL">(p) ? Method::cancel
                   : reads<"UPDATE">(p) ? Method::update
                   : reads<"NOTIFY">(p) ? Method::notify
                                        : Method::unknown;
        case 7:
            return reads<"OPTIONS">(p)   ? Method::options
                   : reads<"MESSAGE">(p) ? Method::message
                   : reads<"PUBLISH">(p) ? Method::publish
                                         : Method::unknown;
        case 8:
            return reads<"REGISTER">(p) ? Method::register_ : Method::unknown;
        case 9:
            return reads<"SUBSCRIBE">(p) ? Method::subscribe : Method::unknown;
        default:
            return Method::unknown;
    }
}

// A method of up to eight letters as grammar::load64 reads it, and which bits of that decide.
struct alignas(32) MethodWord {
    std::uint64_t text = 0, care = ~std::uint64_t{0};  // nothing that a method begins with
    std::uint32_t length = 0;
    Method method = Method::unknown;

    [[nodiscard, gnu::always_inline]] bool begins(const char* p) const noexcept { return ((grammar::load64(p) ^ text) & care) == 0; }
};

// By a product of the first three letters, which tell them apart.
inline constexpr std::size_t method_words = 16;
constexpr std::size_t method_slot(std::uint32_t start) noexcept { return (start << 8) * 0xc8da380dU >> 28; }
extern const std::array<MethodWord, method_words> method_table;

// The only method of up to eight letters that can begin at `p`, where four octets can be read.
[[gnu::always_inline]] inline const MethodWord& method_candidate(const char* p) noexcept {
    std::uint32_t start;
    std::memcpy(&start, p, sizeof start);
    return method_table[method_slot(start)];
}

}  // namespace sipfront::sip

// The one pass over a message: find its lines, then read each by its usual form (parser.cpp), and octet by octet only what has
// another (parser_odd.cpp). Internal to sip/.
#pragma once

#include "sip/message.hpp"
#include "sip/octet_class.hpp"

namespace sipfront::sip {

// Offset of the first octet that is no keep-alive.
inline std::size_t skip_keep_alive(std::string_view bytes) noexcept {
    std::size_t at = 0;
    while (at < bytes.size() && (bytes[at] == '\r' || bytes[at] == '\n' || bytes[at] == '\0')) ++at;
    return at;
}

// Static functions over arguments, not members over fields: what the pass keeps in registers no store through a pointer to
// characters can force back from memory. What has a usual form is inlined into one function per instruction set.
class Parser {
public:
    static ParseError run(Message& m, const char* data, std::size_t size) noexcept;

private:
    static constexpr ParseError ok = ParseError::none;

    // A Slice as whole numbers.
    struct Extent {
        std::size_t from, end;
        [[nodiscard]] Slice slice() const noexcept { return {static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(end - from)}; }
    };
    static ParseError run_avx2(Message& m, const char* data, std::size_t size) noexcept;
    static ParseError run_sse(Message& m, const char* data, std::size_t size) noexcept;
    static ParseError run_scalar(Message& m, const char* data, std::size_t size) noexcept;
    // Of Octets: octet_class.hpp.
    template <class Octets>
    static ParseError pass(Message& m, const char* data, std::size_t size) noexcept;
    static void reset(Message& m, const char* data, std::size_t size) noexcept;

    // `readable`: before it, Octets::step octets can be loaded; behind it there are no short cuts.
    template <class Octets>
    static ParseError start_line(Message& m, const char* data, std::size_t end, const char* readable) noexcept;
    template <class Octets>
    static ParseError request_line(Message& m, const char* data, std::size_t end, const char* readable) noexcept;
    static ParseError status_line(Message& m, std::string_view line) noexcept;
    static ParseError odd_request_line(Message& m, const char* data, std::size_t end) noexcept;
    static ParseError any_request_line(Message& m, const char* data, std::size_t end) noexcept;
    static ParseError odd_status_line(Message& m, std::string_view line) noexcept;

    // `lines`: behind the start line. `readable`: of names::window octets.
    template <class Octets>
    static ParseError index(Message& m, const char* data, LineFeeds<Octets> lines, const char* readable) noexcept;
    static bool usual_header(Message& m, const char* data, const char* line, const char* last, std::uint32_t& count,
                             std::uint64_t& present) noexcept;
    static ParseError odd_header(Message& m, std::size_t index, const char* data, const char* line, const char* last) noexcept;
    static ParseError repeated(const Message& m, const Header& first, const Header& again) noexcept;
    static bool empty_line(Message& m, const char* line, const char* limit) noexcept;

    static Extent value_of(const Message& m, HeaderId id) noexcept;
    template <class Octets>
    static ParseError values(Message& m, const char* data, const char* readable, const char* word_readable) noexcept;
    static ParseError values_but_missing(Message& m, const char* data) noexcept;
    static bool odd_via(Message& m, const char* data, Slice value) noexcept;
    static bool odd_party(const char* data, Slice value, Party& party) noexcept;
    static ParseError odd_call_id(Message& m, const char* data, Slice value) noexcept;
    static ParseError cseq(Message& m, const char* data, Extent value, const char* word_readable) noexcept;
    static ParseError odd_cseq(Message& m, const char* data, Slice value) noexcept;
    static ParseError numbers(Message& m, const char* data) noexcept;
    static ParseError check_whole(Message& m) noexcept;
};

}  // namespace sipfront::sip

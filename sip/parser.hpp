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
    // Any text.
    static ParseError run(Message& m, std::string_view bytes) noexcept;
    // Avx2::shortest to longest_message octets that begin with no keep-alive.
    static ParseError run_avx2(Message& m, std::string_view bytes) noexcept;

private:
    static constexpr ParseError ok = ParseError::none;
    // Of several errors the first one counts.
    [[gnu::always_inline]] static void note(ParseError found, ParseError& error) noexcept {
        if (error == ok) error = found;
    }

    // A Slice as whole numbers.
    struct Extent {
        std::size_t from, end;
    };
    // Not a constant: the compiler would clear field by field.
    static const detail::Found nothing_found;
    // Of Octets: octet_class.hpp.
    template <class Octets>
    static ParseError pass(Message& m, std::string_view bytes) noexcept;
    template <class Octets>
    static void reset(Message& m, std::string_view bytes) noexcept;

    // `readable`: an offset before which Octets::step octets can be loaded; at it and behind there are no short cuts.
    template <class Octets>
    static ParseError start_line(Message& m, const char* data, std::size_t end, std::size_t readable) noexcept;
    template <class Octets>
    static ParseError request_line(Message& m, const char* data, std::size_t end, std::size_t readable) noexcept;
    template <class Octets>
    static ParseError status_line(Message& m, std::string_view line) noexcept;
    static ParseError odd_request_line(Message& m, const char* data, std::size_t end) noexcept;
    static ParseError any_request_line(Message& m, const char* data, std::size_t end) noexcept;
    static ParseError odd_status_line(Message& m, std::string_view line) noexcept;

    // The LF before a header field, and the same for its record: four_times().
    struct Feed {
        std::size_t at;
        __m128i words;
    };
    static __m128i four_times(std::size_t feed) noexcept;
    // `lines`: behind the start line. `readable`: of names::window octets.
    template <class Octets>
    static void index(Message& m, const char* data, LineFeeds<Octets> lines, std::size_t readable, ParseError& error) noexcept;
    // `present`: bit i says that first_[i] is right.
    static bool usual_header(Message& m, const char* data, Feed& before, std::size_t last, std::size_t& place,
                             std::uint64_t& present) noexcept;
    // Returns where the next one will lie.
    static std::size_t odd_header(Message& m, std::size_t place, std::uint64_t present, const char* data, std::size_t begin,
                                  std::size_t newline, ParseError& error) noexcept;
    static ParseError repeated(const Message& m, const Header& first, const Header& again) noexcept;

    static Extent value_of(const Message& m, HeaderId id) noexcept;
    template <class Octets>
    static void values(Message& m, const char* data, std::size_t readable, std::size_t word_readable, ParseError& error) noexcept;
    static ParseError values_but_missing(Message& m, const char* data) noexcept;
    static ParseError odd_via(Message& m, const char* data) noexcept;
    static bool odd_party(const Message& m, const char* data, HeaderId id, Party& party) noexcept;
    static ParseError odd_call_id(Message& m, const char* data) noexcept;
    static bool usual_cseq(Message& m, const char* data, Extent value, std::size_t word_readable) noexcept;
    static ParseError odd_cseq(Message& m, const char* data) noexcept;
    template <class Octets, HeaderId Id, std::uint32_t Most, ParseError Bad>
    static std::int64_t number(const Message& m, const char* data, ParseError& error) noexcept;
    static ParseError cut(Message& m) noexcept;
};

}  // namespace sipfront::sip

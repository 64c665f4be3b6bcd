#include "sip/parser.hpp"

#include <algorithm>

#include "sip/digits.hpp"
#include "sip/header_names.hpp"
#include "sip/method_of.hpp"
#include "sip/scan.hpp"
#include "sip/typed_headers.hpp"

namespace sipfront::sip {
namespace {

// Header fields of which several must say the same.
constexpr auto single = bit(HeaderId::from) | bit(HeaderId::to) | bit(HeaderId::call_id) | bit(HeaderId::cseq) |
                        bit(HeaderId::max_forwards) | bit(HeaderId::content_length);
// Those that no message lacks (RFC 3261 §8.1.1; Max-Forwards did not exist in RFC 2543).
constexpr auto mandatory = bit(HeaderId::via) | bit(HeaderId::from) | bit(HeaderId::to) | bit(HeaderId::call_id) | bit(HeaderId::cseq);

// More than [[likely]]: what stands for one message in a few, or the compiler would keep half of the pass's state in memory.
[[gnu::always_inline]] inline bool usually(bool holds) noexcept { return __builtin_expect_with_probability(holds, 1, 0.999) != 0; }

}  // namespace

template <class Octets>
[[gnu::always_inline]] inline void Parser::reset(Message& m, std::string_view bytes) noexcept {
    Octets::assign(static_cast<detail::Found&>(m), nothing_found);
    m.wire_ = bytes;
    m.headers_begin_ = m.headers_end_ = m.body_off_ = static_cast<std::uint16_t>(bytes.size());
}

// `end`: where the version begins, a space in front of it.
template <class Octets>
[[gnu::always_inline]] inline ParseError Parser::request_line(Message& m, const char* data, std::size_t end,
                                                              std::size_t readable) noexcept {
    const auto& method = method_candidate(data);
    const std::size_t uri = method.length + 1;
    if (end >= readable || !method.begins(data) || data[uri - 1] != ' ' || !grammar::spells<"sip:">(data + uri) || uri + 4 == end ||
        Stops<Octets, grammar::no_uri>{data}.next(uri + 4) != end) [[unlikely]]
        return any_request_line(m, data, end);
    m.method_ = method.method;
    Text::store(m.method_name_, 0, method.length);
    Text::store(m.request_uri_, uri, end - uri);
    return ok;
}

template <class Octets>
[[gnu::always_inline]] inline ParseError Parser::status_line(Message& m, std::string_view line) noexcept {
    constexpr std::size_t least = 12, readable = 16;
    if (Octets::short_cuts && line.size() > least && grammar::begins<"sip/2.0 ">(line.data()) && line[11] == ' ') [[likely]] {
        static_assert(!Octets::short_cuts || Octets::shortest >= readable);
        const auto status = digits::leading(line.data() + 8);
        if (status.count == 3 && status.number - 100 < 600) {
            m.status_ = static_cast<int>(status.number);
            Text::store(m.reason_, least, line.size() - least);
            return ok;
        }
    }
    return odd_status_line(m, line);
}

template <class Octets>
[[gnu::always_inline]] inline ParseError Parser::start_line(Message& m, const char* data, std::size_t end, std::size_t readable) noexcept {
    constexpr std::string_view tail = " SIP/2.0";
    if (end >= 4 && grammar::spells<"sip/">(data)) return status_line<Octets>(m, {data, end});
    m.is_request_ = true;
    if (end < 12 || !grammar::begins<" sip/2.0">(data + end - tail.size())) [[unlikely]]
        return odd_request_line(m, data, end);
    return request_line<Octets>(m, data, end - tail.size(), readable);
}

// The offset of an LF as four words, for both slices of a header field.
[[gnu::always_inline]] inline __m128i Parser::four_times(std::size_t feed) noexcept {
    return _mm_shufflelo_epi16(_mm_cvtsi32_si128(static_cast<int>(feed)), 0);
}

// Takes a header field of the usual form: a long name, ": ", a value without white space around, CRLF with the LF
// at `last`. Sixteen octets are readable behind `before.at`.
[[gnu::always_inline]] inline bool Parser::usual_header(Message& m, const char* data, Feed& before, std::size_t last, std::size_t& place,
                                                        std::uint64_t& present) noexcept {
    const char* const feed = data + before.at;
    const auto text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(feed + 1));
    const auto& known = names::quick_candidate(text);
    if (!usually(names::reads(text, known))) return false;
    // The line's last four octets, the lowest of no interest: one above SP, CR and LF.
    constexpr std::uint32_t least = 0x0a0d2100, above = 0x0a0e0000;
    std::uint32_t ending;
    std::memcpy(&ending, data + last - 3, sizeof ending);
    if (!usually(ending - least < above - least)) return false;
    if (!usually(static_cast<unsigned char>(feed[known.form.value.off]) > ' ')) return false;
    if (usually((present & known.mark) == 0)) {
        m.first_[static_cast<std::size_t>(known.form.id)] = static_cast<std::uint16_t>(place);
    } else {
        if ((known.mark & single) != 0) return false;
        m.repeated_ |= known.mark;
    }
    present |= known.mark;
    const auto end = four_times(last);
    const auto places = _mm_blend_epi16(_mm_sub_epi16(end, before.words), before.words, 0b0101);
    const auto form = _mm_load_si128(reinterpret_cast<const __m128i*>(&known.form));
    _mm_store_si128(reinterpret_cast<__m128i*>(reinterpret_cast<char*>(m.headers_.data()) + place), _mm_add_epi16(form, places));
    place += sizeof(Header);
    before = {last, end};
    return true;
}

// Finds the header fields from headers_begin() to the empty line. An error does not stop it.
template <class Octets>
[[gnu::always_inline]] inline void Parser::index(Message& m, const char* data, LineFeeds<Octets> lines, std::size_t readable,
                                                 ParseError& error) noexcept {
    // Of the shortest usual header field. So far from where `place` of them end there cannot be too many.
    constexpr std::size_t shortest = std::string_view{"To: x\r\n"}.size(), full = sizeof m.headers_;
    const auto size = m.wire_.size();
    std::size_t place = 0;  // of the next one, as in first_
    std::uint64_t present = 0;
    Feed before{m.headers_begin_ - std::size_t{1}, four_times(m.headers_begin_ - std::size_t{1})};
    auto limit = std::min(readable, before.at + shortest * Message::max_headers);
    while (true) {
        if (!usually(lines.more())) {
            note(ParseError::no_end_of_headers, error);
            break;
        }
        auto last = lines.next();
        if (usually(before.at < limit) && usually(usual_header(m, data, before, last, place, present))) continue;
        const auto line = before.at + 1;
        if (last == line || (last == line + 1 && data[line] == '\r')) {
            m.headers_end_ = static_cast<std::uint16_t>(line);
            m.body_off_ = static_cast<std::uint16_t>(last + 1);
            break;
        }
        auto begin = line;
        if (grammar::is_blank(data[line]) && place != 0 && (m.header_at(place) - 1)->line.end() == line) [[unlikely]] {
            // The line belongs to the one before (RFC 3261 §7.3.1), which is taken back.
            place -= sizeof(Header);
            const auto& h = *m.header_at(place);
            begin = h.line.off;
            if (m.first_[static_cast<std::size_t>(h.id)] == place) present &= ~bit(h.id);
        }
        while (last + 1 < size && grammar::is_blank(data[last + 1]) && lines.more()) last = lines.next();
        place = odd_header(m, place, present, data, begin, last, error);
        present |= m.present_;
        before = {last, four_times(last)};
        limit = std::min(readable, last + shortest * ((full - place) / sizeof(Header)));
    }
    m.present_ |= present;
    m.header_count_ = static_cast<std::uint8_t>(place / sizeof(Header));
}

// Where the value of the first header field with that id lies; there is one.
[[gnu::always_inline]] inline Parser::Extent Parser::value_of(const Message& m, HeaderId id) noexcept {
    const auto& value = m.header_at(m.first_[static_cast<std::size_t>(id)])->value;
    return {value.off, value.end()};
}

// Decodes the values that every message is judged by.
template <class Octets>
[[gnu::always_inline]] inline void Parser::values(Message& m, const char* data, std::size_t readable, std::size_t word_readable,
                                                  ParseError& error) noexcept {
    if (!usually((m.present_ & mandatory) == mandatory)) return note(values_but_missing(m, data), error);
    const auto via = value_of(m, HeaderId::via);
    if (!usually(via.end <= readable) || !usually(plain::via<Octets>(data, via.from, via.end, m.via_))) note(odd_via(m, data), error);
    const auto from = value_of(m, HeaderId::from);
    if (!usually(from.end <= readable) || !usually(plain::party<Octets>(data, from.from, from.end, m.from_)))
        note(odd_party(m, data, HeaderId::from, m.from_) ? ok : ParseError::bad_from, error);
    const auto to = value_of(m, HeaderId::to);
    if (!usually(to.end <= readable) || !usually(plain::party<Octets>(data, to.from, to.end, m.to_)))
        note(odd_party(m, data, HeaderId::to, m.to_) ? ok : ParseError::bad_to, error);
    const auto id = value_of(m, HeaderId::call_id);
    Text::store(m.call_id_, id.from, id.end - id.from);
    if (!usually(id.end <= readable) || id.from == id.end || !usually(Stops<Octets, grammar::no_uri>{data}.next(id.from) == id.end))
        note(odd_call_id(m, data), error);
    if (!usually(usual_cseq(m, data, value_of(m, HeaderId::cseq), word_readable))) note(odd_cseq(m, data), error);
}

// "1 INVITE". False: nothing is said about it.
[[gnu::always_inline]] inline bool Parser::usual_cseq(Message& m, const char* data, Extent value, std::size_t word_readable) noexcept {
    if (!usually(value.end <= word_readable)) return false;
    const auto number = digits::leading(data + value.from);
    const auto at = value.from + number.count + 1;
    const auto& method = method_candidate(data + at);
    if (!usually(number.count != 0) || !usually(data[at - 1] == ' ') || !usually(at + method.length == value.end) ||
        !usually(method.begins(data + at)))
        return false;
    m.cseq_.number = number.number;
    m.cseq_.method = method.method;
    Text::store(m.cseq_.method_name, at, method.length);
    if (m.is_request_) return usually(m.method_ == method.method);
    m.method_ = method.method;
    m.method_name_ = m.cseq_.method_name;
    return true;
}

// Of a header field that holds no more than a number: -1 when there is none.
template <class Octets, HeaderId Id, std::uint32_t Most, ParseError Bad>
[[gnu::always_inline]] inline std::int64_t Parser::number(const Message& m, const char* data, ParseError& error) noexcept {
    const auto* const h = m.first(Id);
    if (h == nullptr) return -1;
    // The start line makes sure of eight octets in front of the value's end.
    const std::size_t length = h->value.len;
    const bool quick = Octets::short_cuts && usually(length - 1 < digits::most);
    const auto n = quick ? digits::trailing(data + h->value.end(), length) : odd_number(m.at(h->value), Most);
    constexpr bool holds_all = Most >= 99'999'999;
    if (usually(n >= 0) && (holds_all || usually(n <= Most))) return n;
    note(Bad, error);
    return -1;
}

// Cuts off what is behind the body.
[[gnu::always_inline]] inline ParseError Parser::cut(Message& m) noexcept {
    const auto length = static_cast<std::size_t>(m.content_length_);
    if (length > m.wire_.size() - m.body_off_) return ParseError::bad_content_length;
    m.wire_ = {m.wire_.data(), m.body_off_ + length};
    return ok;
}

template <class Octets>
[[gnu::always_inline]] inline ParseError Parser::pass(Message& m, std::string_view bytes) noexcept {
    const auto* const data = bytes.data();
    const auto size = bytes.size();
    reset<Octets>(m, bytes);
    LineFeeds<Octets> lines{data, size};
    const auto until = [size](std::size_t octets) { return Octets::short_cuts ? size - octets : 0; };
    static_assert(!Octets::short_cuts || Octets::shortest >= Octets::step);
    auto end = size, next = size;
    if (usually(lines.more())) {
        end = lines.next();
        next = end + 1;
        if (usually(data[end - 1] == '\r')) --end;  // no LF comes first
    }
    auto error = start_line<Octets>(m, data, end, until(Octets::step));
    if (!usually(error != ParseError::not_sip)) return error;
    m.headers_begin_ = static_cast<std::uint16_t>(next);
    index(m, data, lines, until(names::window), error);
    values<Octets>(m, data, until(Octets::step), until(sizeof(std::uint64_t)), error);
    m.max_forwards_ = static_cast<int>(number<Octets, HeaderId::max_forwards, 255, ParseError::bad_max_forwards>(m, data, error));
    m.content_length_ = number<Octets, HeaderId::content_length, 0x7fffffff, ParseError::bad_content_length>(m, data, error);
    if (m.content_length_ >= 0) note(cut(m), error);
    return error;
}

// Everything inlined, so that the compiler may use the wider instructions even where nobody asks for them.
[[gnu::target("avx2,bmi,bmi2"), gnu::flatten]] ParseError Parser::run_avx2(Message& m, std::string_view bytes) noexcept {
    return pass<Avx2>(m, bytes);
}

ParseError Parser::run(Message& m, std::string_view bytes) noexcept {
    if (!bytes.empty()) bytes.remove_prefix(skip_keep_alive(bytes));
    const bool fits = bytes.size() <= longest_message;
    if (bytes.empty() || !fits) {
        pass<Scalar>(m, bytes.substr(0, 0));
        return fits ? ParseError::empty : ParseError::too_long;
    }
    const auto isa = bytes.size() >= Sse::shortest ? scan::active->isa : scan::Isa::scalar;
    return isa == scan::Isa::avx2 ? run_avx2(m, bytes) : isa == scan::Isa::sse ? pass<Sse>(m, bytes) : pass<Scalar>(m, bytes);
}

ParseError Message::parse(std::string_view bytes) noexcept {
    if (usually(bytes.size() - Avx2::shortest <= longest_message - Avx2::shortest) && usually(bytes[0] > '\r') &&
        usually(scan::active->isa == scan::Isa::avx2))
        return Parser::run_avx2(*this, bytes);
    return Parser::run(*this, bytes);
}

std::string_view find_call_id(std::string_view bytes) noexcept {
    const auto* data = bytes.data() + skip_keep_alive(bytes);
    const auto size = static_cast<std::size_t>(bytes.data() + bytes.size() - data);
    const auto line = size == 0 ? size : scan::active->find_call_id_line(data, size);
    if (line == size) return {};
    const std::string_view rest{data + line, size - line};
    const auto value = rest.find(':') + 1;
    auto end = rest.find('\n', value);
    while (end < rest.size() && end + 1 < rest.size() && grammar::is_blank(rest[end + 1])) end = rest.find('\n', end + 1);
    return trim(rest.substr(value, end == std::string_view::npos ? end : end - value));
}

}  // namespace sipfront::sip

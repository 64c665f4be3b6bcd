#include "sip/parser.hpp"

#include <algorithm>

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

}  // namespace

[[gnu::always_inline]] inline void Parser::reset(Message& m, const char* data, std::size_t size) noexcept {
    m.wire_ = {data, size};
    m.is_request_ = false;
    m.method_ = Method::unknown;
    m.status_ = 0;
    m.method_name_ = m.request_uri_ = m.reason_ = m.call_id_ = {};
    m.via_ = {};
    m.from_ = m.to_ = {};
    m.cseq_ = {};
    m.max_forwards_ = -1;
    m.content_length_ = -1;
    m.headers_begin_ = m.headers_end_ = m.body_off_ = static_cast<std::uint16_t>(size);
    m.header_count_ = 0;
    m.present_ = m.repeated_ = 0;
    m.first_.fill(Message::none_);
}

// `end`: where the version begins, a space in front of it.
template <class Octets>
[[gnu::always_inline]] inline ParseError Parser::request_line(Message& m, const char* data, std::size_t end,
                                                              const char* readable) noexcept {
    constexpr std::size_t version = 10;  // and CR LF at most
    if (data + end + version > readable) [[unlikely]]
        return any_request_line(m, data, end);
    const Stops<Octets, grammar::no_uri> stops{data};
    const auto space = stops.next(0), uri = space + 1;
    const auto method = method_of({data, space});
    if (data[space] != ' ' || method == Method::unknown || stops.next(uri) != end || uri == end || scheme_end({data}, uri, end) == npos)
        [[unlikely]]
        return any_request_line(m, data, end);
    m.method_ = method;
    Text::store(m.method_name_, 0, space);
    Text::store(m.request_uri_, uri, end - uri);
    return ok;
}

[[gnu::always_inline]] inline ParseError Parser::status_line(Message& m, std::string_view line) noexcept {
    if (line.size() > 12 && grammar::spells<"sip/2.0 ">(line.data()) && line[11] == ' ') [[likely]] {
        const auto status = grammar::decimal(line.substr(8, 3), 699);
        if (status && *status >= 100) {
            m.status_ = static_cast<int>(*status);
            m.reason_ = Text::slice(12, line.size());
            return ok;
        }
    }
    return odd_status_line(m, line);
}

template <class Octets>
[[gnu::always_inline]] inline ParseError Parser::start_line(Message& m, const char* data, std::size_t end, const char* readable) noexcept {
    constexpr std::string_view tail = " SIP/2.0";
    if (end >= 4 && grammar::spells<"sip/">(data)) return status_line(m, {data, end});
    m.is_request_ = true;
    if (end < 12 || !grammar::spells<" sip/2.0">(data + end - tail.size())) [[unlikely]]
        return odd_request_line(m, data, end);
    return request_line<Octets>(m, data, end - static_cast<std::size_t>(tail.size()), readable);
}

[[gnu::always_inline]] inline bool Parser::empty_line(Message& m, const char* line, const char* limit) noexcept {
    const char* const feed = line + (line < limit && *line == '\r' ? 1 : 0);
    if (feed >= limit || *feed != '\n') return false;
    m.headers_end_ = static_cast<std::uint16_t>(line - m.wire_.data());
    m.body_off_ = static_cast<std::uint16_t>(feed + 1 - m.wire_.data());
    return true;
}

// Takes a header field of the usual form: a long name, ": ", a value without white space around, CRLF with the LF
// at `last`. Sixteen octets are readable at `line`.
[[gnu::always_inline]] inline bool Parser::usual_header(Message& m, const char* data, const char* line, const char* last,
                                                        std::uint32_t& count, std::uint64_t& present) noexcept {
    const auto text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(line));
    const auto colons = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8(':'))));
    const auto& known = names::quick_candidate(line, colons);
    if (!names::reads(text, known)) [[unlikely]]
        return false;
    // The line's last four octets, the lowest of no interest: one above SP, CR and LF.
    constexpr std::uint32_t least = 0x0a0d2100, above = 0x0a0e0000;
    std::uint32_t ending;
    std::memcpy(&ending, last - 3, sizeof ending);
    if (ending - least >= above - least || static_cast<unsigned char>(line[known.form.value.off]) <= ' ' || count == Message::max_headers)
        [[unlikely]]
        return false;
    if ((present & known.mark) != 0) [[unlikely]] {
        if ((known.mark & single) != 0) return false;
        m.repeated_ |= known.mark;
    } else {
        m.first_[static_cast<std::size_t>(known.form.id)] = static_cast<std::uint8_t>(count);
    }
    present |= known.mark;
    // Offset and length are added to both of its slices at once.
    const auto place = static_cast<std::uint32_t>(line - data) | static_cast<std::uint32_t>(last - line) << 16;
    const auto places = _mm_shuffle_epi32(_mm_cvtsi32_si128(static_cast<int>(place)), 0x50);
    const auto form = _mm_load_si128(reinterpret_cast<const __m128i*>(&known.form));
    _mm_store_si128(reinterpret_cast<__m128i*>(&m.headers_[count++]), _mm_add_epi32(form, places));
    return true;
}

// Finds the header fields from headers_begin() to the empty line. An error does not stop it.
template <class Octets>
[[gnu::always_inline]] inline ParseError Parser::index(Message& m, const char* data, LineFeeds<Octets> lines,
                                                       const char* readable) noexcept {
    auto error = ok;
    const char* line = data + m.headers_begin_;
    const char* const limit = data + m.wire_.size();
    std::uint32_t count = 0;
    std::uint64_t present = 0;
    bool ended = empty_line(m, line, limit);
    while (!ended) {
        const char* last = lines.next();
        bool usual = true;
        // All but the last one and what is folded.
        for (; last < readable; last = lines.next()) {
            if (static_cast<unsigned char>(last[1]) <= ' ') break;
            usual = usual_header(m, data, line, last, count, present);
            if (!usual) [[unlikely]]
                break;
            line = last + 1;
        }
        if (last >= limit) break;
        if (last + 1 < limit && grammar::is_blank(last[1]) && lines.peek() < limit) continue;  // RFC 3261 §7.3.1
        ended = empty_line(m, last + 1, limit);
        if (!usual || line >= readable || !usual_header(m, data, line, last, count, present)) [[unlikely]] {
            const auto e = odd_header(m, count, data, line, last);
            if (error == ok) error = e;
            if (e != ParseError::bad_header_line && e != ParseError::too_many_headers) ++count;
            present |= m.present_;
        }
        line = last + 1;
    }
    m.present_ = present;
    m.header_count_ = static_cast<std::uint8_t>(count);
    return error == ok && !ended ? ParseError::no_end_of_headers : error;
}

// Where the value of the first header field with that id lies; there is one.
[[gnu::always_inline]] inline Parser::Extent Parser::value_of(const Message& m, HeaderId id) noexcept {
    std::uint32_t both;
    std::memcpy(&both, &m.headers_[m.first_[static_cast<std::size_t>(id)]].value, sizeof both);
    const std::size_t from = both & 0xffff;
    return {from, from + (both >> 16)};
}

// Decodes the values that every message is judged by.
template <class Octets>
[[gnu::always_inline]] inline ParseError Parser::values(Message& m, const char* data, const char* readable,
                                                        const char* word_readable) noexcept {
    if ((m.present_ & mandatory) != mandatory) [[unlikely]]
        return values_but_missing(m, data);
    auto error = ok;
    const auto judge = [&error](bool good, ParseError e) {
        if (!good && error == ok) [[unlikely]]
            error = e;
    };
    const Stops<Octets, grammar::delimiter> delimiters{data};
    const auto last = static_cast<std::size_t>(readable - data);
    const auto via = value_of(m, HeaderId::via);
    if (via.end > last || !plain::via(data, delimiters, via.from, via.end, m.via_)) [[unlikely]]
        judge(odd_via(m, data, via.slice()), ParseError::bad_via);
    const auto from = value_of(m, HeaderId::from);
    if (from.end > last || !plain::party<Octets>(data, from.from, from.end, m.from_)) [[unlikely]]
        judge(odd_party(data, from.slice(), m.from_), ParseError::bad_from);
    const auto to = value_of(m, HeaderId::to);
    if (to.end > last || !plain::party<Octets>(data, to.from, to.end, m.to_)) [[unlikely]]
        judge(odd_party(data, to.slice(), m.to_), ParseError::bad_to);
    const auto id = value_of(m, HeaderId::call_id);
    Text::store(m.call_id_, id.from, id.end - id.from);
    if (id.from == id.end || id.end > last || Stops<Octets, grammar::no_uri>{data}.next(id.from) != id.end) [[unlikely]] {
        const auto e = odd_call_id(m, data, id.slice());
        judge(e == ok, e);
    }
    const auto numbered = cseq(m, data, value_of(m, HeaderId::cseq), word_readable);
    judge(numbered == ok, numbered);
    return error;
}

// "1 INVITE".
[[gnu::always_inline]] inline ParseError Parser::cseq(Message& m, const char* data, Extent value, const char* word_readable) noexcept {
    const char* const from = data + value.from;
    std::uint32_t number = 0;
    const char* const at = read_digits(from, number);
    const char* const method = at + 1;
    if (*at != ' ' || at == from || at - from > most_digits || method >= word_readable) [[unlikely]]
        return odd_cseq(m, data, value.slice());
    const auto length = static_cast<std::uint32_t>(data + value.end - method);
    if (m.is_request_) {
        // That of the request line, which is nearly always known and no longer than a word.
        if (m.method_ == Method::unknown || length != m.method_name_.len || length > 8 ||
            (grammar::load64(method) ^ grammar::load64(data)) << (64 - 8 * length) != 0) [[unlikely]]
            return odd_cseq(m, data, value.slice());
        m.cseq_.method = m.method_;
    } else {
        const auto known = method_of({method, length});
        if (known == Method::unknown) [[unlikely]]
            return odd_cseq(m, data, value.slice());
        m.method_ = m.cseq_.method = known;
        Text::store(m.method_name_, static_cast<std::size_t>(method - data), length);
    }
    m.cseq_.number = number;
    Text::store(m.cseq_.method_name, static_cast<std::size_t>(method - data), length);
    return ok;
}

[[gnu::always_inline]] inline ParseError Parser::numbers(Message& m, const char* data) noexcept {
    auto error = ok;
    const auto read = [&](HeaderId id, std::uint32_t most, ParseError e) -> long {
        const auto* const h = m.first(id);
        if (h == nullptr) return -1;
        const auto n = read_number(data + h->value.off, data + h->value.end(), most);
        if (n < 0 && error == ok) [[unlikely]]
            error = e;
        return n;
    };
    m.max_forwards_ = static_cast<int>(read(HeaderId::max_forwards, 255, ParseError::bad_max_forwards));
    m.content_length_ = read(HeaderId::content_length, 0x7fffffff, ParseError::bad_content_length);
    return error;
}

[[gnu::always_inline]] inline ParseError Parser::check_whole(Message& m) noexcept {
    if (m.content_length_ < 0) return ok;
    const auto length = static_cast<std::size_t>(m.content_length_);
    if (length > m.wire_.size() - m.body_off_) return ParseError::bad_content_length;
    m.wire_ = m.wire_.substr(0, m.body_off_ + length);
    return ok;
}

template <class Octets>
[[gnu::always_inline]] inline ParseError Parser::pass(Message& m, const char* data, std::size_t size) noexcept {
    reset(m, data, size);
    LineFeeds<Octets> lines{data, data + size};
    const auto newline = std::min(static_cast<std::size_t>(lines.next() - data), size);
    const auto end = newline > 0 && newline < size && data[newline - 1] == '\r' ? newline - 1 : newline;
    const auto until = [data, size](std::size_t octets) { return Octets::short_cuts ? data + (size - octets) : data; };
    static_assert(!Octets::short_cuts || Octets::shortest >= Octets::step);
    auto error = start_line<Octets>(m, data, end, until(Octets::step));
    if (error == ParseError::not_sip) return error;
    m.headers_begin_ = static_cast<std::uint16_t>(std::min(newline + 1, size));
    const auto first = [&error](ParseError e) { error = error == ok ? e : error; };
    first(index(m, data, lines, until(names::window)));
    first(values<Octets>(m, data, until(Octets::step), until(sizeof(std::uint64_t))));
    first(numbers(m, data));
    first(check_whole(m));
    return error;
}

// Everything inlined, so that the compiler may use the wider instructions even where nobody asks for them.
[[gnu::target("avx2,bmi,bmi2"), gnu::flatten]] ParseError Parser::run_avx2(Message& m, const char* data, std::size_t size) noexcept {
    return pass<Avx2>(m, data, size);
}
ParseError Parser::run_sse(Message& m, const char* data, std::size_t size) noexcept { return pass<Sse>(m, data, size); }
ParseError Parser::run_scalar(Message& m, const char* data, std::size_t size) noexcept { return pass<Scalar>(m, data, size); }

ParseError Parser::run(Message& m, const char* data, std::size_t size) noexcept {
    static_assert(Avx2::shortest == Sse::shortest);
    const auto isa = size >= Sse::shortest ? scan::active->isa : scan::Isa::scalar;
    if (isa == scan::Isa::avx2) [[likely]]
        return run_avx2(m, data, size);
    return isa == scan::Isa::sse ? run_sse(m, data, size) : run_scalar(m, data, size);
}

ParseError Message::parse(std::string_view bytes) noexcept {
    const auto skipped = skip_keep_alive(bytes);
    const auto rest = bytes.substr(skipped);
    if (rest.empty() || rest.size() > longest_message) {
        Parser::run(*this, rest.data(), 0);
        return rest.empty() ? ParseError::empty : ParseError::too_long;
    }
    return Parser::run(*this, rest.data(), rest.size());
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

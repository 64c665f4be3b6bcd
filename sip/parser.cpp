// The one pass over a message: find its lines, then read each by its usual form, and octet by octet only what has another.
#include <algorithm>

#include "sip/header_names.hpp"
#include "sip/message.hpp"
#include "sip/scan.hpp"
#include "sip/typed_headers.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {
namespace {

// Header fields of which several must say the same.
constexpr auto single = bit(HeaderId::from) | bit(HeaderId::to) | bit(HeaderId::call_id) | bit(HeaderId::cseq) |
                        bit(HeaderId::max_forwards) | bit(HeaderId::content_length);

// Offset of the first octet that is no keep-alive.
std::size_t skip_keep_alive(std::string_view bytes) noexcept {
    std::size_t at = 0;
    while (at < bytes.size() && (bytes[at] == '\r' || bytes[at] == '\n' || bytes[at] == '\0')) ++at;
    return at;
}

// True for "SIP/" and digits, a dot, digits.
bool is_some_version(std::string_view s) noexcept {
    const auto dot = s.find('.');
    return s.size() >= 4 && iequals(s.substr(0, 4), "SIP/") && dot != std::string_view::npos && dot > 4 && dot + 1 < s.size() &&
           grammar::all(s.substr(4, dot - 4), grammar::digit) && grammar::all(s.substr(dot + 1), grammar::digit);
}

[[gnu::noinline]] bool odd_via(const char* data, Slice value, TopVia& via) noexcept {
    via = {};
    return read_via({data}, value.off, value.end(), scan::Plain{data}, via);
}

[[gnu::noinline]] bool odd_party(const char* data, Slice value, Party& party) noexcept {
    party = {};
    return read_party({data}, value.off, value.end(), scan::Plain{data}, party);
}

}  // namespace

// Static functions over arguments, not members over fields: what the pass keeps in registers no store through a pointer to
// characters can force back from memory.
class Parser {
public:
    static ParseError run(Message& m, const char* data, std::size_t size) noexcept;

private:
    static constexpr ParseError ok = ParseError::none;
    static void reset(Message& m, const char* data, std::size_t size) noexcept;
    static ParseError start_line(Message& m, const char* data, std::size_t end) noexcept;
    static ParseError request_line(Message& m, const char* data, std::size_t end) noexcept;
    static ParseError odd_request_line(Message& m, const char* data, std::size_t end) noexcept;
    static ParseError status_line(Message& m, std::string_view line) noexcept;
    static ParseError odd_status_line(Message& m, std::string_view line) noexcept;
    // `newlines`: all of the message's. `readable`: before it, sixteen octets can be loaded; behind it there are no short cuts.
    static ParseError index(Message& m, const char* data, const std::uint64_t* newlines, const char* readable) noexcept;
    static bool usual_header(Message& m, const char* data, const char* line, const char* last, std::uint32_t& count,
                             std::uint64_t& present) noexcept;
    static ParseError odd_header(Message& m, std::size_t index, const char* data, std::size_t begin, std::size_t newline) noexcept;
    static bool empty_line(Message& m, const char* data, std::size_t at) noexcept;

    static std::uint32_t mark(const Message& m, const char* data, std::uint64_t* words) noexcept;
    static ParseError values(Message& m, const char* data, const char* readable) noexcept;
    static ParseError repeated(const Message& m, const Header& first, const Header& again) noexcept;
    static ParseError call_id(Message& m, const char* data, Slice value, scan::Marks marks, bool quick) noexcept;
    static ParseError cseq(Message& m, const char* data, Slice value) noexcept;
    static ParseError check_whole(Message& m) noexcept;
};

void Parser::reset(Message& m, const char* data, std::size_t size) noexcept {
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

ParseError Parser::run(Message& m, const char* data, std::size_t size) noexcept {
    reset(m, data, size);
    std::array<std::uint64_t, scan::words_of(longest_message)> words;  // only those of this message are ever written
    scan::active->find_newlines(data, size, words.data());
    const auto newline = std::min(scan::Newlines{words.data()}.next(), size);
    const auto end = newline > 0 && newline < size && data[newline - 1] == '\r' ? newline - 1 : newline;
    auto error = start_line(m, data, end);
    if (error == ParseError::not_sip) return error;
    m.headers_begin_ = static_cast<std::uint16_t>(std::min(newline + 1, size));
    const auto first = [&error](ParseError e) { error = error == ok ? e : error; };
    const char* const readable = scan::active->short_cuts ? data + (size - std::min(size, names::window)) : data;
    first(index(m, data, words.data(), readable));
    first(values(m, data, readable));
    first(check_whole(m));
    return error;
}

ParseError Parser::start_line(Message& m, const char* data, std::size_t end) noexcept {
    constexpr std::string_view tail = " SIP/2.0";
    if (end >= 4 && grammar::spells<"sip/">(data)) return status_line(m, {data, end});
    m.is_request_ = true;
    if (end < 12 || !grammar::spells<" sip/2.0">(data + end - tail.size())) return odd_request_line(m, data, end);
    return request_line(m, data, end - static_cast<std::size_t>(tail.size()));
}

// "METHOD SP Request-URI" in [0, end), with a proper version behind.
ParseError Parser::request_line(Message& m, const char* data, std::size_t end) noexcept {
    scan::PlainCursor<grammar::breaker> d{data, 0, end};
    const auto space = d.next();
    const std::string_view method{data, space};
    m.method_name_ = Text::slice(0, space);
    m.method_ = parse_method(method);
    if (space >= end || data[space] != ' ') return ParseError::bad_start_line;
    if (m.method_ == Method::unknown && !grammar::is_token(method)) return ParseError::bad_start_line;
    const auto uri = space + 1;
    m.request_uri_ = Text::slice(uri, end);
    if (uri == end || breaks_uri({data + uri, end - uri})) return ParseError::bad_start_line;
    return scheme_end({data}, uri, end) != npos ? ok : ParseError::bad_request_uri;
}

// Finds out what is wrong with a request line that does not end in " SIP/2.0".
ParseError Parser::odd_request_line(Message& m, const char* data, std::size_t end) noexcept {
    const std::string_view line{data, end};
    const auto trimmed = trim(line);
    const auto last = trimmed.find_last_of(" \t");
    if (last == std::string_view::npos || !iequals(trimmed.substr(last + 1, 4), "SIP/")) return ParseError::not_sip;
    const auto version = trimmed.substr(last + 1);
    if (trimmed.size() == line.size() && is_some_version(version) && !iequals(version, "SIP/2.0")) {
        const auto error = request_line(m, data, last);
        return error == ok ? ParseError::bad_version : error;
    }
    m.method_name_ = Text::slice(0, line.find_first_of(" \t"));
    m.method_ = parse_method(m.method_name());
    return ParseError::bad_start_line;
}

ParseError Parser::status_line(Message& m, std::string_view line) noexcept {
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

ParseError Parser::odd_status_line(Message& m, std::string_view line) noexcept {
    const auto space = line.find(' ');
    const auto version = line.substr(0, space);
    if (!is_some_version(version)) return ParseError::not_sip;
    if (!iequals(version, "SIP/2.0")) return ParseError::bad_version;
    if (space == std::string_view::npos) return ParseError::bad_start_line;
    const auto rest = line.substr(space + 1);
    const auto code = rest.substr(0, rest.find(' '));
    if (code.size() != 3 || !grammar::all(code, grammar::digit))
        return grammar::is_token(code) ? ParseError::bad_status_code : ParseError::bad_start_line;
    const int status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
    if (status < 100 || status > 699) return ParseError::bad_status_code;
    m.status_ = status;
    if (rest.size() > 4) m.reason_ = m.slice(rest.substr(4));
    return ok;
}

// Indexes any header field, folded ones included, from `begin` to its last LF at `newline`. Only bad_header_line and
// too_many_headers leave it out.
[[gnu::noinline]] ParseError Parser::odd_header(Message& m, std::size_t index, const char* data, std::size_t begin,
                                                std::size_t newline) noexcept {
    const auto name_end = scan::PlainCursor<grammar::delimiter>{data, begin, newline}.next();
    auto colon = name_end;
    while (grammar::is_blank(data[colon])) ++colon;  // the LF stops it
    const std::string_view name{data + begin, name_end - begin};
    if (data[colon] != ':' || !grammar::is_token(name)) return ParseError::bad_header_line;
    if (index >= Message::max_headers) return ParseError::too_many_headers;
    auto& h = m.headers_[index];
    h.line = Text::slice(begin, newline + 1);
    h.name_length = static_cast<std::uint16_t>(name.size());
    h.value = Text{data}.trimmed(colon + 1, newline);
    h.id = names::find(name.data(), name.size());
    m.present_ |= bit(h.id);
    auto& first = m.first_[static_cast<std::size_t>(h.id)];
    if (h.id == HeaderId::other) return ok;
    if (first != Message::none_) {
        m.repeated_ |= bit(h.id);
        return repeated(m, m.headers_[first], h);
    }
    first = static_cast<std::uint8_t>(index);
    return ok;
}

bool Parser::empty_line(Message& m, const char* data, std::size_t at) noexcept {
    const auto size = m.wire_.size();
    const std::size_t cr = at < size && data[at] == '\r' ? 1 : 0;
    if (at + cr >= size || data[at + cr] != '\n') return false;
    m.headers_end_ = static_cast<std::uint16_t>(at);
    m.body_off_ = static_cast<std::uint16_t>(at + cr + 1);
    return true;
}

// Takes a header field of the usual form: a long name, ": ", a value without white space around, CRLF with the LF
// at `last`. Sixteen octets are readable at `line`.
[[gnu::always_inline]] inline bool Parser::usual_header(Message& m, const char* data, const char* line, const char* last,
                                                        std::uint32_t& count, std::uint64_t& present) noexcept {
    constexpr std::uint16_t crlf = 0x0a0d;
    const auto text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(line));
    const auto colons = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8(':'))));
    const auto length = static_cast<std::uint32_t>(std::countr_zero(colons | 1U << names::window));
    const auto& known = names::quick_candidate(line, length);
    if (!names::reads(text, known)) [[unlikely]]
        return false;
    std::uint16_t ending;
    std::memcpy(&ending, last - 1, sizeof ending);
    const auto id = static_cast<std::size_t>(known.id);
    if (ending != crlf || static_cast<unsigned char>(line[length + 2]) <= ' ' || static_cast<unsigned char>(last[-2]) <= ' ' ||
        count == Message::max_headers) [[unlikely]]
        return false;
    const auto mark = known.mark;
    if (m.first_[id] == Message::none_) [[likely]] {
        m.first_[id] = static_cast<std::uint8_t>(count);
    } else {
        if ((mark & single) != 0) return false;
        m.repeated_ |= mark;
    }
    present |= mark;
    const auto both = static_cast<std::uint32_t>(line - data) | static_cast<std::uint32_t>(last - line) << 16;
    auto& h = m.headers_[count++];
    Text::store(h.line, both + (1U << 16));
    Text::store(h.value, both + known.value);
    h.name_length = known.length;
    h.id = known.id;
    return true;
}

// Finds the header fields from headers_begin() to the empty line. An error does not stop it.
ParseError Parser::index(Message& m, const char* data, const std::uint64_t* newlines, const char* readable) noexcept {
    scan::Newlines lines{newlines, m.headers_begin_};
    auto error = ok;
    const char* line = data + m.headers_begin_;
    const char* const limit = data + m.wire_.size();
    std::uint32_t count = 0;
    std::uint64_t present = 0;
    bool ended = empty_line(m, data, m.headers_begin_);
    while (!ended) {
        const char* last = data + lines.next();
        // All but the last one and what is folded.
        for (; last < readable; last = data + lines.next()) {
            const auto next = static_cast<unsigned char>(last[1]);
            if (next <= ' ' || !usual_header(m, data, line, last, count, present)) break;
            line = last + 1;
        }
        if (last >= limit) break;
        const auto behind = static_cast<std::size_t>(last - data) + 1;
        if (last + 1 < limit && grammar::is_blank(last[1]) && lines.peek() < m.wire_.size()) continue;  // RFC 3261 §7.3.1: folded
        ended = empty_line(m, data, behind);
        if (line >= readable || !usual_header(m, data, line, last, count, present)) {
            const auto e = odd_header(m, count, data, static_cast<std::size_t>(line - data), behind - 1);
            if (error == ok) error = e;
            if (e != ParseError::bad_header_line && e != ParseError::too_many_headers) ++count;
        }
        line = last + 1;
    }
    m.present_ |= present;
    m.header_count_ = static_cast<std::uint8_t>(count);
    return error == ok && !ended ? ParseError::no_end_of_headers : error;
}

// Finds the delimiters of the values that values() reads from one to the next. Where the last of them ends.
std::uint32_t Parser::mark(const Message& m, const char* data, std::uint64_t* words) noexcept {
    std::uint32_t from = ~0U, to = 0;
    for (const auto id : {HeaderId::via, HeaderId::from, HeaderId::to, HeaderId::call_id}) {
        const auto* h = m.first(id);
        if (h == nullptr) continue;
        from = std::min<std::uint32_t>(from, h->value.off);
        to = std::max(to, h->value.end());
    }
    if (to != 0) scan::active->find_delimiters(data, m.wire_.size(), from / scan::block, to / scan::block, words);
    return to;
}

// Decodes the values that every message is judged by.
ParseError Parser::values(Message& m, const char* data, const char* readable) noexcept {
    auto error = ok;
    const auto judge = [&error](bool good, ParseError e) {
        if (!good && error == ok) error = e;
    };
    std::array<std::uint64_t, scan::words_of(longest_message)> words;  // only those of these values are written
    const scan::Marks marks{words.data()};
    const bool quick = data + mark(m, data, words.data()) <= readable;
    if (const auto* h = m.first(HeaderId::via)) {
        if (!quick || !plain::via(data, marks, h->value.off, h->value.end(), m.via_))
            judge(odd_via(data, h->value, m.via_), ParseError::bad_via);
    } else {
        judge(false, ParseError::missing_via);
    }
    if (const auto* h = m.first(HeaderId::from)) {
        if (!quick || !plain::party(data, marks, h->value.off, h->value.end(), m.from_))
            judge(odd_party(data, h->value, m.from_), ParseError::bad_from);
    } else {
        judge(false, ParseError::missing_from);
    }
    if (const auto* h = m.first(HeaderId::to)) {
        if (!quick || !plain::party(data, marks, h->value.off, h->value.end(), m.to_))
            judge(odd_party(data, h->value, m.to_), ParseError::bad_to);
    } else {
        judge(false, ParseError::missing_to);
    }
    const auto* h = m.first(HeaderId::call_id);
    const auto id = h != nullptr ? call_id(m, data, h->value, marks, quick) : ParseError::missing_call_id;
    judge(id == ok, id);
    h = m.first(HeaderId::cseq);
    const auto number = h != nullptr ? cseq(m, data, h->value) : ParseError::missing_cseq;
    judge(number == ok, number);
    if ((h = m.first(HeaderId::max_forwards)) != nullptr) {
        const auto n = grammar::decimal({data + h->value.off, h->value.len}, 255);
        m.max_forwards_ = n ? static_cast<int>(*n) : -1;
        judge(n.has_value(), ParseError::bad_max_forwards);
    }
    if ((h = m.first(HeaderId::content_length)) != nullptr) {
        const auto n = grammar::decimal({data + h->value.off, h->value.len}, 0x7fffffff);
        m.content_length_ = n ? static_cast<long>(*n) : -1;
        judge(n.has_value(), ParseError::bad_content_length);
    }
    return error;
}

// A header field that came before must say the same. Numbers may be spelled in several ways.
ParseError Parser::repeated(const Message& m, const Header& first, const Header& again) noexcept {
    bool same = true;
    switch (again.id) {
        case HeaderId::content_length:
        case HeaderId::max_forwards: {
            const auto n = grammar::decimal(m.at(first.value), 0x7fffffff);
            same = n && n == grammar::decimal(m.at(again.value), 0x7fffffff);
            break;
        }
        case HeaderId::from:
        case HeaderId::to:
        case HeaderId::call_id:
        case HeaderId::cseq:
            same = m.at(first.value) == m.at(again.value);
            break;
        default:
            break;
    }
    return same ? ok : ParseError::duplicate_header;
}

ParseError Parser::call_id(Message& m, const char* data, Slice value, scan::Marks marks, bool quick) noexcept {
    m.call_id_ = value;
    if (!value) return ParseError::bad_call_id;
    const std::size_t end = value.end();
    if (quick && marks.next(value.off) == end) return ok;
    return Text{data}.is_solid(value.off, end) ? ok : ParseError::bad_call_id;
}

ParseError Parser::cseq(Message& m, const char* data, Slice value) noexcept {
    const std::size_t from = value.off, end = value.end();
    constexpr std::uint64_t highest = 0x7fffffff;  // RFC 3261 §8.1.1.5
    std::uint64_t number = 0;
    auto at = from;
    // At the latest, the line end stops it.
    for (std::uint32_t digit; (digit = static_cast<std::uint32_t>(static_cast<unsigned char>(data[at])) - '0') <= 9; ++at)
        number = std::min(number * 10 + digit, highest + 1);
    auto method = at + 1;
    if (at == end || data[at] != ' ' || grammar::is_lws(data[method])) [[unlikely]]
        method = Text{data}.skip_lws(at, end);
    if (at == from || number > highest || method >= end || method == at) return ParseError::bad_cseq;
    const std::string_view name{data + method, end - method};
    m.cseq_ = {static_cast<std::uint32_t>(number), parse_method(name), Text::slice(method, end)};
    if (m.cseq_.method == Method::unknown && !grammar::is_token(name)) return ParseError::bad_cseq;
    if (m.is_request_) {
        const bool same = m.cseq_.method == m.method_ && (m.method_ != Method::unknown || name == m.method_name());
        return same ? ok : ParseError::cseq_method_mismatch;
    }
    m.method_ = m.cseq_.method;
    m.method_name_ = m.cseq_.method_name;
    return ok;
}

ParseError Parser::check_whole(Message& m) noexcept {
    if (m.content_length_ < 0) return ok;
    const auto length = static_cast<std::size_t>(m.content_length_);
    if (length > m.wire_.size() - m.body_off_) return ParseError::bad_content_length;
    m.wire_ = m.wire_.substr(0, m.body_off_ + length);
    return ok;
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

// The one pass over a message: mark the blocks, then walk lines and delimiters; never octet by octet where marks do.
#include <algorithm>

#include "sip/header_names.hpp"
#include "sip/message.hpp"
#include "sip/scan.hpp"
#include "sip/typed_headers.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {
namespace {

constexpr std::size_t longest_message = 65507;

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

}  // namespace

// Static functions over arguments, not members over fields: what the pass keeps in registers no store through a pointer to
// characters can force back from memory.
class Parser {
public:
    static ParseError run(Message& m, const char* data, std::size_t size) noexcept;

private:
    using Marks = scan::Marks;
    static constexpr ParseError ok = ParseError::none;

    static void reset(Message& m, const char* data, std::size_t size) noexcept;
    static ParseError start_line(Message& m, const char* data, const Marks& marks, std::size_t end) noexcept;
    static ParseError request_line(Message& m, const char* data, const Marks& marks, std::size_t end) noexcept;
    static ParseError odd_request_line(Message& m, const char* data, const Marks& marks, std::size_t end) noexcept;
    static ParseError status_line(Message& m, std::string_view line) noexcept;
    static ParseError index(Message& m, const char* data, const Marks& marks, std::size_t marked) noexcept;
    static bool plain_header(const char* line, std::size_t begin, std::size_t length, std::size_t line_length, Header& h) noexcept;
    static bool odd_header(const char* data, const Marks& marks, std::size_t begin, std::size_t newline, Header& h) noexcept;
    static bool empty_line(Message& m, const char* data, std::size_t at) noexcept;
    static ParseError values(Message& m, const char* data, const Marks& marks) noexcept;
    static ParseError repeated(const Message& m, const Header& first, const Header& again) noexcept;

    using Read = ParseError (*)(Message& m, const char* data, const Marks& marks, std::size_t from, std::size_t end) noexcept;
    static ParseError via(Message& m, const char* data, const Marks& marks, std::size_t from, std::size_t end) noexcept;
    template <Party Message::*Member, ParseError Bad>
    static ParseError party(Message& m, const char* data, const Marks& marks, std::size_t from, std::size_t end) noexcept;
    template <class T, T Message::*Member, std::uint32_t Max, ParseError Bad>
    static ParseError number(Message& m, const char* data, const Marks& marks, std::size_t from, std::size_t end) noexcept;
    static ParseError call_id(Message& m, const char* data, const Marks& marks, std::size_t from, std::size_t end) noexcept;
    static ParseError cseq(Message& m, const char* data, const Marks& marks, std::size_t from, std::size_t end) noexcept;
    // Of the header fields that are decoded during the pass.
    static constexpr std::array<Read, static_cast<std::size_t>(HeaderId::count_)> readers() noexcept;
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
    m.first_.fill(Message::none_);
}

ParseError Parser::run(Message& m, const char* data, std::size_t size) noexcept {
    Marks marks;  // filled as far as the headers go
    reset(m, data, size);
    const auto marked_blocks = scan::active->mark_headers(data, size, marks);
    const auto marked = std::min(size, marked_blocks * scan::block);
    const auto newline = scan::Cursor{marks.newline, 0, marked}.next();
    const auto end = newline > 0 && data[newline - 1] == '\r' ? newline - 1 : newline;
    auto error = start_line(m, data, marks, end);
    if (error == ParseError::not_sip) return error;
    m.headers_begin_ = static_cast<std::uint16_t>(std::min(newline + 1, size));
    const auto first = [&error](ParseError e) { error = error == ok ? e : error; };
    first(index(m, data, marks, marked));
    first(values(m, data, marks));
    first(check_whole(m));
    return error;
}

ParseError Parser::start_line(Message& m, const char* data, const Marks& marks, std::size_t end) noexcept {
    constexpr std::string_view tail = " SIP/2.0";
    if (end >= 4 && grammar::spells<"sip/">(data)) return status_line(m, {data, end});
    m.is_request_ = true;
    if (end < 12 || !grammar::spells<" sip/2.0">(data + end - tail.size())) return odd_request_line(m, data, marks, end);
    return request_line(m, data, marks, end - static_cast<std::size_t>(tail.size()));
}

// "METHOD SP Request-URI" in [0, end), with a proper version behind.
ParseError Parser::request_line(Message& m, const char* data, const Marks& marks, std::size_t end) noexcept {
    scan::Cursor d{marks.delimiter, 0, end};
    const auto space = d.next();
    const std::string_view method{data, space};
    m.method_name_ = Text::slice(0, space);
    m.method_ = parse_method(method);
    if (space >= end || data[space] != ' ') return ParseError::bad_start_line;
    if (m.method_ == Method::unknown && !grammar::is_token(method)) return ParseError::bad_start_line;
    const auto uri = space + 1;
    m.request_uri_ = Text::slice(uri, end);
    const auto colon = d.next();
    for (auto at = colon; at < end; at = d.next())
        if (grammar::breaks_uri(data[at])) return ParseError::bad_start_line;
    if (uri == end) return ParseError::bad_start_line;
    const bool good = colon < end && data[colon] == ':' && colon + 1 < end && is_scheme({data + uri, colon - uri});
    return good ? ok : ParseError::bad_request_uri;
}

// Finds out what is wrong with a request line that does not end in " SIP/2.0".
ParseError Parser::odd_request_line(Message& m, const char* data, const Marks& marks, std::size_t end) noexcept {
    const std::string_view line{data, end};
    const auto trimmed = trim(line);
    const auto last = trimmed.find_last_of(" \t");
    if (last == std::string_view::npos || !iequals(trimmed.substr(last + 1, 4), "SIP/")) return ParseError::not_sip;
    const auto version = trimmed.substr(last + 1);
    if (trimmed.size() == line.size() && is_some_version(version) && !iequals(version, "SIP/2.0")) {
        const auto error = request_line(m, data, marks, last);
        return error == ok ? ParseError::bad_version : error;
    }
    m.method_name_ = Text::slice(0, line.find_first_of(" \t"));
    m.method_ = parse_method(m.method_name());
    return ParseError::bad_start_line;
}

ParseError Parser::status_line(Message& m, std::string_view line) noexcept {
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

ParseError Parser::via(Message& m, const char* data, const Marks& marks, std::size_t from, std::size_t end) noexcept {
    return read_via({data}, from, end, scan::Cursor{marks.delimiter, from, end}, m.via_) ? ok : ParseError::bad_via;
}

template <Party Message::*Member, ParseError Bad>
ParseError Parser::party(Message& m, const char* data, const Marks& marks, std::size_t from, std::size_t end) noexcept {
    return read_party({data}, from, end, scan::Cursor{marks.delimiter, from, end}, m.*Member) ? ok : Bad;
}

template <class T, T Message::*Member, std::uint32_t Max, ParseError Bad>
ParseError Parser::number(Message& m, const char* data, const Marks&, std::size_t from, std::size_t end) noexcept {
    const auto n = grammar::decimal({data + from, end - from}, Max);
    if (!n) return Bad;
    m.*Member = static_cast<T>(*n);
    return ok;
}

constexpr std::array<Parser::Read, static_cast<std::size_t>(HeaderId::count_)> Parser::readers() noexcept {
    std::array<Read, static_cast<std::size_t>(HeaderId::count_)> r{};
    const auto of = [&r](HeaderId id) -> Read& { return r[static_cast<std::size_t>(id)]; };
    of(HeaderId::via) = via;
    of(HeaderId::from) = party<&Message::from_, ParseError::bad_from>;
    of(HeaderId::to) = party<&Message::to_, ParseError::bad_to>;
    of(HeaderId::max_forwards) = number<int, &Message::max_forwards_, 255, ParseError::bad_max_forwards>;
    of(HeaderId::content_length) = number<long, &Message::content_length_, 0x7fffffff, ParseError::bad_content_length>;
    of(HeaderId::call_id) = call_id;
    of(HeaderId::cseq) = cseq;
    return r;
}

// Fills in `h` for a header field whose name is known in its long form and followed by the colon at once, whose value begins
// with no more than one SP and ends with the line. False: it may be a header field all the same.
// Out of line on purpose: inlined into index(), the two would fight for registers.
[[gnu::noinline]] bool Parser::plain_header(const char* line, std::size_t begin, std::size_t length, std::size_t line_length,
                                            Header& h) noexcept {
    if (length + 1 >= line_length) return false;  // no delimiter but the LF, which may be the last octet there is
    const auto id = names::find(line, length);
    const auto from = length + 1 + (line[length + 1] == ' ' ? 1 : 0);
    const auto to = line_length - 1 - (line[line_length - 2] == '\r' ? 1 : 0);
    if (id == HeaderId::other || line[length] != ':' || static_cast<unsigned char>(line[from]) <= ' ' ||
        static_cast<unsigned char>(line[to - 1]) <= ' ')
        return false;
    h.id = id;
    Text::store(h.line, begin, line_length);
    Text::store(h.name, begin, length);
    Text::store(h.value, begin + from, to - from);
    return true;
}

// Any header field, folded ones included, from `begin` to its last LF at `newline`. False: it is none.
[[gnu::noinline]] bool Parser::odd_header(const char* data, const Marks& marks, std::size_t begin, std::size_t newline,
                                          Header& h) noexcept {
    const auto name_end = scan::Cursor{marks.delimiter, begin, newline}.next();
    auto colon = name_end;
    while (grammar::is_blank(data[colon])) ++colon;  // the LF stops it
    const std::string_view name{data + begin, name_end - begin};
    if (data[colon] != ':' || !grammar::is_token(name)) return false;
    h.line = Text::slice(begin, newline + 1);
    h.name = Text::slice(begin, name_end);
    h.value = Text{data}.trimmed(colon + 1, newline);
    h.id = names::find_short(name.data(), name.size());
    return true;
}

bool Parser::empty_line(Message& m, const char* data, std::size_t at) noexcept {
    const auto size = m.wire_.size();
    const std::size_t cr = at < size && data[at] == '\r' ? 1 : 0;
    if (at + cr >= size || data[at + cr] != '\n') return false;
    m.headers_end_ = static_cast<std::uint16_t>(at);
    m.body_off_ = static_cast<std::uint16_t>(at + cr + 1);
    return true;
}

// Finds the header fields from headers_begin() to the empty line. An error does not stop it.
ParseError Parser::index(Message& m, const char* data, const Marks& marks, std::size_t marked) noexcept {
    auto error = ok;
    std::size_t begin = m.headers_begin_, count = 0;
    if (empty_line(m, data, begin)) return ok;
    const auto last_whole = static_cast<std::ptrdiff_t>(m.wire_.size()) - static_cast<std::ptrdiff_t>(names::longest);
    auto name = scan::window(marks.delimiter.data(), begin);
    auto base = begin / scan::block * scan::block;
    auto word = marks.newline[base / scan::block] & ~std::uint64_t{0} << begin % scan::block;
    for (; base < marked; base += scan::block, word = marks.newline[base / scan::block]) {
        for (; word != 0; word &= word - 1) {
            const auto newline = base + scan::lowest(word);
            // The delimiters of the 57 octets or more behind: of the next name, or white space at once.
            const auto behind = scan::window(marks.delimiter.data(), newline + 1);
            bool last = false;
            if ((behind & 1) != 0) [[unlikely]] {
                if (grammar::is_blank(data[newline + 1])) continue;  // RFC 3261 §7.3.1: folded
                last = empty_line(m, data, newline + 1);
            }
            if (count < Message::max_headers) [[likely]] {
                auto& h = m.headers_[count];
                const bool plain = (name & 3) == 0 && name != 0 && static_cast<std::ptrdiff_t>(begin) <= last_whole &&
                                   plain_header(data + begin, begin, scan::lowest(name), newline + 1 - begin, h);
                if (plain || odd_header(data, marks, begin, newline, h)) [[likely]] {
                    ++count;
                } else if (error == ok) {
                    error = ParseError::bad_header_line;
                }
            } else if (error == ok) {
                error = ParseError::too_many_headers;
            }
            begin = newline + 1;
            name = behind;
            m.header_count_ = static_cast<std::uint8_t>(count);
            if (last) return error;
        }
    }
    return error == ok ? ParseError::no_end_of_headers : error;
}

// Decodes the values that every message is judged by.
ParseError Parser::values(Message& m, const char* data, const Marks& marks) noexcept {
    static constexpr auto table = readers();
    auto error = ok;
    for (std::size_t i = 0; i < m.header_count_; ++i) {
        const auto& h = m.headers_[i];
        if (h.id == HeaderId::other) continue;
        auto& first = m.first_[static_cast<std::size_t>(h.id)];
        auto e = ok;
        if (first != Message::none_) {
            e = repeated(m, m.headers_[first], h);
        } else {
            first = static_cast<std::uint8_t>(i);
            if (const auto reader = table[static_cast<std::size_t>(h.id)]) e = reader(m, data, marks, h.value.off, h.value.end());
        }
        if (error == ok) error = e;
    }
    return error;
}

// Numbers may be spelled in several ways; the others must agree octet by octet.
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

ParseError Parser::call_id(Message& m, const char* data, const Marks& marks, std::size_t from, std::size_t end) noexcept {
    m.call_id_ = Text::slice(from, end);
    if (from == end) return ParseError::bad_call_id;
    scan::Cursor d{marks.delimiter, from, end};
    for (auto at = d.next(); at < end; at = d.next())
        if (static_cast<unsigned char>(data[at]) <= 0x20) return ParseError::bad_call_id;
    return ok;
}

ParseError Parser::cseq(Message& m, const char* data, const Marks&, std::size_t from, std::size_t end) noexcept {
    auto at = from;
    std::uint64_t number = 0;
    for (; at < end && grammar::is(data[at], grammar::digit); ++at) {
        number = number * 10 + static_cast<std::uint64_t>(data[at] - '0');
        if (number > 0x7fffffff) return ParseError::bad_cseq;
    }
    auto method = at;
    while (method < end && grammar::is_lws(data[method])) ++method;
    if (at == from || method == at) return ParseError::bad_cseq;
    const std::string_view name{data + method, end - method};
    const bool same = m.is_request_ && name == m.method_name();
    m.cseq_ = {static_cast<std::uint32_t>(number), same ? m.method_ : parse_method(name), Text::slice(method, end)};
    if (same) return ok;
    if (m.cseq_.method == Method::unknown && !grammar::is_token(name)) return ParseError::bad_cseq;
    if (m.is_request_) return ParseError::cseq_method_mismatch;
    m.method_ = m.cseq_.method;
    m.method_name_ = m.cseq_.method_name;
    return ok;
}

ParseError Parser::check_whole(Message& m) noexcept {
    if (!m.first(HeaderId::via)) return ParseError::missing_via;
    if (!m.first(HeaderId::from)) return ParseError::missing_from;
    if (!m.first(HeaderId::to)) return ParseError::missing_to;
    if (!m.first(HeaderId::call_id)) return ParseError::missing_call_id;
    if (!m.first(HeaderId::cseq)) return ParseError::missing_cseq;
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

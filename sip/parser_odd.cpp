// What Parser reads octet by octet: every form that is legal but seldom, and what is wrong with one that is not.
#include <algorithm>

#include "sip/header_names.hpp"
#include "sip/parser.hpp"
#include "sip/typed_headers.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {
namespace {

// True for "SIP/" and digits, a dot, digits.
bool is_some_version(std::string_view s) noexcept {
    const auto dot = s.find('.');
    return s.size() >= 4 && iequals(s.substr(0, 4), "SIP/") && dot != std::string_view::npos && dot > 4 && dot + 1 < s.size() &&
           grammar::all(s.substr(4, dot - 4), grammar::digit) && grammar::all(s.substr(dot + 1), grammar::digit);
}

}  // namespace

constinit const detail::Found Parser::nothing_found{};

std::int64_t odd_number(std::string_view digits, std::uint32_t max) noexcept {
    const auto number = grammar::decimal(digits, max);
    return number ? std::int64_t{*number} : -1;
}

// "METHOD SP Request-URI" in [0, end), with a proper version behind.
ParseError Parser::any_request_line(Message& m, const char* data, std::size_t end) noexcept {
    const auto space = scan::PlainCursor<grammar::breaker>{data, 0, end}.next();
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
        const auto error = any_request_line(m, data, last);
        return error == ok ? ParseError::bad_version : error;
    }
    m.method_name_ = Text::slice(0, line.find_first_of(" \t"));
    m.method_ = parse_method(m.method_name());
    return ParseError::bad_start_line;
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

// Indexes any header field, folded ones included, from `begin` to its last LF. Only bad_header_line and too_many_headers leave it out.
std::size_t Parser::odd_header(Message& m, std::size_t place, std::uint64_t present, const char* data, std::size_t begin,
                               std::size_t newline, ParseError& error) noexcept {
    const auto name_end = scan::PlainCursor<grammar::delimiter>{data, begin, newline}.next();
    auto colon = name_end;
    while (grammar::is_blank(data[colon])) ++colon;  // the LF stops it
    const std::string_view name{data + begin, name_end - begin};
    const bool named = data[colon] == ':' && grammar::is_token(name);
    if (!named || place == sizeof m.headers_) {
        note(named ? ParseError::too_many_headers : ParseError::bad_header_line, error);
        return place;
    }
    auto& h = m.headers_[place / sizeof(Header)];
    h.line = Text::slice(begin, newline + 1);
    h.name_length = static_cast<std::uint16_t>(name.size());
    h.value = Text{data}.trimmed(colon + 1, newline);
    h.id = names::find(name.data(), name.size());
    auto& first = m.first_[static_cast<std::size_t>(h.id)];
    m.present_ |= bit(h.id);
    if (h.id == HeaderId::other) return place + sizeof(Header);
    if ((present & bit(h.id)) == 0) {
        first = static_cast<std::uint16_t>(place);
    } else {
        m.repeated_ |= bit(h.id);
        note(repeated(m, *m.header_at(first), h), error);
    }
    return place + sizeof(Header);
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

// The values of a message that lacks some.
ParseError Parser::values_but_missing(Message& m, const char* data) noexcept {
    auto error = ok;
    const auto judge = [&](HeaderId id, ParseError missing, auto&& read) {
        const auto e = m.first(id) == nullptr ? missing : read();
        if (error == ok) error = e;
    };
    judge(HeaderId::via, ParseError::missing_via, [&] { return odd_via(m, data); });
    judge(HeaderId::from, ParseError::missing_from,
          [&] { return odd_party(m, data, HeaderId::from, m.from_) ? ok : ParseError::bad_from; });
    judge(HeaderId::to, ParseError::missing_to, [&] { return odd_party(m, data, HeaderId::to, m.to_) ? ok : ParseError::bad_to; });
    judge(HeaderId::call_id, ParseError::missing_call_id, [&] { return odd_call_id(m, data); });
    judge(HeaderId::cseq, ParseError::missing_cseq, [&] { return odd_cseq(m, data); });
    return error;
}

ParseError Parser::odd_via(Message& m, const char* data) noexcept {
    const auto value = m.first(HeaderId::via)->value;
    m.via_ = {};
    return read_via({data}, value.off, value.end(), scan::Plain{data}, m.via_) ? ok : ParseError::bad_via;
}

bool Parser::odd_party(const Message& m, const char* data, HeaderId id, Party& party) noexcept {
    const auto value = m.first(id)->value;
    party = {};
    return read_party({data}, value.off, value.end(), scan::Plain{data}, party);
}

ParseError Parser::odd_call_id(Message& m, const char* data) noexcept {
    m.call_id_ = m.first(HeaderId::call_id)->value;
    return m.call_id_ && Text{data}.is_solid(m.call_id_.off, m.call_id_.end()) ? ok : ParseError::bad_call_id;
}

ParseError Parser::odd_cseq(Message& m, const char* data) noexcept {
    const auto value = m.first(HeaderId::cseq)->value;
    const std::size_t from = value.off, end = value.end();
    constexpr std::uint64_t highest = 0x7fffffff;  // RFC 3261 §8.1.1.5
    std::uint64_t number = 0;
    auto at = from;
    for (std::uint32_t digit; (digit = static_cast<std::uint32_t>(static_cast<unsigned char>(data[at])) - '0') <= 9; ++at)
        number = std::min(number * 10 + digit, highest + 1);
    const auto method = Text{data}.skip_lws(at, end);
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

}  // namespace sipfront::sip

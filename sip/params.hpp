// The walk over ";name=value" lists that Via, From and To share, over marked or plain text. RFC 3261 §25.1 (generic-param).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "sip/grammar.hpp"
#include "sip/message.hpp"

namespace sipfront::sip {

// Offsets into one text, all of whose octets are within a Slice's reach.
struct Text {
    const char* data;

    [[nodiscard]] char operator[](std::size_t at) const noexcept { return data[at]; }
    [[nodiscard]] std::string_view view(std::size_t from, std::size_t to) const noexcept { return {data + from, to - from}; }
    [[nodiscard]] std::size_t skip_lws(std::size_t from, std::size_t to) const noexcept {
        while (from < to && grammar::is_lws(data[from])) ++from;
        return from;
    }
    [[nodiscard]] std::size_t trim_end(std::size_t from, std::size_t to) const noexcept {
        while (to > from && grammar::is_lws(data[to - 1])) --to;
        return to;
    }
    [[nodiscard]] Slice trimmed(std::size_t from, std::size_t to) const noexcept {
        from = skip_lws(from, to);
        return slice(from, trim_end(from, to));
    }
    [[nodiscard]] bool is_solid(Slice s) const noexcept {
        for (std::size_t i = s.off; i < s.end(); ++i)
            if (static_cast<unsigned char>(data[i]) <= 0x20) return false;
        return true;
    }
    static Slice slice(std::size_t from, std::size_t to) noexcept {
        return {static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(to - from)};
    }
    // slice() into memory as one 32-bit store: both halves fit, for a message has at most 65,535 octets.
    static void store(Slice& s, std::size_t from, std::size_t length) noexcept {
        static_assert(std::endian::native == std::endian::little);
        const auto both = static_cast<std::uint32_t>(from | length << 16);
        std::memcpy(static_cast<void*>(&s), &both, sizeof both);
    }
};

struct Param {
    Slice name, value;
    Slice whole;
    bool has_value;
};

// LWS, and comments, which RFC 2543 allowed in Via. npos: a comment has no end.
inline constexpr std::size_t npos = std::string_view::npos;
inline std::size_t skip_lws_and_comments(Text t, std::size_t at, std::size_t end) noexcept {
    while (true) {
        at = t.skip_lws(at, end);
        if (at == end || t[at] != '(') return at;
        const auto behind = grammar::comment_end(t.view(at, end), 0);
        if (behind == npos) return npos;
        at += behind;
    }
}

// The parameter that next_param() reads when it is not of the plain form: white space, quotes, comments.
template <class Delimiters>
[[gnu::noinline]] bool odd_param(Text t, Delimiters& d, std::size_t& at, std::size_t end, Param& p) noexcept {
    const auto from = at + 1;
    auto equals = npos, stop = npos;
    bool quoted = false;
    d.seek(from);
    for (at = d.next(); at < end; at = d.next()) {
        const char c = t[at];
        if (c == ';' || c == ',') break;
        if (c == '=') {
            if (equals == npos) equals = at;
        } else if (c == '"') {
            const auto behind = grammar::quoted_end(t.view(at, end), 0);
            if (behind == npos || equals == npos) return false;
            quoted = true;
            d.seek(at + behind);
        } else if (c == '(') {
            const auto behind = skip_lws_and_comments(t, at, end);
            if (behind == npos || (behind < end && t[behind] != ';' && t[behind] != ',')) return false;
            stop = at;
            d.seek(behind);
        }
    }
    if (stop == npos) stop = at;
    p.has_value = equals != npos;
    p.whole = t.trimmed(from, stop);
    p.name = t.trimmed(from, p.has_value ? equals : stop);
    p.value = p.has_value ? t.trimmed(equals + 1, stop) : Slice{};
    return p.name.len != 0 && t.is_solid(p.name) && (quoted || t.is_solid(p.value));
}

// Reads the parameter behind the ';' at `at`, where `d` stands too. On success `at` is at the next ';', at ',' or `end`.
// False: no name, white space inside a name or value, or a quote or comment without end.
template <class Delimiters>
[[gnu::always_inline]] inline bool next_param(Text t, Delimiters& d, std::size_t& at, std::size_t end, Param& p) noexcept {
    const auto from = at + 1;
    const auto ends = [&](std::size_t stop) { return stop >= end || t[stop] == ';' || t[stop] == ','; };
    auto stop = d.next();
    auto name_end = stop;
    p.has_value = stop < end && t[stop] == '=';
    if (p.has_value) stop = d.next();
    if (!ends(stop)) [[unlikely]]
        return odd_param(t, d, at, end, p);
    p.whole = Text::slice(from, stop);
    p.name = Text::slice(from, name_end);
    p.value = p.has_value ? Text::slice(name_end + 1, stop) : Slice{};
    at = stop;
    return name_end != from;
}

}  // namespace sipfront::sip

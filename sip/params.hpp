// The walk over ";name=value" lists that Via, From and To share, over marked or plain text. RFC 3261 §25.1 (generic-param).
#pragma once

#include <algorithm>
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
    // No white space or control inside.
    [[nodiscard]] bool is_solid(std::size_t from, std::size_t to) const noexcept {
        for (; from < to; ++from)
            if (static_cast<unsigned char>(data[from]) <= 0x20) return false;
        return true;
    }
    static Slice slice(std::size_t from, std::size_t to) noexcept {
        return {static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(to - from)};
    }
    // slice() into memory as one 32-bit store, the offset in its low half: both fit, for a message has at most 65,535 octets.
    static void store(Slice& s, std::uint32_t both) noexcept {
        static_assert(std::endian::native == std::endian::little);
        std::memcpy(static_cast<void*>(&s), &both, sizeof both);
    }
    static void store(Slice& s, std::size_t from, std::size_t length) noexcept {
        store(s, static_cast<std::uint32_t>(from | length << 16));
    }
};

// Offsets: `whole` and `name` begin at `from`; the value, if there is one, is [value, end).
struct Param {
    std::size_t from, name_end, value, end;
    bool has_value;

    [[nodiscard]] std::size_t name_length() const noexcept { return name_end - from; }
    [[nodiscard]] Slice value_slice() const noexcept { return has_value ? Text::slice(value, end) : Slice{}; }
    [[nodiscard]] Slice whole() const noexcept { return Text::slice(from, end); }
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
    at = std::min(at, end);
    if (stop == npos) stop = at;
    p.has_value = equals != npos;
    p.from = t.skip_lws(from, stop);
    p.end = t.trim_end(p.from, stop);
    p.name_end = p.has_value ? t.trim_end(p.from, std::max(equals, p.from)) : p.end;
    p.value = p.has_value ? t.skip_lws(equals + 1, p.end) : p.end;
    if (p.has_value && p.end <= equals) p.value = p.end = equals + 1;
    return p.name_end > p.from && t.is_solid(p.from, p.name_end) && (quoted || t.is_solid(p.value, p.end));
}

// Reads the parameter behind the ';' at `at`, where `d` stands too. On success `at` is at the next ';', at ',' or `end`. False:
// no name, white space inside a name or value, or a quote or comment without end.
template <class Delimiters>
[[gnu::always_inline]] inline bool next_param(Text t, Delimiters& d, std::size_t& at, std::size_t end, Param& p) noexcept {
    p.from = at + 1;
    auto stop = d.next();
    p.name_end = stop;
    p.has_value = stop < end && t[stop] == '=';
    p.value = stop + 1;
    if (p.has_value) stop = d.next();
    if (stop >= end) {
        stop = end;
        p.name_end = std::min(p.name_end, end);
    } else if (t[stop] != ';' && t[stop] != ',') [[unlikely]] {
        return odd_param(t, d, at, end, p);
    }
    p.end = at = stop;
    return p.name_end != p.from;
}

}  // namespace sipfront::sip

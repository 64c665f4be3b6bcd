// Breaks a well-formed message at every element of its grammar, one case after the other and always the same ones, as PROTOS c07-sip did
// for INVITE: each word empty, repeated, overlong, binary, a number out of every range; each separator missing, doubled or another one;
// each line missing, repeated, endless; lists and nestings without end; the whole cut at each octet.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sipfront::sim {

class MalformedCases {
public:
    explicit MalformedCases(std::string base) : base_{std::move(base)} {
        const auto is_word = [](char c) {
            return std::string_view{"-.!%*_+`'~"}.find(c) != npos || (c >= '0' && c <= '9') || (c >= '@' && c <= 'Z') ||
                   (c >= 'a' && c <= 'z');
        };
        for (std::size_t at = 0; at < base_.size();) {
            auto end = at;
            while (end < base_.size() && is_word(base_[end]) == is_word(base_[at])) ++end;
            (is_word(base_[at]) ? words_ : separators_).push_back({at, end - at});
            at = end;
        }
        for (std::size_t at = 0, end; at < base_.size() && (end = base_.find("\r\n", at)) != npos && end != at; at = end + 2)
            lines_.push_back({at, end + 2 - at});
    }

    [[nodiscard]] std::size_t size() const {
        return words_.size() * word_breaks + separators_.size() * separator_breaks + lines_.size() * line_breaks + base_.size();
    }
    [[nodiscard]] std::string operator[](std::size_t i) const {
        if (i < words_.size() * word_breaks) return word(words_[i / word_breaks], i % word_breaks);
        i -= words_.size() * word_breaks;
        if (i < separators_.size() * separator_breaks) return separator(separators_[i / separator_breaks], i % separator_breaks);
        i -= separators_.size() * separator_breaks;
        if (i < lines_.size() * line_breaks) return line(lines_[i / line_breaks], i % line_breaks);
        return base_.substr(0, i - lines_.size() * line_breaks);
    }

private:
    struct Span {
        std::size_t off, len;
    };
    static constexpr auto npos = std::string_view::npos;
    static constexpr std::size_t word_breaks = 24, separator_breaks = 20, line_breaks = 16;

    static std::string times(std::string_view what, std::size_t n) {
        std::string s;
        s.reserve(what.size() * n);
        for (std::size_t i = 0; i < n; ++i) s += what;
        return s;
    }
    [[nodiscard]] std::string with(Span s, std::string_view text) const {
        auto out = base_;
        return out.replace(s.off, s.len, text);
    }
    [[nodiscard]] std::string_view at(Span s) const { return std::string_view{base_}.substr(s.off, s.len); }

    [[nodiscard]] std::string word(Span s, std::size_t how) const {
        const std::string old{at(s)};
        static const std::array<std::string, 17> instead{"",
                                                         "-1",
                                                         "0",
                                                         "256",
                                                         "65536",
                                                         "2147483648",
                                                         "4294967296",
                                                         "18446744073709551616",
                                                         times("9", 400),
                                                         "%s%n%x%d",
                                                         "%00%0d%0a%",
                                                         std::string{"\0", 1},
                                                         "\xff\xfe\xc0\x80",
                                                         "\x01\x02\x7f\x1b[2J",
                                                         "\xe2\x80\xae\xf0\x9f\x98\x80",
                                                         "[::ffff:1.2.3.4:5:6:7:8:9]",
                                                         "\"<sip:a@b>;c=\"d"};
        if (how < instead.size()) return with(s, instead[how]);
        switch (how - instead.size()) {
            case 0:
                return with(s, old + old);
            case 1:
                return with(s, times(old + ".", 64));
            case 2:
                return with(s, times("A", 257));
            case 3:
                return with(s, times("A", 4'097));
            case 4:
                return with(s, times("A", 32'769));
            case 5:
                return with(s, old + "\r\n ");
            default:
                return with(s, times("a.", 100) + old + "\r\nX-Smuggled: yes");
        }
    }

    [[nodiscard]] std::string separator(Span s, std::size_t how) const {
        const std::string old{at(s)};
        static const std::array<std::string, 16> instead{"",  " ",  "\t", ",", ";",  ":",  "@",        "<",
                                                         ">", "\"", "=",  "?", "\r", "\n", "\r\n\r\n", "\r\n \r\n"};
        if (how < instead.size()) return with(s, instead[how]);
        switch (how - instead.size()) {
            case 0:
                return with(s, old + old);
            case 1:
                return with(s, times(old, 128));
            case 2:
                return with(s, times("(", 500));
            default:
                return with(s, times(",", 2'000));
        }
    }

    [[nodiscard]] std::string line(Span s, std::size_t how) const {
        const std::string old{at(s)};
        const auto colon = old.find(':');
        const auto name = old.substr(0, colon == npos ? 0 : colon + 1), value = old.substr(name.size(), old.size() - name.size() - 2);
        switch (how) {
            case 0:
                return with(s, "");
            case 1:
                return with(s, old + old);
            case 2:
                return with(s, times(old, 200));
            case 3:
                return with(s, name + "\r\n");
            case 4:
                return with(s, name + value + times("," + value, 300) + "\r\n");
            case 5:
                return with(s, name + value + times(";p=\"\\\"\"", 500) + "\r\n");
            case 6:
                return with(s, name + value + times(";", 3'000) + "\r\n");
            case 7:
                return with(s, name + "\"" + value + "\r\n");
            case 8:
                return with(s, name + times("<", 1'000) + value + times(">", 1'000) + "\r\n");
            case 9:
                return with(s, name + times("\r\n ", 1'000) + value + "\r\n");
            case 10:
                return with(s, name + value + "\n");
            case 11:
                return with(s, name + value + "\r");
            case 12:
                return with(s, ":" + value + "\r\n");
            case 13:
                return with(s, " " + old);
            case 14:
                return with(s, old + times("X-Filler: 1\r\n", 300));
            default:
                return with(s, name + times("\x80", 60'000) + "\r\n");
        }
    }

    std::string base_;
    std::vector<Span> words_, separators_, lines_;
};

}  // namespace sipfront::sim

#include "sip/glance.hpp"

#include "sip/grammar.hpp"
#include "sip/scan.hpp"
#include "sip/token.hpp"
#include "sip/typed_headers.hpp"

namespace sipfront::sip {
namespace {

// What is read behind a value by the vector steps, and of a line for its name.
constexpr std::size_t margin = 16, name_margin = 20;
// What is longer is for the parser.
constexpr std::size_t longest = 4096;
using Words = std::array<std::uint64_t, scan::words_of(longest)>;

bool is_empty_line(std::string_view text, std::size_t at) noexcept {
    return at < text.size() && (text[at] == '\n' || (text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n'));
}

enum class Name : std::uint8_t { other, known, odd };

// Of a letter that is a header field's compact name.
inline Name is_compact(const char* p) noexcept { return p[1] == ':' ? Name::known : grammar::is_lws(p[1]) ? Name::odd : Name::other; }

// Whether the line at `p` is a header field by that long or compact name, the colon right behind. name_margin octets are readable.
template <grammar::Literal Long, char Compact>
[[gnu::always_inline]] inline Name is_named(const char* p, std::size_t& value) noexcept {
    constexpr auto length = Long.view().size();
    if (grammar::spells<Long>(p)) {
        value = length + 1;
        return p[length] == ':' ? Name::known : grammar::is_lws(p[length]) ? Name::odd : Name::other;
    }
    if (Compact == 0 || (p[0] | 0x20) != Compact) return Name::other;
    value = 2;
    return is_compact(p);
}

class Reader {
public:
    Reader(std::string_view text, Glance& g) noexcept : text_{text}, g_{g} {}

    // The header line [from, end), its LF included. False: nothing for a glance.
    [[gnu::always_inline]] bool take(std::size_t from, std::size_t end) noexcept {
        const char* const p = text_.data() + from;
        if (from + name_margin > text_.size()) [[unlikely]]
            return complete() && std::string_view{"vVfFtTiIcC \t"}.find(p[0]) == std::string_view::npos;
        std::size_t value = 0;
        switch (p[0] | 0x20) {
            case 'v':
                return on(is_named<"via", 'v'>(p, value), [&] { return take_via(from, from + value, end); });
            case 'f':
                return on(is_named<"from", 'f'>(p, value), [&] { return keep(from_line, g_.from, from, end); });
            case 't':
                return on(is_named<"to", 't'>(p, value), [&] { return first(to_line) && take_to(from, from + value, end); });
            case 'i':
                return on(is_compact(p), [&] { return take_call_id(from, from + 2, end); });
            case 'c':
                if (is_named<"cseq", 0>(p, value) != Name::other)
                    return on(is_named<"cseq", 0>(p, value), [&] { return keep(cseq_line, g_.cseq, from, end); });
                return on(is_named<"call-id", 0>(p, value), [&] { return take_call_id(from, from + value, end); });
            case 'r':
                if (grammar::spells<"resource-">(p) && grammar::spells<"priority:">(p + 9)) g_.resource_priority = solid(from + 18, end);
                return true;
            default:
                // A fold continues the line before, which has been taken as it stood.
                return !grammar::is_lws(p[0]);
        }
    }
    [[nodiscard]] bool complete() const noexcept { return seen_ == all; }

private:
    static constexpr unsigned via_line = 1, from_line = 2, to_line = 4, call_id_line = 8, cseq_line = 16, all = 31;

    template <class Take>
    static bool on(Name n, Take&& take) noexcept {
        return n == Name::other || (n == Name::known && take());
    }
    // Without line end and the blanks in front.
    [[nodiscard]] std::string_view solid(std::size_t from, std::size_t end) const noexcept {
        while (end > from && grammar::is_lws(text_[end - 1])) --end;
        while (from < end && grammar::is_lws(text_[from])) ++from;
        return text_.substr(from, end - from);
    }
    // False: it was seen before.
    bool first(unsigned field) noexcept {
        const bool fresh = (seen_ & field) == 0;
        seen_ |= field;
        return fresh;
    }
    bool keep(unsigned field, std::string_view& line, std::size_t from, std::size_t end) noexcept {
        line = {text_.data() + from, end - from};
        return first(field);
    }
    bool take_via(std::size_t from, std::size_t value, std::size_t end) noexcept {
        if (!first(via_line)) {
            if (g_.via_count == g_.vias.size()) return false;
            g_.vias[g_.via_count++] = text_.substr(from, end - from);
            return true;
        }
        if (end + margin > text_.size()) return false;
        const auto whole = solid(value, end);
        const auto at = static_cast<std::size_t>(whole.data() - text_.data());
        static_assert(Sse::step <= margin);
        if (!plain::via<Sse>(text_.data(), at, at + whole.size(), g_.via)) return false;
        g_.via_more = text_.substr(g_.via.value.end(), end - g_.via.value.end());
        // Then the transaction's key is the branch (RFC 3261 §17.2.3).
        return g_.via.branch.len > magic_cookie.size() && has_magic_cookie(text_.substr(g_.via.branch.off, g_.via.branch.len));
    }
    bool take_to(std::size_t from, std::size_t value_at, std::size_t end) noexcept {
        const auto value = solid(value_at, end);
        // A parameter would stand behind the bracket that closes the URI, and a tag is one.
        if (value.empty() || value.back() != '>') return false;
        const auto uri = value.front() == '<' ? 0 : value.find('<');
        if (uri == std::string_view::npos || value.find('>', uri) + 1 != value.size()) return false;
        if (uri != 0 && value.substr(0, uri).find_first_of(":;") != std::string_view::npos) return false;
        g_.to = text_.substr(from, static_cast<std::size_t>(value.data() + value.size() - text_.data()) - from);
        return true;
    }
    bool take_call_id(std::size_t from, std::size_t value, std::size_t end) noexcept {
        if (!first(call_id_line)) return false;
        g_.call_id = solid(value, end);
        g_.call_id_line = text_.substr(from, end - from);
        return !g_.call_id.empty();
    }

    std::string_view text_;
    Glance& g_;
    unsigned seen_ = 0;
};

}  // namespace

Method glance_method(std::string_view text) noexcept {
    const auto space = text.substr(0, margin).find(' ');
    if (space == std::string_view::npos || space == 0 || text[space - 1] == '0') return Method::count_;
    return parse_method(text.substr(0, space));
}

bool glance(std::string_view text, Method method, Glance& g) noexcept {
    if (text.size() > longest || text.size() < 2 * margin) return false;
    Words words;
    scan::active->find_newlines(text.data(), text.size(), words.data());
    scan::Newlines newlines{words.data()};
    constexpr std::string_view version = " SIP/2.0\r";
    auto end = newlines.next();
    const auto line = text.substr(0, end);
    const auto space = line.find(' ');
    if (line.size() < space + 2 + version.size() || !line.ends_with(version) || line[space + 1] == ' ') return false;
    g.start(text, method);
    g.method_name = line.substr(0, space);
    g.request_uri = line.substr(space + 1, line.size() - space - 1 - version.size());
    Reader reader{text, g};
    for (bool complete = false; !is_empty_line(text, end + 1);) {
        const auto from = end + 1;
        end = newlines.next();
        if (end >= text.size()) return false;
        if (complete) {
            // The usual rest says nothing to us, and of a header field that comes again the first one counts. But for a fold, which
            // may belong to what was taken last.
            const auto c = text[from] | 0x20;
            if (grammar::is_lws(text[from])) return false;
            if (c != 'v' && c != 'r') continue;
        }
        if (!reader.take(from, end + 1)) return false;
        complete = complete || reader.complete();
    }
    g.headers_end = end + 1;
    return reader.complete();
}

std::string_view glance_ack_tag(std::string_view text, std::size_t length) noexcept {
    constexpr std::string_view name = ";tag=";
    // To is among the first lines, or nobody's business here.
    constexpr int enough = 8;
    if (text.size() > longest || text.size() < 2 * margin) return {};
    Words words;
    scan::active->find_newlines(text.data(), text.size(), words.data());
    scan::Newlines newlines{words.data()};
    auto end = newlines.next();
    for (int i = 0; i < enough && end + 3 < text.size() && !is_empty_line(text, end + 1); ++i) {
        const auto from = end + 1;
        const char* const p = text.data() + from;
        end = newlines.next();
        if ((p[0] | 0x20) != 't' || !(p[1] == ':' || grammar::spells<"to:">(p))) continue;
        if (end >= text.size()) return {};
        auto line = text.substr(from, end - from);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.size() < name.size() + length) return {};
        const auto tail = line.substr(line.size() - name.size() - length);
        return tail.starts_with(name) ? tail.substr(name.size()) : std::string_view{};
    }
    return {};
}

}  // namespace sipfront::sip

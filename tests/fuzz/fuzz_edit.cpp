// Edit lists against a plain model. The input's last octets are the edits: a count, and before it four octets each.
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sip/edit.hpp"
#include "sip/uri.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/fuzz/lists.hpp"

namespace {

using namespace sipfront::sip;

struct Edit {
    std::uint32_t from, to;
    std::string_view text;

    [[nodiscard]] bool takes_away() const { return to > from; }
    [[nodiscard]] bool overlaps(const Edit& o) const {
        if (takes_away() && o.takes_away()) return from < o.to && o.from < to;
        return takes_away() ? from < o.from && o.from < to : o.from < from && from < o.to;
    }
};

using Octets = std::span<const std::uint8_t>;
constexpr std::array<std::string_view, 4> texts{"", "x", "Route: <sip:198.51.100.1;lr>\r\n", ", "};

std::string written(const EditList& edits) {
    std::string out(edits.size() + 1, '\x55');
    CHECK(edits.write({out.data(), out.size() - 1}) == out.size() - 1);
    CHECK(out.back() == '\x55');
    out.pop_back();
    return out;
}

Edit decode(Octets four, std::size_t wire_size) {
    const auto at = [&](std::size_t i) { return static_cast<std::uint32_t>((std::size_t{four[i]} << 8 | four[i + 1]) % (wire_size + 1)); };
    const auto from = at(0);
    const auto length = (four[3] & 4U) != 0 ? 0U : four[2] % 64U;
    return {from, static_cast<std::uint32_t>(std::min<std::size_t>(from + length, wire_size)), texts[four[3] & 3U]};
}

// Replacements anywhere: inserts at one offset in the order they were made and before what takes octets away there.
void check_replacements(const Message& m, Octets script) {
    const auto wire = m.wire();
    EditList edits{m};
    std::vector<Edit> model;
    for (; script.size() >= 4; script = script.subspan(4)) {
        const auto e = decode(script, wire.size());
        if (std::ranges::any_of(model, [&](const Edit& o) { return e.overlaps(o); })) continue;
        edits.replace(e.from, e.to, e.text);
        model.push_back(e);
    }
    if (edits.overflowed()) {
        CHECK(model.size() > EditList::max_edits);
        return;
    }
    std::ranges::stable_sort(
        model, [](const Edit& a, const Edit& b) { return a.from != b.from ? a.from < b.from : !a.takes_away() && b.takes_away(); });
    std::string expected;
    std::size_t at = 0;
    for (const auto& e : model) {
        expected.append(wire.substr(at, e.from - at)).append(e.text);
        at = e.to;
    }
    expected.append(wire.substr(at));
    CHECK(written(edits) == expected);
}

std::vector<std::string_view> values(const Message& m, HeaderId id) {
    std::vector<std::string_view> out;
    for (const auto* h = m.first(id); h != nullptr; h = m.next(h)) {
        std::string_view rest = m.at(h->value), one;
        while (next_value(rest, one)) out.push_back(one);
    }
    return out;
}

std::vector<std::string_view> other_lines(const Message& m, HeaderId id) {
    std::vector<std::string_view> out;
    for (const auto& h : m.headers())
        if (h.id != id) out.push_back(m.at(h.line));
    return out;
}

// Some values of a list-valued header field go, all others and all other lines stay.
void check_erased_values(const Message& m, HeaderId id, Octets script) {
    if (!all_closed(m, id)) return;
    EditList edits{m};
    std::vector<std::string_view> kept;
    std::size_t n = 0, erased = 0;
    const auto goes = [&] { return !script.empty() && ((script[n / 8 % script.size()] >> (n % 8)) & 1U) != 0; };
    for (const auto* h = m.first(id); h != nullptr; h = m.next(h)) {
        std::string_view rest = m.at(h->value), one;
        for (; next_value(rest, one); ++n) {
            if (goes() && (id != HeaderId::via || n != 0)) {
                edits.erase_value(m, *h, one);
                ++erased;
            } else {
                kept.push_back(one);
            }
        }
    }
    if (edits.overflowed()) {
        CHECK(erased > 0);
        return;
    }
    const auto out = written(edits);
    if (erased == 0) CHECK(out == m.wire());
    static Message after;
    CHECK(after.parse(out) == ParseError::none);
    CHECK(values(after, id) == kept);
    CHECK(other_lines(after, id) == other_lines(m, id));
    CHECK(after.body() == m.body());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t script = std::min<std::size_t>(std::size_t{data[size - 1]} % 64 * 4, size - 1);
    const std::string_view input{reinterpret_cast<const char*>(data), size - 1 - script};
    const Octets edits{data + input.size(), script};
    static Message m;
    const auto verdict = m.parse(input);
    check_replacements(m, edits);
    if (verdict != ParseError::none) return 0;
    for (const auto id : {HeaderId::via, HeaderId::route, HeaderId::record_route, HeaderId::contact}) check_erased_values(m, id, edits);
    return 0;
}

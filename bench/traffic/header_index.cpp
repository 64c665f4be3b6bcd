#include "bench/traffic/header_index.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace sipfront::traffic {
namespace {

constexpr std::string_view blanks = " \t\r\n";

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string_view trim(std::string_view s) noexcept {
    const auto from = s.find_first_not_of(blanks);
    return from == std::string_view::npos ? std::string_view{} : s.substr(from, s.find_last_not_of(blanks) - from + 1);
}

struct Known {
    std::string_view name, compact;
    Fault fault;
};
constexpr std::array<Known, 11> known{{{"via", "v", Fault::via},
                                       {"record-route", "", Fault::record_route},
                                       {"route", "", Fault::route},
                                       {"max-forwards", "", Fault::max_forwards},
                                       {"from", "f", Fault::from},
                                       {"to", "t", Fault::to},
                                       {"call-id", "i", Fault::call_id},
                                       {"cseq", "", Fault::cseq},
                                       {"contact", "m", Fault::contact},
                                       {"content-length", "l", Fault::body},
                                       {"content-type", "c", Fault::header}}};

const Known* find_known(std::string_view name) noexcept {
    for (const auto& k : known) {
        if (same_name(name, k.name) || (!k.compact.empty() && same_name(name, k.compact))) return &k;
    }
    return nullptr;
}

Fault fault_of(std::string_view name) noexcept {
    const auto* k = find_known(name);
    return k == nullptr ? Fault::header : k->fault;
}

// A header that each hop changes: compared by rules of its own.
bool is_hop_header(std::string_view name) noexcept {
    return same_name(name, "via") || same_name(name, "record-route") || same_name(name, "route") || same_name(name, "max-forwards");
}

// Our own Via, to which the next hop may add received and rport (RFC 3261 18.2.1, RFC 3581).
bool is_our_via(std::string_view value, std::string_view sent) noexcept {
    if (!value.starts_with(sent)) return false;
    auto rest = value.substr(sent.size());
    while (!rest.empty()) {
        if (!rest.starts_with(";received=") && !rest.starts_with(";rport=")) return false;
        const auto next = rest.find(';', 1);
        rest = next == std::string_view::npos ? std::string_view{} : rest.substr(next);
    }
    return true;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) noexcept {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<HeaderIndex> HeaderIndex::parse(std::string_view text) {
    HeaderIndex index;
    const auto end = text.find("\r\n\r\n");
    const auto line_end = text.find("\r\n");
    if (end == std::string_view::npos || line_end == 0) return std::nullopt;
    index.start_line_ = text.substr(0, line_end);
    index.body_ = text.substr(end + 4);
    for (auto at = line_end + 2; at < end + 2;) {
        auto stop = text.find("\r\n", at);
        while (stop + 2 < end + 2 && (text[stop + 2] == ' ' || text[stop + 2] == '\t')) stop = text.find("\r\n", stop + 2);
        const auto line = text.substr(at, stop - at);
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) return std::nullopt;
        auto name = trim(line.substr(0, colon));
        if (const auto* k = find_known(name)) name = k->name;
        index.headers_.push_back({name, trim(line.substr(colon + 1))});
        at = stop + 2;
    }
    const auto length = index.first("content-length");
    std::size_t octets = 0;
    const auto [p, error] = std::from_chars(length.data(), length.data() + length.size(), octets);
    if (!length.empty() && (error != std::errc{} || p != length.data() + length.size() || octets != index.body_.size()))
        return std::nullopt;
    return index;
}

std::string_view HeaderIndex::first(std::string_view name) const noexcept {
    const auto at = std::ranges::find_if(headers_, [&](const Header& h) { return same_name(h.name, name); });
    return at == headers_.end() ? std::string_view{} : at->value;
}

std::vector<std::string_view> HeaderIndex::values(std::string_view name) const {
    std::vector<std::string_view> all;
    for (const auto& h : headers_) {
        if (!same_name(h.name, name)) continue;
        bool quoted = false, angle = false;
        std::size_t from = 0;
        for (std::size_t i = 0; i <= h.value.size(); ++i) {
            const char c = i < h.value.size() ? h.value[i] : ',';
            if (c == '"') quoted = !quoted;
            if (c == '<' || c == '>') angle = c == '<';
            if (i < h.value.size() && (c != ',' || quoted || angle)) continue;
            all.push_back(trim(h.value.substr(from, i - from)));
            from = i + 1;
        }
    }
    return all;
}

Fault differs(const HeaderIndex& seen, const Expectation& expected) {
    if (seen.start_line() != expected.start_line) return Fault::start_line;
    const auto vias = seen.values("via");
    if (vias.size() != expected.vias || !is_our_via(vias.back(), expected.via)) return Fault::via;
    const auto record_routes = seen.values("record-route");
    if (expected.record_route_count ? record_routes.size() != *expected.record_route_count : record_routes != expected.record_routes) {
        return Fault::record_route;
    }
    if (!seen.values("route").empty()) return Fault::route;
    if (!expected.forwards.empty() && seen.first("max-forwards") != expected.forwards) return Fault::max_forwards;

    const auto like = HeaderIndex::parse(expected.like);
    if (!like) return Fault::malformed;
    std::vector<bool> found(seen.headers().size());
    for (const auto& wanted : like->headers()) {
        std::size_t i = 0;
        while (i < found.size() && (found[i] || !same_name(seen.headers()[i].name, wanted.name))) ++i;
        if (i == found.size() || seen.headers()[i].value != wanted.value) return fault_of(wanted.name);
        found[i] = true;
    }
    for (std::size_t i = 0; i < found.size(); ++i) {
        const auto& h = seen.headers()[i];
        if (found[i] || is_hop_header(h.name)) continue;
        // A second From or Call-ID is wrong anywhere.
        if (!expected.others_allowed || find_known(h.name) != nullptr) return fault_of(h.name);
    }
    return seen.body() == like->body() ? Fault::none : Fault::body;
}

Fault local_response_differs(const HeaderIndex& seen, std::string_view via, std::string_view like) {
    const auto vias = seen.values("via");
    if (vias.size() != 1 || !is_our_via(vias.front(), via)) return Fault::via;
    const auto wanted = HeaderIndex::parse(like);
    if (!wanted) return Fault::malformed;
    for (const auto& h : wanted->headers()) {
        const auto value = seen.first(h.name);
        const bool tagged = same_name(h.name, "to") && value.starts_with(h.value) && value.substr(h.value.size()).starts_with(";tag=");
        if (value != h.value && !tagged) return fault_of(h.name);
    }
    return Fault::none;
}

}  // namespace sipfront::traffic

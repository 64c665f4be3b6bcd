#include "app/config_units.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>
#include <vector>

namespace sipfront::app {

namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

// Largest first, as formatting wants it.
constexpr std::array<Unit, 6> duration_units{
    {{"d", 86'400'000'000'000}, {"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1'000}}};
constexpr std::array<Unit, 4> size_units{{{"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}}};

// The number at the front of `text`, cut off it; nullopt when there is none or it is too long.
std::optional<std::uint64_t> cut_number(std::string_view& text) {
    std::uint64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return n;
}

template <std::size_t N>
std::optional<std::uint64_t> factor_of(const std::array<Unit, N>& units, std::string_view name) {
    const auto u = std::find_if(units.begin(), units.end(), [&](const Unit& unit) { return unit.name == name; });
    return u == units.end() ? std::nullopt : std::optional{u->factor};
}

template <std::size_t N>
std::string with_unit(const std::array<Unit, N>& units, std::uint64_t n, std::string_view rest) {
    for (const auto& u : units)
        if (n != 0 && n % u.factor == 0) return std::to_string(n / u.factor) + std::string{u.name};
    return std::to_string(n) + std::string{rest};
}

std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before = std::exchange(last, row);
    }
    return last[b.size()];
}

}  // namespace

std::optional<core::Duration> parse_duration(std::string_view text) {
    if (text == "0") return core::Duration{0};
    if (text.empty()) return std::nullopt;
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<core::Duration::rep>::max());
    std::uint64_t total = 0;
    while (!text.empty()) {
        const auto n = cut_number(text);
        const auto unit_length = std::min(text.find_first_of("0123456789"), text.size());
        const auto factor = factor_of(duration_units, text.substr(0, unit_length));
        if (!n || !factor || *n > (most - total) / *factor) return std::nullopt;
        total += *n * *factor;
        text.remove_prefix(unit_length);
    }
    return core::Duration{static_cast<core::Duration::rep>(total)};
}

std::string format_duration(core::Duration d) {
    if (d.count() == 0) return "0";
    const auto n = static_cast<std::uint64_t>(d.count());
    return n % 1'000 != 0 ? std::to_string(n / 1'000) + "us" : with_unit(duration_units, n, "ns");
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    const auto n = cut_number(text);
    if (!n) return std::nullopt;
    if (text.empty()) return n;
    const auto factor = factor_of(size_units, text);
    if (!factor || *n > std::numeric_limits<std::uint64_t>::max() / *factor) return std::nullopt;
    return *n * *factor;
}

std::string format_size(std::uint64_t octets) { return with_unit(size_units, octets, ""); }

std::optional<std::string> closest(std::string_view word, std::span<const std::string> candidates) {
    const auto limit = std::max<std::size_t>(1, word.size() / 3);
    for (const auto& c : candidates)
        if (word.size() >= 3 && c.starts_with(word)) return c;
    std::optional<std::string> best;
    auto best_distance = limit + 1;
    for (const auto& c : candidates)
        if (const auto d = distance(word, c); d < best_distance) {
            best_distance = d;
            best = c;
        }
    return best;
}

}  // namespace sipfront::app

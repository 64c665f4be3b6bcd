// Durations, sizes and spelling, as the configuration writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/tick.hpp"

namespace sipfront::app {

// "500ms", "2s", "90m", "12h", "1h30m"; units us, ms, s, m, h, d. No sign, no fraction, no bare number but "0".
std::optional<core::Duration> parse_duration(std::string_view text);
// The same form with the largest unit that divides it: 500ms, 12h. parse_duration gives it back.
std::string format_duration(core::Duration d);

// "1GiB", "512MiB", "64KiB", "1000" (octets).
std::optional<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t octets);

// The candidate that `word` most likely meant (its beginning, or a Damerau-Levenshtein distance of at most a third of its
// length), or nullopt.
std::optional<std::string> closest(std::string_view word, std::span<const std::string> candidates);

}  // namespace sipfront::app

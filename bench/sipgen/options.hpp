// What sipgen was asked to do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/traffic/config.hpp"
#include "core/result.hpp"

namespace sipfront::sipgen {

struct Span {
    double from = 0, to = 0, step = 0;
};

struct Options {
    enum class Io { sockets, dpdk };
    enum class Mode { rate, search, ramp, raw };

    Io io = Io::sockets;
    Mode mode = Mode::rate;
    traffic::Config traffic;
    double rate = 0;
    Span span;  // of a search or a ramp; calls a second
    double seconds = 10, warm_up = 0, drain = 4, settle = 0.5;
    double max_failed = 1e-4;
    std::string client_netns, host_netns;
    std::string device, eal, file_prefix = "sipgen";
    std::uint32_t memory_mb = 128;
    bool huge_pages = true;
    int core = -1;  // -1: not pinned
    bool spin = false, quiet = false;
    std::string json, plot;
    std::uint32_t raw_bytes = 0, raw_window = 512;  // raw: frames of that size, so many under way
};

// Ends the program after --help and for wrong usage (`exit_status` is set then).
std::optional<Options> parse_options(int argc, char** argv, int& exit_status);

inline constexpr int within = 0, beyond = 1, bad_usage = 2;

}  // namespace sipfront::sipgen

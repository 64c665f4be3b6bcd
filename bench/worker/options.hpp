// What bench_worker was asked to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sipfront::bench {

struct Options {
    double rate = 20'000, hold_s = 10, delay_s = 0, seconds = 60, warm_s = 45;
    std::uint32_t at_once = 8, workers = 1, invite_bytes = 0;
    std::uint32_t dialogs = 0;  // not 0: hold and warm-up follow from it
    bool long_texts = false, registrations = false, one_queue = false, small_pages = false, refuse = false, journal = false;
    std::string json;
};

// Ends the program after --help and for wrong usage (`exit_status` is set then).
std::optional<Options> parse_options(int argc, char** argv, int& exit_status);

}  // namespace sipfront::bench

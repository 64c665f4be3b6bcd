// A run's results for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "bench/sipgen/options.hpp"
#include "bench/sipgen/raw.hpp"
#include "bench/sipgen/summary.hpp"
#include "core/result.hpp"

namespace sipfront::sipgen {

struct Report {
    std::vector<Summary> steps;  // in the order they were run
    double best = 0;             // highest rate that passed
    bool within = false;         // what the exit status says
    std::vector<std::string> samples;
};

// The step the run is judged by: the best that passed, else the last.
const Summary& verdict(const Report& report);

std::string table(const Options& options, const Report& report);
core::Status write_json(const Options& options, const Report& report, const std::string& file);
std::string table(const RawResult& result);
core::Status write_json(const RawResult& result, const std::string& file);
// .svg, or .png through rsvg-convert.
core::Status write_plot(const Options& options, const Report& report, const std::string& file);

}  // namespace sipfront::sipgen

// The chart of a run: latencies over their percentiles, and, for several rates, failures and latency over the rate.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/sipgen/report.hpp"

namespace sipfront::sipgen {
namespace {

constexpr double width = 760, height = 300, left = 70, right = 20, top = 36, bottom = 46;
constexpr std::array colours{"#1f6feb", "#d1242f", "#1a7f37", "#8250df", "#9a6700"};

struct Series {
    std::string name;
    std::vector<std::pair<double, double>> points;
};
struct Axis {
    std::string title;
    double from = 0, to = 1;
    bool logarithmic = false;
    std::vector<std::pair<double, std::string>> ticks;

    [[nodiscard]] double share(double v) const {
        if (logarithmic) return std::log(std::max(v, from) / from) / std::log(to / from);
        return (v - from) / (to - from);
    }
};

std::string number(double v) {
    return v >= 1e6 ? fmt::format("{:g}M", v / 1e6) : v >= 1e3 ? fmt::format("{:g}k", v / 1e3) : fmt::format("{:g}", v);
}

Axis decades(std::string title, double least, double most) {
    Axis a{std::move(title), std::pow(10, std::floor(std::log10(std::max(least, 1e-9)))), 0, true, {}};
    a.to = std::pow(10, std::ceil(std::log10(std::max(most, a.from * 10))));
    const auto count = static_cast<int>(std::lround(std::log10(a.to / a.from)));
    for (int i = 0; i <= count; ++i) {
        const auto v = a.from * std::pow(10, i);
        a.ticks.emplace_back(v, number(v));
    }
    return a;
}

Axis linear(std::string title, double from, double to) {
    Axis a{std::move(title), from, to > from ? to : from + 1, false, {}};
    const auto raw = (a.to - a.from) / 6;
    const auto magnitude = std::pow(10, std::floor(std::log10(raw)));
    const auto step = magnitude * (raw / magnitude > 5 ? 10 : raw / magnitude > 2 ? 5 : 2);
    const auto first = std::ceil(a.from / step);
    for (int i = 0; (first + i) * step <= a.to; ++i) a.ticks.emplace_back((first + i) * step, number((first + i) * step));
    return a;
}

std::string chart(double y0, std::string_view title, const Axis& x, const Axis& y, const std::vector<Series>& all) {
    const auto px = [&](double v) { return left + x.share(v) * (width - left - right); };
    const auto py = [&](double v) { return y0 + height - bottom - y.share(v) * (height - top - bottom); };
    const double floor = y0 + height - bottom;
    auto svg = fmt::format("<text x='{}' y='{}' class='t'>{}</text>\n", left, y0 + 20, title);
    for (const auto& [v, text] : x.ticks) {
        svg += fmt::format("<path d='M{0:.1f} {1}V{2}' class='g'/><text x='{0:.1f}' y='{3}' class='m'>{4}</text>\n", px(v), y0 + top, floor,
                           floor + 16, text);
    }
    for (const auto& [v, text] : y.ticks) {
        svg += fmt::format("<path d='M{1} {0:.1f}H{2}' class='g'/><text x='{3}' y='{4:.1f}' class='e'>{5}</text>\n", py(v), left,
                           width - right, left - 6, py(v) + 4, text);
    }
    svg += fmt::format("<text x='{}' y='{}' class='m'>{}</text><text transform='translate(16 {}) rotate(-90)' class='m'>{}</text>\n",
                       (left + width - right) / 2, floor + 34, x.title, y0 + (height - bottom + top) / 2, y.title);
    for (std::size_t i = 0; i < all.size(); ++i) {
        std::string path;
        for (const auto& [vx, vy] : all[i].points) path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", px(vx), py(vy));
        const auto* colour = colours[i % colours.size()];
        svg += fmt::format("<path d='{}' fill='none' stroke='{}' stroke-width='2'/>\n", path, colour);
        for (const auto& [vx, vy] : all[i].points) {
            if (all[i].points.size() < 40)
                svg += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='2.5' fill='{}'/>\n", px(vx), py(vy), colour);
        }
        svg += fmt::format("<text x='{}' y='{}' fill='{}'>{}</text>\n", left + 10, y0 + top + 16 + 16 * static_cast<double>(i), colour,
                           all[i].name);
    }
    return svg;
}

// Values over percentiles, the axis stretched towards 100 % so that tails show.
std::string percentile_chart(double y0, const Summary& s) {
    std::vector<Series> all;
    double least = 1e12, most = 1;
    for (const auto& l : s.latencies) {
        if (l.count == 0) continue;
        Series series{l.name, {}};
        std::uint64_t seen = 0;
        for (const auto& [us, n] : l.buckets) {
            seen += n;
            const auto beyond = static_cast<double>(l.count) / std::max(1.0, static_cast<double>(l.count - seen));
            series.points.emplace_back(std::min(beyond, 1e5), std::max(us, 0.1));
            least = std::min(least, std::max(us, 0.1));
            most = std::max(most, us);
        }
        all.push_back(std::move(series));
    }
    const Axis x{
        "percentile", 1, 1e5, true, {{1, "0"}, {2, "50"}, {10, "90"}, {100, "99"}, {1000, "99.9"}, {1e4, "99.99"}, {1e5, "99.999"}}};
    return chart(y0, fmt::format("Latency at {:.0f} calls/s", s.rate), x, decades("microseconds", least, most), all);
}

std::string rate_charts(double y0, const Options& options, const Report& report) {
    auto steps = report.steps;
    std::ranges::sort(steps, {}, &Summary::rate);
    Series failed{"failed + wrong", {}}, limit{"limit", {}}, p50{"added p50", {}}, p99{"added p99", {}}, answer{"answer p99", {}};
    double worst = 1e-6, slowest = 1;
    for (const auto& s : steps) {
        failed.points.emplace_back(s.rate, 100 * std::max(s.failed_share(), 1e-7));
        limit.points.emplace_back(s.rate, 100 * options.max_failed);
        worst = std::max(worst, 100 * s.failed_share());
        p50.points.emplace_back(s.rate, std::max(0.1, s.latencies[0].p50));
        p99.points.emplace_back(s.rate, std::max(0.1, s.latencies[0].p99));
        answer.points.emplace_back(s.rate, std::max(0.1, s.latencies[2].p99));
        slowest = std::max({slowest, s.latencies[0].p99, s.latencies[2].p99});
    }
    const auto x = linear("calls a second offered", 0, steps.back().rate);
    return chart(y0, "Calls that failed", x, decades("% of calls", 1e-5, worst), {failed, limit}) +
           chart(y0 + height, "Latency over the rate", x, decades("microseconds", 1, slowest), {p50, p99, answer});
}

std::string svg_of(const Options& options, const Report& report) {
    const bool several = report.steps.size() > 1;
    auto svg = fmt::format(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{0}' height='{1}' viewBox='0 0 {0} {1}' font-family='sans-serif' font-size='12'>\n"
        "<style>.t{{font-size:15px;font-weight:bold}}.g{{stroke:#ddd;fill:none}}.m{{text-anchor:middle}}.e{{text-anchor:end}}</style>\n"
        "<rect width='100%' height='100%' fill='white'/>\n",
        width, several ? 3 * height : height);
    if (several) svg += rate_charts(0, options, report);
    return svg + percentile_chart(several ? 2 * height : 0, verdict(report)) + "</svg>\n";
}

core::Status convert(const std::string& svg, const std::string& png) {
    std::array<std::string, 5> words{"rsvg-convert", "--zoom=2", "-o", png, svg};
    std::array<char*, 6> argv{};
    for (std::size_t i = 0; i < words.size(); ++i) argv[i] = words[i].data();
    pid_t child = 0;
    int status = 1;
    if (posix_spawnp(&child, "rsvg-convert", nullptr, nullptr, argv.data(), environ) != 0 || waitpid(child, &status, 0) < 0 ||
        status != 0) {
        return core::Error{fmt::format("{}: rsvg-convert (package librsvg2-bin) failed; --plot FILE.svg needs none", png)};
    }
    return core::Done{};
}

}  // namespace

core::Status write_plot(const Options& options, const Report& report, const std::string& file) {
    if (report.steps.empty()) return core::Error{"nothing to plot"};
    const bool png = file.ends_with(".png");
    const auto svg = png ? file + ".svg" : file;
    {
        std::ofstream out{svg};
        out << svg_of(options, report);
        if (!out.flush()) return core::Error{fmt::format("{}: {}", svg, std::strerror(errno))};
    }
    if (!png) return core::Done{};
    auto status = convert(svg, file);
    ::unlink(svg.c_str());
    return status;
}

}  // namespace sipfront::sipgen

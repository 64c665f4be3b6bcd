#include "bench/sipgen/report.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/traffic/messages.hpp"

namespace sipfront::sipgen {
namespace {

std::string_view mode_name(Options::Mode m) {
    switch (m) {
        case Options::Mode::search:
            return "search";
        case Options::Mode::ramp:
            return "ramp";
        case Options::Mode::raw:
            return "raw";
        default:
            return "rate";
    }
}

void add_counts(std::string& text, std::string_view title, const std::map<std::string, std::uint64_t>& counts) {
    for (const auto& [name, n] : counts) {
        if (n > 0) text += fmt::format("  {:<28} {:>12}\n", fmt::format("{}{}", title, name), n);
    }
}

std::string detail(const Summary& s) {
    auto text = fmt::format("\nat {:.0f} calls/s for {:.1f} s\n", s.rate, s.seconds);
    const auto share = [&](std::uint64_t n) { return s.placed == 0 ? 0 : 100.0 * static_cast<double>(n) / static_cast<double>(s.placed); };
    text += fmt::format("  {:<28} {:>12}\n", "placed", s.placed);
    for (const auto& [name, n] : s.outcomes) {
        if (n > 0) text += fmt::format("  {:<28} {:>12}   {:.4f} %\n", name, n, share(n));
    }
    add_counts(text, "mangled: ", s.faults);
    add_counts(text, "status ", s.statuses);
    for (const auto& [name, n] : s.events) {
        if (n > 0 && name != "placed") text += fmt::format("  {:<28} {:>12}\n", name, n);
    }
    text += fmt::format("  {:<28} {:>12}\n  {:<28} {:>12}\n", "packets received", s.packets.received, "packets sent", s.packets.sent);
    if (s.packets.send_dropped > 0) text += fmt::format("  {:<28} {:>12}\n", "packets not sent", s.packets.send_dropped);
    if (s.packets.ignored > 0) text += fmt::format("  {:<28} {:>12}\n", "frames ignored", s.packets.ignored);
    text += fmt::format("  {:<28} {:>12}\n  {:<28} {:>11.1f}%\n", "calls open at most", s.open_most, "generator busy", 100 * s.busy);
    text += fmt::format("\n  {:<16} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "microseconds", "count", "mean", "p50", "p90", "p99",
                        "p99.9", "max");
    for (const auto& l : s.latencies) {
        if (l.count == 0) continue;
        text += fmt::format("  {:<16} {:>10} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f}\n", l.name, l.count, l.mean, l.p50,
                            l.p90, l.p99, l.p999, l.max);
    }
    return text;
}

nlohmann::ordered_json to_json(const Summary& s, double max_failed) {
    nlohmann::ordered_json j{{"rate", s.rate},
                             {"seconds", s.seconds},
                             {"passed", s.passes(max_failed)},
                             {"placed", s.placed},
                             {"completed", s.completed},
                             {"failed", s.failed},
                             {"wrong", s.wrong},
                             {"failed_share", s.failed_share()},
                             {"calls_per_second", s.seconds > 0 ? static_cast<double>(s.completed) / s.seconds : 0},
                             {"outcomes", s.outcomes},
                             {"faults", s.faults},
                             {"statuses", s.statuses},
                             {"events", s.events}};
    for (const auto& l : s.latencies) {
        auto& to = j["latency_us"][l.name];
        to = {{"count", l.count}, {"mean", l.mean}, {"p50", l.p50}, {"p90", l.p90}, {"p99", l.p99}, {"p999", l.p999}, {"max", l.max}};
        to["buckets"] = l.buckets;
    }
    j["packets"] = {{"received", s.packets.received},
                    {"sent", s.packets.sent},
                    {"send_dropped", s.packets.send_dropped},
                    {"ignored", s.packets.ignored}};
    j["open_most"] = s.open_most;
    j["generator"] = {{"busy_share", s.busy}, {"behind_most_calls", s.behind_most}, {"kept_up", s.kept_up()}};
    j["cut_short"] = s.cut_short;
    return j;
}

core::Status save(const nlohmann::ordered_json& j, const std::string& file) {
    std::ofstream out{file};
    out << j.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
    if (!out.flush()) return core::Error{fmt::format("{}: {}", file, std::strerror(errno))};
    return core::Done{};
}

}  // namespace

const Summary& verdict(const Report& report) {
    for (auto s = report.steps.rbegin(); s != report.steps.rend(); ++s) {
        if (s->rate == report.best) return *s;
    }
    return report.steps.back();
}

std::string table(const Options& options, const Report& report) {
    std::string text;
    if (report.steps.size() > 1) {
        text += fmt::format("{:>10} {:>10} {:>10} {:>11} {:>10} {:>10} {:>10} {:>8}\n", "calls/s", "placed", "completed", "failed %",
                            "added p50", "added p99", "answer p99", "busy %");
        for (const auto& s : report.steps) {
            text +=
                fmt::format("{:>10.0f} {:>10} {:>10} {:>11.4f} {:>10.1f} {:>10.1f} {:>10.1f} {:>8.1f}{}\n", s.rate, s.placed, s.completed,
                            100 * s.failed_share(), s.latencies[0].p50, s.latencies[0].p99, s.latencies[2].p99, 100 * s.busy,
                            s.passes(options.max_failed) ? ""
                            : s.kept_up()                ? "   beyond"
                                                         : "   generator too slow");
        }
    }
    if (report.steps.empty()) return "nothing was measured\n";
    text += detail(verdict(report));
    if (options.mode == Options::Mode::search) {
        text += fmt::format("\nhighest rate with at most {:g} failed: {:.0f} calls/s\n", options.max_failed, report.best);
    }
    for (const auto& s : report.samples) text += "\nwrong: " + s + "\n";
    text += report.within ? "\nwithin --max-failed\n" : "\nBEYOND --max-failed\n";
    return text;
}

core::Status write_json(const Options& options, const Report& report, const std::string& file) {
    const auto& t = options.traffic;
    nlohmann::ordered_json j{{"mode", mode_name(options.mode)},
                             {"io", options.io == Options::Io::sockets ? "sockets" : options.device},
                             {"target", t.target.to_string()},
                             {"clients", t.clients.size()},
                             {"hosts", t.hosts.size()},
                             {"hold_s", std::chrono::duration<double>(t.hold).count()},
                             {"mix", {{"invite", t.invite_weight}, {"register", t.register_weight}}},
                             {"invite_bytes", traffic::Messages{t}.whole(traffic::Request::invite, 0).size()},
                             {"max_failed", options.max_failed},
                             {"within", report.within},
                             {"best_rate", report.best}};
    if (!report.steps.empty()) j["result"] = to_json(verdict(report), options.max_failed);
    j["steps"] = nlohmann::ordered_json::array();
    for (const auto& s : report.steps) j["steps"].push_back(to_json(s, options.max_failed));
    j["samples"] = report.samples;
    return save(j, file);
}

std::string table(const RawResult& r) {
    return fmt::format("  {:<28} {:>12}\n  {:<28} {:>12.3f}\n  {:<28} {:>12.0f}\n  {:<28} {:>12}\n", "frame, octets", r.bytes, "seconds",
                       r.seconds, "frames a second, returned", r.rate(), "lost", r.lost);
}

core::Status write_json(const RawResult& r, const std::string& file) {
    return save({{"mode", "raw"},
                 {"bytes", r.bytes},
                 {"seconds", r.seconds},
                 {"sent", r.sent},
                 {"returned", r.returned},
                 {"lost", r.lost},
                 {"frames_per_second", r.rate()}},
                file);
}

}  // namespace sipfront::sipgen

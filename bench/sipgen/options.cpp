#include "bench/sipgen/options.hpp"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <random>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/traffic/engine.hpp"

namespace sipfront::sipgen {
namespace {

constexpr auto about =
    R"(Open-loop SIP generator: callers and hosts around a proxy, every message checked.

  sipgen --sockets --client 10.77.0.2 --host 10.77.0.103 --target 10.77.0.100:5060 --rate 5000 --seconds 30
  sipgen --vdev net_memif0,role=server,socket=/run/x.sock --client ... --host ... --target ... --search 50000:500000

Both sides of the proxy are played by one process: --client addresses call the target, --host addresses are what it forwards to.
A call is INVITE/180/200/ACK, hold time, BYE/200. A call fails when any message is lost for good, changed, misrouted or doubled.
Progress goes to standard error each second, the table to standard output.)";

constexpr auto footer = "Exit status: 0 within --max-failed, 1 beyond it, 2 wrong usage or a port that cannot be opened.";

std::vector<double> numbers(const std::string& text, std::size_t count, const std::string& option) {
    std::vector<double> all;
    for (std::size_t from = 0; from <= text.size();) {
        const auto stop = std::min(text.find(':', from), text.size());
        double value = 0;
        const auto [end, error] = std::from_chars(text.data() + from, text.data() + stop, value);
        if (error != std::errc{} || end != text.data() + stop || value <= 0) break;
        all.push_back(value);
        from = stop + 1;
    }
    if (all.size() != count) throw CLI::ValidationError(option, fmt::format("\"{}\" is not {} numbers with ':' between them", text, count));
    return all;
}

core::Endpoint endpoint(const std::string& text, const std::string& option) {
    const auto e = core::Endpoint::parse(text, 5060);
    if (!e) throw CLI::ValidationError(option, fmt::format("\"{}\" is not IP or IP:PORT", text));
    return *e;
}

void read_mix(const std::string& text, traffic::Config& config) {
    config.invite_weight = config.register_weight = 0;
    for (std::size_t from = 0; from < text.size();) {
        const auto stop = std::min(text.find(',', from), text.size());
        const auto item = text.substr(from, stop - from);
        const auto equals = item.find('=');
        const auto name = item.substr(0, equals);
        auto* weight = name == "invite" ? &config.invite_weight : name == "register" ? &config.register_weight : nullptr;
        const auto* end = item.data() + item.size();
        if (weight == nullptr || equals == std::string::npos || std::from_chars(item.data() + equals + 1, end, *weight).ptr != end) {
            throw CLI::ValidationError("--mix", fmt::format("\"{}\" is not invite=N or register=N", item));
        }
        from = stop + 1;
    }
}

// As many calls as can be open when all of the longest wait fails.
std::uint32_t room_for(const Options& o) {
    const auto highest = std::max({o.rate, o.span.from, o.span.to});
    const auto hold = std::chrono::duration<double>(o.traffic.hold).count();
    return static_cast<std::uint32_t>(std::clamp(highest * (hold + 34) * 1.2 + 65'536, 65'536.0, 6e7));
}

struct Texts {
    std::vector<std::string> clients, hosts;
    std::string target, search, ramp, mix = "invite=1,register=0", vdev, pci;
    double hold = 0, t1 = 0.5;
    bool sockets = false, no_huge = false;
};

void add_options(CLI::App& app, Options& o, Texts& t) {
    app.add_flag("--sockets", t.sockets, "kernel sockets")->group("Port");
    app.add_option("--client-netns", o.client_netns, "network namespace of the callers' sockets")->group("Port");
    app.add_option("--host-netns", o.host_netns, "network namespace of the hosts' sockets")->group("Port");
    app.add_option("--vdev", t.vdev, "DPDK virtual device, e.g. net_memif0,role=client,socket=/run/x.sock")->group("Port");
    app.add_option("--pci", t.pci, "DPDK device by PCI address")->group("Port");
    app.add_option("--eal", o.eal, "more arguments for the DPDK environment, in one string")->group("Port");
    app.add_option("--file-prefix", o.file_prefix, "tells DPDK processes of one machine apart")->group("Port")->capture_default_str();
    app.add_option("--memory", o.memory_mb, "MiB for DPDK")->group("Port")->capture_default_str();
    app.add_flag("--no-huge", t.no_huge, "DPDK on ordinary pages")->group("Port");
    app.add_option("--core", o.core, "CPU of the generator's thread")->group("Port");
    app.add_flag("--spin", o.spin, "never sleep while idle (always so on DPDK ports)")->group("Port");

    app.add_option("--client", t.clients, "address of a caller; repeatable, callers take turns")->group("Traffic");
    app.add_option("--host", t.hosts, "address of a host, which answers; repeatable")->group("Traffic");
    app.add_option("--target", t.target, "the proxy")->group("Traffic");
    app.add_option("--mix", t.mix, "weights of calls and registrations")->group("Traffic")->capture_default_str();
    app.add_flag("--register-auth", o.traffic.register_auth, "hosts challenge each REGISTER once (401)")->group("Traffic");
    app.add_option("--hold", t.hold, "seconds from ACK to BYE")->group("Traffic")->capture_default_str();
    app.add_option("--invite-bytes", o.traffic.invite_bytes, "length of an INVITE; beyond 900 or so by an Identity header")
        ->group("Traffic");
    app.add_option("--body-bytes", o.traffic.body_bytes, "length of the INVITE's session description")->group("Traffic");
    app.add_option("--record-routes", o.traffic.record_routes, "Record-Routes that the proxy puts into an INVITE")
        ->group("Traffic")
        ->capture_default_str();
    app.add_option("--t1", t.t1, "seconds: RFC 3261's T1")->group("Traffic")->capture_default_str();

    app.add_option("--rate", o.rate, "calls a second")->group("Run");
    app.add_option("--search", t.search, "LO:HI: the highest rate within --max-failed, by halving, to 1 %")->group("Run");
    app.add_option("--ramp", t.ramp, "FROM:TO:STEP: one step after the other")->group("Run");
    app.add_option("--seconds", o.seconds, "measured, at each rate")->group("Run")->capture_default_str();
    app.add_option("--warm-up", o.warm_up, "seconds before, at each rate, not counted; half of them rising to it")
        ->group("Run")
        ->capture_default_str();
    app.add_option("--drain", o.drain, "seconds beyond the hold time that calls may take to end")->group("Run")->capture_default_str();
    app.add_option("--settle", o.settle, "seconds of rest between rates")->group("Run")->capture_default_str();
    app.add_option("--max-failed", o.max_failed, "share of calls that may fail")->group("Run")->capture_default_str();
    app.add_option("--raw", o.raw_bytes, "no SIP: frames of so many octets to a forwarder that sends them back (DPDK)")->group("Run");
    app.add_option("--raw-window", o.raw_window, "raw frames under way")->group("Run")->capture_default_str();
    app.add_option("--json", o.json, "write everything there")->group("Output");
    app.add_option("--plot", o.plot, "write a chart there: .svg, or .png by rsvg-convert")->group("Output");
    app.add_flag("--quiet", o.quiet, "no progress lines")->group("Output");
}

void choose_port(Options& o, const Texts& t) {
    const int ports = int{t.sockets} + int{!t.vdev.empty()} + int{!t.pci.empty()};
    if (ports != 1) throw CLI::ValidationError("port", "exactly one of --sockets, --vdev and --pci is needed");
    o.io = t.sockets ? Options::Io::sockets : Options::Io::dpdk;
    o.device = t.vdev.empty() ? t.pci : t.vdev;
    o.huge_pages = !t.no_huge;
    // A DPDK port's core has nothing else to do.
    o.spin = o.spin || !t.sockets;
    if (o.raw_bytes > 0 && t.sockets) throw CLI::ValidationError("--raw", "needs a DPDK port");
}

void choose_mode(Options& o, const Texts& t) {
    const int modes = int{o.rate > 0} + int{!t.search.empty()} + int{!t.ramp.empty()} + int{o.raw_bytes > 0};
    if (modes != 1) throw CLI::ValidationError("run", "exactly one of --rate, --search, --ramp and --raw is needed");
    if (!t.search.empty()) {
        const auto n = numbers(t.search, 2, "--search");
        if (n[0] >= n[1]) throw CLI::ValidationError("--search", "LO is below HI");
        o.mode = Options::Mode::search;
        o.span = {n[0], n[1], 0};
    } else if (!t.ramp.empty()) {
        const auto n = numbers(t.ramp, 3, "--ramp");
        if (n[0] > n[1]) throw CLI::ValidationError("--ramp", "FROM is not above TO");
        o.mode = Options::Mode::ramp;
        o.span = {n[0], n[1], n[2]};
    } else if (o.raw_bytes > 0) {
        o.mode = Options::Mode::raw;
        if (o.raw_bytes < 64 || o.raw_bytes > 1514) throw CLI::ValidationError("--raw", "64 to 1514 octets");
    }
}

void finish(Options& o, const Texts& t) {
    choose_port(o, t);
    choose_mode(o, t);
    if (o.seconds <= 0) throw CLI::ValidationError("--seconds", "more than 0");
    if (!o.plot.empty() && !o.plot.ends_with(".svg") && !o.plot.ends_with(".png"))
        throw CLI::ValidationError("--plot", "FILE.svg or FILE.png");
    auto& c = o.traffic;
    c.hold = std::chrono::nanoseconds{static_cast<std::int64_t>(t.hold * 1e9)};
    c.t1 = std::chrono::nanoseconds{static_cast<std::int64_t>(t.t1 * 1e9)};
    c.t2 = std::max<core::Duration>(c.t2, c.t1);
    c.run = std::random_device{}();
    read_mix(t.mix, c);
    if (o.mode == Options::Mode::raw) return;
    for (const auto& text : t.clients) c.clients.push_back(endpoint(text, "--client"));
    for (const auto& text : t.hosts) c.hosts.push_back(endpoint(text, "--host"));
    if (t.target.empty()) throw CLI::ValidationError("--target", "is needed");
    c.target = endpoint(t.target, "--target");
    c.max_calls = room_for(o);
    if (const auto error = traffic::config_error(c); !error.empty()) throw CLI::ValidationError("traffic", error);
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& exit_status) {
    CLI::App app{about, "sipgen"};
    app.footer(footer);
    Options options;
    Texts texts;
    add_options(app, options, texts);
    try {
        app.parse(argc, argv);
        finish(options, texts);
    } catch (const CLI::ParseError& e) {
        exit_status = app.exit(e) == 0 ? within : bad_usage;
        return std::nullopt;
    }
    return options;
}

}  // namespace sipfront::sipgen

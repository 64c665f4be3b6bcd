// The generator's program: puts port, engine and report together.
#include <csignal>
#include <cstdio>
#include <functional>
#include <iostream>
#include <thread>

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include "bench/sipgen/driver.hpp"
#include "bench/sipgen/ethernet_io.hpp"
#include "bench/sipgen/raw.hpp"
#include "bench/sipgen/report.hpp"
#include "bench/sipgen/socket_io.hpp"

namespace {

using namespace sipfront;
using namespace sipfront::sipgen;

constexpr auto link_patience = std::chrono::seconds{30};

Progress progress;

void on_signal(int) { progress.stop.store(true, std::memory_order_relaxed); }

core::Status pin(int core) {
    // Without it every sleep is 50 us longer.
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    if (core < 0) return core::Done{};
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(core), &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0)
        return core::Error{"--core: this CPU does not exist or is not allowed"};
    return core::Done{};
}

template <TrafficIo Io>
Report drive(const Options& options, Io& io) {
    Driver<Io> driver{options, io, progress};
    Report report;
    report.steps = driver.run();
    report.best = driver.best();
    report.samples = driver.engine().samples();
    return report;
}

core::Result<Report> run_on_sockets(const Options& options) {
    auto io = SocketIo::open(options.traffic, {options.client_netns, options.host_netns});
    if (!io) return io.error();
    core::Result<Report> report = core::Error{"not run"};
    std::thread generator{[&] {
        if (auto s = pin(options.core); !s) {
            report = s.error();
        } else {
            report = drive(options, **io);
        }
        progress.done = true;
    }};
    show_progress(progress, options.quiet);
    generator.join();
    return report;
}

core::Result<Report> run_on_dpdk(const Options& options) {
    auto port = DpdkPort::open(options);
    if (!port) return port.error();
    if (!port->wait_for_link(link_patience)) return core::Error{"the port has no link: its far end is missing"};
    core::Result<Report> report = core::Error{"not run"};
    const auto work = [&] {
        EthernetIo io{options.traffic, *port};
        if (io.find_target(link_patience)) {
            report = drive(options, io);
            if (io.bad_checksums() > 0)
                report->samples.push_back(std::to_string(io.bad_checksums()) + " of the frames looked at had a bad checksum");
        } else {
            report = core::Error{"nobody answers for the address " + options.traffic.target.address.to_string()};
        }
        progress.done = true;
    };
    if (auto s = port->run(work, [&] { show_progress(progress, options.quiet); }); !s) return s.error();
    return report;
}

int run_raw_frames(const Options& options) {
    auto port = DpdkPort::open(options);
    if (!port || !port->wait_for_link(link_patience)) {
        std::cerr << "sipgen: " << (port ? "the port has no link: its far end is missing" : port.error().what) << '\n';
        return bad_usage;
    }
    RawResult result;
    const auto work = [&] {
        result = run_raw(options, *port, progress);
        progress.done = true;
    };
    if (auto s = port->run(work, [] {}); !s) {
        std::cerr << "sipgen: " << s.error().what << '\n';
        return bad_usage;
    }
    std::fputs(table(result).c_str(), stdout);
    if (options.json.empty()) return result.returned > 0 ? within : beyond;
    if (const auto s = write_json(result, options.json); !s) {
        std::cerr << "sipgen: " << s.error().what << '\n';
        return bad_usage;
    }
    return result.returned > 0 ? within : beyond;
}

int finish(const Options& options, Report report) {
    // A ramp shows what happens beyond; the other modes are judged.
    report.within = report.best > 0 && (options.mode != Options::Mode::rate || report.steps.back().passes(options.max_failed));
    std::fputs(table(options, report).c_str(), stdout);
    core::Status written = core::Done{};
    if (!options.json.empty()) written = write_json(options, report, options.json);
    if (written && !options.plot.empty()) written = write_plot(options, report, options.plot);
    if (!written) {
        std::cerr << "sipgen: " << written.error().what << '\n';
        return bad_usage;
    }
    return report.within ? within : beyond;
}

}  // namespace

int main(int argc, char** argv) {
    int status = 0;
    const auto options = parse_options(argc, argv, status);
    if (!options) return status;
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
    if (options->mode == Options::Mode::raw) return run_raw_frames(*options);
    auto report = options->io == Options::Io::sockets ? run_on_sockets(*options) : run_on_dpdk(*options);
    if (!report) {
        std::cerr << "sipgen: " << report.error().what << '\n';
        return bad_usage;
    }
    return finish(*options, std::move(*report));
}

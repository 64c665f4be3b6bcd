// One worker on memory I/O with more than it can carry: first the highest rate of full calls that it completes, then a multiple of
// it. The clock is the worker's own CPU time, so that neither other work on the machine nor the callers and hosts around
// (bench/traffic) count; a receive ring of the usual length overflows as a port's does.
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "app/worker.hpp"
#include "balancer/snapshot_builder.hpp"
#include "bench/traffic/engine.hpp"
#include "bench/worker/memory_io.hpp"

namespace {

using namespace sipfront;
using namespace std::chrono_literals;
using core::Duration;

struct Options {
    double factor = 3, low = 20'000, high = 1'000'000, seconds = 3, warm_s = 3, hold_s = 1;
    bool enabled = true;
    std::string json;
};

const auto vip = *core::Endpoint::parse("10.77.0.100:5060");
const auto own = *core::Endpoint::parse("10.77.0.101:5060");
constexpr std::uint32_t clients = 4, hosts = 4;
core::Endpoint party(traffic::Party p) { return {core::IpAddress::v4(p < clients ? 0x0a4d0002 + p : 0x0a4d0067 + (p - clients)), 5060}; }
Duration seconds_of(double s) { return Duration{static_cast<std::int64_t>(s * 1e9)}; }

Duration cpu_time() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::chrono::seconds{t.tv_sec} + std::chrono::nanoseconds{t.tv_nsec};
}

// A worker of its own for each rate: tables that are warm would favour the later ones.
class Run {
public:
    Run(const Options& o, double rate)
        : traffic_{config(o, rate)}, engine_{traffic_}, out_{&Run::flush, this}, rooms_(traffic::Outgoing::burst * room) {
        proxy_.listeners = {{core::ListenerId{0}, vip, core::Transport::udp, true},
                            {core::ListenerId{1}, own, core::Transport::udp, false}};
        proxy_.timers.t1 = t1;
        proxy_.max_transactions = proxy_.max_dialogs = 1U << 24;
        proxy_.image_bytes = 16ULL << 30;
        balancer::BalancerConfig b;
        for (std::uint32_t i = 0; i < hosts; ++i) {
            const auto uri = "sip:" + party(static_cast<traffic::Party>(clients + i)).address.to_string();
            b.load_balancer.push_back({.id = i + 1, .dst_uri = uri, .resources = {{"pstn", 100'000'000}}});
        }
        b.probe.interval = 1s;
        b.probe.timeout = 500ms;
        b.overload.enabled = o.enabled;
        snapshots_.publish(balancer::build_snapshot(b, registry_, health_).snapshot);
        worker_ = std::make_unique<app::Worker<bench::MemoryIo>>(core::WorkerId{0}, shared_, io_, stats_, now_);
        lend();
    }
    ~Run() { worker_->stop(); }

    struct Result {
        double offered, completed, refused, lost;  // calls a second; lost: a share
        double refusal_p99_us, probes, unanswered;
    };
    Result measure(double rate, Duration warm, Duration time) {
        for (int i = 1; i <= 10; ++i) work(rate * i / 10, warm / 20);
        work(rate, warm / 2);
        engine_.set_phase(1);
        const auto lost = lost_;
        work(rate, time);
        const auto lost_then = lost_ - lost;
        engine_.set_phase(2);
        work(0.001, seconds_of(std::chrono::duration<double>(traffic_.hold).count() + 1));
        const auto& s = engine_.stats(1);
        const auto t = std::chrono::duration<double>(time).count();
        const auto placed = static_cast<double>(s.placed());
        const auto refused = static_cast<double>(s.outcomes[traffic::Outcome::rejected].get());
        return {.offered = placed / t,
                .completed = static_cast<double>(s.completed()) / t,
                .refused = refused / t,
                .lost = static_cast<double>(lost_then) / placed,
                .refusal_p99_us = static_cast<double>(s.refusal.percentile(0.99)) / 1000,
                .probes = static_cast<double>(stats_.counts[app::WorkerCount::probes_sent].get()),
                .unanswered = unanswered_};
    }

private:
    static constexpr std::size_t room = 4096, ring = 1024;
    // Answered transactions linger for 64*T1: memory is touched for the first time until then, which takes longer than a ring lasts.
    static constexpr std::chrono::milliseconds t1{50};

    static traffic::Config config(const Options& o, double rate) {
        traffic::Config c;
        for (traffic::Party p = 0; p < clients + hosts; ++p) (p < clients ? c.clients : c.hosts).push_back(party(p));
        c.target = vip;
        c.hold = seconds_of(o.hold_s);
        c.max_calls = static_cast<std::uint32_t>(rate * (o.hold_s + 8)) + 65'536;
        c.t1 = t1;
        c.run = 1;
        return c;
    }
    void work(double rate, Duration time) {
        engine_.set_rate(rate, now_);
        for (const auto end = now_ + time; now_ < end;) {
            const auto before = cpu_time();
            const auto worked = worker_->poll(now_);
            // An idle poll core looks again at once; here the clock takes a longer step, as asleep.
            now_ += worked == 0 ? 10us : cpu_time() - before;
            shared_.switchboard.evidence(core::WorkerId{0})
                .consume([&](const balancer::HealthEvent& e) { unanswered_ += e.from_probe && e.outcome != sip::Outcome::alive ? 1 : 0; },
                         64);
            for (const auto& d : io_.sent()) receive(d);
            io_.forget_sent();
            engine_.place(now_, out_, 4096);
            engine_.advance(now_, out_);
            out_.flush();
        }
        engine_.set_rate(0, now_);
    }
    void receive(const core::OutDatagram& d) {
        const auto a = d.flow.remote.address.v4_host_order();
        const auto to = static_cast<traffic::Party>(a < 0x0a4d0067 ? a - 0x0a4d0002 : a - 0x0a4d0067 + clients);
        const traffic::In in{d.room.data, d.length, to, static_cast<traffic::Peer>(d.flow.local == own ? 1 : 0)};
        engine_.receive({&in, 1}, now_, out_);
    }
    static void flush(void* self, traffic::Outgoing& out) {
        auto& run = *static_cast<Run*>(self);
        for (const auto& o : out.filled()) {
            if (run.io_.waiting() >= ring)
                ++run.lost_;
            else
                run.io_.put({o.data, o.length}, party(o.from), o.to == 0 ? vip : own);
        }
        run.lend();
    }
    void lend() {
        std::array<traffic::Out, traffic::Outgoing::burst> all;
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = {rooms_.data() + i * room, static_cast<std::uint32_t>(room)};
        out_.lend(all);
    }

    traffic::Config traffic_;
    traffic::Engine engine_;
    traffic::Outgoing out_;
    std::vector<char> rooms_;
    core::Tick now_{1h};
    std::uint64_t lost_ = 0;
    double unanswered_ = 0;
    sip::ProxyConfig proxy_;
    balancer::Registry registry_{1};
    balancer::HealthBoard health_;
    core::KeyRing keys_ = core::KeyRing::ephemeral();
    core::Published<balancer::Snapshot> snapshots_{1};
    core::Published<core::NameTable> names_{1};
    app::Switchboard switchboard_{1};
    app::WorkerShared shared_{.proxy = proxy_,
                              .keys = keys_,
                              .steering = core::Steering{keys_.signing().digest, 1},
                              .table_key = core::random_key(),
                              .sticky_key = core::random_key(),
                              .dialog_key = core::random_key(),
                              .rate_table = 1024,
                              .snapshots = snapshots_,
                              .names = names_,
                              .name_key = core::random_key(),
                              .switchboard = switchboard_};
    bench::MemoryIo io_;
    app::WorkerStats stats_;
    std::unique_ptr<app::Worker<bench::MemoryIo>> worker_;
};

// The highest rate at which all calls complete but 1 in 10,000, to 2 %.
double find_maximum(const Options& o) {
    auto low = o.low, high = o.high;
    while (high > low * 1.02) {
        const auto rate = std::sqrt(low * high);
        Run run{o, rate};
        const auto r = run.measure(rate, seconds_of(o.warm_s / 2), seconds_of(o.seconds / 3));
        (r.completed >= r.offered * (1 - 1e-4) ? low : high) = rate;
        std::fprintf(stderr, "%10.0f calls/s: %10.0f completed\n", rate, r.completed);
    }
    return low;
}

int report(const Options& o) {
    const auto maximum = find_maximum(o);
    const auto rate = maximum * o.factor;
    Run run{o, rate};
    const auto r = run.measure(rate, seconds_of(o.warm_s), seconds_of(o.seconds));
    std::printf("%-44s %12.0f\n%-44s %12.0f\n", "maximum, calls/s", maximum, "offered, calls/s", r.offered);
    std::printf("%-44s %12.0f   %.1f %% of the maximum\n", "completed, calls/s", r.completed, 100 * r.completed / maximum);
    std::printf("%-44s %12.0f\n%-44s %12.0f\n", "refused, calls/s", r.refused, "refused after, us (p99)", r.refusal_p99_us);
    std::printf("%-44s %12.6f\n", "messages lost by the receive ring, per call", r.lost);
    std::printf("%-44s %12.0f   of %.0f\n", "probes without an answer", r.unanswered, r.probes);
    const nlohmann::json json{{"maximum", maximum},
                              {"offered", r.offered},
                              {"completed", r.completed},
                              {"goodput_share", r.completed / maximum},
                              {"refused", r.refused},
                              {"refusal_p99_us", r.refusal_p99_us},
                              {"lost_per_call", r.lost},
                              {"probes", r.probes},
                              {"probes_unanswered", r.unanswered}};
    if (!o.json.empty()) std::ofstream{o.json} << json.dump(2) << '\n';
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    Options o;
    bool off = false;
    CLI::App app{"A worker on memory I/O beyond its capacity, on the clock of its own CPU time"};
    app.add_option("--factor", o.factor, "offered, in multiples of the maximum")->check(CLI::Range(1.0, 20.0));
    app.add_option("--low", o.low, "calls a second, the search for the maximum begins there")->check(CLI::Range(100.0, 1e7));
    app.add_option("--high", o.high)->check(CLI::Range(100.0, 1e7));
    app.add_option("--seconds", o.seconds, "of the worker's time, measured; a third of it at each rate of the search")
        ->check(CLI::Range(0.1, 600.0));
    app.add_option("--warm-up", o.warm_s, "before, half of it rising; half as long in the search")->check(CLI::Range(0.1, 600.0));
    app.add_option("--hold", o.hold_s, "seconds from ACK to BYE")->check(CLI::Range(0.0, 600.0));
    app.add_flag("--off", off, "without overload control");
    app.add_option("--json", o.json, "writes the figures to a file");
    CLI11_PARSE(app, argc, argv);
    o.enabled = !off;
    return report(o);
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench_overload: %s\n", e.what());
    return 1;
}

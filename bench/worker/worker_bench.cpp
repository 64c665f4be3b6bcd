// Whole workers on memory I/O: calls (record-routed, balanced, dialog kept) or registrations at a given rate and hold time on a
// virtual clock, so that dialogs and lingering transactions hold their full population. Only polls that find work are timed; the
// callers and hosts around are bench/traffic's, which check every message: one that is dropped, mangled or misrouted fails the run.
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include "app/worker.hpp"
#include "balancer/snapshot_builder.hpp"
#include "bench/traffic/engine.hpp"
#include "bench/worker/memory_io.hpp"

namespace {

using namespace sipfront;
using namespace std::chrono_literals;
using bench::MemoryIo;

struct Options {
    double rate = 20'000, hold_s = 10, seconds = 60, warm_s = 45;
    std::uint32_t at_once = 8, workers = 1, invite_bytes = 0;
    bool registrations = false, one_queue = false;
    std::string json;
};

const auto vip = *core::Endpoint::parse("10.77.0.100:5060");
constexpr std::uint32_t hosts = 4;

core::Endpoint host(std::uint32_t i) { return {core::IpAddress::v4(0x0a4d0067 + i), 5060}; }
// Each worker's callers have a network of their own, which tells whose a message is.
core::Endpoint caller(std::uint32_t worker, std::uint32_t i) { return {core::IpAddress::v4(0x0a4e0002 + (worker << 8) + i), 5060}; }
std::uint32_t owner_of(const core::IpAddress& a) { return (a.v4_host_order() >> 8) & 0xff; }

traffic::Config traffic_of(const Options& o, std::uint32_t worker) {
    traffic::Config c;
    for (std::uint32_t i = 0; i < 8; ++i) c.clients.push_back(caller(worker, i));
    for (std::uint32_t i = 0; i < hosts; ++i) c.hosts.push_back(host(i));
    c.target = vip;
    c.hold = std::chrono::nanoseconds{static_cast<std::int64_t>(o.hold_s * 1e9)};
    c.invite_weight = o.registrations ? 0 : 1;
    c.register_weight = o.registrations ? 1 : 0;
    c.invite_bytes = o.invite_bytes;
    c.max_calls = static_cast<std::uint32_t>(o.rate / o.workers * (o.hold_s + 1)) + 65'536;
    c.run = worker + 1;
    return c;
}

// One worker with its port, and the callers and hosts of its share of the calls.
class Seat {
public:
    Seat(std::uint32_t self, const Options& options, app::WorkerShared& shared, core::Tick now)
        : engine{traffic_of(options, self)},
          stats{std::make_unique<app::WorkerStats>()},
          config_{traffic_of(options, self)},
          out_{&Seat::flush, this},
          rooms_(traffic::Outgoing::burst * room),
          worker_{std::make_unique<app::Worker<MemoryIo>>(core::WorkerId{static_cast<std::uint8_t>(self)}, shared, io, *stats, now)} {
        lend();
    }

    // Callers and hosts act; what they send goes to `queue` of each seat.
    void act(core::Tick now, std::uint32_t calls) {
        engine.advance(now, out_);
        engine.place(now, out_, calls);
        out_.flush();
    }
    // A message that some worker sent to one of our callers or hosts.
    void receive(const core::OutDatagram& d, core::Tick now) {
        const traffic::In in{d.room.data, d.length, party_of(d.flow.remote), 0};
        engine.receive({&in, 1}, now, out_);
    }
    void flush() { out_.flush(); }

    // Polls until nothing is left to do here; the time of polls that found work.
    bool poll(core::Tick now, bool measuring) {
        bool any = false;
        for (;;) {
            const auto before = std::chrono::steady_clock::now();
            if (measuring) CALLGRIND_TOGGLE_COLLECT;
            const auto work = worker_->poll(now);
            if (measuring) CALLGRIND_TOGGLE_COLLECT;
            const auto took = std::chrono::steady_clock::now() - before;
            if (work == 0) return any;
            any = true;
            if (measuring) busy += took;
        }
    }

    [[nodiscard]] app::Worker<MemoryIo>& worker() { return *worker_; }
    [[nodiscard]] std::uint64_t handled() const { return stats->counts[app::WorkerCount::handled].get(); }

    MemoryIo io;
    traffic::Engine engine;
    std::unique_ptr<app::WorkerStats> stats;
    std::chrono::nanoseconds busy{0};
    std::vector<std::pair<std::string, core::Endpoint>> outbound;  // from callers and hosts to a queue

private:
    static constexpr std::size_t room = 4096;

    static void flush(void* self, traffic::Outgoing& out) {
        auto& seat = *static_cast<Seat*>(self);
        for (const auto& o : out.filled()) seat.outbound.emplace_back(std::string{o.data, o.length}, seat.endpoint(o.from));
        seat.lend();
    }
    void lend() {
        std::array<traffic::Out, traffic::Outgoing::burst> all;
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = {rooms_.data() + i * room, static_cast<std::uint32_t>(room)};
        out_.lend(all);
    }
    [[nodiscard]] const core::Endpoint& endpoint(traffic::Party p) const {
        return p < config_.clients.size() ? config_.clients[p] : config_.hosts[p - config_.clients.size()];
    }
    [[nodiscard]] traffic::Party party_of(const core::Endpoint& e) const {
        const auto& first = config_.clients.front().address;
        if (owner_of(e.address) == owner_of(first) && e.address.v4_host_order() >> 16 == first.v4_host_order() >> 16)
            return static_cast<traffic::Party>(e.address.v4_host_order() - first.v4_host_order());
        return static_cast<traffic::Party>(config_.clients.size() + (e.address.v4_host_order() - host(0).address.v4_host_order()));
    }

    traffic::Config config_;
    traffic::Outgoing out_;
    std::vector<char> rooms_;
    std::unique_ptr<app::Worker<MemoryIo>> worker_;
};

class Bench {
public:
    explicit Bench(const Options& o) : options_{o}, snapshots_{o.workers}, switchboard_{o.workers} {
        proxy_.listeners = {{core::ListenerId{0}, vip, core::Transport::udp, true}};
        const auto share = o.rate / o.workers;
        proxy_.max_transactions = static_cast<std::uint32_t>(share * 70) + 65'536;
        proxy_.max_dialogs = static_cast<std::uint32_t>(share * (o.hold_s + 5)) + 65'536;
        proxy_.image_bytes = std::uint64_t{16} << 30;
        balancer::BalancerConfig b;
        for (std::uint32_t i = 0; i < hosts; ++i) {
            const auto uri = "sip:" + host(i).address.to_string();
            b.load_balancer.push_back({.id = i + 1, .dst_uri = uri, .resources = {{"pstn", 100'000'000}}, .probe_mode = 0});
            b.dispatcher.push_back({.id = i + 1, .destination = uri, .probe_mode = 0});
        }
        b.guard.rate_per_source = 0;
        snapshots_.publish(balancer::build_snapshot(b, registry_, health_).snapshot);
        shared_ = std::make_unique<app::WorkerShared>(app::WorkerShared{.proxy = proxy_,
                                                                        .keys = keys_,
                                                                        .steering = core::Steering{keys_.signing().digest, o.workers},
                                                                        .table_key = core::random_key(),
                                                                        .sticky_key = core::random_key(),
                                                                        .rate_table = 1024,
                                                                        .snapshots = snapshots_,
                                                                        .switchboard = switchboard_});
        seats_.resize(o.workers);
    }

    bool run() {
        std::barrier barrier{static_cast<std::ptrdiff_t>(options_.workers)};
        std::vector<std::thread> threads;
        for (std::uint32_t i = 1; i < options_.workers; ++i) threads.emplace_back([&, i] { work(i, barrier); });
        work(0, barrier);
        for (auto& t : threads) t.join();
        return report();
    }

private:
    void work(std::uint32_t self, std::barrier<>& barrier) {
        core::Tick now{1h};
        seats_[self] = std::make_unique<Seat>(self, options_, *shared_, now);
        auto& seat = *seats_[self];
        const auto share = options_.rate / options_.workers;
        const auto turn = std::chrono::nanoseconds{static_cast<std::int64_t>(1e9 * options_.at_once / share)};
        const auto from = now + std::chrono::nanoseconds{static_cast<std::int64_t>(options_.warm_s * 1e9)};
        const auto end = from + std::chrono::nanoseconds{static_cast<std::int64_t>(options_.seconds * 1e9)};
        seat.engine.set_rate(share, now);
        barrier.arrive_and_wait();
        for (bool measuring = false; now < end; now += turn) {
            if (!measuring && now >= from) {
                measuring = true;
                seat.engine.set_phase(1);
                from_[self] = {seat.handled(), seat.stats->counts[app::WorkerCount::steered_away].get()};
            }
            seat.act(now, 2 * options_.at_once);
            do {
                exchange(self, barrier, now, measuring);
            } while (any_);
        }
    }

    // Everything that callers and hosts sent reaches the workers, and what those make of it the callers and hosts.
    void exchange(std::uint32_t self, std::barrier<>& barrier, core::Tick now, bool measuring) {
        auto& seat = *seats_[self];
        barrier.arrive_and_wait();
        for (std::uint32_t i = 0; i < options_.workers; ++i) {
            if ((options_.one_queue ? 0 : i) != self) continue;
            for (const auto& [text, source] : seats_[i]->outbound) seat.io.put(text, source, vip);
        }
        if (self == 0) any_ = false;
        barrier.arrive_and_wait();
        seat.outbound.clear();
        // Twice: what the first round handed over is handled in the second.
        bool worked = seat.poll(now, measuring);
        barrier.arrive_and_wait();
        worked = seat.poll(now, measuring) || worked;
        if (worked) any_ = true;
        barrier.arrive_and_wait();
        for (std::uint32_t i = 0; i < options_.workers; ++i)
            for (const auto& d : seats_[i]->io.sent())
                if (caller_of(d) == self) seat.receive(d, now);
        seat.flush();
        barrier.arrive_and_wait();
        seat.io.forget_sent();
        if (!seat.outbound.empty()) any_ = true;
        barrier.arrive_and_wait();
    }

    // Whose call a message belongs to: the caller's network stands in every From.
    [[nodiscard]] std::uint32_t caller_of(const core::OutDatagram& d) const {
        if (options_.workers == 1) return 0;
        const std::string_view text{d.room.data, d.length};
        const auto at = text.find("@10.78.");
        return at == std::string_view::npos ? 0 : static_cast<std::uint32_t>(std::atoi(text.data() + at + 7));
    }

    bool report();

    const Options& options_;
    sip::ProxyConfig proxy_;
    balancer::Registry registry_{options_.workers};
    balancer::HealthBoard health_;
    core::KeyRing keys_ = core::KeyRing::ephemeral();
    core::Published<balancer::Snapshot> snapshots_;
    app::Switchboard switchboard_;
    std::unique_ptr<app::WorkerShared> shared_;
    std::vector<std::unique_ptr<Seat>> seats_;
    struct From {
        std::uint64_t handled = 0, steered = 0;
    };
    std::array<From, core::max_workers> from_{};
    std::atomic<bool> any_ = false;
};

std::uint64_t resident_bytes() {
    std::ifstream file{"/proc/self/statm"};
    std::uint64_t size = 0, resident = 0;
    file >> size >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

bool Bench::report() {
    std::uint64_t messages = 0, steered = 0, done = 0, failed = 0, open = 0, dialogs = 0, transactions = 0, lingering = 0;
    std::chrono::nanoseconds all{0}, longest{0};
    for (std::uint32_t i = 0; i < options_.workers; ++i) {
        auto& s = *seats_[i];
        messages += s.handled() - from_[i].handled;
        steered += s.stats->counts[app::WorkerCount::steered_away].get() - from_[i].steered;
        done += s.engine.stats(1).completed();
        for (const auto phase : {std::uint8_t{0}, std::uint8_t{1}})
            failed += s.engine.stats(phase).failed() + s.engine.stats(phase).wrong();
        open += s.engine.open();
        dialogs += s.worker().proxy().dialogs().size();
        transactions += s.worker().proxy().transactions().size();
        lingering += s.worker().proxy().transactions().lingering();
        all += s.busy;
        longest = std::max(longest, s.busy);
        for (const auto& sample : s.engine.samples()) std::fprintf(stderr, "%s\n", sample.c_str());
    }
    // In the steady state as many end as are placed; those in flight at either end of the measurement even out.
    const auto calls = static_cast<double>(options_.rate * options_.seconds);
    const auto ns = static_cast<double>(all.count()) / static_cast<double>(messages);
    const auto per_second = 1e9 * calls / static_cast<double>(longest.count());
    const nlohmann::json json{{"workers", options_.workers},
                              {"steer", options_.one_queue ? "one-queue" : "spread"},
                              {"calls_per_second", per_second},
                              {"ns_per_message", ns},
                              {"messages_per_call", static_cast<double>(messages) / calls},
                              {"steered_fraction", static_cast<double>(steered) / static_cast<double>(messages)},
                              {"dialogs", dialogs},
                              {"lingering", lingering},
                              {"resident_bytes", resident_bytes()},
                              {"failed", failed}};
    std::printf("%-44s %12llu\n", "messages handled", static_cast<unsigned long long>(messages));
    std::printf("%-44s %12llu\n", options_.registrations ? "registrations completed" : "full calls completed",
                static_cast<unsigned long long>(done));
    std::printf("%-44s %12llu\n", "failed or wrong", static_cast<unsigned long long>(failed));
    std::printf("%-44s %12llu\n", "open", static_cast<unsigned long long>(open));
    std::printf("%-44s %12llu\n", "dialogs", static_cast<unsigned long long>(dialogs));
    std::printf("%-44s %12llu\n", "transactions", static_cast<unsigned long long>(transactions));
    std::printf("%-44s %12llu\n", "  of these lingering", static_cast<unsigned long long>(lingering));
    std::printf("%-44s %12.2f\n", "handed to another worker, share", json["steered_fraction"].get<double>());
    std::printf("%-44s %12.1f\n", "ns per message", ns);
    std::printf("%-44s %12.0f\n", options_.registrations ? "registrations per second" : "full calls per second", per_second);
    if (!options_.json.empty()) std::ofstream{options_.json} << json.dump(2) << '\n';
    for (auto& s : seats_) s->worker().stop();
    return failed == 0 && done > 0;
}

}  // namespace

int main(int argc, char** argv) try {
    Options o;
    std::string steer = "spread";
    CLI::App app{"Whole workers on memory I/O and a virtual clock"};
    app.add_option("--rate", o.rate, "calls (or registrations) a second of virtual time, all workers together")
        ->check(CLI::Range(1.0, 1e7));
    app.add_option("--hold", o.hold_s, "seconds from ACK to BYE")->check(CLI::Range(0.0, 1e4));
    app.add_option("--seconds", o.seconds, "virtual seconds measured")->check(CLI::Range(0.1, 1e4));
    app.add_option("--warm-up", o.warm_s, "virtual seconds before, until all timers hold their population")->check(CLI::Range(0.0, 1e4));
    app.add_option("--calls-a-turn", o.at_once, "new calls that arrive together: how full the bursts are")->check(CLI::Range(1, 32));
    app.add_option("--workers", o.workers, "each on a thread of its own")->check(CLI::Range(1, 64));
    app.add_option("--steer", steer, "spread: packets come to any queue; one-queue: all to the first worker's")
        ->check(CLI::IsMember({"spread", "one-queue"}));
    app.add_option("--invite-bytes", o.invite_bytes, "length of the INVITE")->check(CLI::Range(0, 4000));
    app.add_flag("--register", o.registrations, "registrations in place of calls");
    app.add_option("--json", o.json, "writes the figures to a file");
    CLI11_PARSE(app, argc, argv);
    o.one_queue = steer == "one-queue";
    return Bench{o}.run() ? 0 : 1;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench_worker: %s\n", e.what());
    return 1;
}

// Whole workers on memory I/O: calls (record-routed, balanced, dialog kept) or registrations at a given rate and hold time on a
// virtual clock, so that dialogs and lingering transactions hold their full population. Only polls that find work are timed; the
// callers and hosts around are bench/traffic's, which check every message: one that is dropped, mangled or misrouted fails the run.
#include <atomic>
#include <barrier>
#include <cstdio>
#include <exception>
#include <thread>

#include <sys/prctl.h>

#include "balancer/snapshot_builder.hpp"
#include "bench/worker/cpus.hpp"
#include "bench/worker/figures.hpp"
#include "bench/worker/resident.hpp"
#include "bench/worker/seat.hpp"
#include "ha/journal_config.hpp"
#include "ha/journal_lane.hpp"

namespace {

using namespace sipfront;
using namespace sipfront::bench;
using namespace std::chrono_literals;

class Bench {
public:
    explicit Bench(const Options& o) : options_{o}, snapshots_{o.workers}, names_{o.workers}, switchboard_{o.workers} {
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
                                                                        .dialog_key = core::random_key(),
                                                                        .rate_table = 1024,
                                                                        .snapshots = snapshots_,
                                                                        .names = names_,
                                                                        .name_key = core::random_key(),
                                                                        .switchboard = switchboard_,
                                                                        .observers = lanes()});
        seats_.resize(o.workers);
    }

    bool run() {
        std::barrier barrier{static_cast<std::ptrdiff_t>(options_.workers)};
        std::vector<std::thread> threads;
        for (std::uint32_t i = 1; i < options_.workers; ++i) threads.emplace_back([&, i] { work(i, barrier); });
        work(0, barrier);
        for (auto& t : threads) t.join();
        auto figures = gather(options_, seats_, before_);
        if (options_.workers > 1 && cpus_.size() > 1) figures.handoff = measure_handoff(seats_[0]->sample_request(), cpus_[0], cpus_[1]);
        show(options_, figures);
        if (!options_.json.empty()) write_json(options_, figures);
        for (auto& s : seats_) s->worker().stop();
        return figures.failed == 0 && figures.completed > 0;
    }

private:
    std::vector<sip::DialogObserver*> lanes() {
        std::vector<sip::DialogObserver*> all;
        for (std::uint32_t i = 0; options_.journal && i < options_.workers; ++i)
            all.push_back(lanes_.emplace_back(std::make_unique<ha::JournalLane>(ha::JournalConfig{}.ring / sizeof(ha::RingBlock))).get());
        return all;
    }

    void work(std::uint32_t self, std::barrier<>& barrier) {
        if (options_.workers > 1 && options_.workers <= cpus_.size()) pin_to(cpus_[self]);
        core::Tick now{1h};
        seats_[self] = std::make_unique<Seat>(self, options_, *shared_, now);
        auto& seat = *seats_[self];
        const auto share = options_.rate / options_.workers;
        // Often enough that no delayed message waits for long.
        const auto longest_turn = options_.delay_s > 0 ? options_.delay_s / 10 : 1e6;
        const auto turn = std::chrono::nanoseconds{static_cast<std::int64_t>(1e9 * std::min(options_.at_once / share, longest_turn))};
        const auto from = now + std::chrono::nanoseconds{static_cast<std::int64_t>(options_.warm_s * 1e9)};
        const auto end = from + std::chrono::nanoseconds{static_cast<std::int64_t>(options_.seconds * 1e9)};
        seat.io.flooded = options_.refuse;
        seat.engine.set_rate(share, now);
        barrier.arrive_and_wait();
        if (self == 0) before_ = resident();
        barrier.arrive_and_wait();
        for (bool measuring = false; now < end; now += turn) {
            if (!measuring && now >= from) {
                measuring = true;
                seat.engine.set_phase(1);
                seat.mark();
            }
            seat.act(now, options_.at_once);
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
        // Another core's work, and not timed.
        if (options_.journal) lanes_[self]->drain(1U << 20, [](const auto&...) {});
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

    const Options& options_;
    std::vector<int> cpus_ = allowed_cpus();
    Resident before_;  // any call was placed
    sip::ProxyConfig proxy_;
    balancer::Registry registry_{options_.workers};
    balancer::HealthBoard health_;
    core::KeyRing keys_ = core::KeyRing::ephemeral();
    core::Published<balancer::Snapshot> snapshots_;
    core::Published<core::NameTable> names_;
    app::Switchboard switchboard_;
    std::vector<std::unique_ptr<ha::JournalLane>> lanes_;
    std::unique_ptr<app::WorkerShared> shared_;
    std::vector<std::unique_ptr<Seat>> seats_;
    std::atomic<bool> any_ = false;
};

}  // namespace

int main(int argc, char** argv) try {
    int status = 0;
    const auto options = parse_options(argc, argv, status);
    if (!options) return status;
    if (options->small_pages) (void)prctl(PR_SET_THP_DISABLE, 1UL, 0UL, 0UL, 0UL);
    return Bench{*options}.run() ? 0 : 1;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench_worker: %s\n", e.what());
    return 1;
}

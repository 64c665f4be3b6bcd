// Drives the engine over a port: one rate for a time, a ramp of rates, or the search for the highest one that passes. Runs on the
// generator's thread.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "bench/sipgen/io.hpp"
#include "bench/sipgen/options.hpp"
#include "bench/sipgen/progress.hpp"
#include "bench/sipgen/summary.hpp"
#include "bench/traffic/engine.hpp"

namespace sipfront::sipgen {

// The rates that a mode tries, fed with each outcome. Pure.
class Plan {
public:
    explicit Plan(const Options& options) noexcept;
    // The next rate to try; 0: done.
    [[nodiscard]] double next() const noexcept { return next_; }
    void learn(bool passed) noexcept;
    // Highest rate that passed; 0: none.
    [[nodiscard]] double best() const noexcept { return best_; }

private:
    static constexpr double precision = 0.01;

    Options::Mode mode_;
    double low_ = 0, high_ = 0, step_ = 0, next_ = 0, best_ = 0;
    bool top_tried_ = false;
};

template <TrafficIo Io>
class Driver {
public:
    Driver(const Options& options, Io& io, Progress& progress)
        : options_{options}, io_{io}, progress_{progress}, engine_{options.traffic} {}

    std::vector<Summary> run() {
        std::vector<Summary> all;
        Plan plan{options_};
        while (plan.next() > 0 && !stopped()) {
            if (!all.empty()) rest();
            all.push_back(measure(plan.next()));
            plan.learn(all.back().passes(options_.max_failed));
        }
        best_ = plan.best();
        return all;
    }
    [[nodiscard]] double best() const { return best_; }
    [[nodiscard]] const traffic::Engine& engine() const { return engine_; }

private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::uint8_t unmeasured = 0, measured = 1, leftover = 2;

    static core::Tick tick(Clock::time_point t) { return core::Tick{t.time_since_epoch()}; }
    static core::Tick now() { return tick(Clock::now()); }
    static core::Duration seconds(double s) { return core::Duration{static_cast<std::int64_t>(s * 1e9)}; }
    [[nodiscard]] bool stopped() const { return progress_.stop.load(std::memory_order_relaxed); }

    Summary measure(double rate) {
        progress_.rate = rate;
        publish_base();
        engine_.clear(unmeasured);
        engine_.clear(measured);
        engine_.set_phase(unmeasured);
        warm_up(rate);
        engine_.set_phase(measured);
        engine_.set_rate(rate, now());
        behind_most_ = open_most_ = 0;
        busy_ = {};
        const auto before = io_.counts();
        const auto start = now();
        progress_.measuring = true;
        const auto hopeless = [&] { return options_.mode == Options::Mode::search && far_beyond(); };
        const bool cut_short = work(seconds(options_.seconds), hopeless);
        const auto elapsed = now() - start;
        const auto after = io_.counts();
        const auto busy = busy_;
        progress_.measuring = false;
        engine_.set_rate(0, now());
        const auto drain = cut_short ? 0.0 : options_.drain + std::chrono::duration<double>(options_.traffic.hold).count();
        work(seconds(drain), [&] { return engine_.open() == 0; });
        engine_.abandon(now());
        engine_.set_phase(leftover);

        auto s = summarize(engine_.stats(measured));
        s.rate = rate;
        s.seconds = std::chrono::duration<double>(elapsed).count();
        s.packets = {after.received - before.received, after.sent - before.sent, after.send_dropped - before.send_dropped,
                     after.ignored - before.ignored};
        s.open_most = open_most_;
        s.behind_most = behind_most_;
        s.busy = std::chrono::duration<double>(busy) / std::chrono::duration<double>(elapsed);
        s.cut_short = cut_short;
        return s;
    }
    // Half the time from nothing to the rate: a proxy whose tables were never touched would lose more in the first second than it
    // can make good.
    void warm_up(double rate) {
        constexpr int steps = 10;
        for (int i = 1; i < steps; ++i) {
            engine_.set_rate(rate * i / steps, now());
            work(seconds(options_.warm_up / 2 / (steps - 1)), [] { return false; });
        }
        engine_.set_rate(rate, now());
        work(seconds(options_.warm_up / 2), [] { return false; });
    }
    // What the last rate left in queues and timers of the proxy comes now, not into the next measurement.
    void rest() {
        work(seconds(options_.settle), [] { return false; });
    }
    bool far_beyond() const {
        const auto& s = engine_.stats(measured);
        const auto expected = progress_.rate.load() * options_.seconds;
        return static_cast<double>(s.failed() + s.wrong()) > 50 + 20 * options_.max_failed * expected;
    }

    // Until `d` has passed or `enough` says so; returns the latter.
    template <class Enough>
    bool work(core::Duration d, Enough&& enough) {
        std::array<traffic::In, traffic::Engine::burst> in;
        auto& out = io_.outgoing();
        const auto end = now() + d;
        core::Tick published{};
        // The clock is read as seldom as honest latencies allow: it costs a third of a message here.
        for (auto t = now(); t < end;) {
            auto done = io_.receive(in);
            if (done > 0) {
                const auto arrived = now();
                engine_.receive({in.data(), done}, arrived, out);
                io_.release();
            }
            const auto start = now();
            done += engine_.place(start, out);
            done += engine_.advance(start, out);
            out.flush();
            if (done > 0) {
                const auto after = now();
                busy_ += after - t;
                t = after;
            } else {
                t = start;
                if (!options_.spin) {
                    io_.wait(idle);
                    t = now();
                }
            }
            behind_most_ = std::max(behind_most_, engine_.behind(t));
            if (t - published >= std::chrono::milliseconds{50}) {
                published = t;
                publish();
                if (enough() || stopped()) return true;
            }
        }
        publish();
        return false;
    }

    static constexpr core::Duration idle = std::chrono::microseconds{50};

    void publish_base() {
        base_ = {progress_.placed.load(), progress_.completed.load(), progress_.failed.load(), progress_.retransmitted.load()};
    }
    void publish() {
        open_most_ = std::max<std::uint64_t>(open_most_, engine_.open());
        std::array<std::uint64_t, 4> n = base_;
        for (const auto phase : {unmeasured, measured}) {
            const auto& s = engine_.stats(phase);
            n[0] += s.placed();
            n[1] += s.completed();
            n[2] += s.failed() + s.wrong();
            n[3] += s.events[traffic::Event::client_retransmissions].get() + s.events[traffic::Event::host_retransmissions].get();
        }
        progress_.placed = n[0];
        progress_.completed = n[1];
        progress_.failed = n[2];
        progress_.retransmitted = n[3];
        progress_.received = io_.counts().received;
        progress_.open = engine_.open();
        progress_.behind = engine_.behind(now());
    }

    const Options& options_;
    Io& io_;
    Progress& progress_;
    traffic::Engine engine_;
    core::Duration busy_{};
    std::uint64_t behind_most_ = 0, open_most_ = 0;
    std::array<std::uint64_t, 4> base_{};
    double best_ = 0;
};

}  // namespace sipfront::sipgen

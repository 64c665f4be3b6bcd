// One worker with its port, and the callers and hosts of its share of the calls.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <valgrind/callgrind.h>

#include "app/worker.hpp"
#include "bench/traffic/engine.hpp"
#include "bench/worker/memory_io.hpp"
#include "bench/worker/options.hpp"

namespace sipfront::bench {

inline const auto vip = *core::Endpoint::parse("10.77.0.100:5060");
inline constexpr std::uint32_t hosts = 4;

inline core::Endpoint host(std::uint32_t i) { return {core::IpAddress::v4(0x0a4d0067 + i), 5060}; }
// Each worker's callers have a network of their own, which tells whose a message is.
inline core::Endpoint caller(std::uint32_t worker, std::uint32_t i) { return {core::IpAddress::v4(0x0a4e0002 + (worker << 8) + i), 5060}; }
inline std::uint32_t owner_of(const core::IpAddress& a) { return (a.v4_host_order() >> 8) & 0xff; }

inline traffic::Config traffic_of(const Options& o, std::uint32_t worker) {
    traffic::Config c;
    for (std::uint32_t i = 0; i < 8; ++i) c.clients.push_back(caller(worker, i));
    for (std::uint32_t i = 0; i < hosts; ++i) c.hosts.push_back(host(i));
    c.target = vip;
    c.hold = std::chrono::nanoseconds{static_cast<std::int64_t>(o.hold_s * 1e9)};
    c.invite_weight = o.registrations ? 0 : 1;
    c.register_weight = o.registrations ? 1 : 0;
    c.invite_bytes = o.invite_bytes;
    if (o.long_texts) {
        c.call_id_bytes = 48;
        c.tag_bytes = 32;
        c.contact_bytes = 90;
    }
    // Two ways, and a proxy between.
    c.t1 += std::chrono::nanoseconds{static_cast<std::int64_t>(o.delay_s * 3e9)};
    c.max_calls = static_cast<std::uint32_t>(o.rate / o.workers * (o.hold_s + 1)) + 65'536;
    c.run = worker + 1;
    return c;
}

class Seat {
public:
    Seat(std::uint32_t self, const Options& options, app::WorkerShared& shared, core::Tick now)
        : engine{traffic_of(options, self)},
          stats{std::make_unique<app::WorkerStats>()},
          delay_{std::chrono::nanoseconds{static_cast<std::int64_t>(options.delay_s * 1e9)}},
          config_{traffic_of(options, self)},
          out_{&Seat::flush, this},
          rooms_(traffic::Outgoing::burst * room),
          worker_{std::make_unique<app::Worker<MemoryIo>>(core::WorkerId{static_cast<std::uint8_t>(self)}, shared, io, *stats, now)} {
        lend();
    }

    // Callers and hosts act; what they send, or have sent a delay ago, goes to `outbound`. `at_once` calls are placed together.
    void act(core::Tick now, std::uint32_t at_once) {
        now_ = now;
        engine.advance(now, out_);
        if (engine.behind(now) >= at_once) engine.place(now, out_, 2 * std::size_t{at_once});
        out_.flush();
        for (; !under_way_.empty() && under_way_.front().due <= now; under_way_.pop_front())
            outbound.push_back(std::move(under_way_.front().parcel));
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
            if (!measuring) continue;
            busy += took;
            longest = std::max<std::chrono::nanoseconds>(longest, took);
            if (took > std::chrono::milliseconds{1}) disturbed += took;
        }
    }

    [[nodiscard]] app::Worker<MemoryIo>& worker() { return *worker_; }

    struct Counts {
        std::uint64_t handled = 0, steered = 0, octets = 0, completed = 0;  // octets: of all messages in and out
    };
    // From here on it is measured.
    void mark() { marked_ = counts(); }
    [[nodiscard]] Counts since_mark() const {
        const auto c = counts();
        return {c.handled - marked_.handled, c.steered - marked_.steered, c.octets - marked_.octets, c.completed - marked_.completed};
    }
    [[nodiscard]] std::string sample_request() const { return engine.messages().whole(traffic::Request::invite, 0).text({}); }

    MemoryIo io;
    traffic::Engine engine;
    std::unique_ptr<app::WorkerStats> stats;
    // Of polls that found work: all of them, the longest, and those beyond a millisecond, in which somebody else had the CPU: a burst
    // takes a tenth of that.
    std::chrono::nanoseconds busy{0}, longest{0}, disturbed{0};
    using Parcel = std::pair<std::string, core::Endpoint>;
    std::vector<Parcel> outbound;  // from callers and hosts to a queue

private:
    static constexpr std::size_t room = 4096;

    [[nodiscard]] Counts counts() const {
        return {stats->counts[app::WorkerCount::handled].get(), stats->counts[app::WorkerCount::steered_away].get(), io.octets(),
                engine.stats(0).completed() + engine.stats(1).completed()};
    }

    static void flush(void* self, traffic::Outgoing& out) {
        auto& seat = *static_cast<Seat*>(self);
        for (const auto& o : out.filled()) {
            Parcel parcel{std::string{o.data, o.length}, seat.endpoint(o.from)};
            if (seat.delay_ == core::Duration{0}) {
                seat.outbound.push_back(std::move(parcel));
            } else {
                seat.under_way_.push_back({seat.now_ + seat.delay_, std::move(parcel)});
            }
        }
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

    struct UnderWay {
        core::Tick due;
        Parcel parcel;
    };

    core::Duration delay_;
    core::Tick now_{};
    std::deque<UnderWay> under_way_;
    Counts marked_;
    traffic::Config config_;
    traffic::Outgoing out_;
    std::vector<char> rooms_;
    std::unique_ptr<app::Worker<MemoryIo>> worker_;
};

}  // namespace sipfront::bench

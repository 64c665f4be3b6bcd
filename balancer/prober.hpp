// When this worker probes which destination. A pure schedule: the worker sends the OPTIONS and says what came back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "balancer/health_fsm.hpp"
#include "balancer/snapshot.hpp"
#include "core/tick.hpp"
#include "core/types.hpp"

namespace sipfront::balancer {

// One worker's. Every destination is owned by exactly one worker: id modulo the number of workers. At most one probe of a
// destination is in flight.
class Prober {
public:
    // `seed`: of the jitter; the same seed gives the same schedule.
    Prober(core::WorkerId self, std::size_t workers, std::uint64_t seed = 0);

    // Takes a new snapshot over: new destinations get their first probe spread over one interval, known ones keep their
    // schedule, a probe whose destination went is forgotten. Once per snapshot, not per packet: allocates.
    void refresh(const Snapshot& snapshot, core::Tick now);

    // Calls send(DestinationId) -> bool for each probe that is due; false means that it could not be sent, and it is tried
    // again an interval later. Costs one comparison while nothing is due.
    template <class F>
    void poll(core::Tick now, F&& send) {
        if (now < earliest_) return;
        for (auto& e : entries_) {
            if (e.in_flight || now < e.due) continue;
            e.due = now + jittered_interval();
            e.in_flight = send(e.destination);
            if (e.in_flight) e.deadline = now + timeout_;
        }
        find_earliest();
    }

    // Calls timed_out(HealthEvent) for each probe that has been without a final response for ProbeConfig::timeout; for workers
    // whose probes have no timer of their own. Costs one comparison while nothing is in flight that long.
    template <class F>
    void expire(core::Tick now, F&& timed_out) {
        if (now < earliest_deadline_) return;
        for (auto& e : entries_) {
            if (!e.in_flight || now < e.deadline) continue;
            if (const auto event = finish(e.destination, sip::Outcome::timeout, 0)) timed_out(*event);
        }
    }

    // The end of a probe. Nothing for a provisional response, or when no probe of that destination is in flight (a late answer).
    std::optional<HealthEvent> on_response(core::DestinationId d, int status);
    std::optional<HealthEvent> on_timeout(core::DestinationId d) { return finish(d, sip::Outcome::timeout, 0); }
    std::optional<HealthEvent> on_transport_error(core::DestinationId d) { return finish(d, sip::Outcome::transport_error, 0); }

    // Makes a probe due at the next poll, because of evidence from elsewhere; nothing for destinations that are not probed here.
    void hurry(core::DestinationId d, core::Tick now) noexcept;
    // The same because of evidence that anybody could have made up: at most once in an interval. False: not this time.
    bool suspect(core::DestinationId d, core::Tick now) noexcept;

    // Who probes it, if anybody does.
    [[nodiscard]] core::WorkerId owner(core::DestinationId d) const noexcept {
        return core::WorkerId{static_cast<std::uint8_t>(core::raw(d) % workers_)};
    }
    [[nodiscard]] bool owns(core::DestinationId d) const noexcept { return owner(d) == self_; }
    [[nodiscard]] bool in_flight(core::DestinationId d) const noexcept;

private:
    struct Entry {
        core::DestinationId destination{};
        bool in_flight = false;
        core::Tick due{};
        core::Tick deadline{};  // while in flight
        core::Tick trusted{};   // until then no suspicion is followed
    };

    Entry* entry(core::DestinationId d) noexcept;
    std::optional<HealthEvent> finish(core::DestinationId d, sip::Outcome outcome, std::uint16_t status);
    void find_earliest() noexcept;
    core::Duration jittered_interval() noexcept;
    // In [0, 1).
    double draw() noexcept;

    core::WorkerId self_;
    std::size_t workers_;
    std::uint64_t random_;
    core::Duration interval_{std::chrono::seconds{5}};
    core::Duration timeout_{std::chrono::seconds{2}};
    double jitter_ = 0.0;
    std::vector<Entry> entries_;
    core::Tick earliest_ = core::Tick::max();
    core::Tick earliest_deadline_ = core::Tick::max();
};

}  // namespace sipfront::balancer

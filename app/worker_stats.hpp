// What one worker counts besides its port. Written by the worker, read by metrics.
#pragma once

#include "core/counters.hpp"
#include "sip/proxy_counters.hpp"

namespace sipfront::app {

enum class WorkerCount : std::uint8_t {
    received,      // SIP messages from the port
    steered_away,  // posted to the worker that owns the call
    steered_here,  // taken from other workers
    steer_drop,    // the owner's mailbox was full
    handled,
    probes_sent,
    probes_unsent,     // no room or no socket
    evidence_dropped,  // control's mailbox was full
    undelivered,       // ICMP errors about messages, as this worker's port received them
    unproven,          // of those that came to this worker, the ones that no transaction confirms
    suspicions,        // probes sent early because of an ICMP error
    count_
};
inline std::string_view name(WorkerCount c) noexcept {
    static constexpr std::string_view names[] = {"received",    "steered_away", "steered_here",  "steer_drop",
                                                 "handled",     "probes_sent",  "probes_unsent", "evidence_dropped",
                                                 "undelivered", "unproven",     "suspicions"};
    static_assert(std::size(names) == static_cast<std::size_t>(WorkerCount::count_));
    return names[static_cast<std::size_t>(c)];
}

// Of overload control; shares in units of 2^-32.
struct OverloadStats {
    core::Counter share;          // of the new work, that is admitted while queues are short
    core::Counter standing;       // of the last 10 ms, in which a queue stood
    core::Counter standing_time;  // ns in all
    core::Counter episodes;       // times that new work began to be refused
    core::Counter engaged;        // 1: the control is at work
    // New work that was judged while some was to be refused.
    core::CounterArray<sip::Method> admitted, rejected;
};

struct alignas(64) WorkerStats {
    core::CounterArray<WorkerCount> counts;
    sip::ProxyCounters proxy;
    OverloadStats overload;
    core::Histogram burst_time;  // of polls that handled messages
    core::Counter idle;          // 1: no transaction and no dialog is left
};

}  // namespace sipfront::app

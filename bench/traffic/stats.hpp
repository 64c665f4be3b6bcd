// What became of the calls, by name. Counters have one writer (the generator's thread) and any readers; the histograms belong to the
// writer until it has stopped.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "bench/traffic/histogram.hpp"
#include "core/counters.hpp"

namespace sipfront::traffic {

// How a call or a registration ended: one each.
enum class Outcome : std::uint8_t {
    completed,
    rejected,           // 503
    unexpected_status,  // any other final response that the hosts did not send
    invite_timeout,     // no response at all in 64*T1
    answer_timeout,     // provisional responses only
    bye_timeout,
    register_timeout,
    ack_lost,    // the BYE was answered, and no ACK had reached the host
    mangled,     // a message differs from what it must be; Fault says in what
    misrouted,   // reached another host than the INVITE, or the wrong side
    duplicate,   // a copy that nobody's retransmission explains
    unfinished,  // open at the end of the run
    not_placed,  // the generator had no room for it
    count_
};
// What differed in a mangled message.
enum class Fault : std::uint8_t {
    none,
    malformed,
    start_line,
    via,
    max_forwards,
    record_route,
    route,
    from,
    to,
    call_id,
    cseq,
    contact,
    header,  // another header: missing, changed, or the proxy's own towards the client
    body,
    count_
};
enum class Event : std::uint8_t {
    placed,
    client_retransmissions,  // INVITE, BYE and REGISTER by timers A and E
    host_retransmissions,    // 200 by timer G
    proxy_retransmissions,   // requests that came to the host again, late enough for a timer
    failovers,               // INVITEs that the proxy took to another host, late enough for the first to have failed it
    late,                    // messages of calls that had ended
    late_duplicates,         // of those: copies that no retransmission explains
    foreign,                 // messages that belong to no call of this run
    probes,                  // OPTIONS answered by the hosts
    slow_checks,             // messages that needed the exact comparison header by header
    no_room,                 // messages not sent for want of a buffer
    no_image,                // 200s that cannot be retransmitted: too long, or too many unacknowledged
    count_
};

std::string_view name(Outcome o) noexcept;
std::string_view name(Fault f) noexcept;
std::string_view name(Event e) noexcept;

struct Stats {
    core::CounterArray<Outcome> outcomes;
    core::CounterArray<Fault> faults;
    core::CounterArray<Event> events;
    std::array<core::Counter, 700> statuses;  // final responses other than the hosts' own
    Histogram added;                          // INVITE: client's send to host's receive
    Histogram first_response, answer, bye, registration;
    Histogram refusal;  // the first request to a 503

    [[nodiscard]] std::uint64_t placed() const noexcept { return events[Event::placed].get(); }
    [[nodiscard]] std::uint64_t completed() const noexcept { return outcomes[Outcome::completed].get(); }
    // All that did not complete.
    [[nodiscard]] std::uint64_t failed() const noexcept;
    // Wrong messages that could be laid to no open call.
    [[nodiscard]] std::uint64_t wrong() const noexcept { return events[Event::late_duplicates].get() + events[Event::foreign].get(); }
};

}  // namespace sipfront::traffic

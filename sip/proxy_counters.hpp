// What one worker's proxy counts. Written by that worker alone, read by anyone. The enumerators' names are the metric labels.
#pragma once

#include <array>
#include <string_view>

#include "core/counters.hpp"
#include "sip/message.hpp"

namespace sipfront::sip {

// Why a message was not processed further. Parse errors have a list of their own.
enum class ProxyDrop : std::uint8_t {
    keepalive,         // CRLF, NUL, STUN: swallowed in silence
    unanswerable,      // malformed, and without what a 400 needs
    foreign_response,  // top Via is not ours (RFC 3261 §18.1.2)
    forged_response,   // the branch does not verify, or came from the wrong place
    stray_response,    // no client transaction (RFC 6026)
    stray_ack,         // an ACK that belongs to nothing of ours
    ack_no_hops,       // an ACK with Max-Forwards 0
    refused_ack,       // an ACK whose route we do not serve
    late_response,     // a provisional or second final after the transaction's final
    table_full,        // no room for a transaction
    no_image_room,     // no room for a retransmission image
    no_buffer,         // the port has no buffer to send with
    too_large,         // does not fit the largest buffer or the edit list
    no_listener,       // no local socket of the target's transport and family
    denied,
    rate_limited,
    scanner,           // the guard's verdicts
    undeliverable,     // a response that no stream took, and no way is left for it
    rejection_ack,     // the ACK to a rejection under overload
    ack_without_name,  // an ACK to a host name that is being asked for
    count_
};
std::string_view name(ProxyDrop d) noexcept;

// Replies that we made ourselves, by cause.
enum class LocalReply : std::uint8_t {
    trying,
    bad_request,
    version_not_supported,
    unsupported_scheme,
    too_many_hops,
    loop,
    bad_extension,
    method_not_allowed,
    no_dialog,
    forbidden_route,
    self_loop,
    unresolvable,
    cancel_ok,
    cancel_no_transaction,
    request_terminated,
    options_ok,
    options_unavailable,
    no_destination,
    all_full,
    overloaded,
    too_large,
    timeout,
    sips_not_allowed,
    flow_failed,
    draining,
    overload_rejected,
    name_failed,
    unreachable,
    count_
};
std::string_view name(LocalReply r) noexcept;

enum class ProxyEvent : std::uint8_t {
    transaction_created,
    transaction_ended,
    request_retransmitted,
    response_retransmitted,
    request_absorbed,
    dialog_created,
    dialog_confirmed,
    dialog_ended,
    dialog_failed,
    dialog_expired,
    dialog_table_full,
    failover,
    failover_exhausted,
    late_winner,
    route_repaired,
    relay_refused,
    challenge_followed,
    trust_header_stripped,
    timer_c,
    fr_timer,
    fr_inv_timer,
    transaction_timeout,
    ack_timeout,
    status_503_translated,
    extra_success,
    path_added,
    flow_followed,
    flow_failed,
    stream_taken,
    stream_failed,
    stream_fallback,
    response_rerouted,
    holder_followed,
    late_answer_ended,
    name_waited,
    name_timeout,
    transport_error,         // an ICMP error ended an attempt
    dialog_adopted,          // known by its cookie, and proven by an answer
    dialog_recovered,        // read from a store
    dialog_recovery_unsure,  // ended during recovery, and no room to remember it: a ghost is possible
    dialog_pinged,
    dialog_ghost,   // its host knows nothing of it any more
    dialog_untold,  // a change that had to wait for room in the journal
    count_
};
std::string_view name(ProxyEvent e) noexcept;

struct ProxyCounters {
    core::CounterArray<Method> requests_in, requests_out, responses_in_by_method;
    // Index: status / 100, 1..6; 0 is not used.
    std::array<core::Counter, 7> responses_in, responses_out;
    core::CounterArray<ParseError> parse_errors;
    core::CounterArray<ProxyDrop> drops;
    core::CounterArray<LocalReply> local_replies;
    core::CounterArray<ProxyEvent> events;
    // Gauges, set once a poll.
    core::Counter transactions, dialogs, early_dialogs, image_bytes;
    core::Counter told_all;  // how often tell_all() has come to its end
    // From the arrival of an INVITE to the first response forwarded (other than 100), and to its 2xx; BYE likewise.
    core::Histogram invite_first_response, invite_success, bye_final, register_final;
};

}  // namespace sipfront::sip

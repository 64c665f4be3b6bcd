// Label texts of the proxy's counters.
#include <array>

#include "sip/proxy_counters.hpp"

namespace sipfront::sip {
namespace {

template <class Enum, std::size_t N>
std::string_view pick(const std::array<std::string_view, N>& names, Enum e) noexcept {
    static_assert(N == static_cast<std::size_t>(Enum::count_), "one name per enumerator");
    const auto i = static_cast<std::size_t>(e);
    return i < N ? names[i] : "unknown";
}

}  // namespace

std::string_view name(ProxyDrop d) noexcept {
    static constexpr auto names = std::to_array<std::string_view>(
        {"keepalive",   "unanswerable",  "foreign_response", "forged_response", "stray_response", "stray_ack",       "ack_no_hops",
         "refused_ack", "late_response", "table_full",       "no_image_room",   "no_buffer",      "too_large",       "no_listener",
         "denied",      "rate_limited",  "scanner",          "undeliverable",   "rejection_ack",  "ack_without_name"});
    return pick(names, d);
}

std::string_view name(LocalReply r) noexcept {
    static constexpr auto names = std::to_array<std::string_view>({"trying",
                                                                   "bad_request",
                                                                   "version_not_supported",
                                                                   "unsupported_scheme",
                                                                   "too_many_hops",
                                                                   "loop",
                                                                   "bad_extension",
                                                                   "method_not_allowed",
                                                                   "no_dialog",
                                                                   "forbidden_route",
                                                                   "self_loop",
                                                                   "unresolvable",
                                                                   "cancel_ok",
                                                                   "cancel_no_transaction",
                                                                   "request_terminated",
                                                                   "options_ok",
                                                                   "options_unavailable",
                                                                   "no_destination",
                                                                   "all_full",
                                                                   "overloaded",
                                                                   "too_large",
                                                                   "timeout",
                                                                   "sips_not_allowed",
                                                                   "flow_failed",
                                                                   "draining",
                                                                   "overload_rejected",
                                                                   "name_failed",
                                                                   "unreachable"});
    return pick(names, r);
}

std::string_view name(ProxyEvent e) noexcept {
    static constexpr auto names = std::to_array<std::string_view>({"transaction_created",
                                                                   "transaction_ended",
                                                                   "request_retransmitted",
                                                                   "response_retransmitted",
                                                                   "request_absorbed",
                                                                   "dialog_created",
                                                                   "dialog_confirmed",
                                                                   "dialog_ended",
                                                                   "dialog_failed",
                                                                   "dialog_expired",
                                                                   "dialog_table_full",
                                                                   "failover",
                                                                   "failover_exhausted",
                                                                   "late_winner",
                                                                   "route_repaired",
                                                                   "relay_refused",
                                                                   "challenge_followed",
                                                                   "trust_header_stripped",
                                                                   "timer_c",
                                                                   "fr_timer",
                                                                   "fr_inv_timer",
                                                                   "transaction_timeout",
                                                                   "ack_timeout",
                                                                   "status_503_translated",
                                                                   "extra_success",
                                                                   "path_added",
                                                                   "flow_followed",
                                                                   "flow_failed",
                                                                   "stream_taken",
                                                                   "stream_failed",
                                                                   "stream_fallback",
                                                                   "response_rerouted",
                                                                   "holder_followed",
                                                                   "late_answer_ended",
                                                                   "name_waited",
                                                                   "name_timeout",
                                                                   "transport_error",
                                                                   "dialog_adopted",
                                                                   "dialog_recovered",
                                                                   "dialog_recovery_unsure",
                                                                   "dialog_pinged",
                                                                   "dialog_ghost",
                                                                   "dialog_untold"});
    return pick(names, e);
}

}  // namespace sipfront::sip

#include "bench/traffic/stats.hpp"

#include <iterator>

namespace sipfront::traffic {

std::string_view name(Outcome o) noexcept {
    static constexpr std::string_view names[] = {"completed",   "rejected",         "unexpected_status", "invite_timeout", "answer_timeout",
                                                 "bye_timeout", "register_timeout", "ack_lost",          "mangled",        "misrouted",
                                                 "duplicate",   "unfinished",       "not_placed"};
    static_assert(std::size(names) == static_cast<std::size_t>(Outcome::count_));
    return names[static_cast<std::size_t>(o)];
}

std::string_view name(Fault f) noexcept {
    static constexpr std::string_view names[] = {"none", "malformed", "start_line", "via",  "max_forwards", "record_route", "route",
                                                 "from", "to",        "call_id",    "cseq", "contact",      "header",       "body"};
    static_assert(std::size(names) == static_cast<std::size_t>(Fault::count_));
    return names[static_cast<std::size_t>(f)];
}

std::string_view name(Event e) noexcept {
    static constexpr std::string_view names[] = {"placed",
                                                 "client_retransmissions",
                                                 "host_retransmissions",
                                                 "proxy_retransmissions",
                                                 "failovers",
                                                 "late",
                                                 "late_duplicates",
                                                 "foreign",
                                                 "probes",
                                                 "slow_checks",
                                                 "no_room",
                                                 "no_image"};
    static_assert(std::size(names) == static_cast<std::size_t>(Event::count_));
    return names[static_cast<std::size_t>(e)];
}

std::uint64_t Stats::failed() const noexcept {
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(Outcome::count_); ++i) {
        if (static_cast<Outcome>(i) != Outcome::completed) n += outcomes[static_cast<Outcome>(i)].get();
    }
    return n;
}

}  // namespace sipfront::traffic

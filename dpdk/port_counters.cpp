#include "dpdk/port_counters.hpp"

#include <array>

namespace sipfront::dpdk {

std::string_view name(Drop d) noexcept {
    static constexpr std::array<std::string_view, static_cast<std::size_t>(Drop::count_)> names{
        "truncated",        "ip_header",          "ip_checksum",        "udp_length",       "udp_checksum",
        "source",           "not_for_us",         "own_frame",          "chained",          "kernel_rate",
        "kernel_full",      "no_route",           "unresolved",         "too_long",         "no_mbuf",
        "tx_full",          "not_sent",           "fragment_malformed", "fragment_too_big", "fragment_count",
        "fragment_overlap", "fragment_duplicate", "fragment_timeout",   "fragment_evicted", "fragment_steering"};
    return names[static_cast<std::size_t>(d)];
}

std::string_view name(IcmpReport r) noexcept {
    static constexpr std::array<std::string_view, static_cast<std::size_t>(IcmpReport::count_)> names{
        "unreachable", "packet_too_big", "checksum", "implausible", "limited", "no_mbuf"};
    return names[static_cast<std::size_t>(r)];
}

}  // namespace sipfront::dpdk

// What one worker counts at its ports. The worker writes, any thread reads.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/counters.hpp"

namespace sipfront::dpdk {

// Why a frame or a datagram went no further. The enumerator's name is the metric's label.
enum class Drop : std::uint8_t {
    truncated,  // shorter than its headers say
    ip_header,  // version, header length or an extension header is wrong
    ip_checksum,
    udp_length,
    udp_checksum,
    source,       // a source that nobody can be answered at: multicast, unspecified, loopback, port 0
    not_for_us,   // unicast to another MAC address
    own_frame,    // our own broadcast, sent back by the switch
    chained,      // a received packet in more pieces than a buffer can take
    kernel_rate,  // over the rate towards the kernel
    kernel_full,  // the kernel's queue is full, or there is no kernel link
    no_route,
    unresolved,  // the next hop's MAC address did not become known in time, or too many wait
    too_long,    // more than a UDP datagram can hold
    no_mbuf,
    tx_full,             // the port did not take it
    not_sent,            // not a UDP datagram: it came to the wrong transport
    fragment_malformed,  // an IP fragment without octets, or not the last one and not of a multiple of eight
    fragment_too_big,    // it reaches beyond the longest IP packet
    fragment_count,      // its datagram comes in more pieces than any sane one
    fragment_overlap,    // its datagram's fragments contradict each other: all of them are dropped (RFC 5722)
    fragment_duplicate,  // an exact repetition
    fragment_timeout,    // the rest of its datagram did not come in time
    fragment_evicted,    // its datagram was the oldest when a newer one needed the room
    fragment_steering,   // the mailbox of the worker that puts its datagram together was full
    count_,
};
std::string_view name(Drop d) noexcept;

// What became of an ICMP error that quotes a datagram of one of our sockets.
enum class IcmpReport : std::uint8_t {
    unreachable,     // told to the worker
    packet_too_big,  // likewise
    checksum,        // its checksum is wrong
    implausible,     // it contradicts itself, or asks for less than every path takes
    limited,         // more than are looked at
    no_mbuf,
    count_,
};
std::string_view name(IcmpReport r) noexcept;

struct alignas(64) PortCounters {
    core::Counter polls;
    core::Counter rx_packets, rx_bytes;    // SIP datagrams, payload octets
    core::Counter tx_packets, tx_bytes;    // frames, frame octets
    core::Counter to_kernel, from_kernel;  // frames
    core::Counter rx_fragments;            // IP fragments to a listener's address
    core::Counter fragments_to_kernel;     // of these, those that were not ours
    core::Counter reassembled;             // SIP datagrams put together; also among rx_packets
    core::Counter reassembly_timeouts;     // datagrams whose fragments did not all come in time
    core::Counter reassembly_overlaps;     // datagrams dropped because their fragments contradict each other
    core::Counter reassembly_evictions;    // datagrams given up for newer ones
    core::Counter tx_fragmented;           // datagrams that left in fragments
    core::Counter waited;                  // frames that waited for a MAC address and left
    core::Counter learned_hops;            // datagrams sent by a learned MAC address while the kernel had none
    core::Counter arp_answers;             // answers of the link monitor's targets
    core::Counter tx_full;                 // transmit bursts that the port took only in part
    core::Counter path_mtus;               // limits of paths that were taken over
    core::CounterArray<Drop> drops;
    core::CounterArray<IcmpReport> icmp_errors;
};

}  // namespace sipfront::dpdk

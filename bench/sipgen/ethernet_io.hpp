// The generator on a DPDK port: Ethernet, IP and UDP by itself, with ARP (and neighbour discovery) answered for every address it
// plays. IPv4 that arrives in fragments is put together up to a buffer's length. IPv4 leaves without a UDP checksum, as RFC 768 allows, for
// ports that have no offload. The generator's lcore only.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "bench/sipgen/dpdk_port.hpp"
#include "bench/sipgen/io.hpp"
#include "bench/traffic/config.hpp"
#include "dpdk/headers.hpp"

struct rte_ip_frag_tbl;
struct rte_mbuf;
struct rte_mempool;

namespace sipfront::sipgen {

class EthernetIo {
public:
    EthernetIo(const traffic::Config& config, DpdkPort& port);
    EthernetIo(const EthernetIo&) = delete;
    EthernetIo& operator=(const EthernetIo&) = delete;
    ~EthernetIo();

    // Asks for the target's MAC address until it answers; false after `most`.
    bool find_target(core::Duration most);

    std::size_t receive(std::span<traffic::In> in);
    void release();
    [[nodiscard]] traffic::Outgoing& outgoing() { return outgoing_; }
    // A poll core does not sleep.
    void wait(core::Duration);
    [[nodiscard]] PacketCounts counts() const { return counts_; }
    // Frames whose checksums were looked at and found wrong: one in `checked_one_in` is.
    [[nodiscard]] std::uint64_t bad_checksums() const { return bad_checksums_; }

    static constexpr std::uint64_t checked_one_in = 64;

private:
    static constexpr std::size_t burst = 64, most_peers = 1024;

    struct Peer {
        core::Endpoint endpoint;
        dpdk::MacAddress mac;
        std::uint32_t v4 = 0;  // network order; 0: IPv6
        std::uint16_t port = 0;
    };
    // Of an IPv4 address we play.
    struct Slot {
        std::uint32_t v4 = 0;
        std::uint16_t port = 0;
        traffic::Party party = 0;
    };

    static void flush(void* self, traffic::Outgoing& out);
    void send(rte_mbuf** frames, std::size_t count);
    void lend();
    // False when the frame is no datagram for us. A fragment is kept: `m` is null then, or the whole of which it was the last.
    bool accept(rte_mbuf*& m, traffic::In& in);
    bool accept_other(rte_mbuf*& m, traffic::In& in);
    bool reassemble(rte_mbuf*& m);
    bool answer_neighbour(std::span<const std::uint8_t> frame);
    void send_frame(std::span<const std::uint8_t> frame);
    void ask_for_target();
    traffic::Peer peer(std::uint32_t v4, std::uint16_t port, const std::uint8_t* mac);
    traffic::Peer peer(const core::Endpoint& endpoint, const dpdk::MacAddress& mac);
    [[nodiscard]] const Slot* find(std::uint32_t v4, std::uint16_t port) const;
    void encode(const traffic::Out& o);
    void check(std::span<const std::uint8_t> frame);

    std::vector<core::Endpoint> parties_;
    core::Endpoint target_;
    dpdk::Lane lane_;
    rte_mempool* pool_;
    dpdk::MacAddress mac_;
    std::vector<Peer> peers_;
    std::array<Slot, 1024> table_{};
    bool target_known_ = false;
    std::uint16_t ip_id_ = 0;
    std::unique_ptr<rte_ip_frag_tbl, void (*)(rte_ip_frag_tbl*)> fragments_;
    std::uint64_t seen_ = 0, bad_checksums_ = 0;
    PacketCounts counts_;
    std::size_t held_count_ = 0;
    std::array<rte_mbuf*, burst> held_{};
    traffic::Outgoing outgoing_;
};
static_assert(TrafficIo<EthernetIo>);

}  // namespace sipfront::sipgen

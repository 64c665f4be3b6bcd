// The sending half of DpdkIo: next hop, headers, fragments, and frames that wait for a MAC address.
#include <algorithm>

#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "dpdk/dpdk_io.hpp"

namespace sipfront::dpdk {
namespace {

// Of the largest datagram at the least MTU of a path.
constexpr std::size_t most_pieces = 128;
static_assert(most_pieces * ((least_path_mtu(core::Family::ipv4) - ipv4_header) & ~std::size_t{7}) >= Pools::large_room + udp_header);

std::span<std::uint8_t> payload_of(rte_mbuf* m) noexcept { return {rte_pktmbuf_mtod(m, std::uint8_t*), rte_pktmbuf_data_len(m)}; }

void prepend(rte_mbuf* m, std::size_t length) noexcept { (void)rte_pktmbuf_prepend(m, static_cast<std::uint16_t>(length)); }

}  // namespace

void DpdkIo::transmit(core::Outbox& out) noexcept {
    for (const auto& d : out.filled()) encode(d);
    out.clear_filled();
    flush_wire();
}

void DpdkIo::encode(const core::OutDatagram& d) noexcept {
    auto* m = static_cast<rte_mbuf*>(d.room.buffer);
    if (d.flow.transport != core::Transport::udp) return drop(m, Drop::not_sent);
    const auto family = d.flow.remote.address.family();
    if (d.length > Pools::large_room) return drop(m, Drop::too_long);
    if (family != d.flow.local.address.family() || d.flow.remote.port == 0) return drop(m, Drop::no_route);
    const auto hop = resolve(d.flow.remote.address);
    if (hop.kind == NextHop::Kind::no_route) return drop(m, Drop::no_route);

    rte_pktmbuf_append(m, static_cast<std::uint16_t>(d.length));
    const FrameAddresses addresses{mac_, hop.mac, d.flow.local, d.flow.remote};
    const auto length = ip_header_length(family) + udp_header + d.length;
    if (const auto mtu = path_mtu(d, length); length > mtu) return encode_fragments(m, addresses, hop, mtu);
    if (rte_pktmbuf_headroom(m) < RTE_PKTMBUF_HEADROOM) {
        m = in_small_buffer(m);
        if (m == nullptr) return;
    }
    const EncodeOptions options{.checksum_offload = offloads_.tx_checksum, .ip_id = ip_id_++};
    prepend(m, encode_headers(payload_of(m), addresses, options));
    if (offloads_.tx_checksum) {
        const bool v4 = family == core::Family::ipv4;
        m->l2_len = ethernet_header;
        m->l3_len = ip_header_length(family) & 0x1ff;
        m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM | (v4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : RTE_MBUF_F_TX_IPV6);
    }
    dispatch(m, hop);
}

std::uint16_t DpdkIo::path_mtu(const core::OutDatagram& d, std::size_t length) const noexcept {
    if (length <= least_path_mtu(core::Family::ipv4) || !paths_.any(now_)) return mtu_;
    return std::min(mtu_, paths_.find(d.flow.remote.address, now_));
}

// A message that fits a packet after all, though its writer could not know: out of its large buffer, where the headers find no room.
rte_mbuf* DpdkIo::in_small_buffer(rte_mbuf* large) noexcept {
    auto* small = rte_pktmbuf_alloc(plane_.pools().small(worker_));
    const auto text = payload_of(large);
    auto* to = small != nullptr ? rte_pktmbuf_append(small, static_cast<std::uint16_t>(text.size())) : nullptr;
    if (to == nullptr) {
        rte_pktmbuf_free(small);
        return drop(large, Drop::no_mbuf), nullptr;
    }
    rte_memcpy(to, text.data(), text.size());
    rte_pktmbuf_free(large);
    return small;
}

// Copies: the pieces need headers of their own, and a message beyond the MTU is rare.
void DpdkIo::encode_fragments(rte_mbuf* m, const FrameAddresses& addresses, const NextHop& hop, std::uint16_t mtu) noexcept {
    prepend(m, encode_udp(payload_of(m), addresses.source, addresses.destination));
    const auto whole = payload_of(m);
    Fragmenter cut{addresses.source.address.family(), static_cast<std::uint32_t>(whole.size()), mtu};
    std::array<Piece, most_pieces> pieces;
    std::size_t count = 0;
    while (count < pieces.size() && cut.next(pieces[count])) ++count;
    std::array<rte_mbuf*, most_pieces> mbufs;
    if (rte_pktmbuf_alloc_bulk(plane_.pools().small(worker_), mbufs.data(), static_cast<unsigned>(count)) != 0) {
        return drop(m, Drop::no_mbuf);
    }
    const auto id = fragment_id_++;
    for (std::size_t i = 0; i < count; ++i) {
        auto* to = rte_pktmbuf_append(mbufs[i], static_cast<std::uint16_t>(pieces[i].length));
        rte_memcpy(to, whole.data() + pieces[i].offset, pieces[i].length);
        prepend(mbufs[i], encode_fragment(payload_of(mbufs[i]), pieces[i], addresses, id));
        dispatch(mbufs[i], hop);
    }
    counters_.tx_fragmented.add();
    rte_pktmbuf_free(m);
}

NextHop DpdkIo::resolve(const core::IpAddress& destination) noexcept {
    const auto generation = hops_->generation();
    if (const auto* known = cache_.find(destination, generation)) return *known;
    auto hop = hops_->lookup(destination);
    if (hop.kind == NextHop::Kind::resolved) {
        cache_.keep(destination, generation, hop);
        return hop;
    }
    if (hop.kind == NextHop::Kind::unresolved) {
        if (waiting_.should_ask(hop.address, now_)) (void)plane_.unresolved(worker_).try_post(hop.address);
        if (const auto* mac = learned_.find(hop.address, now_)) {
            counters_.learned_hops.add();
            hop.kind = NextHop::Kind::resolved;
            hop.mac = *mac;
        }
    }
    return hop;
}

void DpdkIo::dispatch(rte_mbuf* m, const NextHop& hop) noexcept {
    if (hop.kind == NextHop::Kind::resolved) return stage(m);
    if (!waiting_.add(m, hop.address, now_)) drop(m, Drop::unresolved);
}

void DpdkIo::retry_waiting() noexcept {
    waiting_.sweep(
        *hops_, now_,
        [this](rte_mbuf* m, const MacAddress& mac) {
            set_destination_mac(rte_pktmbuf_mtod(m, std::uint8_t*), mac);
            counters_.waited.add();
            stage(m);
        },
        [this](rte_mbuf* m) { drop(m, Drop::unresolved); });
}

}  // namespace sipfront::dpdk

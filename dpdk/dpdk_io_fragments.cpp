// The part of DpdkIo that receives IP fragments: to the worker that owns their datagram, there into its Reassembler, and as a whole into
// a buffer of its own.
#include <algorithm>

#include <rte_mbuf.h>

#include "dpdk/dpdk_io.hpp"

namespace sipfront::dpdk {
namespace {

// Of a poll: each may complete a datagram, for which there must be room beside the burst of the wire.
constexpr std::size_t most_steered = 32;

std::span<const std::uint8_t> bytes_of(const rte_mbuf* m) noexcept {
    return {rte_pktmbuf_mtod(m, const std::uint8_t*), rte_pktmbuf_data_len(m)};
}

}  // namespace

// Fragments that other workers have received for us, as many as this poll will take.
std::size_t DpdkIo::steered_fragments(std::size_t room) const noexcept {
    return std::min({plane_.fragments().waiting(worker_), most_steered, room / 2});
}

std::size_t DpdkIo::take_steered(std::span<core::Inbound> in) noexcept {
    std::size_t count = 0;
    activity_ += plane_.fragments().consume(
        worker_,
        [&](rte_mbuf* m) {
            // Its checksum has been looked at where it came in.
            const auto f = read_fragment(bytes_of(m), decode(bytes_of(m), {.verify_ip_checksum = false}));
            if (reassemble(m, f, plane_.fragments().hash(f), in[count])) ++count;
        },
        in.size());
    return count;
}

bool DpdkIo::accept_fragment(rte_mbuf* m, const Decoded& d, core::Inbound& in) noexcept {
    counters_.rx_fragments.add();
    const auto f = read_fragment(bytes_of(m), d);
    if (f.source.is_v4() && f.protocol != protocol_udp) {
        counters_.fragments_to_kernel.add();
        return to_kernel(m), false;
    }
    const auto hash = plane_.fragments().hash(f);
    const auto owner = plane_.fragments().owner(hash);
    if (owner == worker_) return reassemble(m, f, hash, in);
    if (!plane_.fragments().try_post(worker_, owner, m)) drop(m, Drop::fragment_steering);
    return false;
}

bool DpdkIo::reassemble(rte_mbuf* m, const Fragment& f, std::uint64_t hash, core::Inbound& in) noexcept {
    const auto whole = reassembler_.add(f, hash, m, *listeners_, now_);
    if (!whole) return false;
    auto* room = room_for(whole->length);
    if (room == nullptr) {
        reassembler_.take(*whole, {});
        counters_.drops[Drop::no_mbuf].add();
        return false;
    }
    const auto sender = decode(bytes_of(whole->first), {.verify_ip_checksum = false}).ethernet_source;
    const std::span<std::uint8_t> datagram{rte_pktmbuf_mtod(room, std::uint8_t*), whole->length};
    reassembler_.take(*whole, datagram);
    auto d = decode_datagram(datagram, whole->source, whole->destination);
    d.ethernet_source = sender;
    if (d.verdict == Decoded::Verdict::bad) return drop(room, d.reason), false;
    if (!deliver(room, d, whole->listener, in)) return false;
    counters_.reassembled.add();
    return true;
}

// A buffer with that many octets, as small a one as will do; null when there is none.
rte_mbuf* DpdkIo::room_for(std::uint32_t length) noexcept {
    auto* pool = plane_.pools().small(worker_);
    if (length > rte_pktmbuf_data_room_size(pool)) pool = plane_.pools().large(worker_);
    auto* m = rte_pktmbuf_alloc(pool);
    if (m == nullptr) return nullptr;
    // The headroom too: the longest datagram fills a large buffer.
    m->data_off = 0;
    m->data_len = static_cast<std::uint16_t>(length);
    m->pkt_len = length;
    return m;
}

void DpdkIo::done(rte_mbuf* m) noexcept { rte_pktmbuf_free(m); }

}  // namespace sipfront::dpdk

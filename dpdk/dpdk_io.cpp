#include "dpdk/dpdk_io.hpp"

#include <algorithm>
#include <cassert>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_prefetch.h>
#include <rte_random.h>

#include "core/keys.hpp"
#include "dpdk/neighbour_frames.hpp"

namespace sipfront::dpdk {
namespace {

// Octets of a frame that are asked for as soon as it is there: as much as most messages have.
constexpr std::size_t prefetched = 768;
constexpr int send_attempts = 8;

std::span<const std::uint8_t> bytes_of(const rte_mbuf* m) noexcept {
    return {rte_pktmbuf_mtod(m, const std::uint8_t*), rte_pktmbuf_data_len(m)};
}

void prefetch(const rte_mbuf* m) noexcept {
    const auto* p = rte_pktmbuf_mtod(m, const char*);
    const auto length = std::min<std::size_t>(rte_pktmbuf_data_len(m), prefetched);
    for (std::size_t at = 0; at < length; at += RTE_CACHE_LINE_SIZE) rte_prefetch0(p + at);
}

rte_mbuf* mbuf_of(const core::OutBuffer& b) noexcept { return static_cast<rte_mbuf*>(b.buffer); }

// For a message to come, with its headers in front: whoever read the last one out of it has the lines.
core::OutBuffer room_of(rte_mbuf* m) noexcept {
    auto* const data = rte_pktmbuf_mtod(m, char*);
    for (auto* p = data - RTE_CACHE_LINE_SIZE; p < data + prefetched; p += RTE_CACHE_LINE_SIZE) __builtin_prefetch(p, 1);
    return {data, rte_pktmbuf_tailroom(m), m};
}

enum class Hardware : std::uint8_t { unknown, good, bad };

Hardware ip_verdict(const rte_mbuf* m) noexcept {
    const auto flags = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
    if (flags == RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN) return Hardware::unknown;
    return flags == RTE_MBUF_F_RX_IP_CKSUM_BAD ? Hardware::bad : Hardware::good;
}

Hardware udp_verdict(const rte_mbuf* m) noexcept {
    const auto flags = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
    if (flags == RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN) return Hardware::unknown;
    return flags == RTE_MBUF_F_RX_L4_CKSUM_BAD ? Hardware::bad : Hardware::good;
}

}  // namespace

DpdkIo::DpdkIo(core::WorkerId worker, DataPlane& plane, const TscClock& clock)
    : worker_{worker},
      plane_{plane},
      counters_{plane.counters(worker)},
      wire_{plane.wire().lane(worker)},
      kernel_{plane.kernel()},
      clock_{clock},
      now_{clock.now()},
      mac_{plane.wire().mac()},
      offloads_{plane.wire().offloads()},
      mtu_{plane.wire().mtu()},
      // The identification of datagrams differs between workers and restarts (RFC 7739).
      ip_id_{static_cast<std::uint16_t>(rte_rand())},
      fragment_id_{static_cast<std::uint32_t>(rte_rand())},
      reassembler_{plane.reassembly(), core::random_key(), *this, counters_} {
    hops_ = plane.next_hops().acquire(worker);
    listeners_ = plane.listeners().acquire(worker);
}

void DpdkIo::drop(rte_mbuf* m, Drop why) noexcept {
    counters_.drops[why].add();
    rte_pktmbuf_free(m);
}

std::size_t DpdkIo::receive(std::span<core::Inbound> in) noexcept {
    std::array<rte_mbuf*, burst> frames;
    const auto steered = steered_fragments(in.size());
    const auto wanted = static_cast<std::uint16_t>(std::min<std::size_t>(in.size() - steered, burst));
    const auto received = wire_.receive(frames.data(), wanted);
    backlogged_ = received == wanted;
    // A NIC or another core wrote them, so no cache of ours has them: on their way while the poll does its other work.
    for (std::uint16_t i = 0; i < received; ++i) prefetch(frames[i]);

    now_ = clock_.now();
    hops_ = plane_.next_hops().acquire(worker_);
    listeners_ = plane_.listeners().acquire(worker_);
    counters_.polls.add();
    activity_ = received;
    retry_waiting();
    poll_kernel();
    serve_orders();
    std::uint64_t refused = 0;
    activity_ += wire_.relay(refused);
    counters_.drops[Drop::tx_full].add(refused);

    drop_errors();
    reassembler_.expire(now_);
    std::size_t count = steered > 0 ? take_steered(in.first(steered)) : 0;
    for (std::uint16_t i = 0; i < received; ++i)
        if (accept(frames[i], in[count])) ++count;
    flush_kernel();
    flush_wire();
    return count;
}

// True when the frame is a SIP datagram; otherwise the frame has been taken care of.
bool DpdkIo::accept(rte_mbuf* m, core::Inbound& in) noexcept {
    if (m->nb_segs > 1 && rte_pktmbuf_linearize(m) != 0) return drop(m, Drop::chained), false;
    const auto frame = bytes_of(m);
    const auto ip = ip_verdict(m);
    const auto d = decode(frame, {.verify_ip_checksum = ip == Hardware::unknown});
    // A switch sends our own broadcasts back through the other member; to the kernel they would look like a duplicate address.
    if (d.ethernet_source == mac_) return drop(m, Drop::own_frame), false;
    if (d.ethernet_destination != mac_ && !d.ethernet_destination.is_group()) return drop(m, Drop::not_for_us), false;
    if (!plane_.answer_targets().empty()) note_answer(frame);

    if (d.verdict == Decoded::Verdict::bad) return drop(m, d.reason), false;
    if (d.verdict == Decoded::Verdict::fragment && d.vlan == 0 && ip != Hardware::bad && listeners_->has_address(d.destination.address)) {
        return accept_fragment(m, d, in);
    }
    const auto listener = d.verdict == Decoded::Verdict::udp && d.vlan == 0 ? listeners_->find(d.destination) : std::nullopt;
    if (!listener) {
        if (d.verdict == Decoded::Verdict::icmp && d.vlan == 0 && ip != Hardware::bad) note_error(m, d);
        return to_kernel(m), false;
    }

    if (ip == Hardware::bad) return drop(m, Drop::ip_checksum), false;
    return deliver(m, d, *listener, in);
}

// True when the datagram is one that can be answered and is whole.
bool DpdkIo::deliver(rte_mbuf* m, const Decoded& d, core::ListenerId listener, core::Inbound& in) noexcept {
    const auto frame = bytes_of(m);
    if (!answerable(d.source)) return drop(m, Drop::source), false;
    const auto udp = udp_verdict(m);
    if (udp == Hardware::bad || (udp == Hardware::unknown && !udp_checksum_ok(frame, d))) return drop(m, Drop::udp_checksum), false;

    if (!hops_->is_gateway(d.ethernet_source) && cache_.find(d.source.address, hops_->generation()) == nullptr &&
        may_learn(*hops_, d.source.address, d.ethernet_source)) {
        learned_.learn(d.source.address, d.ethernet_source, now_);
    }
    counters_.rx_packets.add();
    counters_.rx_bytes.add(d.payload_length);
    in.bytes = {rte_pktmbuf_mtod_offset(m, const char*, d.payload_offset), d.payload_length};
    in.flow = {};
    in.flow.local = d.destination;
    in.flow.remote = d.source;
    in.flow.listener = listener;
    in.buffer = m;
    return true;
}

void DpdkIo::note_answer(std::span<const std::uint8_t> frame) noexcept {
    const auto from = answered_address(frame);
    if (from && std::ranges::find(plane_.answer_targets(), *from) != plane_.answer_targets().end()) counters_.arp_answers.add();
}

void DpdkIo::release(std::span<const core::Inbound> done) noexcept {
    std::array<rte_mbuf*, burst> frames;
    std::size_t count = 0;
    for (const auto& in : done) {
        if (in.buffer == nullptr) continue;
        frames[count++] = static_cast<rte_mbuf*>(in.buffer);
        if (count == frames.size()) {
            rte_pktmbuf_free_bulk(frames.data(), static_cast<unsigned>(count));
            count = 0;
        }
    }
    if (count > 0) rte_pktmbuf_free_bulk(frames.data(), static_cast<unsigned>(count));
}

void DpdkIo::lend(core::Outbox& out) noexcept {
    std::array<rte_mbuf*, core::Outbox::burst> mbufs;
    if (const auto missing = out.small_missing(); missing > 0) {
        if (rte_pktmbuf_alloc_bulk(plane_.pools().small(worker_), mbufs.data(), static_cast<unsigned>(missing)) == 0) {
            for (std::size_t i = 0; i < missing; ++i) out.lend_small(room_of(mbufs[i]));
        } else {
            counters_.drops[Drop::no_mbuf].add();
        }
    }
    for (auto missing = out.large_missing(); missing > 0; --missing) {
        auto* m = rte_pktmbuf_alloc(plane_.pools().large(worker_));
        if (m == nullptr) break;
        m->data_off = Pools::large_headroom;
        out.lend_large(room_of(m));
    }
}

void DpdkIo::poll_kernel() noexcept {
    if (kernel_ == nullptr) return;
    std::array<rte_mbuf*, burst / 2> frames;
    const auto count = kernel_->from_kernel(worker_, frames.data(), static_cast<std::uint16_t>(frames.size()), counters_);
    for (std::uint16_t i = 0; i < count; ++i) stage(frames[i]);
    activity_ += count;
}

void DpdkIo::to_kernel(rte_mbuf* m) noexcept {
    if (kernel_ == nullptr) return drop(m, Drop::kernel_full);
    kernel_frames_[kernel_count_++] = m;
    if (kernel_count_ == kernel_frames_.size()) flush_kernel();
}

void DpdkIo::flush_kernel() noexcept {
    if (kernel_count_ == 0) return;
    kernel_->to_kernel(worker_, kernel_frames_.data(), kernel_count_, now_, counters_);
    kernel_count_ = 0;
}

void DpdkIo::serve_orders() noexcept {
    if (core::raw(worker_) != 0) return;
    constexpr std::size_t most = 16;
    activity_ += plane_.orders().consume(
        [this](const FrameOrder& order) {
            auto* m = rte_pktmbuf_alloc(plane_.pools().small(worker_));
            if (m == nullptr) return counters_.drops[Drop::no_mbuf].add();
            const std::span<std::uint8_t> room{rte_pktmbuf_mtod(m, std::uint8_t*), rte_pktmbuf_tailroom(m)};
            const auto length = order.kind == FrameOrder::Kind::announce ? write_announcement(room, mac_, order.own)
                                                                         : write_probe(room, mac_, order.own, order.target);
            rte_pktmbuf_append(m, static_cast<std::uint16_t>(length));
            stage(m);
        },
        most);
}

void DpdkIo::stop(core::Outbox& out) noexcept {
    flush_kernel();
    flush_wire();
    waiting_.clear([](rte_mbuf* m) { rte_pktmbuf_free(m); });
    reassembler_.clear();
    drop_errors();
    plane_.fragments().consume(worker_, [](rte_mbuf* m) { rte_pktmbuf_free(m); });
    for (const auto& d : out.filled()) rte_pktmbuf_free(mbuf_of(d.room));
    out.clear_filled();
    core::OutBuffer b;
    while (out.take_back(b)) rte_pktmbuf_free(mbuf_of(b));
    hops_ = nullptr;
    listeners_ = nullptr;
    plane_.next_hops().leave(worker_);
    plane_.listeners().leave(worker_);
}

void DpdkIo::stage(rte_mbuf* m) noexcept {
    tx_frames_[tx_count_++] = m;
    if (tx_count_ == tx_frames_.size()) flush_wire();
}

void DpdkIo::flush_wire() noexcept {
    if (tx_count_ == 0) return;
    std::array<std::uint32_t, burst> lengths;
    for (std::uint16_t i = 0; i < tx_count_; ++i) lengths[i] = rte_pktmbuf_pkt_len(tx_frames_[i]);
    std::uint16_t sent = 0;
    for (int attempt = 0; attempt < send_attempts; ++attempt) {
        sent = static_cast<std::uint16_t>(sent + wire_.send(tx_frames_.data() + sent, static_cast<std::uint16_t>(tx_count_ - sent)));
        if (sent == tx_count_) break;
        rte_pause();
    }
    std::uint64_t octets = 0;
    for (std::uint16_t i = 0; i < sent; ++i) octets += lengths[i];
    counters_.tx_packets.add(sent);
    counters_.tx_bytes.add(octets);
    if (sent < tx_count_) {
        counters_.tx_full.add();
        counters_.drops[Drop::tx_full].add(static_cast<std::uint64_t>(tx_count_ - sent));
        rte_pktmbuf_free_bulk(tx_frames_.data() + sent, static_cast<unsigned>(tx_count_ - sent));
    }
    tx_count_ = 0;
}

}  // namespace sipfront::dpdk

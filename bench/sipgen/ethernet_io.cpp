#include "bench/sipgen/ethernet_io.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

#include <rte_cycles.h>
#include <rte_ip_frag.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_prefetch.h>

#include "dpdk/checksum.hpp"
#include "dpdk/neighbour_frames.hpp"

namespace sipfront::sipgen {
namespace {

constexpr std::size_t v4_headers = dpdk::ethernet_header + dpdk::ipv4_header + dpdk::udp_header;
constexpr int send_attempts = 256;
constexpr std::uint32_t most_in_pieces = 1024;

std::uint16_t load16(const std::uint8_t* p) noexcept {
    std::uint16_t v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
std::uint32_t load32(const std::uint8_t* p) noexcept {
    std::uint32_t v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
void store16(std::uint8_t* p, std::uint16_t v) noexcept { std::memcpy(p, &v, sizeof v); }
void store32(std::uint8_t* p, std::uint32_t v) noexcept { std::memcpy(p, &v, sizeof v); }
constexpr std::uint16_t swap16(std::uint16_t v) noexcept { return static_cast<std::uint16_t>(v << 8 | v >> 8); }
constexpr std::uint32_t swap32(std::uint32_t v) noexcept { return __builtin_bswap32(v); }

std::span<const std::uint8_t> bytes_of(const rte_mbuf* m) noexcept {
    return {rte_pktmbuf_mtod(m, const std::uint8_t*), rte_pktmbuf_data_len(m)};
}

std::size_t slot_of(std::uint32_t v4, std::uint16_t port) noexcept { return (v4 * 0x9e3779b1U ^ port * 0x85ebca6bU) >> 22; }

}  // namespace

EthernetIo::EthernetIo(const traffic::Config& config, DpdkPort& port)
    : parties_{config.clients},
      target_{config.target},
      lane_{port.lane()},
      pool_{port.buffers()},
      mac_{port.mac()},
      fragments_{rte_ip_frag_table_create(most_in_pieces, 4, most_in_pieces, rte_get_tsc_hz(), 0), rte_ip_frag_table_destroy},
      outgoing_{&EthernetIo::flush, this} {
    parties_.insert(parties_.end(), config.hosts.begin(), config.hosts.end());
    for (std::size_t i = 0; i < parties_.size(); ++i) {
        const auto& e = parties_[i];
        if (!e.address.is_v4()) continue;
        const Slot entry{swap32(e.address.v4_host_order()), swap16(e.port), static_cast<traffic::Party>(i)};
        auto at = slot_of(entry.v4, entry.port);
        while (table_[at].port != 0) at = (at + 1) % table_.size();
        table_[at] = entry;
    }
    peers_.reserve(most_peers);
    peers_.push_back({target_, {}, target_.address.is_v4() ? swap32(target_.address.v4_host_order()) : 0, swap16(target_.port)});
    lend();
}

EthernetIo::~EthernetIo() {
    release();
    for (auto& o : outgoing_.filled()) rte_pktmbuf_free(static_cast<rte_mbuf*>(o.buffer));
    for (auto& o : outgoing_.spare()) rte_pktmbuf_free(static_cast<rte_mbuf*>(o.buffer));
}

bool EthernetIo::find_target(core::Duration most) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + most;
    auto ask = Clock::now();
    std::array<traffic::In, burst> in;
    while (!target_known_ && Clock::now() < end) {
        if (Clock::now() >= ask) {
            ask_for_target();
            ask += std::chrono::milliseconds{200};
        }
        // Too early for SIP: what comes in is only looked at for neighbours.
        (void)receive(in);
        release();
    }
    return target_known_;
}

void EthernetIo::ask_for_target() {
    std::array<std::uint8_t, dpdk::longest_neighbour_frame> frame{};
    const auto length = dpdk::write_probe(frame, mac_, parties_.front().address, target_.address);
    send_frame({frame.data(), std::max<std::size_t>(length, 60)});
}

std::size_t EthernetIo::receive(std::span<traffic::In> in) {
    release();
    const auto received = lane_.receive(held_.data(), static_cast<std::uint16_t>(std::min(in.size(), burst)));
    held_count_ = received;
    for (std::uint16_t i = 0; i < received; ++i) rte_prefetch0(rte_pktmbuf_mtod(held_[i], const char*));
    std::size_t count = 0;
    for (std::uint16_t i = 0; i < received; ++i) count += accept(held_[i], in[count]);
    counts_.received += count;
    const auto kept = static_cast<std::size_t>(std::count(held_.begin(), held_.begin() + received, nullptr));
    counts_.ignored += received - count - kept;
    return count;
}

void EthernetIo::release() {
    if (held_count_ > 0) rte_pktmbuf_free_bulk(held_.data(), static_cast<unsigned>(held_count_));
    held_count_ = 0;
}

void EthernetIo::wait(core::Duration) { rte_pause(); }

// IPv4 without options; what else there is goes the long way.
bool EthernetIo::accept(rte_mbuf*& m, traffic::In& in) {
    const auto frame = bytes_of(m);
    const auto* p = frame.data();
    if (m->nb_segs != 1 || frame.size() < v4_headers || load16(p + 12) != swap16(dpdk::ethertype_ipv4) || p[14] != 0x45 ||
        p[23] != dpdk::protocol_udp || (load16(p + 20) & swap16(0x3fff)) != 0) {
        return accept_other(m, in);
    }
    const auto* slot = find(load32(p + 30), load16(p + 36));
    const std::size_t length = swap16(load16(p + 38));
    if (slot == nullptr || length < dpdk::udp_header || length + dpdk::ethernet_header + dpdk::ipv4_header > frame.size()) return false;
    if (++seen_ % checked_one_in == 0) check(frame);
    in = {reinterpret_cast<const char*>(p + v4_headers), static_cast<std::uint32_t>(length - dpdk::udp_header), slot->party,
          peer(load32(p + 26), load16(p + 34), p + 6)};
    return true;
}

bool EthernetIo::accept_other(rte_mbuf*& m, traffic::In& in) {
    if (answer_neighbour(bytes_of(m))) return false;
    auto d = dpdk::decode(bytes_of(m), {});
    if (d.verdict == dpdk::Decoded::Verdict::fragment && d.destination.address.is_v4() && reassemble(m)) {
        // Its IP header is the library's, which leaves the checksum to the device.
        d = dpdk::decode(bytes_of(m), {.verify_ip_checksum = false});
    }
    if (d.verdict != dpdk::Decoded::Verdict::udp) return false;
    const auto frame = bytes_of(m);
    const auto party = std::ranges::find(parties_, d.destination);
    if (party == parties_.end()) return false;
    if (!dpdk::udp_checksum_ok(frame, d)) ++bad_checksums_;
    in = {reinterpret_cast<const char*>(frame.data()) + d.payload_offset, d.payload_length,
          static_cast<traffic::Party>(party - parties_.begin()), peer(d.source, d.ethernet_source)};
    return true;
}

bool EthernetIo::reassemble(rte_mbuf*& m) {
    if (fragments_ == nullptr || rte_pktmbuf_data_len(m) < v4_headers) return false;
    m->l2_len = dpdk::ethernet_header;
    m->l3_len = (*rte_pktmbuf_mtod_offset(m, const std::uint8_t*, dpdk::ethernet_header) & 0xf) * 4U & 0x1ff;
    rte_ip_frag_death_row expired{};
    auto* header = rte_pktmbuf_mtod_offset(m, rte_ipv4_hdr*, dpdk::ethernet_header);
    m = rte_ipv4_frag_reassemble_packet(fragments_.get(), &expired, m, rte_get_tsc_cycles(), header);
    rte_ip_frag_free_death_row(&expired, 0);
    return m != nullptr && rte_pktmbuf_linearize(m) == 0;
}

void EthernetIo::check(std::span<const std::uint8_t> frame) {
    const auto d = dpdk::decode(frame, {});
    if (d.verdict != dpdk::Decoded::Verdict::udp || !dpdk::udp_checksum_ok(frame, d)) ++bad_checksums_;
}

const EthernetIo::Slot* EthernetIo::find(std::uint32_t v4, std::uint16_t port) const {
    for (auto at = slot_of(v4, port); table_[at].port != 0; at = (at + 1) % table_.size()) {
        if (table_[at].v4 == v4 && table_[at].port == port) return &table_[at];
    }
    return nullptr;
}

traffic::Peer EthernetIo::peer(std::uint32_t v4, std::uint16_t port, const std::uint8_t* mac) {
    for (std::size_t i = 0; i < peers_.size(); ++i) {
        if (peers_[i].v4 == v4 && peers_[i].port == port) return static_cast<traffic::Peer>(i);
    }
    dpdk::MacAddress address;
    std::copy_n(mac, address.octets.size(), address.octets.begin());
    return peer({core::IpAddress::v4(swap32(v4)), swap16(port)}, address);
}

traffic::Peer EthernetIo::peer(const core::Endpoint& endpoint, const dpdk::MacAddress& mac) {
    auto known = std::ranges::find(peers_, endpoint, &Peer::endpoint);
    if (known == peers_.end()) {
        if (peers_.size() == most_peers) peers_.pop_back();
        const auto v4 = endpoint.address.is_v4() ? swap32(endpoint.address.v4_host_order()) : 0;
        known = peers_.insert(peers_.end(), {endpoint, mac, v4, swap16(endpoint.port)});
    }
    return static_cast<traffic::Peer>(known - peers_.begin());
}

// Answers those who look for an address of ours, and hears who answers for the target. True when the frame was about neighbours.
bool EthernetIo::answer_neighbour(std::span<const std::uint8_t> frame) {
    constexpr std::size_t arp = 14, arp_length = 42;
    if (const auto speaker = dpdk::answered_address(frame); speaker && *speaker == target_.address) {
        std::memcpy(peers_.front().mac.octets.data(), frame.data() + dpdk::MacAddress{}.octets.size(), dpdk::MacAddress{}.octets.size());
        target_known_ = true;
        return true;
    }
    const auto type = frame.size() < arp_length ? 0 : swap16(load16(frame.data() + 12));
    if (type == dpdk::ethertype_arp) {
        const auto* p = frame.data() + arp;
        const auto wanted = core::IpAddress::v4(swap32(load32(p + 24)));
        if (p[7] != 1 || std::ranges::find(parties_, wanted, &core::Endpoint::address) == parties_.end()) return true;
        std::array<std::uint8_t, 60> reply{};
        std::copy_n(frame.data() + 6, 6, reply.begin());
        std::copy_n(mac_.octets.begin(), 6, reply.begin() + 6);
        std::copy_n(frame.data() + 12, 8, reply.begin() + 12);
        reply[arp + 7] = 2;
        std::copy_n(mac_.octets.begin(), 6, reply.begin() + arp + 8);
        std::copy_n(p + 24, 4, reply.begin() + arp + 14);
        std::copy_n(p + 8, 10, reply.begin() + arp + 18);
        send_frame(reply);
        return true;
    }
    // A neighbour solicitation (RFC 4861 4.3): the target address stands behind the ICMPv6 header.
    constexpr std::size_t icmp = 14 + 40;
    if (type != dpdk::ethertype_ipv6 || frame.size() < icmp + 24 || frame[20] != 58 || frame[icmp] != 135) return false;
    const auto wanted = core::IpAddress::v6(std::span<const std::uint8_t, 16>{frame.data() + icmp + 8, 16});
    if (std::ranges::find(parties_, wanted, &core::Endpoint::address) == parties_.end()) return true;
    std::array<std::uint8_t, dpdk::longest_neighbour_frame> advertisement{};
    send_frame({advertisement.data(), dpdk::write_announcement(advertisement, mac_, wanted)});
    return true;
}

void EthernetIo::send_frame(std::span<const std::uint8_t> frame) {
    auto* m = rte_pktmbuf_alloc(pool_);
    if (m == nullptr) return;
    std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(frame.size())), frame.data(), frame.size());
    send(&m, 1);
}

void EthernetIo::lend() {
    std::array<traffic::Out, traffic::Outgoing::burst> rooms;
    std::size_t count = 0;
    for (const auto& o : outgoing_.spare()) rooms[count++] = o;
    std::array<rte_mbuf*, traffic::Outgoing::burst> fresh;
    const auto missing = rooms.size() - count;
    if (missing > 0 && rte_pktmbuf_alloc_bulk(pool_, fresh.data(), static_cast<unsigned>(missing)) == 0) {
        for (std::size_t i = 0; i < missing; ++i) {
            rooms[count++] = {rte_pktmbuf_mtod(fresh[i], char*), rte_pktmbuf_tailroom(fresh[i]), 0, 0, 0, fresh[i]};
        }
    }
    outgoing_.lend({rooms.data(), count});
}

void EthernetIo::flush(void* self, traffic::Outgoing& out) {
    auto& io = *static_cast<EthernetIo*>(self);
    const auto filled = out.filled();
    if (filled.empty() && !out.spare().empty()) return;
    std::array<rte_mbuf*, traffic::Outgoing::burst> frames;
    for (std::size_t i = 0; i < filled.size(); ++i) {
        io.encode(filled[i]);
        frames[i] = static_cast<rte_mbuf*>(filled[i].buffer);
    }
    io.send(frames.data(), filled.size());
    io.lend();
}

void EthernetIo::encode(const traffic::Out& o) {
    auto* m = static_cast<rte_mbuf*>(o.buffer);
    const auto& to = peers_[o.to];
    const auto& from = parties_[o.from];
    rte_pktmbuf_append(m, static_cast<std::uint16_t>(o.length));
    if (to.v4 == 0 || !from.address.is_v4()) {
        const std::span<std::uint8_t> payload{rte_pktmbuf_mtod(m, std::uint8_t*), o.length};
        const auto headers = dpdk::encode_headers(payload, {mac_, to.mac, from, to.endpoint}, {});
        rte_pktmbuf_prepend(m, static_cast<std::uint16_t>(headers));
        return;
    }
    (void)rte_pktmbuf_prepend(m, v4_headers);
    auto* p = rte_pktmbuf_mtod(m, std::uint8_t*);
    std::copy_n(to.mac.octets.begin(), 6, p);
    std::copy_n(mac_.octets.begin(), 6, p + 6);
    store16(p + 12, swap16(dpdk::ethertype_ipv4));
    const auto udp_length = static_cast<std::uint16_t>(o.length + dpdk::udp_header);
    store16(p + 14, swap16(0x4500));
    store16(p + 16, swap16(static_cast<std::uint16_t>(udp_length + dpdk::ipv4_header)));
    store16(p + 18, ip_id_++);
    store16(p + 20, swap16(0x4000));
    store16(p + 22, swap16(0x4011));
    store16(p + 24, 0);
    store32(p + 26, swap32(from.address.v4_host_order()));
    store32(p + 30, to.v4);
    std::uint32_t sum = 0;
    for (std::size_t i = 14; i < 34; i += 2) sum += load16(p + i);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    store16(p + 24, static_cast<std::uint16_t>(~sum));
    store16(p + 34, swap16(from.port));
    store16(p + 36, to.port);
    store16(p + 38, swap16(udp_length));
    store16(p + 40, 0);
}

void EthernetIo::send(rte_mbuf** frames, std::size_t count) {
    std::size_t sent = 0;
    for (int attempt = 0; sent < count && attempt < send_attempts; ++attempt) {
        sent += lane_.send(frames + sent, static_cast<std::uint16_t>(count - sent));
        if (sent < count) rte_pause();
    }
    counts_.sent += sent;
    counts_.send_dropped += count - sent;
    if (sent < count) rte_pktmbuf_free_bulk(frames + sent, static_cast<unsigned>(count - sent));
}

}  // namespace sipfront::sipgen

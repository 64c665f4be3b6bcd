#include "dpdk/port.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

namespace sipfront::dpdk {
namespace {

constexpr unsigned relay_size = 1024;
constexpr std::uint16_t relay_burst = 64;

core::Error port_error(const std::string& name, std::string_view what, int code) {
    return {fmt::format("port {}: {}: {}", name, what, rte_strerror(code < 0 ? -code : code))};
}

constexpr std::uint64_t wanted_rss = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP;
constexpr std::uint64_t rx_checksum = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
constexpr std::uint64_t tx_checksum = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;

rte_eth_conf configuration(const rte_eth_dev_info& info, const PortOptions& options, std::uint16_t queues, Offloads& offloads) {
    rte_eth_conf conf{};
    conf.rxmode.mtu = options.mtu;
    if (queues > 1 && (info.flow_type_rss_offloads & wanted_rss) != 0) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & wanted_rss;
    }
    if (options.checksum_offload) {
        offloads.rx_checksum = (info.rx_offload_capa & rx_checksum) == rx_checksum;
        offloads.tx_checksum = (info.tx_offload_capa & tx_checksum) == tx_checksum;
    }
    if (offloads.rx_checksum) conf.rxmode.offloads |= rx_checksum;
    if (offloads.tx_checksum) conf.txmode.offloads |= tx_checksum;
    return conf;
}

int set_up_queues(std::uint16_t id, std::uint16_t queues, const PortOptions& options, const Pools& pools) {
    auto rx = options.rx_descriptors;
    auto tx = options.tx_descriptors;
    if (const auto code = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx, &tx); code != 0) return code;
    const auto socket = static_cast<unsigned>(std::max(0, rte_eth_dev_socket_id(id)));
    for (std::uint16_t q = 0; q < queues; ++q) {
        const core::WorkerId owner{static_cast<std::uint8_t>(q)};
        if (const auto code = rte_eth_rx_queue_setup(id, q, rx, socket, nullptr, pools.small(owner)); code != 0) return code;
        if (const auto code = rte_eth_tx_queue_setup(id, q, tx, socket, nullptr); code != 0) return code;
    }
    return 0;
}

}  // namespace

std::uint16_t Lane::receive(rte_mbuf** frames, std::uint16_t count) noexcept {
    return rx_queue_ == none ? std::uint16_t{0} : rte_eth_rx_burst(port_, rx_queue_, frames, count);
}

std::uint16_t Lane::send(rte_mbuf** frames, std::uint16_t count) noexcept {
    if (tx_queue_ != none) return rte_eth_tx_burst(port_, tx_queue_, frames, count);
    // rte_ring stores pointers to void; the cast names the same array.
    return static_cast<std::uint16_t>(rte_ring_enqueue_burst(relay_, reinterpret_cast<void**>(frames), count, nullptr));
}

std::uint16_t Lane::relay(std::uint64_t& dropped) noexcept {
    if (!relay_owner_ || relay_ == nullptr) return 0;
    rte_mbuf* frames[relay_burst];
    const auto count = static_cast<std::uint16_t>(rte_ring_dequeue_burst(relay_, reinterpret_cast<void**>(frames), relay_burst, nullptr));
    if (count == 0) return 0;
    const auto sent = rte_eth_tx_burst(port_, tx_queue_, frames, count);
    if (sent < count) {
        dropped += static_cast<std::uint64_t>(count - sent);
        rte_pktmbuf_free_bulk(frames + sent, count - sent);
    }
    return sent;
}

core::Result<std::uint16_t> Port::probe(const std::string& device) {
    std::uint16_t id = Lane::none;
    const auto name = device.substr(0, device.find(','));
    if (rte_eth_dev_get_port_by_name(name.c_str(), &id) == 0) return id;
    if (const auto code = rte_dev_probe(device.c_str()); code != 0) {
        return core::Error{fmt::format(
            "device \"{}\" cannot be opened: {}; a NIC must be bound to vfio-pci (dpdk-devbind.py) and named by its PCI address, a virtual "
            "one is <driver><number>,<arguments>, and an interface it names must exist and be up",
            device, rte_strerror(-code))};
    }
    if (rte_eth_dev_get_port_by_name(name.c_str(), &id) == 0) return id;
    // A PCI function may give its ports other names.
    rte_dev_iterator it{};
    id = static_cast<std::uint16_t>(rte_eth_iterator_init(&it, device.c_str()) == 0 ? rte_eth_iterator_next(&it) : Lane::none);
    rte_eth_iterator_cleanup(&it);
    if (id == RTE_MAX_ETHPORTS || id == Lane::none) return core::Error{fmt::format("device \"{}\" has no Ethernet port", device)};
    return id;
}

core::Result<Port> Port::start(std::uint16_t port_id, std::string name, const PortOptions& options, const Pools& pools) {
    Port port;
    port.name_ = std::move(name);
    port.id_ = port_id;
    port.workers_ = options.workers;
    port.mtu_ = options.mtu;
    rte_eth_dev_info info{};
    if (const auto code = rte_eth_dev_info_get(port_id, &info); code != 0) return port_error(port.name_, "cannot be asked", code);
    port.queues_ =
        static_cast<std::uint16_t>(std::clamp<std::uint32_t>(std::min(info.max_rx_queues, info.max_tx_queues), 1, options.workers));
    const auto conf = configuration(info, options, port.queues_, port.offloads_);
    if (const auto code = rte_eth_dev_configure(port_id, port.queues_, port.queues_, &conf); code != 0) {
        return port_error(port.name_, fmt::format("cannot be configured with {} queues and an MTU of {}", port.queues_, options.mtu), code);
    }
    if (const auto code = set_up_queues(port_id, port.queues_, options, pools); code != 0) {
        return port_error(port.name_, "cannot set its queues up (descriptors, mbufs)", code);
    }
    if (!options.bonded) {
        const auto code = rte_eth_dev_set_mtu(port_id, options.mtu);
        if (code != 0 && code != -ENOTSUP) return port_error(port.name_, fmt::format("refuses an MTU of {}", options.mtu), code);
    }
    if (port.queues_ < options.workers) {
        const auto ring = fmt::format("sf-relay-{}", port_id);
        port.relay_ = rte_ring_create(ring.c_str(), relay_size, rte_eth_dev_socket_id(port_id), RING_F_SC_DEQ);
        if (port.relay_ == nullptr) return port_error(port.name_, "no memory for its relay ring", rte_errno);
    }
    if (const auto code = rte_eth_dev_start(port_id); code != 0) return port_error(port.name_, "cannot be started", code);
    if (options.promiscuous) {
        const auto code = rte_eth_promiscuous_enable(port_id);
        if (code != 0 && code != -ENOTSUP) return port_error(port.name_, "cannot take all frames (promiscuous mode)", code);
    }
    const auto code = rte_eth_allmulticast_enable(port_id);
    if (code != 0 && code != -ENOTSUP) return port_error(port.name_, "cannot take all multicasts", code);
    return port;
}

Port::Port(Port&& other) noexcept
    : name_{std::move(other.name_)},
      relay_{std::exchange(other.relay_, nullptr)},
      workers_{other.workers_},
      id_{std::exchange(other.id_, Lane::none)},
      queues_{other.queues_},
      mtu_{other.mtu_},
      offloads_{other.offloads_} {}

Port& Port::operator=(Port&& other) noexcept {
    if (this != &other) {
        close();
        name_ = std::move(other.name_);
        relay_ = std::exchange(other.relay_, nullptr);
        workers_ = other.workers_;
        id_ = std::exchange(other.id_, Lane::none);
        queues_ = other.queues_;
        mtu_ = other.mtu_;
        offloads_ = other.offloads_;
    }
    return *this;
}

Port::~Port() { close(); }

void Port::close() noexcept {
    if (id_ != Lane::none) {
        (void)rte_eth_dev_stop(id_);
        (void)rte_eth_dev_close(id_);
        id_ = Lane::none;
    }
    if (relay_ != nullptr) {
        void* left = nullptr;
        while (rte_ring_dequeue(relay_, &left) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(left));
        rte_ring_free(relay_);
        relay_ = nullptr;
    }
}

Lane Port::lane(core::WorkerId worker) const noexcept {
    const std::uint16_t index = core::raw(worker);
    const auto queue = index < queues_ ? index : Lane::none;
    return {id_, queue, queue, relay_, index == 0};
}

MacAddress Port::mac() const noexcept {
    rte_ether_addr address{};
    (void)rte_eth_macaddr_get(id_, &address);
    MacAddress mac;
    std::copy_n(address.addr_bytes, mac.octets.size(), mac.octets.begin());
    return mac;
}

}  // namespace sipfront::dpdk

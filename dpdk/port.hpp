// An Ethernet device: opened, configured, started, and the way in and out of it for each worker. A device with fewer queues than
// workers is shared: the worker that owns a queue polls it, and the others hand their frames to worker 0 through a ring.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/types.hpp"
#include "dpdk/mempool.hpp"
#include "dpdk/next_hops.hpp"

struct rte_mbuf;
struct rte_ring;

namespace sipfront::dpdk {

struct PortOptions {
    std::uint32_t workers = 1;
    std::uint16_t rx_descriptors = 1024, tx_descriptors = 1024;
    std::uint16_t mtu = 1500;
    bool promiscuous = true;       // the virtual IP's MAC may differ from the device's
    bool checksum_offload = true;  // used where the device offers it
    bool bonded = false;           // members take the MTU over when the port starts
};

struct Offloads {
    bool rx_checksum = false;  // IPv4 and UDP, told by flags in the mbuf
    bool tx_checksum = false;  // IPv4 and UDP
};

// One worker's queues of a port; a value, used by that worker only.
class Lane {
public:
    Lane() = default;
    Lane(std::uint16_t port, std::uint16_t rx_queue, std::uint16_t tx_queue, rte_ring* relay, bool relay_owner) noexcept
        : relay_{relay}, port_{port}, rx_queue_{rx_queue}, tx_queue_{tx_queue}, relay_owner_{relay_owner} {}

    // 0 for a worker without a receive queue.
    std::uint16_t receive(rte_mbuf** frames, std::uint16_t count) noexcept;
    // Takes the first n frames, in order, and returns n; the rest stay the caller's.
    std::uint16_t send(rte_mbuf** frames, std::uint16_t count) noexcept;
    // Worker 0: transmits what the workers without a queue left in the ring; frames that the device refuses are freed.
    // Returns frames sent; adds the refused ones to `dropped`.
    std::uint16_t relay(std::uint64_t& dropped) noexcept;

    [[nodiscard]] bool polls() const noexcept { return rx_queue_ != none; }

    static constexpr std::uint16_t none = 0xffff;

private:
    rte_ring* relay_ = nullptr;
    std::uint16_t port_ = none;
    std::uint16_t rx_queue_ = none;
    std::uint16_t tx_queue_ = none;
    bool relay_owner_ = false;
};

// Control thread. Stops and closes the device when it goes; no worker may use a lane of it then.
class Port {
public:
    // Plugs the device in: a PCI address that the EAL was told of, or a vdev with its arguments. Returns its port id.
    static core::Result<std::uint16_t> probe(const std::string& device);
    // Configures and starts a port that probe() (or the bonding PMD) made.
    static core::Result<Port> start(std::uint16_t port_id, std::string name, const PortOptions& options, const Pools& pools);

    Port(Port&& other) noexcept;
    Port& operator=(Port&& other) noexcept;
    ~Port();

    [[nodiscard]] Lane lane(core::WorkerId worker) const noexcept;
    [[nodiscard]] std::uint16_t id() const noexcept { return id_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] MacAddress mac() const noexcept;
    [[nodiscard]] Offloads offloads() const noexcept { return offloads_; }
    [[nodiscard]] std::uint16_t mtu() const noexcept { return mtu_; }
    [[nodiscard]] std::uint16_t queues() const noexcept { return queues_; }

private:
    Port() = default;
    void close() noexcept;

    std::string name_;
    rte_ring* relay_ = nullptr;
    std::uint32_t workers_ = 1;
    std::uint16_t id_ = Lane::none;
    std::uint16_t queues_ = 1;
    std::uint16_t mtu_ = 1500;
    Offloads offloads_;
};

}  // namespace sipfront::dpdk

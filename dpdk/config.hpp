// Ports and poll cores as the operator writes them. No DPDK type here, so that app/config can hold it anywhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/endpoint.hpp"

namespace sipfront::dpdk {

// A NIC by PCI address ("0000:18:00.0") or any vdev ("net_af_packet0,iface=lb1a", "net_memif0,role=client").
struct PortConfig {
    std::string device;
};

enum class BondMode : std::uint8_t { none, active_backup };

struct BondConfig {
    BondMode mode = BondMode::none;            // none: exactly one port
    std::string primary;                       // device of the preferred member; empty: the first
    std::uint32_t monitor_interval_ms = 100;   // our link monitor
    std::vector<core::IpAddress> arp_targets;  // pinged by ARP/ND when members do not report carrier; empty: carrier only
    std::uint32_t arp_missed = 3;              // intervals without an answer until a member counts as down
};

struct DataPlaneConfig {
    std::vector<PortConfig> ports;
    BondConfig bond;
    std::uint32_t workers = 1;
    std::vector<std::uint32_t> cores;  // CPU of each worker; empty: 0, 1, ...
    std::uint16_t rx_descriptors = 1024, tx_descriptors = 1024;
    std::uint32_t mbufs = 16'384;  // per NUMA node; raised when the queues need more
    std::uint16_t mtu = 1500;
    bool huge_pages = true;  // false: --no-huge
    std::uint32_t memory_mb = 512;
    std::string file_prefix = "sipfront";
    std::vector<std::string> eal_args;  // passed on as they are
    bool adaptive_idle = true;          // sleep shortly when idle instead of burning the core
    std::uint32_t idle_sleep_us = 50;   // the longest such sleep
    // SIP that arrives in IP fragments; of each worker.
    std::uint32_t reassembly_timeout_ms = 2000;
    std::uint32_t reassembly_contexts = 256;  // datagrams at a time
    std::uint32_t reassembly_buffers = 1024;  // fragments held at a time, out of the mbufs
};

}  // namespace sipfront::dpdk

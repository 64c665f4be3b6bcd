// The kernel interface as a DPDK device: TAP, which works everywhere, or virtio-user over vhost-net, which is faster. Control thread,
// before the workers start.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.hpp"
#include "dpdk/kernel_link.hpp"
#include "dpdk/mempool.hpp"
#include "dpdk/next_hops.hpp"
#include "kni/config.hpp"

namespace sipfront::kni {

inline constexpr std::string_view vhost_net_path = "/dev/vhost-net";
inline constexpr std::string_view tun_path = "/dev/net/tun";

// What `automatic` means on this machine. Pure.
[[nodiscard]] DeviceKind choose_device(DeviceKind wanted, bool vhost_net_usable) noexcept;

// The vdev as the EAL takes it. `mac`: the wire port's, so that the kernel answers ARP and ND with it. Pure.
[[nodiscard]] std::string device_arguments(DeviceKind kind, const std::string& interface, const dpdk::MacAddress& mac,
                                           std::uint32_t queues);

// What opening would fail on: the name, the device nodes and the rights to them, an interface that exists already. Needs no EAL.
[[nodiscard]] core::Status check_kernel_port(const KernelConfig& config);

struct KernelPortOptions {
    dpdk::MacAddress mac;       // of the wire port or the bond
    std::uint32_t workers = 1;  // one queue pair each where the device has them
    std::uint16_t mtu = 1500;
};

// Creates and starts the device; its network interface `config.interface` exists afterwards, in the namespace of the process, until
// the link is destroyed. InterfaceSetup gives it addresses.
//
// The TAP driver announces frames by a real-time signal. Leave those signals unblocked in at least one thread (and expect EINTR
// there): with all of them blocked every poll costs a system call, and the signals queue up.
core::Result<std::unique_ptr<dpdk::KernelLink>> open_kernel_port(const KernelConfig& config, const KernelPortOptions& options,
                                                                 const dpdk::Pools& pools);

}  // namespace sipfront::kni

#include "kni/kernel_port.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <net/if.h>
#include <unistd.h>

namespace sipfront::kni {
namespace {

constexpr std::uint32_t virtio_max_queues = 8;  // VIRTIO_MAX_VIRTQUEUE_PAIRS of DPDK 22.11
constexpr std::uint32_t virtio_ring = 256;

bool usable(std::string_view path) { return ::access(std::string{path}.c_str(), R_OK | W_OK) == 0; }

}  // namespace

DeviceKind choose_device(DeviceKind wanted, bool vhost_net_usable) noexcept {
    if (wanted != DeviceKind::automatic) return wanted;
    return vhost_net_usable ? DeviceKind::virtio_user : DeviceKind::tap;
}

std::string device_arguments(DeviceKind kind, const std::string& interface, const dpdk::MacAddress& mac, std::uint32_t queues) {
    if (kind != DeviceKind::virtio_user) return "net_tap_" + interface + ",iface=" + interface + ",mac=" + mac.to_string();
    return "net_virtio_user_" + interface + ",path=" + std::string{vhost_net_path} + ",iface=" + interface + ",mac=" + mac.to_string() +
           ",queues=" + std::to_string(std::clamp(queues, 1U, virtio_max_queues)) + ",queue_size=" + std::to_string(virtio_ring);
}

core::Status check_kernel_port(const KernelConfig& config) {
    const auto& interface = config.interface;
    if (interface.empty() || interface.size() >= IFNAMSIZ || interface.find_first_of(" /:,=") != std::string::npos)
        return core::Error{"kernel interface: \"" + interface + "\" is no interface name (1 to 15 characters, none of space / : , =)"};
    if (if_nametoindex(interface.c_str()) != 0)
        return core::Error{
            "kernel interface: " + interface +
            " exists already; another process has it, or it is a real device: choose another name or remove it (ip link del " + interface +
            ")"};
    if (!usable(tun_path))
        return core::Error{"kernel interface: cannot open " + std::string{tun_path} + ": " + std::strerror(errno) +
                           "; load the module tun (modprobe tun) and run with CAP_NET_ADMIN"};
    if (config.device == DeviceKind::virtio_user && !usable(vhost_net_path))
        return core::Error{"kernel interface: cannot open " + std::string{vhost_net_path} + ": " + std::strerror(errno) +
                           "; load the module vhost_net (modprobe vhost_net), or choose the device tap"};
    return core::Done{};
}

core::Result<std::unique_ptr<dpdk::KernelLink>> open_kernel_port(const KernelConfig& config, const KernelPortOptions& options,
                                                                 const dpdk::Pools& pools) {
    if (auto ok = check_kernel_port(config); !ok) return ok.error();
    const auto kind = choose_device(config.device, usable(vhost_net_path));
    dpdk::KernelLinkOptions link;
    link.workers = options.workers;
    link.mtu = options.mtu;
    link.exception_rate = config.exception_rate;
    auto opened = dpdk::KernelLink::open(device_arguments(kind, config.interface, options.mac, options.workers), link, pools);
    if (!opened)
        return core::Error{"kernel interface " + config.interface + ": " + opened.error().what +
                           " (to make an interface takes CAP_NET_ADMIN; see also the messages of DPDK above)"};
    return opened;
}

}  // namespace sipfront::kni

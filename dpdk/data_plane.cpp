#include "dpdk/data_plane.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/keys.hpp"

namespace sipfront::dpdk {
namespace {

// Below it IPv6 is not allowed on a link (RFC 8200 5), and one datagram could leave in more pieces than a burst.
constexpr std::uint16_t least_mtu = 1280;

// Buffers that the queues hold when full, with what the workers have in hand and in their caches.
std::uint32_t mbufs_needed(const DataPlaneConfig& config) {
    const auto members = static_cast<std::uint32_t>(config.ports.size());
    const std::uint32_t queue = std::uint32_t{config.rx_descriptors} * members + config.tx_descriptors;
    constexpr std::uint32_t in_hand = 2048;
    // Fragments on their way between workers: more than a few lanes are never full at a time.
    const auto lanes = std::min<std::uint32_t>(config.workers - 1, 8) * static_cast<std::uint32_t>(FragmentLanes::Lane::capacity());
    return config.workers * (queue + in_hand + config.reassembly_buffers + lanes);
}

core::Status check(const DataPlaneConfig& config) {
    if (config.workers == 0 || config.workers > core::max_workers) {
        return core::Error{fmt::format("workers: {} is not between 1 and {}", config.workers, core::max_workers)};
    }
    if (config.ports.empty()) return core::Error{"ports: at least one is needed"};
    if (config.bond.mode == BondMode::none && config.ports.size() > 1) {
        return core::Error{fmt::format("ports: {} are listed, but bond.mode is none, which takes exactly one", config.ports.size())};
    }
    if (config.mtu < least_mtu) return core::Error{fmt::format("mtu: {} is below {}", config.mtu, least_mtu)};
    if (config.reassembly_contexts == 0 || config.reassembly_buffers < 2 * Reassembler::most_pieces) {
        return core::Error{fmt::format("reassembly: {} contexts and {} buffers are too few; at least 1 and {}", config.reassembly_contexts,
                                       config.reassembly_buffers, 2 * Reassembler::most_pieces)};
    }
    const auto is_primary = [&](const PortConfig& p) { return p.device == config.bond.primary; };
    if (!config.bond.primary.empty() && std::ranges::none_of(config.ports, is_primary)) {
        return core::Error{fmt::format("bond.primary: \"{}\" is none of the ports", config.bond.primary)};
    }
    return core::Done{};
}

}  // namespace

DataPlane::DataPlane(Pools pools, const DataPlaneConfig& config)
    : workers_{config.workers},
      pools_{std::move(pools)},
      next_hops_{workers_, std::make_unique<const NextHops>()},
      listeners_{workers_, std::make_unique<const ListenerTable>()},
      orders_{std::make_unique<OrderQueue>()},
      reassembly_{std::chrono::milliseconds{config.reassembly_timeout_ms}, config.reassembly_contexts, config.reassembly_buffers},
      fragments_{core::random_key(), workers_},
      counters_{std::make_unique<std::array<PortCounters, core::max_workers>>()} {
    for (std::uint32_t w = 0; w < workers_; ++w) unresolved_.push_back(std::make_unique<UnresolvedQueue>());
}

DataPlane::~DataPlane() = default;

core::Result<std::unique_ptr<DataPlane>> DataPlane::open(const DataPlaneConfig& config) {
    if (auto status = check(config); !status) return status.error();
    PoolOptions pool_options;
    pool_options.workers = config.workers;
    pool_options.mbufs = std::max(config.mbufs, mbufs_needed(config));
    pool_options.mtu = config.mtu;
    pool_options.large_mbufs *= config.workers;
    auto pools = Pools::create(pool_options);
    if (!pools) return pools.error();
    std::unique_ptr<DataPlane> plane{new DataPlane{std::move(pools).value(), config}};

    std::uint16_t port_id = 0;
    std::string name = config.ports.front().device;
    if (config.bond.mode == BondMode::active_backup) {
        auto bond = Bond::create(config.ports, config.bond);
        if (!bond) return bond.error();
        plane->bond_.emplace(std::move(bond).value());
        port_id = plane->bond_->port();
        name = "bond";
    } else {
        auto id = Port::probe(name);
        if (!id) return id.error();
        port_id = *id;
    }
    PortOptions options;
    options.workers = config.workers;
    options.rx_descriptors = config.rx_descriptors;
    options.tx_descriptors = config.tx_descriptors;
    options.mtu = config.mtu;
    options.bonded = plane->bond_.has_value();
    auto port = Port::start(port_id, std::move(name), options, plane->pools_);
    if (!port) return port.error();
    plane->wire_.emplace(std::move(port).value());
    if (plane->bond_) plane->bond_->open_filters();
    plane->watch_answers_of(config.bond.arp_targets);
    return plane;
}

bool DataPlane::announce(std::span<const core::IpAddress> own) {
    bool all = true;
    for (const auto& a : own) all = orders_->try_post({FrameOrder::Kind::announce, a, {}}) && all;
    return all;
}

bool DataPlane::probe(const core::IpAddress& own, const core::IpAddress& target) {
    return orders_->try_post({FrameOrder::Kind::probe, own, target});
}

std::uint64_t DataPlane::answers() const noexcept {
    std::uint64_t n = 0;
    for (std::uint32_t w = 0; w < workers_; ++w) n += (*counters_)[w].arp_answers.get();
    return n;
}

}  // namespace sipfront::dpdk

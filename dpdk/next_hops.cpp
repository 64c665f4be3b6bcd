#include "dpdk/next_hops.hpp"

#include <algorithm>
#include <atomic>
#include <bit>

namespace sipfront::dpdk {
namespace {

std::atomic<std::uint64_t> generations{0};

core::IpAddress masked(const core::IpAddress& a, std::uint8_t length) noexcept {
    if (a.is_v4())
        return core::IpAddress::v4(length == 0 ? 0 : a.v4_host_order() & (~std::uint32_t{0} << (32 - std::min<int>(length, 32))));
    std::array<std::uint8_t, 16> octets{};
    const auto bytes = a.bytes();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto bits = std::clamp(static_cast<int>(length) - static_cast<int>(8 * i), 0, 8);
        octets[i] = static_cast<std::uint8_t>(bytes[i] & (0xff00 >> bits));
    }
    return core::IpAddress::v6(octets);
}

// RFC 1112 6.4 (low 23 bits) and RFC 2464 7 (low 32 bits).
MacAddress multicast_mac(const core::IpAddress& group) noexcept {
    const auto b = group.bytes();
    if (group.is_v4()) return {{0x01, 0x00, 0x5e, static_cast<std::uint8_t>(b[1] & 0x7f), b[2], b[3]}};
    return {{0x33, 0x33, b[12], b[13], b[14], b[15]}};
}

std::size_t index_of(const core::IpAddress& a, std::size_t slots) noexcept {
    // The product spreads addresses that differ in their last octet only.
    return (core::EndpointHash{}(a)*0x9e3779b97f4a7c15ULL >> 32) & (slots - 1);
}

}  // namespace

std::string MacAddress::to_string() const {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const auto o : octets) {
        if (!text.empty()) text += ':';
        text += digits[o >> 4];
        text += digits[o & 15];
    }
    return text;
}

NextHops::NextHops(std::vector<Route> routes, const std::vector<Neighbour>& neighbours)
    : routes_{std::move(routes)}, generation_{generations.fetch_add(1, std::memory_order_relaxed) + 1} {
    for (auto& r : routes_) r.prefix.address = masked(r.prefix.address, r.prefix.length);
    const auto level_of = [](const Route& r) { return std::pair{-static_cast<int>(r.prefix.length), r.prefix.address.family()}; };
    std::ranges::stable_sort(routes_, {}, [&](const Route& r) { return std::pair{level_of(r), r.prefix.address}; });
    for (std::uint32_t i = 0; i < routes_.size(); ++i) {
        const auto& p = routes_[i].prefix;
        if (levels_.empty() || levels_.back().length != p.length || levels_.back().family != p.address.family()) {
            levels_.push_back({p.address.family(), p.length, i, i});
        }
        levels_.back().last = i + 1;
    }

    table_.resize(std::bit_ceil(2 * neighbours.size() + 1));
    for (const auto& n : neighbours) {
        auto i = index_of(n.address, table_.size());
        while (table_[i].address && table_[i].address != n.address) i = (i + 1) & (table_.size() - 1);
        if (!table_[i].address) ++neighbour_count_;
        table_[i] = n;
    }
    for (const auto& r : routes_) {
        const auto* mac = r.gateway ? neighbour(r.gateway) : nullptr;
        if (mac != nullptr && !is_gateway(*mac)) gateways_.push_back(*mac);
    }
}

const Route* NextHops::match(const core::IpAddress& destination) const noexcept {
    for (const auto& level : levels_) {
        if (level.family != destination.family()) continue;
        const auto wanted = masked(destination, level.length);
        const auto first = routes_.begin() + level.first;
        const auto last = routes_.begin() + level.last;
        const auto it = std::ranges::lower_bound(first, last, wanted, {}, [](const Route& r) { return r.prefix.address; });
        if (it != last && it->prefix.address == wanted) return &*it;
    }
    return nullptr;
}

const MacAddress* NextHops::neighbour(const core::IpAddress& address) const noexcept {
    for (auto i = index_of(address, table_.size());; i = (i + 1) & (table_.size() - 1)) {
        if (!table_[i].address) return nullptr;
        if (table_[i].address == address) return &table_[i].mac;
    }
}

NextHop NextHops::lookup(const core::IpAddress& destination) const noexcept {
    if (!destination) return {};
    if (destination.is_multicast()) return {NextHop::Kind::resolved, destination, multicast_mac(destination)};
    const auto* route = match(destination);
    if (route == nullptr || route->blocked) return {};
    const auto& hop = route->gateway ? route->gateway : destination;
    const auto* mac = neighbour(hop);
    if (mac == nullptr) return {NextHop::Kind::unresolved, hop, {}};
    return {NextHop::Kind::resolved, hop, *mac};
}

bool NextHops::on_link(const core::IpAddress& destination) const noexcept {
    const auto* route = match(destination);
    return route != nullptr && !route->blocked && !route->gateway;
}

bool NextHops::is_gateway(const MacAddress& mac) const noexcept { return std::ranges::find(gateways_, mac) != gateways_.end(); }

}  // namespace sipfront::dpdk

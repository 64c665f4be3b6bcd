#include "balancer/prefix_set.hpp"

#include <algorithm>
#include <array>

namespace sipfront::balancer {
namespace {

// The address with all bits behind the first `length` set to `bit`.
core::IpAddress fill_v6(const core::IpAddress& a, unsigned length, bool bit) {
    std::array<std::uint8_t, 16> bytes;
    std::ranges::copy(a.bytes(), bytes.begin());
    for (unsigned i = 0; i < 16; ++i) {
        const auto kept = std::clamp(static_cast<int>(length) - static_cast<int>(8 * i), 0, 8);
        const auto host_mask = 0xffU >> kept;
        bytes[i] = static_cast<std::uint8_t>((bytes[i] & ~host_mask) | (bit ? host_mask : 0U));
    }
    return core::IpAddress::v6(bytes);
}

std::uint32_t host_mask_v4(unsigned length) { return length >= 32 ? 0 : ~std::uint32_t{0} >> length; }

}  // namespace

PrefixSet::PrefixSet(std::span<const core::Prefix> prefixes) {
    for (const auto& p : prefixes) {
        if (p.address.is_v4()) {
            const auto mask = host_mask_v4(p.length);
            const auto base = p.address.v4_host_order() & ~mask;
            v4_.push_back({base, base | mask});
        } else if (p.address.is_v6()) {
            v6_.push_back({fill_v6(p.address, p.length, false), fill_v6(p.address, p.length, true)});
        }
    }
    merge(v4_);
    merge(v6_);
}

bool PrefixSet::contains(const core::IpAddress& a) const noexcept {
    if (a.is_v4()) return within(v4_, a.v4_host_order());
    return a.is_v6() && within(v6_, a);
}

template <class Value>
void PrefixSet::merge(std::vector<Range<Value>>& ranges) {
    std::ranges::sort(ranges, {}, &Range<Value>::low);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        if (kept > 0 && ranges[i].low <= ranges[kept - 1].high) {
            ranges[kept - 1].high = std::max(ranges[kept - 1].high, ranges[i].high);
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    ranges.resize(kept);
}

template <class Value>
bool PrefixSet::within(const std::vector<Range<Value>>& ranges, const Value& v) noexcept {
    const auto after = std::ranges::upper_bound(ranges, v, {}, &Range<Value>::low);
    return after != ranges.begin() && v <= std::prev(after)->high;
}

}  // namespace sipfront::balancer

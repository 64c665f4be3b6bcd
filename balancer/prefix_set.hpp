// A set of address prefixes as sorted disjoint ranges: membership costs a binary search, whatever the number of prefixes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/endpoint.hpp"

namespace sipfront::balancer {

// Immutable after construction; any thread reads.
class PrefixSet {
public:
    PrefixSet() = default;
    explicit PrefixSet(std::span<const core::Prefix> prefixes);

    [[nodiscard]] bool contains(const core::IpAddress& a) const noexcept;
    [[nodiscard]] bool empty() const noexcept { return v4_.empty() && v6_.empty(); }

private:
    // Both ends belong to it; host order for IPv4, the octets themselves for IPv6.
    template <class Value>
    struct Range {
        Value low, high;
    };
    template <class Value>
    static void merge(std::vector<Range<Value>>& ranges);
    template <class Value>
    static bool within(const std::vector<Range<Value>>& ranges, const Value& v) noexcept;

    std::vector<Range<std::uint32_t>> v4_;
    std::vector<Range<core::IpAddress>> v6_;
};

}  // namespace sipfront::balancer

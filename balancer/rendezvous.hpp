// Weighted rendezvous hashing (Thaler, Ravishankar 1998; weights after Schindelhauer, Schomaker 2005): each host draws a
// number u in (0, 1) from (key, host) alone and scores -weight / ln(u); the highest score wins.
//
// Then host i wins with probability exactly weight_i / sum, and since no draw depends on the others, a host that leaves moves
// only its own keys, one that comes takes only what it wins, and a changed weight moves only towards or away from that host.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

#include "core/hash.hpp"

namespace sipfront::balancer {

// A bijection that changes half of the output bits for any change of input (splitmix64, Steele et al. 2014).
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

// Of a host, from its canonical URI: the same on both nodes and after restarts.
inline std::uint64_t rendezvous_seed(std::string_view uri) noexcept { return core::digest(core::HashKey{}, uri); }

// `key`: a uniform hash. Weight 0 scores below every other.
inline double rendezvous_score(std::uint64_t key, std::uint64_t seed, std::uint32_t weight) noexcept {
    if (weight == 0) return 0.0;
    // 53 bits, the middle of each step, so that ln() never meets 0 or 1.
    const auto u = (static_cast<double>(mix(key ^ seed) >> 11) + 0.5) * 0x1p-53;
    return static_cast<double>(weight) / -std::log(u);
}

}  // namespace sipfront::balancer

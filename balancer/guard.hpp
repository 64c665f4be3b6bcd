// Who may talk to us at all: access lists, a rate per source, and a filter for scanners. Before anything costs more.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "balancer/config.hpp"
#include "balancer/prefix_set.hpp"
#include "core/flow.hpp"
#include "core/hash.hpp"
#include "core/tick.hpp"

namespace sipfront::balancer {

enum class GuardVerdict : std::uint8_t { pass, denied, rate_limited, scanner, count_ };
std::string_view name(GuardVerdict v) noexcept;

// GuardConfig made quick to ask. Immutable, part of a snapshot, read by all workers.
class GuardPolicy {
public:
    GuardPolicy() : GuardPolicy(GuardConfig{}) {}
    explicit GuardPolicy(const GuardConfig& config);

    // The cluster may always; otherwise deny wins over allow, an empty allow list means everyone, and a carrier is as good as
    // allowed.
    [[nodiscard]] bool admits(const core::IpAddress& source, core::Zone zone) const noexcept;
    // Whether a User-Agent value contains one of the scanners' names, in any case.
    [[nodiscard]] bool is_scanner(std::string_view user_agent) const noexcept;

    // Time that one message of a source costs; zero: unlimited.
    [[nodiscard]] core::Duration cost() const noexcept { return cost_; }
    // How far a source may run ahead of its rate.
    [[nodiscard]] core::Duration allowance() const noexcept { return allowance_; }

private:
    PrefixSet allow_, deny_;
    std::vector<std::string> scanners_;  // lower case
    std::array<bool, 256> may_start_{};  // which octets a scanner's name can begin with, in either case
    core::Duration cost_{0}, allowance_{0};
};

// The token buckets of one worker: rate_per_source a second on average, rate_burst at once (generic cell rate algorithm, ITU-T
// I.371, which needs one instant per source). A source is an IPv4 address or an IPv6 /64. The table has a fixed number of
// entries in sets of four; when a set is full, the bucket that is nearest to full gives way, which is the least to forget.
class SourceLimiter {
public:
    // Room for `sources`, rounded up to a power of two. `key` keeps outsiders from aiming at a set.
    SourceLimiter(std::uint32_t sources, const core::SecretKey& key);

    // Whether one more message of `source` keeps within its rate; a refused one costs nothing.
    bool admit(const GuardPolicy& policy, const core::IpAddress& source, core::Tick now) noexcept;
    [[nodiscard]] std::size_t capacity() const noexcept { return sets_.size() * ways; }

private:
    static constexpr std::size_t ways = 4;
    struct Bucket {
        std::uint64_t source = 0;  // hash; 0: free
        core::Tick paid_until{};   // not later than now: the bucket is full
    };
    struct alignas(64) Set {
        std::array<Bucket, ways> buckets{};
    };
    static_assert(sizeof(Set) == 64);

    core::HashKey key_;
    std::vector<Set> sets_;
};

// One worker's; no allocation after construction.
class Guard {
public:
    Guard(std::uint32_t sources, const core::SecretKey& key) : limiter_{sources, key} {}

    // Needs nothing but the packet's source: ask before parsing. Only outside sources have a rate.
    GuardVerdict check_source(const GuardPolicy& policy, const core::IpAddress& source, core::Zone zone, core::Tick now) noexcept;
    // Its second half, for callers that know what the access lists say.
    bool within_rate(const GuardPolicy& policy, const core::IpAddress& source, core::Zone zone, core::Tick now) noexcept {
        return zone != core::Zone::outside || policy.cost() == core::Duration::zero() || limiter_.admit(policy, source, now);
    }
    // Everything at once, for callers that have the message already. `user_agent`: the header's value, or empty.
    GuardVerdict check(const GuardPolicy& policy, const core::IpAddress& source, core::Zone zone, std::string_view user_agent,
                       core::Tick now) noexcept;

    // As GuardPolicy::is_scanner(). Few kinds of agents send most of the requests: those found harmless are remembered.
    bool is_scanner(const GuardPolicy& policy, std::string_view user_agent) noexcept;
    // Before another policy is asked.
    void forget_agents() noexcept;

private:
    struct Agent {
        static constexpr std::size_t longest = 63;
        std::uint8_t length = 0;
        std::array<char, longest> text;
    };
    static_assert(sizeof(Agent) == 64);
    static constexpr std::size_t harmless_agents = 32;

    SourceLimiter limiter_;
    std::array<Agent, harmless_agents> harmless_;
};

}  // namespace sipfront::balancer

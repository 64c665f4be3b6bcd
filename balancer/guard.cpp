#include "balancer/guard.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace sipfront::balancer {
namespace {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::uint64_t hash_source(const core::HashKey& key, const core::IpAddress& source) noexcept {
    // An IPv6 host owns its whole /64 and may send from any address of it.
    const auto octets = source.bytes().first(source.is_v4() ? 4 : 8);
    return core::digest(key, {reinterpret_cast<const char*>(octets.data()), octets.size()}) | 1;
}

}  // namespace

std::string_view name(GuardVerdict v) noexcept {
    switch (v) {
        case GuardVerdict::pass:
            return "pass";
        case GuardVerdict::denied:
            return "denied";
        case GuardVerdict::rate_limited:
            return "rate_limited";
        case GuardVerdict::scanner:
            return "scanner";
        case GuardVerdict::count_:
            break;
    }
    return "unknown";
}

GuardPolicy::GuardPolicy(const GuardConfig& config) : allow_{config.allow}, deny_{config.deny} {
    for (auto agent : config.scanner_agents) {
        std::ranges::transform(agent, agent.begin(), lower);
        if (agent.empty()) continue;
        for (std::size_t octet = 0; octet < may_start_.size(); ++octet)
            may_start_[octet] = may_start_[octet] || lower(static_cast<char>(octet)) == agent.front();
        scanners_.push_back(std::move(agent));
    }
    if (config.rate_per_source == 0) return;
    cost_ = core::Duration{1'000'000'000} / config.rate_per_source;
    allowance_ = cost_ * (std::max(config.rate_burst, 1U) - 1);
}

bool GuardPolicy::admits(const core::IpAddress& source, core::Zone zone) const noexcept {
    if (zone == core::Zone::cluster) return true;
    if (deny_.contains(source)) return false;
    return zone == core::Zone::carrier || allow_.empty() || allow_.contains(source);
}

bool GuardPolicy::is_scanner(std::string_view user_agent) const noexcept {
    for (; !user_agent.empty(); user_agent.remove_prefix(1)) {
        if (!may_start_[static_cast<unsigned char>(user_agent.front())]) continue;
        const auto begins_it = [user_agent](const std::string& s) {
            return s.size() <= user_agent.size() &&
                   std::equal(s.begin(), s.end(), user_agent.begin(), [](char a, char b) { return a == lower(b); });
        };
        if (std::ranges::any_of(scanners_, begins_it)) return true;
    }
    return false;
}

SourceLimiter::SourceLimiter(std::uint32_t sources, const core::SecretKey& key)
    : key_{key}, sets_(std::bit_ceil(std::max<std::size_t>(sources, ways)) / ways) {}

bool SourceLimiter::admit(const GuardPolicy& policy, const core::IpAddress& source, core::Tick now) noexcept {
    if (policy.cost() == core::Duration::zero()) return true;
    const auto hash = hash_source(key_, source);
    auto& buckets = sets_[(hash >> 16) & (sets_.size() - 1)].buckets;
    auto* bucket = std::ranges::find(buckets, hash, &Bucket::source);
    if (bucket == buckets.end()) {
        const auto standing = [](const Bucket& b) { return b.source == 0 ? core::Tick::min() : b.paid_until; };
        bucket = std::ranges::min_element(buckets, {}, standing);
        *bucket = {hash, now};
    }
    const auto paid_until = std::max(bucket->paid_until, now);
    if (paid_until - now > policy.allowance()) return false;
    bucket->paid_until = paid_until + policy.cost();
    return true;
}

GuardVerdict Guard::check_source(const GuardPolicy& policy, const core::IpAddress& source, core::Zone zone, core::Tick now) noexcept {
    if (!policy.admits(source, zone)) return GuardVerdict::denied;
    return within_rate(policy, source, zone, now) ? GuardVerdict::pass : GuardVerdict::rate_limited;
}

GuardVerdict Guard::check(const GuardPolicy& policy, const core::IpAddress& source, core::Zone zone, std::string_view user_agent,
                          core::Tick now) noexcept {
    const auto verdict = check_source(policy, source, zone, now);
    if (verdict != GuardVerdict::pass || zone != core::Zone::outside) return verdict;
    return policy.is_scanner(user_agent) ? GuardVerdict::scanner : GuardVerdict::pass;
}

bool Guard::is_scanner(const GuardPolicy& policy, std::string_view user_agent) noexcept {
    const auto n = user_agent.size();
    if (n == 0 || n > Agent::longest) return policy.is_scanner(user_agent);
    const auto place = n + 5U * static_cast<unsigned char>(user_agent[n - 1]) + static_cast<unsigned char>(user_agent[n / 2]);
    auto& known = harmless_[place % harmless_agents];
    if (known.length == n && std::memcmp(known.text.data(), user_agent.data(), n) == 0) return false;
    if (policy.is_scanner(user_agent)) return true;
    known.length = static_cast<std::uint8_t>(n);
    std::memcpy(known.text.data(), user_agent.data(), n);
    return false;
}

void Guard::forget_agents() noexcept {
    for (auto& a : harmless_) a.length = 0;
}

}  // namespace sipfront::balancer

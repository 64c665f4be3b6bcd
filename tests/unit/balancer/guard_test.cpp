#include "balancer/guard.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "balancer/prefix_set.hpp"

namespace sipfront::balancer {
namespace {

using namespace std::chrono_literals;
using core::Zone;

constexpr core::Tick start{std::chrono::hours{1}};

core::IpAddress ip(std::string_view text) { return core::IpAddress::parse(text).value(); }
std::vector<core::Prefix> prefixes(std::initializer_list<std::string_view> texts) {
    std::vector<core::Prefix> p;
    for (const auto t : texts) p.push_back(core::Prefix::parse(t).value());
    return p;
}

TEST(PrefixSet, HoldsExactlyTheAddressesOfItsPrefixes) {
    const PrefixSet set{prefixes({"10.0.0.0/8", "10.1.0.0/16", "192.0.2.7", "192.0.2.8/31", "2001:db8::/33", "fd00::1"})};
    for (const auto* in : {"10.0.0.0", "10.255.255.255", "192.0.2.7", "192.0.2.8", "192.0.2.9", "2001:db8:7fff:ffff::1", "fd00::1"})
        EXPECT_TRUE(set.contains(ip(in))) << in;
    for (const auto* out :
         {"9.255.255.255", "11.0.0.0", "192.0.2.6", "192.0.2.10", "2001:db8:8000::", "2001:db7:ffff::", "fd00::2", "fd00::"})
        EXPECT_FALSE(set.contains(ip(out))) << out;
    EXPECT_FALSE(set.contains(core::IpAddress{}));
    EXPECT_FALSE(PrefixSet{}.contains(ip("10.0.0.1")));
    EXPECT_TRUE((PrefixSet{prefixes({"0.0.0.0/0"})}.contains(ip("255.255.255.255"))));
    EXPECT_FALSE((PrefixSet{prefixes({"0.0.0.0/0"})}.contains(ip("::1"))));
    EXPECT_TRUE((PrefixSet{prefixes({"::/0"})}.contains(ip("ffff::"))));
}

TEST(Guard, DenyWinsAndTheClusterAlwaysMay) {
    GuardConfig config;
    config.allow = prefixes({"10.0.0.0/8"});
    config.deny = prefixes({"10.66.0.0/16", "198.51.100.0/24"});
    const GuardPolicy policy{config};
    Guard guard{16, {1, 2}};
    const auto verdict = [&](std::string_view a, Zone z) { return guard.check_source(policy, ip(a), z, start); };
    EXPECT_EQ(verdict("10.1.2.3", Zone::outside), GuardVerdict::pass);
    EXPECT_EQ(verdict("10.66.2.3", Zone::outside), GuardVerdict::denied);
    EXPECT_EQ(verdict("192.0.2.1", Zone::outside), GuardVerdict::denied);
    EXPECT_EQ(verdict("192.0.2.1", Zone::carrier), GuardVerdict::pass);
    EXPECT_EQ(verdict("198.51.100.1", Zone::carrier), GuardVerdict::denied);
    EXPECT_EQ(verdict("10.66.2.3", Zone::cluster), GuardVerdict::pass);
    EXPECT_EQ(guard.check_source(GuardPolicy{}, ip("203.0.113.9"), Zone::outside, start), GuardVerdict::pass);
}

TEST(Guard, LetsABurstThroughAndThenTheRate) {
    GuardConfig config;
    config.rate_per_source = 10;
    config.rate_burst = 5;
    const GuardPolicy policy{config};
    Guard guard{64, {1, 2}};
    auto now = start;
    const auto ask = [&](std::string_view a) { return guard.check_source(policy, ip(a), Zone::outside, now); };
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ask("192.0.2.1"), GuardVerdict::pass);
    EXPECT_EQ(ask("192.0.2.1"), GuardVerdict::rate_limited);
    EXPECT_EQ(ask("192.0.2.2"), GuardVerdict::pass) << "another source has its own bucket";
    now += 99ms;
    EXPECT_EQ(ask("192.0.2.1"), GuardVerdict::rate_limited);
    now += 1ms;
    EXPECT_EQ(ask("192.0.2.1"), GuardVerdict::pass);
    EXPECT_EQ(ask("192.0.2.1"), GuardVerdict::rate_limited);
    now += 10s;
    int passed = 0;
    for (int i = 0; i < 100; ++i) passed += ask("192.0.2.1") == GuardVerdict::pass ? 1 : 0;
    EXPECT_EQ(passed, 5) << "a rested bucket holds the burst and no more";
}

TEST(Guard, HoldsTheRateOverTime) {
    GuardConfig config;
    config.rate_per_source = 50;
    config.rate_burst = 10;
    const GuardPolicy policy{config};
    Guard guard{64, {1, 2}};
    int passed = 0;
    for (int ms = 0; ms < 10'000; ++ms)
        passed +=
            guard.check_source(policy, ip("192.0.2.1"), Zone::outside, start + std::chrono::milliseconds{ms}) == GuardVerdict::pass ? 1 : 0;
    EXPECT_NEAR(passed, 10 * 50 + 10, 2);
}

TEST(Guard, OnlyOutsideSourcesHaveARate) {
    GuardConfig config;
    config.rate_per_source = 1;
    config.rate_burst = 1;
    const GuardPolicy policy{config};
    Guard guard{64, {1, 2}};
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(guard.check_source(policy, ip("192.0.2.1"), Zone::cluster, start), GuardVerdict::pass);
        EXPECT_EQ(guard.check_source(policy, ip("192.0.2.1"), Zone::carrier, start), GuardVerdict::pass);
        EXPECT_EQ(guard.check_source(GuardPolicy{}, ip("192.0.2.1"), Zone::outside, start), GuardVerdict::pass) << "0 is unlimited";
    }
}

TEST(Guard, AnIpv6HostIsItsWholeSlash64) {
    GuardConfig config;
    config.rate_per_source = 1;
    config.rate_burst = 1;
    const GuardPolicy policy{config};
    Guard guard{64, {1, 2}};
    EXPECT_EQ(guard.check_source(policy, ip("2001:db8:1:2::1"), Zone::outside, start), GuardVerdict::pass);
    EXPECT_EQ(guard.check_source(policy, ip("2001:db8:1:2:ffff::9"), Zone::outside, start), GuardVerdict::rate_limited);
    EXPECT_EQ(guard.check_source(policy, ip("2001:db8:1:3::1"), Zone::outside, start), GuardVerdict::pass);
}

TEST(Guard, ItsMemoryIsBoundedAndRestedBucketsGiveWayFirst) {
    GuardConfig config;
    config.rate_per_source = 1;
    config.rate_burst = 4;
    const GuardPolicy policy{config};
    SourceLimiter limiter{4, {1, 2}};  // one set of four
    EXPECT_EQ(limiter.capacity(), 4U);
    const auto source = [](std::uint32_t i) { return core::IpAddress::v4(0xc0000200 + i); };
    // The first one has spent all; three others only a little.
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(limiter.admit(policy, source(1), start));
    EXPECT_FALSE(limiter.admit(policy, source(1), start));
    for (std::uint32_t i = 2; i < 100; ++i) EXPECT_TRUE(limiter.admit(policy, source(i), start)) << "a newcomer always finds room";
    EXPECT_FALSE(limiter.admit(policy, source(1), start)) << "and does not displace the one that must be remembered";
    EXPECT_EQ((SourceLimiter{65'536, {}}.capacity()), 65'536U);
    EXPECT_EQ((SourceLimiter{1, {}}.capacity()), 4U);
}

TEST(Guard, KnowsScannersByTheirUserAgent) {
    const GuardPolicy policy{GuardConfig{}};
    Guard guard{16, {1, 2}};
    const auto verdict = [&](std::string_view ua, Zone z = Zone::outside) { return guard.check(policy, ip("192.0.2.1"), z, ua, start); };
    EXPECT_EQ(verdict("friendly-scanner"), GuardVerdict::scanner);
    EXPECT_EQ(verdict("Mozilla (Friendly-SCANNER 1.2)"), GuardVerdict::scanner);
    EXPECT_EQ(verdict("vaxsipuseragent/3.5"), GuardVerdict::scanner);
    EXPECT_EQ(verdict("Linphone/5.0"), GuardVerdict::pass);
    EXPECT_EQ(verdict(""), GuardVerdict::pass);
    EXPECT_EQ(verdict("friendly-scanner", Zone::cluster), GuardVerdict::pass);
    GuardConfig none;
    none.scanner_agents = {""};
    EXPECT_FALSE(GuardPolicy{none}.is_scanner("anything"));
}

TEST(Guard, WhatItRemembersOfAgentsIsWhatThePolicySays) {
    GuardConfig strict;
    strict.scanner_agents = {"phone"};
    const std::vector<GuardPolicy> policies{GuardPolicy{GuardConfig{}}, GuardPolicy{strict}};
    const std::vector<std::string> words{"phone", "Phone/1", "friendly-scanner", "sipvicious", "x", "Linphone/5.0", " ", "PBX", ""};
    Guard guard{16, {1, 2}};
    std::uint32_t seed = 1;
    const auto any = [&seed](std::size_t n) {
        seed = seed * 1'664'525 + 1'013'904'223;
        return (seed >> 16) % n;
    };
    std::size_t scanners = 0;
    for (int round = 0; round < 20; ++round) {
        const auto& policy = policies[static_cast<std::size_t>(round) % policies.size()];
        guard.forget_agents();
        for (int i = 0; i < 2'000; ++i) {
            std::string agent;
            for (auto n = any(9); n > 0; --n) agent += words[any(words.size())];
            if (any(3) == 0) agent = words[any(words.size())];
            const bool is_one = policy.is_scanner(agent);
            scanners += is_one ? 1U : 0U;
            EXPECT_EQ(guard.is_scanner(policy, agent), is_one) << agent;
            EXPECT_EQ(guard.is_scanner(policy, agent), is_one) << agent;
        }
    }
    EXPECT_GT(scanners, 1'000U);
}

}  // namespace
}  // namespace sipfront::balancer

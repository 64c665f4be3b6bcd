#include "dpdk/path_mtu.hpp"

#include <gtest/gtest.h>

namespace sipfront::dpdk {
namespace {

using namespace std::chrono_literals;
constexpr core::Tick start{1h};

core::IpAddress address(std::uint32_t n) { return core::IpAddress::v4(0x0a000000 + n); }

TEST(PathMtus, NothingIsLimitedUntilARouterSaysSo) {
    const PathMtus paths;
    EXPECT_FALSE(paths.any(start));
    EXPECT_EQ(paths.find(address(1), start), PathMtus::unlimited);
}

TEST(PathMtus, ALimitHoldsForTenMinutes_Rfc8201_5_3) {
    PathMtus paths;
    paths.learn(address(1), 1400, start);
    EXPECT_TRUE(paths.any(start));
    EXPECT_EQ(paths.find(address(1), start + 10min - 1ns), 1400);
    EXPECT_EQ(paths.find(address(2), start), PathMtus::unlimited);
    EXPECT_EQ(paths.find(address(1), start + 10min), PathMtus::unlimited);
    EXPECT_FALSE(paths.any(start + 10min));
}

TEST(PathMtus, TheLastWordCounts) {
    PathMtus paths;
    paths.learn(address(1), 1400, start);
    paths.learn(address(1), 1300, start + 1min);
    EXPECT_EQ(paths.find(address(1), start + 10min), 1300);
    paths.learn(address(2), 1300, start + 2min);
    EXPECT_EQ(paths.find(address(1), start + 11min), PathMtus::unlimited);
    EXPECT_TRUE(paths.any(start + 11min)) << "another one's";
}

TEST(PathMtus, ManyDisplaceTheOldestAndNoMore) {
    PathMtus paths;
    for (std::uint32_t n = 0; n < 100'000; ++n) {
        paths.learn(address(n), 1280, start + std::chrono::milliseconds{n});
        ASSERT_EQ(paths.find(address(n), start + std::chrono::milliseconds{n}), 1280);
    }
    std::uint32_t kept = 0;
    for (std::uint32_t n = 0; n < 100'000; ++n) kept += paths.find(address(n), start + 100s) == 1280 ? 1U : 0U;
    EXPECT_GT(kept, 200U);
    EXPECT_LE(kept, 256U);
}

}  // namespace
}  // namespace sipfront::dpdk

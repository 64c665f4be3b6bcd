#include "kni/probe_limit.hpp"

#include <gtest/gtest.h>

namespace sipfront::kni {
namespace {

using core::IpAddress;
using core::Tick;
using namespace std::chrono_literals;

TEST(ProbeLimit, AsksForAnAddressOnceASecond) {
    ProbeLimit limit{100};
    const auto a = IpAddress::v4(0x0a4d0001);
    const Tick start{900ms};
    EXPECT_TRUE(limit.admit(a, start));
    EXPECT_FALSE(limit.admit(a, start + 1ms));
    // Also across the change of windows.
    EXPECT_FALSE(limit.admit(a, start + 999ms));
    EXPECT_TRUE(limit.admit(a, start + 1s));
}

TEST(ProbeLimit, AsksForNoMoreThanTheRateInOneSecond) {
    ProbeLimit limit{10};
    Tick now{5s};
    std::uint32_t admitted = 0;
    for (std::uint32_t i = 0; i < 1000; ++i) admitted += limit.admit(IpAddress::v4(0x0a000000 + i), now) ? 1 : 0;
    EXPECT_EQ(admitted, 10U);
    EXPECT_TRUE(limit.admit(IpAddress::v4(0x0b000000), now + 1s));
}

}  // namespace
}  // namespace sipfront::kni

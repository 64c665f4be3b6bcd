#include "dpdk/neighbour_frames.hpp"

#include <gtest/gtest.h>

#include "frames.hpp"

namespace sipfront::dpdk {
namespace {

using namespace test;

Frame announcement(std::string_view own) {
    Frame f(longest_neighbour_frame, 0xee);
    f.resize(write_announcement(f, our_mac, ip(own)));
    return f;
}
Frame probe(const core::IpAddress& own, std::string_view target) {
    Frame f(longest_neighbour_frame, 0xee);
    f.resize(write_probe(f, our_mac, own, ip(target)));
    return f;
}

// The ICMPv6 checksum over pseudo-header and message is all ones when right.
bool icmpv6_checksum_ok(const Frame& f) {
    Frame sum(f.begin() + 22, f.begin() + 54);
    put16(sum, f.size() - 54);
    put16(sum, 58);
    sum.insert(sum.end(), f.begin() + 54, f.end());
    return reference_checksum(sum) == 0;
}

TEST(Announcement, IsAGratuitousArpRequest_Rfc5227_2_3) {
    const Frame expected{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0,  0, 0,   1, 8, 6, 0, 1, 8, 0,  6,  4, 0,
                         1,    2,    0,    0,    0,    0,    1, 10, 77, 0, 100, 0, 0, 0, 0, 0, 0, 10, 77, 0, 100};
    EXPECT_EQ(announcement("10.77.0.100"), expected);
}

TEST(Announcement, IsAnUnsolicitedAdvertisementWithOverride_Rfc4861_7_2_6) {
    const auto f = announcement("fd77::100");
    ASSERT_EQ(f.size(), 86U);
    EXPECT_EQ((Frame{f.begin(), f.begin() + 6}), (Frame{0x33, 0x33, 0, 0, 0, 1}));
    EXPECT_EQ(f[21], 255);   // hop limit
    EXPECT_EQ(f[54], 136);   // neighbour advertisement
    EXPECT_EQ(f[58], 0x20);  // override, not solicited
    EXPECT_EQ(f[78], 2);     // target link-layer address
    EXPECT_TRUE(icmpv6_checksum_ok(f));
    EXPECT_EQ(answered_address(f), ip("fd77::100"));
}

TEST(Probe, IsAnArpRequest) {
    const auto f = probe(ip("10.77.0.101"), "10.77.0.1");
    ASSERT_EQ(f.size(), 42U);
    EXPECT_EQ((Frame{f.begin() + 28, f.begin() + 32}), (Frame{10, 77, 0, 101}));
    EXPECT_EQ((Frame{f.begin() + 38, f.end()}), (Frame{10, 77, 0, 1}));
    const auto without = probe({}, "10.77.0.1");
    EXPECT_EQ((Frame{without.begin() + 28, without.begin() + 32}), (Frame{0, 0, 0, 0}));
}

TEST(Probe, IsANeighbourSolicitation_Rfc4861_4_3) {
    const auto f = probe(ip("fd77::101"), "fd77::abcd:1234");
    ASSERT_EQ(f.size(), 86U);
    EXPECT_EQ((Frame{f.begin(), f.begin() + 6}), (Frame{0x33, 0x33, 0xff, 0xcd, 0x12, 0x34}));
    EXPECT_EQ(f[54], 135);
    EXPECT_TRUE(icmpv6_checksum_ok(f));
    // From the unspecified address without the option.
    const auto anonymous = probe({}, "fd77::abcd:1234");
    EXPECT_EQ(anonymous.size(), 78U);
    EXPECT_TRUE(icmpv6_checksum_ok(anonymous));
}

TEST(AnsweredAddress, ReadsArpRepliesOnly) {
    auto f = probe(ip("10.77.0.101"), "10.77.0.1");
    EXPECT_EQ(answered_address(f), std::nullopt);  // a request
    f[21] = 2;
    EXPECT_EQ(answered_address(f), ip("10.77.0.101"));
    EXPECT_EQ(answered_address(UdpFrame{}.build()), std::nullopt);
}

TEST(AnsweredAddress, NeverReadsBeyondTheFrame) {
    for (auto f : {announcement("fd77::100"), announcement("10.77.0.100")}) {
        if (f[12] == 8) f[21] = 2;
        for (std::size_t n = 0; n <= f.size(); ++n) {
            const Guarded cut{std::span{f}.first(n)};
            (void)answered_address(cut.bytes());
        }
        EXPECT_NE(answered_address(f), std::nullopt);
    }
}

}  // namespace
}  // namespace sipfront::dpdk

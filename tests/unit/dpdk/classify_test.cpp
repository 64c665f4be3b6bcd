#include "dpdk/classify.hpp"

#include <gtest/gtest.h>

#include "frames.hpp"

namespace sipfront::dpdk {
namespace {

using namespace test;

TEST(ListenerTable, FindsExactDestinationsOnly) {
    const ListenerTable table{{{endpoint("10.77.0.100:5060"), core::ListenerId{1}},
                               {endpoint("10.77.0.100:5080"), core::ListenerId{2}},
                               {endpoint("[fd77::100]:5060"), core::ListenerId{3}}}};
    EXPECT_EQ(table.find(endpoint("10.77.0.100:5060")), core::ListenerId{1});
    EXPECT_EQ(table.find(endpoint("10.77.0.100:5080")), core::ListenerId{2});
    EXPECT_EQ(table.find(endpoint("[fd77::100]:5060")), core::ListenerId{3});
    EXPECT_EQ(table.find(endpoint("10.77.0.100:5061")), std::nullopt);
    EXPECT_EQ(table.find(endpoint("10.77.0.101:5060")), std::nullopt);
    EXPECT_EQ(table.find({ip("10.77.0.100"), 0}), std::nullopt);
    EXPECT_EQ(ListenerTable{}.find(endpoint("10.77.0.100:5060")), std::nullopt);
}

TEST(ListenerTable, FirstOfTwoAtOneEndpointWins) {
    const ListenerTable table{{{endpoint("10.0.0.1:5060"), core::ListenerId{7}}, {endpoint("10.0.0.1:5060"), core::ListenerId{8}}}};
    EXPECT_EQ(table.find(endpoint("10.0.0.1:5060")), core::ListenerId{7});
}

TEST(ListenerTable, KnowsItsAddresses) {
    const ListenerTable table{{{endpoint("10.0.0.1:5060"), core::ListenerId{}}}};
    EXPECT_TRUE(table.has_address(ip("10.0.0.1")));
    EXPECT_FALSE(table.has_address(ip("10.0.0.2")));
}

TEST(ListenerTable, HoldsManyListeners) {
    std::vector<Listener> all;
    for (std::uint16_t i = 0; i < 200; ++i) {
        all.push_back({{ip("10.0.0.1"), static_cast<std::uint16_t>(5060 + i)}, core::ListenerId{static_cast<std::uint8_t>(i)}});
    }
    const ListenerTable table{all};
    for (const auto& l : all) EXPECT_EQ(table.find(l.local), l.id);
    EXPECT_EQ(table.find({ip("10.0.0.1"), 6000}), std::nullopt);
}

}  // namespace
}  // namespace sipfront::dpdk

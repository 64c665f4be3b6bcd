#include "app/destination_rows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sipfront::app {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ha::LoadBalancerEntry host(std::uint32_t id, std::string uri, std::string resources = "pstn=32") {
    ha::LoadBalancerEntry e;
    e.id = id;
    e.group_id = 1;
    e.dst_uri = std::move(uri);
    e.resources = std::move(resources);
    return e;
}

ha::DispatcherEntry gateway(std::uint32_t id, std::string uri, std::string weight = "1") {
    ha::DispatcherEntry e;
    e.id = id;
    e.setid = 1;
    e.destination = std::move(uri);
    e.weight = std::move(weight);
    return e;
}

const std::vector<sip::Listener> listeners{{{}, *core::Endpoint::parse("10.77.0.100:5060", 5060), core::Transport::udp, false}};

TEST(DestinationRows, TakeWhatTheTablesSay) {
    ha::DestinationTables tables;
    tables.load_balancer = {host(3, "sip:10.77.0.103", "pstn=32;transc=10")};
    tables.load_balancer[0].attrs = "a";
    tables.load_balancer[0].description = "FS1";
    tables.dispatcher = {gateway(4, "sip:10.77.0.104:5070", "50")};
    tables.dispatcher[0].state = 2;
    tables.dispatcher[0].priority = -3;
    tables.dispatcher[0].probe_mode = 1;
    const auto rows = to_rows(tables, listeners);
    EXPECT_THAT(rows.skipped, IsEmpty());
    EXPECT_THAT(rows.warnings, IsEmpty());
    EXPECT_THAT(rows.load_balancer, ElementsAre(balancer::LoadBalancerRow{.id = 3,
                                                                          .group_id = 1,
                                                                          .dst_uri = "sip:10.77.0.103",
                                                                          .resources = {{"pstn", 32}, {"transc", 10}},
                                                                          .probe_mode = 2,
                                                                          .attrs = "a",
                                                                          .description = "FS1"}));
    ASSERT_EQ(rows.dispatcher.size(), 1U);
    EXPECT_EQ(rows.dispatcher[0].weight, 50U);
    EXPECT_EQ(rows.dispatcher[0].state, 2);
    EXPECT_EQ(rows.dispatcher[0].priority, -3);
    EXPECT_EQ(rows.dispatcher[0].probe_mode, 1);
}

TEST(DestinationRows, NameWhatCannotServe) {
    ha::DestinationTables tables;
    tables.skipped = {{"load_balancer", 1, "dst_uri", "is empty", "write one"}};
    tables.load_balancer = {host(2, "sip:fs1"), host(3, "sip:10.77.0.103", "pstn=fs://x"), host(4, "sip:10.77.0.100"),
                            host(5, "sip:10.77.0.105;transport=tcp"), host(6, "sip:10.77.0.106")};
    tables.dispatcher = {gateway(1, "sip:10.77.0.103", "fs://x"), gateway(2, "sip:10.77.0.103", "many")};
    const auto rows = to_rows(tables, listeners);
    ASSERT_EQ(rows.load_balancer.size(), 1U);
    EXPECT_EQ(rows.load_balancer[0].id, 6U);
    EXPECT_THAT(rows.dispatcher, IsEmpty());
    EXPECT_THAT(
        rows.skipped,
        ElementsAre("load_balancer row 1, dst_uri: is empty; write one",
                    "load_balancer row 2, dst_uri: host \"fs1\" is not a numeric address, and names are not resolved; write the address",
                    "load_balancer row 3, resources: \"pstn=fs://x\": capacities read from FreeSWITCH (fs://) are not supported; write a "
                    "number of calls",
                    "load_balancer row 4, dst_uri: \"sip:10.77.0.100\" is a listener of ours: requests would loop; give the host's own "
                    "address",
                    "load_balancer row 5, dst_uri: \"sip:10.77.0.105;transport=tcp\" asks for a transport other than UDP; leave the "
                    "transport out",
                    "dispatcher row 1, weight: weights read from FreeSWITCH (fs://) are not supported; write a number",
                    "dispatcher row 2, weight: \"many\" is not a weight; write a number from 0 to 1000000"));
}

TEST(DestinationRows, CacheGivesBackWhatItWasGiven) {
    ha::DestinationTables tables;
    tables.load_balancer = {host(3, "sip:10.77.0.103")};
    tables.dispatcher = {gateway(4, "sip:10.77.0.104"), gateway(5, "sip:10.77.0.105")};
    tables.dispatcher[1].probe_mode = 1;
    tables.dispatcher[1].description = "quote \" and \xff";
    const auto back = from_cache(to_cache(tables));
    ASSERT_TRUE(back) << back.error().what;
    EXPECT_EQ(back->load_balancer, tables.load_balancer);
    EXPECT_EQ(back->dispatcher[0], tables.dispatcher[0]);
    EXPECT_EQ(back->dispatcher[1].probe_mode, 1U);
    for (const char* broken : {"", "{", "[]", "{\"load_balancer\":[{}],\"dispatcher\":[]}", "{\"load_balancer\":[]}"})
        EXPECT_FALSE(from_cache(broken)) << broken;
}

}  // namespace
}  // namespace sipfront::app

#include "app/config_units.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace sipfront::app {
namespace {

using namespace std::chrono_literals;

TEST(ConfigUnits, DurationsReadBackAsTheyAreWritten) {
    for (const auto d : std::initializer_list<core::Duration>{0ns, 1us, 500ms, 2s, 90s, 5min, 12h, 24h, 185'000ms, 180'001ms})
        EXPECT_EQ(parse_duration(format_duration(d)), d) << format_duration(d);
    EXPECT_EQ(format_duration(12h), "12h");
    EXPECT_EQ(format_duration(90s), "90s");
    EXPECT_EQ(parse_duration("1h30m"), core::Duration{90min});
}

TEST(ConfigUnits, NonsenseIsNoDuration) {
    for (const auto* text : {"", "5", "s", "-5s", "1.5s", "5 s", "5S", "5sec", "1h30", "99999999999999999999s", "10000000d", "1s "})
        EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(ConfigUnits, SizesReadBackAsTheyAreWritten) {
    for (const auto n : std::initializer_list<std::uint64_t>{0, 1, 1023, 1024, 1ULL << 20, 3ULL << 30, 1ULL << 40})
        EXPECT_EQ(parse_size(format_size(n)), n) << format_size(n);
    EXPECT_EQ(format_size(1ULL << 30), "1GiB");
    for (const auto* text : {"", "GiB", "-1", "1GB", "1.5GiB", "99999999999TiB"}) EXPECT_FALSE(parse_size(text)) << text;
}

TEST(ConfigUnits, ClosestFindsTheSlipOfAFinger) {
    const std::vector<std::string> words{"fork_attempts", "failover_codes", "t1", "t2"};
    EXPECT_EQ(closest("fork_attempt", words), "fork_attempts");
    EXPECT_EQ(closest("frok_attempts", words), "fork_attempts");
    EXPECT_EQ(closest("t3", words), "t1");
    EXPECT_FALSE(closest("entirely_other", words));
}

}  // namespace
}  // namespace sipfront::app

#include "ha/mysql_error.hpp"

#include <gtest/gtest.h>

#include "ha/database.hpp"

namespace sipfront::ha {
namespace {

using Kind = StoreError::Kind;

TEST(MysqlError, TellsWhatToDoNext) {
    for (const int n : {1213, 1205, 1047, 1180, 1317, 1297}) EXPECT_EQ(mysql_error_kind(n, "HY000"), Kind::retry) << n;
    for (const int n : {2002, 2003, 2006, 2013, 2055, 1053, 1927}) EXPECT_EQ(mysql_error_kind(n, "HY000"), Kind::lost) << n;
    for (const int n : {1290, 1836, 1021, 1114, 1030, 1040, 1203, 1045, 1146, 1054})
        EXPECT_EQ(mysql_error_kind(n, "HY000"), Kind::refused) << n;
    for (const int n : {1406, 1264, 1366, 1153}) EXPECT_EQ(mysql_error_kind(n, "HY000"), Kind::row) << n;
}

TEST(MysqlError, UnknownNumbersGoByTheSqlState) {
    EXPECT_EQ(mysql_error_kind(9'999, "22001"), Kind::row);
    EXPECT_EQ(mysql_error_kind(9'999, "23000"), Kind::row);
    EXPECT_EQ(mysql_error_kind(9'999, "40001"), Kind::retry);
    EXPECT_EQ(mysql_error_kind(9'999, "08S01"), Kind::lost);
    EXPECT_EQ(mysql_error_kind(9'999, "HY000"), Kind::refused) << "no row is given up for what nobody knows";
}

TEST(MysqlError, ANodeThatIsNotReadyMeansAnotherHost) {
    for (const int n : {1047, 1290, 1836, 1040}) EXPECT_TRUE(mysql_wants_other_host(n)) << n;
    for (const int n : {1213, 1205, 1406}) EXPECT_FALSE(mysql_wants_other_host(n)) << n;
}

TEST(DatabaseHosts, AreNamesOrAddressesWithOrWithoutPort) {
    const auto is = [](const std::string& text, const std::string& host, std::uint16_t port) {
        const auto h = parse_database_host(text);
        EXPECT_EQ(h.host, host) << text;
        EXPECT_EQ(h.port, port) << text;
    };
    is("10.77.0.120", "10.77.0.120", 3306);
    is("10.77.0.120:3307", "10.77.0.120", 3307);
    is("db1.example.net", "db1.example.net", 3306);
    is("[fd77::120]", "fd77::120", 3306);
    is("[fd77::120]:3310", "fd77::120", 3310);
    for (const char* bad : {"", "db1:", "db1:0", "db1:70000", "db1:x", "tcp://db1", "[fd77::120", "me@db1"})
        EXPECT_EQ(parse_database_host(bad).host, "") << bad;
}

}  // namespace
}  // namespace sipfront::ha

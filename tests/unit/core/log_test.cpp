#include "core/log.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

namespace sipfront::core {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LogFile : public ::testing::Test {
protected:
    void SetUp() override {
        auto pattern = (std::filesystem::temp_directory_path() / "sipfront-log-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override {
        log_close();
        std::filesystem::remove_all(directory_);
    }
    [[nodiscard]] std::string path(std::string_view name) const { return (directory_ / name).string(); }
    // log_close() waits for the log thread, so no test has to.
    [[nodiscard]] std::string text_of(std::string_view name) const {
        std::ifstream in{path(name)};
        return {std::istreambuf_iterator<char>{in}, {}};
    }

    std::filesystem::path directory_;
};

TEST_F(LogFile, WritesFromTheLevelUpwards) {
    ASSERT_TRUE(log_open({.level = spdlog::level::warn, .file = path("a")}));
    log().info("too quiet");
    log().warn("host {} is down", 3);
    log_level(spdlog::level::debug);
    log().debug("now heard");
    log_close();
    EXPECT_THAT(text_of("a"), HasSubstr("warning host 3 is down\n"));
    EXPECT_THAT(text_of("a"), HasSubstr("debug now heard\n"));
    EXPECT_THAT(text_of("a"), Not(HasSubstr("too quiet")));
}

TEST_F(LogFile, IsSilentBeforeOpenAndAfterClose) {
    log().error("nobody listens");
    ASSERT_TRUE(log_open({.file = path("a")}));
    log().info("one");
    log_close();
    log().critical("two");
    log_close();
    EXPECT_THAT(text_of("a"), HasSubstr("info one\n"));
    EXPECT_THAT(text_of("a"), Not(HasSubstr("two")));
    EXPECT_EQ(log_lost(), 0U);
}

TEST_F(LogFile, ReopeningMovesOnAndOldLoggersFallSilent) {
    ASSERT_TRUE(log_open({.file = path("a")}));
    auto& old = log();
    log().info("one");
    ASSERT_TRUE(log_open({.file = path("b")}));
    log().info("two");
    old.info("three");
    log_close();
    EXPECT_THAT(text_of("a"), HasSubstr("one"));
    EXPECT_THAT(text_of("a"), Not(HasSubstr("three")));
    EXPECT_THAT(text_of("b"), HasSubstr("two"));
}

TEST_F(LogFile, AnErrorLeavesTheLogAsItWas) {
    ASSERT_TRUE(log_open({.file = path("a")}));
    const auto bad = log_open({.file = directory_.string()});
    ASSERT_FALSE(bad);
    EXPECT_THAT(bad.error().what, HasSubstr(directory_.string()));
    EXPECT_FALSE(log_open({.file = path("b"), .queue = 0}));
    log().info("still here");
    log_close();
    EXPECT_THAT(text_of("a"), HasSubstr("still here"));
}

TEST_F(LogFile, AFullQueueLosesLinesRatherThanWaitAndCountsThem) {
    ASSERT_TRUE(log_open({.file = path("a"), .queue = 1}));
    constexpr std::size_t lines = 2000;
    for (std::size_t i = 0; i < lines; ++i) log().info("line {}", i);
    const auto lost = log_lost();
    log_close();
    const auto text = text_of("a");
    const auto written = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    // Closing may push one more out to make room for its own message.
    EXPECT_GE(written + lost + 1, lines);
    EXPECT_LE(written + lost, lines);
}

TEST(LogLimit, AdmitsSoManyPerIntervalAndTellsWhatItSuppressed) {
    LogLimit limit{2, 10s};
    Tick now{5s};
    EXPECT_TRUE(limit.admit(now));
    EXPECT_EQ(limit.suppressed(), 0U);
    EXPECT_TRUE(limit.admit(now + 1s));
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(limit.admit(now + 9s));
    EXPECT_TRUE(limit.admit(now + 10s));
    EXPECT_EQ(limit.suppressed(), 5U);
    EXPECT_TRUE(limit.admit(now + 11s));
    EXPECT_EQ(limit.suppressed(), 0U);
    EXPECT_FALSE(limit.admit(now + 12s));
    EXPECT_TRUE(limit.admit(now + 100s));
    EXPECT_EQ(limit.suppressed(), 1U);
}

TEST(LogLimit, TheFirstLineIsAdmittedWhateverTheTime) {
    EXPECT_TRUE((LogLimit{1, 1s}.admit(Tick{})));
    EXPECT_TRUE((LogLimit{1, 1s}.admit(Tick::min() + 1s)));
    EXPECT_FALSE((LogLimit{0, 1s}.admit(Tick{})));
}

}  // namespace
}  // namespace sipfront::core

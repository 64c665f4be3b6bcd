#include "app/destination_feed.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>

#include "ha/schema.hpp"

namespace sipfront::app {
namespace {

class Feed : public ::testing::Test {
protected:
    Feed() {
        auto name = (std::filesystem::temp_directory_path() / "sipfront-feed-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
        config_.engine = ha::DatabaseEngine::sqlite;
        config_.path = folder_ + "/sipfront.db";
        config_.destination_cache = folder_ + "/cache/destinations.json";
    }
    ~Feed() override { std::filesystem::remove_all(folder_); }

    void insert(const std::string& uri) {
        auto db = ha::make_connector(config_)->connect();
        ASSERT_TRUE(db);
        ASSERT_TRUE(ha::create_schema(**db));
        ha::LoadBalancerEntry e;
        e.group_id = 1;
        e.dst_uri = uri;
        e.resources = "pstn=1";
        const auto done = ha::insert_destination(**db, e);
        ASSERT_TRUE(done) << done.error().text;
    }
    // Waits as long as a slow machine takes.
    static DestinationFeed::Answer next(DatabaseFeed& feed) {
        pollfd ready{feed.fd(), POLLIN, 0};
        EXPECT_EQ(::poll(&ready, 1, 60'000), 1);
        auto answer = feed.take();
        EXPECT_TRUE(answer);
        return answer ? std::move(*answer) : DestinationFeed::Answer{0, core::Error{"nothing"}};
    }

    std::string folder_;
    ha::DatabaseConfig config_;
};

TEST_F(Feed, ReadsAtOnceAndWhenAsked) {
    insert("sip:10.77.0.103");
    auto feed = DatabaseFeed::start(config_);
    ASSERT_TRUE(feed);
    auto answer = next(**feed);
    EXPECT_EQ(answer.request, 1U);
    ASSERT_TRUE(answer.tables) << answer.tables.error().what;
    EXPECT_EQ(answer.tables->load_balancer.size(), 1U);
    EXPECT_FALSE((*feed)->take()) << "told once";
    insert("sip:10.77.0.104");
    const auto request = (*feed)->request();
    answer = next(**feed);
    EXPECT_EQ(answer.request, request);
    ASSERT_TRUE(answer.tables);
    EXPECT_EQ(answer.tables->load_balancer.size(), 2U);
    EXPECT_EQ((*feed)->name(), "sqlite " + config_.path);
}

TEST_F(Feed, KeepsWhatItReadForTheNextStart) {
    EXPECT_FALSE(cached_destinations(config_));
    insert("sip:10.77.0.103");
    {
        auto feed = DatabaseFeed::start(config_);
        ASSERT_TRUE(feed);
        ASSERT_TRUE(next(**feed).tables);
    }
    const auto cached = cached_destinations(config_);
    ASSERT_TRUE(cached) << cached.error().what;
    ASSERT_EQ(cached->load_balancer.size(), 1U);
    EXPECT_EQ(cached->load_balancer[0].dst_uri, "sip:10.77.0.103");
    std::ofstream{config_.destination_cache} << "{ half";
    const auto broken = cached_destinations(config_);
    ASSERT_FALSE(broken);
    EXPECT_THAT(broken.error().what, ::testing::HasSubstr(config_.destination_cache));
}

TEST_F(Feed, AsksAgainUntilTheDatabaseIsThere) {
    auto elsewhere = config_;
    const auto blocked = folder_ + "/blocked";
    std::ofstream{blocked} << "a file where a directory should be";
    elsewhere.path = blocked + "/sipfront.db";
    auto feed = DatabaseFeed::start(elsewhere);
    ASSERT_TRUE(feed);
    const auto answer = next(**feed);
    ASSERT_FALSE(answer.tables);
    EXPECT_THAT(answer.tables.error().what, ::testing::HasSubstr(elsewhere.path));
    std::filesystem::remove(blocked);
    // Nobody asks: it does by itself. What was under way may still have failed.
    for (int tries = 0; tries < 3; ++tries)
        if (next(**feed).tables) return;
    FAIL() << "it did not come back";
}

}  // namespace
}  // namespace sipfront::app

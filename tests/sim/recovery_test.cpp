// Dialogs from a store to the workers that own them: whole rows, through the reader's thread.
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/dialog_recovery.hpp"
#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

constexpr std::int64_t unix_now = 1'800'000'000'000'000;

// A store of given rows; fails the first `failures` times, half way.
class Shelf final : public ha::DialogStore {
public:
    explicit Shelf(std::vector<ha::DialogRow> rows, int failures = 0) : rows_{std::move(rows)}, failures_{failures} {}

    core::Result<core::Done, ha::StoreError> write(const ha::DialogBatch&) override { return core::Done{}; }
    core::Result<core::Done, ha::StoreError> read(const std::function<bool(ha::DialogRow&&)>& row) override {
        const bool fails = failures_-- > 0;
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            if (fails && i == rows_.size() / 2) return ha::StoreError{ha::StoreError::Kind::lost, "gone away"};
            if (auto copy = rows_[i]; !row(std::move(copy))) break;
        }
        return core::Done{};
    }
    core::Result<std::uint64_t, ha::StoreError> sweep(core::NodeId, std::int64_t) override { return std::uint64_t{0}; }
    [[nodiscard]] std::string name() const override { return "shelf"; }

private:
    std::vector<ha::DialogRow> rows_;
    int failures_;
};

ha::DialogRow row(std::uint64_t n) {
    ha::DialogRow r;
    r.dlg_id = n;
    r.callid = "stored-" + std::to_string(n);
    r.from_tag = "caller";
    r.to_tag = "callee";
    r.caller_cseq = 1;
    r.caller_contact = "sip:alice@10.77.0.2:5060";
    r.callee_contact = "sip:host@10.77.0.104:5060";
    r.caller_sock = r.callee_sock = "udp:10.77.0.100:5060";
    r.state = sip::DialogState::confirmed;
    r.start_time = unix_now / 1'000'000 - 60;
    r.timeout = unix_now / 1'000'000 + 3600;
    r.destination = "sip:10.77.0.104";
    r.group = 1;
    r.resource = "pstn";
    r.node = core::NodeId{1};
    r.version = unix_now - 1;
    r.created = unix_now - 63'000'000;
    r.host = "udp:10.77.0.104:5060";
    r.client = "udp:10.77.0.2:5060";
    return r;
}

void recover(World& world, std::unique_ptr<ha::DialogStore> store, app::RecoveryStats& stats) {
    app::DialogRecovery recovery{{.store = std::move(store),
                                  .switchboard = world.switchboard(),
                                  .steering = world.steering(),
                                  .proxy = world.proxy_config(),
                                  .node = core::NodeId{1},
                                  .destinations = {},
                                  .clock = [&world] { return world.now(); },
                                  .unix_us = [] { return unix_now; },
                                  .retry = std::chrono::milliseconds{1},
                                  .stats = stats}};
    while (!stats.done) {
        world.run();
        std::this_thread::yield();
    }
}

class StoredDialogs : public testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Workers, StoredDialogs, testing::Values(1U, 4U));

TEST_P(StoredDialogs, AllComeToTheirWorkersAndCount) {
    World world{{.workers = GetParam(), .capacity = 20'000}};
    std::vector<ha::DialogRow> rows;
    for (std::uint64_t n = 1; n <= 10'000; ++n) rows.push_back(row(n));
    app::RecoveryStats stats;
    recover(world, std::make_unique<Shelf>(rows), stats);
    EXPECT_EQ(stats.rows.get(), 10'000U);
    EXPECT_EQ(stats.brought.get(), 10'000U);
    EXPECT_EQ(world.dialogs(), 10'000U);
    EXPECT_EQ(world.load(1), 10'000U) << "the host found by its address";
    // One of them hangs up without any route set.
    Call call;
    call.host = World::host(1);
    call.spec.call_id = "stored-77";
    EXPECT_EQ(hang_up(world, call).size(), 1U);
    EXPECT_EQ(world.load(1), 9'999U);
}

TEST_P(StoredDialogs, AStoreThatFailsIsReadAgainAndNothingCountsTwice) {
    World world{{.workers = GetParam(), .capacity = 20'000}};
    std::vector<ha::DialogRow> rows;
    for (std::uint64_t n = 1; n <= 100; ++n) rows.push_back(row(n));
    app::RecoveryStats stats;
    recover(world, std::make_unique<Shelf>(rows, 3), stats);
    EXPECT_EQ(stats.failures.get(), 3U);
    EXPECT_EQ(world.dialogs(), 100U);
    EXPECT_EQ(world.load(1), 100U);
}

TEST(StoredDialog, WhatSaysNoWayOrIsOurOwnStaysWhereItIs) {
    World world;
    auto no_host = row(1), no_client = row(2), own = row(3), over = row(4), other = row(5);
    no_host.host = "udp:somewhere:5060";
    no_client.client = {};
    own.version = unix_now + 5;
    over.state = sip::DialogState::deleted;
    other.version = unix_now + 5;
    other.node = core::NodeId{2};
    app::RecoveryStats stats;
    recover(world, std::make_unique<Shelf>(std::vector{no_host, no_client, own, over, other}), stats);
    EXPECT_EQ(stats.unusable.get(), 2U);
    EXPECT_EQ(stats.own.get(), 1U);
    EXPECT_EQ(world.dialogs(), 1U) << "the other node's";
}

}  // namespace
}  // namespace sipfront::sim

#include "ha/journal.hpp"

#include <gtest/gtest.h>

#include "tests/unit/ha/dialog_events.hpp"
#include "tests/unit/ha/fake_store.hpp"

namespace sipfront::ha {
namespace {

using sip::DialogState;
using Kind = StoreError::Kind;

class JournalTest : public testing::Test {
protected:
    static constexpr core::NodeId node{1};

    JournalTest() { restart({}); }
    void restart(const JournalConfig& config, std::size_t writer_count = 1) {
        config_ = config;
        writers_ = std::make_unique<FakeWriters>(writer_count, store_);
        stats_ = std::make_unique<JournalStats>();
        journal_ = std::make_unique<Journal>(Journal::Parts{config, node, {&lane_}, *writers_, *stats_, on_ended_});
        journal_->set_epoch(5);
    }
    void tell(const Told& t) { ASSERT_TRUE(lane_.note(t.event, t.texts)); }
    void turn(core::Duration after = 0ms) {
        now_ += after;
        journal_->turn({now_, unix_us()});
    }
    // Turns, and writers that work, until so much time has gone by.
    void pass(core::Duration time, core::Duration step = 5ms) {
        for (const auto end = now_ + time; now_ < end;) {
            turn(step);
            writers_->run_all();
        }
        turn();
    }
    std::int64_t unix_us() const {
        return 1'795'000'000'000'000 + std::chrono::duration_cast<std::chrono::microseconds>(now_ - core::Tick{}).count();
    }
    std::uint64_t count(JournalCount c) const { return stats_->counts[c].get(); }
    std::uint64_t errors(Kind k) const { return stats_->errors[static_cast<std::size_t>(k)].get(); }

    core::Tick now_{1h};
    FakeStore store_;
    JournalLane lane_{65'536};
    OnEnded on_ended_;
    JournalConfig config_;
    std::unique_ptr<FakeWriters> writers_;
    std::unique_ptr<JournalStats> stats_;
    std::unique_ptr<Journal> journal_;
};

TEST_F(JournalTest, WritesADialogOnceTheFlushIntervalIsOver) {
    tell(born(1, now_));
    turn(9ms);
    EXPECT_FALSE(writers_->has_job(0));
    turn(1ms);
    ASSERT_TRUE(writers_->has_job(0));
    EXPECT_FALSE(journal_->idle());
    writers_->run_all();
    turn(2ms);
    EXPECT_TRUE(journal_->idle());
    ASSERT_EQ(store_.rows.size(), 1U);
    const auto& row = store_.rows.at(1);
    EXPECT_EQ(row.node, node);
    EXPECT_EQ(row.epoch, 5U);
    EXPECT_EQ(row.version, unix_us() - 3'000) << "when it was taken";
    EXPECT_EQ(count(JournalCount::rows_written), 1U);
    EXPECT_EQ(stats_->lag.count(core::Histogram::index(12'000'000)), 1U) << "from the event to the commit";
    EXPECT_EQ(stats_->pending.get(), 0U);
    EXPECT_EQ(stats_->pending_octets.get(), 0U);
}

TEST_F(JournalTest, WritesAFullBatchAtOnce) {
    config_.batch = 4;
    restart(config_);
    for (std::uint64_t i = 0; i < 9; ++i) tell(born(i, now_));
    turn();
    ASSERT_TRUE(writers_->has_job(0));
    EXPECT_EQ(writers_->job(0).upserts.size(), 4U);
    writers_->run_all();
    turn();
    writers_->run_all();
    turn();
    EXPECT_FALSE(writers_->has_job(0)) << "the ninth waits for others";
    EXPECT_EQ(store_.rows.size(), 8U);
    pass(10ms);
    EXPECT_EQ(store_.rows.size(), 9U);
}

TEST_F(JournalTest, WritesNothingOfACallThatBeganAndEndedMeanwhile) {
    tell(born(1, now_));
    tell(changed(1, now_));
    tell(ended(1, now_));
    pass(50ms);
    EXPECT_EQ(store_.writes, 0);
    EXPECT_TRUE(journal_->idle());
    EXPECT_EQ(count(JournalCount::coalesced), 3U);
}

TEST_F(JournalTest, CoalescesTheChangesOfADialogIntoOneRow) {
    tell(born(1, now_));
    tell(state(1, now_, DialogState::early));
    tell(changed(1, now_));
    tell(state(1, now_, DialogState::confirmed));
    pass(50ms);
    EXPECT_EQ(store_.writes, 1);
    EXPECT_EQ(store_.rows.at(1).state, DialogState::confirmed);
    EXPECT_EQ(store_.rows.at(1).to_tag, "to-tag");
    EXPECT_EQ(store_.rows.at(1).from_uri, "sip:caller@example.net");
    EXPECT_EQ(count(JournalCount::coalesced), 3U);
}

TEST_F(JournalTest, UpdatesARowByAStateWithoutTouchingItsTexts) {
    tell(born(1, now_));
    pass(50ms);
    auto s = state(1, now_, DialogState::early);
    s.event.caller_cseq = 8;
    tell(s);
    tell(state(2, now_, DialogState::early));
    pass(50ms);
    ASSERT_EQ(store_.rows.size(), 1U) << "no row is made of a state alone";
    EXPECT_EQ(store_.rows.at(1).state, DialogState::early);
    EXPECT_EQ(store_.rows.at(1).caller_cseq, 8U);
    EXPECT_EQ(store_.rows.at(1).branch, "z9hG4bKours");
    EXPECT_EQ(count(JournalCount::rows_updated), 2U);
}

TEST_F(JournalTest, MovesAnEarlyDialogToItsNextHost) {
    tell(born(1, now_));
    pass(50ms);
    tell(moved(1, now_, 2));
    pass(50ms);
    EXPECT_EQ(store_.rows.at(1).host, "udp:10.77.0.104:5060");
    EXPECT_EQ(store_.rows.at(1).branch, "z9hG4bKnext");
    EXPECT_EQ(store_.rows.at(1).client_via, "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1");
}

TEST_F(JournalTest, DeletesTheRowOfADialogThatEnds) {
    tell(born(1, now_));
    pass(50ms);
    tell(state(1, now_, DialogState::early));
    tell(ended(1, now_));
    tell(state(1, now_, DialogState::confirmed));  // nothing follows an end
    pass(50ms);
    EXPECT_TRUE(store_.rows.empty());
    EXPECT_EQ(count(JournalCount::rows_deleted), 1U);
}

TEST_F(JournalTest, ADialogWhoseBirthMayHaveBeenWrittenIsDeleted) {
    // The first host's attempt was refused by the ring, or written earlier: here only the second one's is seen.
    tell(moved(1, now_, 2));
    tell(ended(1, now_));
    // Told again after it was refused.
    tell(changed(2, now_));
    tell(ended(2, now_));
    pass(50ms);
    EXPECT_EQ(count(JournalCount::rows_deleted), 2U);
}

TEST_F(JournalTest, AChangeWaitsBehindItsRowInFlight) {
    tell(born(1, now_));
    turn(10ms);
    ASSERT_TRUE(writers_->has_job(0));
    tell(changed(1, now_));
    tell(ended(1, now_));
    turn(100ms);
    writers_->run_all();
    EXPECT_EQ(store_.rows.size(), 1U);
    pass(20ms);
    EXPECT_TRUE(store_.rows.empty());
    EXPECT_FALSE(writers_->overrun);
}

TEST_F(JournalTest, KeepsEachDialogWithOneWriter) {
    restart(config_, 3);
    for (std::uint64_t i = 0; i < 60; ++i) tell(born(i, now_));
    turn(10ms);
    std::map<std::uint64_t, std::size_t> writer_of;
    for (std::size_t w = 0; w < 3; ++w) {
        ASSERT_TRUE(writers_->has_job(w)) << w;
        for (const auto& row : writers_->job(w).upserts) EXPECT_TRUE(writer_of.emplace(row.dlg_id, w).second);
    }
    EXPECT_EQ(writer_of.size(), 60U);
    writers_->run_all();
    turn();
    for (std::uint64_t i = 0; i < 60; ++i) tell(ended(i, now_));
    turn(10ms);
    for (std::size_t w = 0; w < 3; ++w)
        for (const auto id : writers_->job(w).deletes) EXPECT_EQ(writer_of.at(id), w);
}

TEST_F(JournalTest, TakesARowWithTheNamesItHas) {
    journal_->names().set(core::DestinationId{3}, {"sip:10.77.0.103", 1, "pstn"});
    journal_->names().set(core::ListenerId{0}, "udp:10.77.0.100:5060");
    tell(born(1, now_));
    pass(20ms);
    EXPECT_EQ(store_.rows.at(1).destination, "sip:10.77.0.103");
    EXPECT_EQ(store_.rows.at(1).caller_sock, "udp:10.77.0.100:5060");
}

TEST_F(JournalTest, TellsOfEachCallThatIsOver) {
    std::vector<std::uint64_t> over;
    on_ended_ = [&](const sip::DialogEvent& e, const sip::EventTexts& texts, const DialogNames&, const Instant&) {
        EXPECT_EQ(texts[0], "call-id");
        over.push_back(e.id);
    };
    restart(config_);
    for (const std::uint64_t id : {4, 9}) {
        tell(born(id, now_));
        auto e = ended(id, now_);
        tell(e.with(sip::DialogText::call_id, "call-id"));
    }
    turn();
    EXPECT_EQ(over, (std::vector<std::uint64_t>{4, 9}));
}

TEST_F(JournalTest, TriesAgainLaterAndLaterWhileTheStoreIsDown) {
    store_.down = Kind::lost;
    tell(born(1, now_));
    pass(60s);
    EXPECT_GT(store_.writes, 20) << "every two seconds at last";
    EXPECT_LT(store_.writes, 50);
    EXPECT_EQ(errors(Kind::lost), static_cast<std::uint64_t>(store_.writes));
    tell(changed(1, now_));
    tell(born(2, now_));
    tell(born(3, now_));
    tell(ended(3, now_));
    pass(1s);
    store_.down.reset();
    const auto before = store_.writes;
    pass(2s);
    EXPECT_EQ(store_.writes, before + 1) << "all in one batch";
    ASSERT_EQ(store_.rows.size(), 2U);
    EXPECT_EQ(store_.rows.at(1).to_tag, "to-tag");
    EXPECT_EQ(store_.rows.at(1).from_uri, "sip:caller@example.net") << "told before the failure";
    EXPECT_EQ(count(JournalCount::reconnects), 1U);
    tell(born(4, now_));
    pass(15ms);
    EXPECT_TRUE(store_.rows.contains(4)) << "no back-off is left";
}

TEST_F(JournalTest, TriesSoonAfterADeadlock) {
    store_.failures = {Kind::retry, Kind::retry};
    tell(born(1, now_));
    pass(60ms, 1ms);
    EXPECT_EQ(store_.rows.size(), 1U);
    EXPECT_EQ(count(JournalCount::retries), 2U);
    EXPECT_EQ(count(JournalCount::reconnects), 0U);
}

TEST_F(JournalTest, SurvivesACommitWhoseAnswerWasLost) {
    store_.failures = {Kind::lost};
    store_.after_commit = true;
    tell(born(1, now_));
    turn(10ms);
    tell(ended(1, now_));
    turn();
    writers_->run_all();
    EXPECT_EQ(store_.rows.size(), 1U);
    pass(200ms);
    EXPECT_TRUE(store_.rows.empty()) << "the row may be there, so the end is written";
}

TEST_F(JournalTest, LeavesOutTheOneRowThatTheTableDoesNotTake) {
    config_.batch = 64;
    restart(config_);
    for (std::uint64_t i = 1; i <= 64; ++i) tell(born(i, now_));
    store_.is_bad = [](std::uint64_t id) { return id == 37; };
    pass(200ms);
    EXPECT_EQ(store_.rows.size(), 63U);
    EXPECT_FALSE(store_.rows.contains(37));
    EXPECT_EQ(count(JournalCount::rows_refused), 1U);
    EXPECT_LE(store_.writes, 20) << "by halves";
    EXPECT_TRUE(journal_->idle());
    tell(ended(37, now_));
    pass(50ms);
    EXPECT_TRUE(journal_->idle());
}

TEST_F(JournalTest, GivesUpNothingWhenTheTableTakesNoRowAtAll) {
    for (std::uint64_t i = 1; i <= 20; ++i) tell(born(i, now_));
    store_.down = Kind::row;
    pass(60s);
    EXPECT_LE(count(JournalCount::rows_refused), 3U);
    EXPECT_LT(store_.writes, 100);
    store_.down.reset();
    pass(60s);
    EXPECT_GE(store_.rows.size(), 17U);
    EXPECT_TRUE(journal_->idle());
}

TEST_F(JournalTest, HurriesWhenItIsAskedTo) {
    tell(born(1, now_));
    journal_->turn({now_, unix_us()}, true);
    EXPECT_TRUE(writers_->has_job(0));
}

TEST_F(JournalTest, VersionsNeverGoBackWithTheWallClock) {
    tell(born(1, now_));
    pass(20ms);
    const auto version = store_.rows.at(1).version;
    tell(changed(1, now_));
    now_ += 10ms;
    journal_->turn({now_, unix_us() - 3'600'000'000});
    writers_->run_all();
    EXPECT_GE(store_.rows.at(1).version, version);
}

}  // namespace
}  // namespace sipfront::ha

#include "ha/resync.hpp"

#include <set>

#include <gtest/gtest.h>

#include "ha/journal.hpp"
#include "tests/unit/ha/dialog_events.hpp"
#include "tests/unit/ha/fake_store.hpp"

namespace sipfront::ha {
namespace {

using Do = ResyncDo;
using S = ResyncState;

TEST(Resync, TakesItsStepsInOrder) {
    ResyncView v{.wanted = true};
    auto s = step(S::idle, v);
    EXPECT_EQ(s.next, S::idle) << "not while the store is down";
    v.calm = true;
    s = step(S::idle, v);
    EXPECT_EQ(s.action, Do::note_posted);
    EXPECT_EQ(step(s.next, v).action, Do::nothing);
    v.drained = true;
    s = step(s.next, v);
    EXPECT_EQ(s.action, Do::ask);
    EXPECT_EQ(step(s.next, v).next, S::asking);
    v.told = true;
    s = step(s.next, v);
    EXPECT_EQ(s.action, Do::mark);
    EXPECT_EQ(step(s.next, v).next, S::settling);
    v.settled = true;
    s = step(s.next, v);
    EXPECT_EQ(s.action, Do::sweep);
    EXPECT_EQ(step(s.next, v).next, S::sweeping);
    v.sweep = ResyncView::Sweep::failed;
    EXPECT_EQ(step(s.next, v).next, S::settling) << "once more";
    v.sweep = ResyncView::Sweep::done;
    s = step(s.next, v);
    EXPECT_EQ(s.action, Do::finish);
    EXPECT_EQ(s.next, S::idle);
}

TEST(Resync, IsVoidWhenAChangeWasDropped) {
    const ResyncView v{.wanted = true, .calm = true, .told = true, .voided = true, .settled = true};
    EXPECT_EQ(step(S::asking, v).next, S::idle);
    EXPECT_EQ(step(S::settling, v).next, S::idle);
}

// A worker with its dialogs, as the proxy will be.
struct Worker {
    JournalLane lane{JournalLane::least_blocks};
    std::set<std::uint64_t> dialogs;
    std::set<std::uint64_t> to_tell;
    std::uint32_t told = 0, telling = 0;

    bool note(const Told& t) { return lane.note(t.event, t.texts); }
    void poll(core::Tick now) {
        if (lane.asked() != telling) {
            telling = lane.asked();
            to_tell = dialogs;
        }
        while (!to_tell.empty() && note(changed(*to_tell.begin(), now))) to_tell.erase(to_tell.begin());
        if (to_tell.empty() && told != telling) lane.told_all(told = telling);
    }
};

class ResyncTest : public testing::Test {
protected:
    void start(const JournalConfig& config) {
        journal = std::make_unique<Journal>(Journal::Parts{config, core::NodeId{1}, {&worker.lane}, writers, stats, {}});
        journal->recovered();
    }
    void pass(core::Duration time, bool worker_polls = true) {
        for (const auto end = now + time; now < end; now += 5ms) {
            if (worker_polls) worker.poll(now);
            turn();
            writers.run_all();
        }
    }
    void turn() {
        journal->turn({now, 1'795'000'000'000'000 + std::chrono::duration_cast<std::chrono::microseconds>(now - core::Tick{}).count()});
    }
    void begin_call(std::uint64_t id) {
        worker.dialogs.insert(id);
        if (!worker.note(born(id, now))) worker.to_tell.insert(id);
    }
    void end_call(std::uint64_t id) {
        worker.dialogs.erase(id);
        worker.to_tell.erase(id);
        static_cast<void>(worker.note(ended(id, now)));
    }
    std::set<std::uint64_t> stored() const {
        std::set<std::uint64_t> ids;
        for (const auto& [id, row] : store.rows) ids.insert(id);
        return ids;
    }
    std::uint64_t count(JournalCount c) const { return stats.counts[c].get(); }

    core::Tick now{1h};
    FakeStore store;
    FakeWriters writers{2, store};
    JournalStats stats;
    Worker worker;
    std::unique_ptr<Journal> journal;
};

TEST_F(ResyncTest, FindsTheEndsThatTheRingRefused) {
    start({});
    for (std::uint64_t i = 0; i < 50; ++i) begin_call(i);
    pass(100ms);
    ASSERT_EQ(stored().size(), 50U);
    // The journal's thread is away; 600 changes fill the ring, then nothing is taken any more.
    for (std::uint64_t i = 0; i < 600; ++i) static_cast<void>(worker.note(changed(i % 25, now)));
    while (worker.lane.count(LaneCount::missed_ends) == 0) static_cast<void>(worker.note(ended(1'000, now)));
    for (std::uint64_t i = 0; i < 10; ++i) end_call(i);
    EXPECT_GE(worker.lane.count(LaneCount::missed_ends), 10U);
    pass(500ms);
    EXPECT_EQ(stored(), worker.dialogs);
    EXPECT_EQ(count(JournalCount::resyncs), 1U);
    EXPECT_EQ(count(JournalCount::rows_swept), 10U);
    pass(1s);
    EXPECT_EQ(count(JournalCount::resyncs), 1U) << "and that was it";
}

TEST_F(ResyncTest, SweepsNothingBeforeRecoveryIsOver) {
    journal = std::make_unique<Journal>(Journal::Parts{{}, core::NodeId{1}, {&worker.lane}, writers, stats, {}});
    store.rows[7] = DialogRow{.dlg_id = 7, .node = core::NodeId{1}, .version = 1};
    store.rows[8] = DialogRow{.dlg_id = 8, .node = core::NodeId{2}, .version = 1};
    journal->want_resync();
    pass(1s);
    EXPECT_EQ(store.rows.size(), 2U);
    journal->recovered();
    pass(1s);
    EXPECT_EQ(stored(), std::set<std::uint64_t>{8}) << "the other node's stays";
}

TEST_F(ResyncTest, SweepsOnlyOnceWhatWasToldIsWritten) {
    start({});
    for (std::uint64_t i = 0; i < 20; ++i) begin_call(i);
    pass(100ms);
    journal->want_resync();
    worker.poll(now);
    turn();
    worker.poll(now);
    turn();
    now += 20ms;
    turn();  // batches are given, and no writer works
    for (int i = 0; i < 20; ++i, now += 10ms) {
        worker.poll(now);
        turn();
    }
    EXPECT_EQ(stats.resync.get(), static_cast<std::uint64_t>(ResyncState::settling));
    EXPECT_EQ(store.sweeps, 0);
    pass(100ms);
    EXPECT_EQ(store.sweeps, 1);
    EXPECT_EQ(stored(), worker.dialogs);
}

TEST_F(ResyncTest, TriesAFailedSweepAgain) {
    start({});
    store.rows[7] = DialogRow{.dlg_id = 7, .node = core::NodeId{1}, .version = 1};
    journal->want_resync();
    store.failures = {StoreError::Kind::lost, StoreError::Kind::retry};
    pass(5s);
    EXPECT_TRUE(store.rows.empty());
    EXPECT_EQ(count(JournalCount::resyncs), 1U);
    EXPECT_EQ(stats.errors[0].get(), 1U);
}

// The store is down for long, more changes than may wait, and then it comes back.
TEST_F(ResyncTest, ConvergesAfterMoreChangesThanMayWait) {
    JournalConfig config;
    config.max_pending = 128 * 1024;
    start(config);
    std::uint64_t id = 0;
    for (; id < 40; ++id) begin_call(id);
    pass(100ms);
    ASSERT_EQ(stored().size(), 40U);
    store.down = StoreError::Kind::lost;
    for (int round = 0; round < 400; ++round) {
        begin_call(id++);
        begin_call(id++);
        end_call(*worker.dialogs.begin());
        pass(50ms);
        ASSERT_LE(stats.pending_octets.get(), config.max_pending + 4'096);
    }
    EXPECT_GT(count(JournalCount::changes_dropped), 0U);
    EXPECT_GT(stats.pending_octets.get(), config.max_pending / 2);
    EXPECT_EQ(count(JournalCount::resyncs), 0U);
    store.down.reset();
    pass(20s);
    EXPECT_EQ(stored(), worker.dialogs);
    EXPECT_GE(count(JournalCount::resyncs), 1U);
    EXPECT_TRUE(journal->idle());
}

// More dialogs than may wait at once: what the workers tell anew must not overflow again and again.
TEST_F(ResyncTest, ManyDialogsAreToldInTheStoresTime) {
    JournalConfig config;
    config.max_pending = 128 * 1024;
    config.batch = 16;
    start(config);
    for (std::uint64_t i = 0; i < 2'000; ++i) {
        begin_call(i);
        if (i % 50 == 0) pass(20ms);
    }
    pass(2s);
    ASSERT_EQ(stored(), worker.dialogs);
    store.rows[5'000] = DialogRow{.dlg_id = 5'000, .node = core::NodeId{1}, .version = 1};
    journal->want_resync();
    pass(20s);
    EXPECT_EQ(stored(), worker.dialogs);
    EXPECT_EQ(count(JournalCount::resyncs), 1U);
    EXPECT_EQ(count(JournalCount::changes_dropped), 0U);
    EXPECT_GT(worker.lane.count(LaneCount::deferred), 0U);
}

}  // namespace
}  // namespace sipfront::ha

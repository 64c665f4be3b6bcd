// Threads: hand-over and shutdown only; what is handed over is the journal's matter.
#include "ha/writer.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "ha/journal_thread.hpp"
#include "tests/unit/ha/dialog_events.hpp"
#include "tests/unit/ha/shared_store.hpp"

namespace sipfront::ha {
namespace {

class WriterTest : public testing::Test {
protected:
    StoreFactory factory() {
        return [table = table_] { return std::make_unique<SharedStore>(table); };
    }
    static WriteJob job_of(std::uint64_t id) {
        WriteJob job;
        job.upserts.push_back(DialogRow{.dlg_id = id});
        return job;
    }
    WriteResult wait(WriterThreads& writers, std::size_t i) {
        for (;;) {
            woken_.sleep(10ms);
            if (auto r = writers.take(i)) return *r;
        }
    }
    std::shared_ptr<Table> table_ = std::make_shared<Table>();
    Wakeup woken_;
};

TEST_F(WriterTest, WritesAndHandsTheResultBack) {
    WriterThreads writers{2, factory(), [this] { woken_.wake(); }};
    ASSERT_EQ(writers.count(), 2U);
    writers.begin(0, job_of(1));
    writers.begin(1, job_of(2));
    EXPECT_FALSE(wait(writers, 0).error);
    EXPECT_FALSE(wait(writers, 1).error);
    EXPECT_FALSE(writers.take(0)) << "once only";
    EXPECT_EQ(table_->rows.size(), 2U);
    WriteJob sweep;
    sweep.sweep = 77;
    writers.begin(0, std::move(sweep));
    EXPECT_EQ(wait(writers, 0).swept, 2U);
    EXPECT_TRUE(writers.stop(10s));
}

TEST_F(WriterTest, AStoreThatThrowsHasLostItsConnection) {
    table_->throws = true;
    WriterThreads writers{1, factory(), [this] { woken_.wake(); }};
    writers.begin(0, job_of(1));
    const auto r = wait(writers, 0);
    ASSERT_TRUE(r.error);
    EXPECT_EQ(r.error->kind, StoreError::Kind::lost);
    EXPECT_EQ(r.error->text, "out of memory");
}

TEST_F(WriterTest, AStoreThatHangsDoesNotKeepUsFromEnding) {
    table_->hangs = true;
    {
        WriterThreads writers{2, factory(), [] {}};
        writers.begin(1, job_of(1));
        table_->wait_for([&] { return table_->hanging == 1; });
        EXPECT_FALSE(writers.stop(20ms));
    }
    // The thread that was left ends by itself.
    table_->let_go();
    table_->wait_for([&] { return table_->rows.size() == 1; });
    while (table_.use_count() > 1) std::this_thread::yield();
}

class JournalThreadTest : public WriterTest {
protected:
    static Instant clock() {
        const auto tick = core::Tick{std::chrono::steady_clock::now().time_since_epoch()};
        return {tick, 1'795'000'000'000'000 + std::chrono::duration_cast<std::chrono::microseconds>(tick.time_since_epoch()).count()};
    }
    JournalLane lane_{65'536};
    JournalStats stats_;
};

TEST_F(JournalThreadTest, WritesWhatAWorkerTellsAndTheRestWhenItEnds) {
    WriterThreads writers{2, factory(), [this] { woken_.wake(); }};
    JournalConfig config;
    config.flush_interval = 1'000'000ms;
    config.batch = 100;
    Journal journal{{config, core::NodeId{1}, {&lane_}, writers, stats_, {}}};
    JournalThread thread{journal, woken_, clock};
    std::thread worker{[&] {
        for (std::uint64_t id = 0; id < 5'000; ++id) {
            const auto t = born(id, clock().tick);
            while (!lane_.note(t.event, t.texts)) std::this_thread::yield();
            if (id % 2 == 0) continue;
            const auto e = ended(id, clock().tick);
            while (!lane_.note(e.event, e.texts)) std::this_thread::yield();
        }
    }};
    worker.join();
    table_->wait_for([&] { return table_->rows.size() >= 1'000; });
    EXPECT_TRUE(thread.stop(60s));
    EXPECT_TRUE(writers.stop(10s));
    EXPECT_EQ(table_->rows.size(), 2'500U);
    EXPECT_EQ(stats_.pending.get(), 0U);
}

TEST_F(JournalThreadTest, EndsInTimeWhenTheStoreHangs) {
    table_->hangs = true;
    WriterThreads writers{1, factory(), [this] { woken_.wake(); }};
    Journal journal{{{}, core::NodeId{1}, {&lane_}, writers, stats_, {}}};
    JournalThread thread{journal, woken_, clock};
    const auto t = born(1, clock().tick);
    ASSERT_TRUE(lane_.note(t.event, t.texts));
    EXPECT_FALSE(thread.stop(20ms));
    EXPECT_FALSE(writers.stop(20ms));
    table_->let_go();
    while (table_.use_count() > 1) std::this_thread::yield();
}

}  // namespace
}  // namespace sipfront::ha

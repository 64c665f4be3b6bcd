#include "ha/journal_service.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/ha/dialog_events.hpp"
#include "tests/unit/ha/shared_store.hpp"

namespace sipfront::ha {
namespace {

namespace fs = std::filesystem;

class JournalServiceTest : public testing::Test {
protected:
    JournalServiceTest() {
        std::string name = (fs::temp_directory_path() / "sipfront-service-XXXXXX").string();
        directory_ = mkdtemp(name.data());
    }
    ~JournalServiceTest() override { fs::remove_all(directory_); }

    static Instant clock() {
        const auto tick = core::Tick{std::chrono::steady_clock::now().time_since_epoch()};
        return {tick, 1'795'000'000'000'000 + std::chrono::duration_cast<std::chrono::microseconds>(tick.time_since_epoch()).count()};
    }
    void start(CdrConfig cdr = {}) {
        service_ = std::make_unique<JournalService>(
            JournalService::Parts{.config = {.ring = std::uint64_t{1} << 20},
                                  .cdr = std::move(cdr),
                                  .node = core::NodeId{1},
                                  .workers = 2,
                                  .store = [table = table_] { return std::make_unique<SharedStore>(table); },
                                  .clock = clock});
    }
    bool note(std::size_t worker, const Told& t) { return service_->observers()[worker]->note(t.event, t.texts); }

    fs::path directory_;
    std::shared_ptr<Table> table_ = std::make_shared<Table>();
    std::unique_ptr<JournalService> service_;
};

TEST_F(JournalServiceTest, WritesRowsAndCallRecordsUntilTheEnd) {
    CdrConfig cdr;
    cdr.file = (directory_ / "cdr.json").string();
    start(cdr);
    ASSERT_EQ(service_->observers().size(), 2U);
    for (std::uint64_t id = 0; id < 100; ++id) {
        ASSERT_TRUE(note(id % 2, born(id, clock().tick)));
        if (id % 4 != 0) continue;
        ASSERT_TRUE(note(id % 2, ended(id, clock().tick)));
    }
    auto of_no_call = ended(1'000, clock().tick);
    of_no_call.event.end = sip::DialogEnd::none;
    ASSERT_TRUE(note(0, of_no_call));
    EXPECT_TRUE(service_->stop(60s));
    EXPECT_EQ(table_->rows.size(), 75U);
    std::ifstream in{cdr.file};
    int lines = 0;
    for (std::string line; std::getline(in, line);) ++lines;
    EXPECT_EQ(lines, 25);
    EXPECT_EQ(service_->cdr_stats(CdrTarget::file)->counts[CdrCount::written].get(), 25U);
}

TEST_F(JournalServiceTest, HasTheWorkersTellAllWhenTheStoreMayBeWrong) {
    table_->rows[7] = DialogRow{.dlg_id = 7, .node = core::NodeId{1}, .version = 1};
    start();
    EXPECT_EQ(service_->cdr_stats(CdrTarget::file), nullptr);
    EXPECT_EQ(service_->cdr_stats(CdrTarget::table), nullptr);
    std::array<std::uint64_t, 2> told{};
    EXPECT_FALSE(service_->wants_all(0, 0));
    service_->journal().recovered();
    service_->journal().want_resync();
    // Control; and the workers, each of which has one dialog.
    for (bool swept = false; !swept;) {
        for (std::size_t w = 0; w < 2; ++w) {
            if (!service_->wants_all(w, told[w])) continue;
            service_->ordered(w);
            EXPECT_FALSE(service_->wants_all(w, told[w])) << "the order is underway";
            ASSERT_TRUE(note(w, changed(100 + w, clock().tick)));
            ++told[w];
        }
        const std::lock_guard lock{table_->mutex};
        swept = !table_->rows.contains(7);
    }
    EXPECT_EQ(told[0], 1U);
    EXPECT_EQ(table_->rows.size(), 2U);
    EXPECT_TRUE(service_->stop(60s));
}

}  // namespace
}  // namespace sipfront::ha

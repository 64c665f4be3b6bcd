#include "ha/cdr_file.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ha/cdr_writer.hpp"

namespace sipfront::ha {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class CdrFileTest : public testing::Test {
protected:
    static constexpr std::int64_t second = 1'000'000;

    CdrFileTest() {
        std::string name = (fs::temp_directory_path() / "sipfront-cdr-XXXXXX").string();
        directory_ = mkdtemp(name.data());
        config_.file = (directory_ / "cdr.json").string();
    }
    ~CdrFileTest() override { fs::remove_all(directory_); }

    std::unique_ptr<CdrFile> open() {
        return std::make_unique<CdrFile>(config_, [this] { return now_; });
    }
    static core::Status write(CdrFile& file, std::uint64_t first, std::uint64_t count = 1) {
        std::vector<Cdr> records(count);
        for (auto& r : records) r.dlg_id = first++;
        std::size_t written = 0;
        auto s = file.write(records, written);
        EXPECT_TRUE(!s || written == count);
        return s;
    }
    static std::vector<std::string> lines(const fs::path& path) {
        std::ifstream in{path};
        std::vector<std::string> all;
        for (std::string line; std::getline(in, line);) all.push_back(line);
        return all;
    }
    std::vector<fs::path> rotated() const {
        std::vector<fs::path> all;
        for (const auto& e : fs::directory_iterator{directory_})
            if (e.path().filename().string().starts_with("cdr.json.")) all.push_back(e.path());
        std::sort(all.begin(), all.end());
        return all;
    }

    fs::path directory_;
    CdrConfig config_;
    std::int64_t now_ = 1'795'402'011 * second;
};

TEST_F(CdrFileTest, AppendsAcrossRestarts) {
    ASSERT_TRUE(write(*open(), 1));
    ASSERT_TRUE(write(*open(), 2, 2));
    EXPECT_THAT(lines(config_.file), SizeIs(3));
    struct stat s {};
    ASSERT_EQ(::stat(config_.file.c_str(), &s), 0);
    EXPECT_EQ(s.st_mode & 07, 0U) << "call records are nobody else's business";
}

TEST_F(CdrFileTest, LeavesALineThatACrashHasCutAlone) {
    std::ofstream{config_.file} << "{\"start\":";
    ASSERT_TRUE(write(*open(), 1));
    const auto all = lines(config_.file);
    ASSERT_THAT(all, SizeIs(2));
    EXPECT_THAT(all[1], HasSubstr("\"dlg_id\":\"1\""));
}

TEST_F(CdrFileTest, RotatesBySizeAndKeepsSoMany) {
    config_.rotate_size = 1'000;
    config_.keep = 3;
    const auto other = directory_ / "cdr.json.old";
    std::ofstream{other} << "not ours\n";
    auto file = open();
    for (std::uint64_t i = 0; i < 40; ++i) ASSERT_TRUE(write(*file, i));
    EXPECT_GT(file->rotations(), 5U);
    EXPECT_TRUE(fs::exists(other));
    fs::remove(other);
    const auto old = rotated();
    ASSERT_THAT(old, SizeIs(3));
    // Nothing is lost between them, and the names are in the order of the records.
    std::uint64_t next = 0;
    std::vector<std::string> all;
    for (const auto& p : old)
        for (const auto& l : lines(p)) all.push_back(l);
    for (const auto& l : lines(config_.file)) all.push_back(l);
    next = 40 - all.size();
    for (const auto& l : all) EXPECT_THAT(l, HasSubstr("\"dlg_id\":\"" + std::to_string(next++) + "\""));
    EXPECT_LT(fs::file_size(old.front()), 1'600U);
    EXPECT_EQ(old.front().filename().string().substr(0, 26), "cdr.json.20261123T024651Z-");
}

TEST_F(CdrFileTest, RotatesAtWholeIntervals) {
    config_.rotate_interval = 3'600s;
    auto file = open();
    ASSERT_TRUE(write(*file, 1));
    now_ += 10 * 60 * second;  // 02:56
    ASSERT_TRUE(file->tick());
    EXPECT_EQ(file->rotations(), 0U);
    now_ += 4 * 60 * second;  // 03:00
    ASSERT_TRUE(file->tick());
    EXPECT_EQ(file->rotations(), 1U);
    now_ += 3'600 * second;
    ASSERT_TRUE(file->tick());
    EXPECT_EQ(file->rotations(), 1U) << "an empty file stays";
    ASSERT_TRUE(write(*file, 2));
    EXPECT_THAT(lines(config_.file), SizeIs(1));
    EXPECT_THAT(lines(rotated().at(0)), SizeIs(1));
}

TEST_F(CdrFileTest, MakesAnotherFileWhenSomebodyTookIt) {
    auto file = open();
    ASSERT_TRUE(write(*file, 1));
    fs::remove(config_.file);
    ASSERT_TRUE(write(*file, 2));
    EXPECT_THAT(lines(config_.file), SizeIs(1));
}

TEST_F(CdrFileTest, SaysWhatIsWrongAndGoesOnOnceItIsMended) {
    config_.file = (directory_ / "missing" / "cdr.json").string();
    auto file = open();
    const auto s = write(*file, 1);
    ASSERT_FALSE(s);
    EXPECT_THAT(s.error().what, HasSubstr(config_.file));
    EXPECT_THAT(s.error().what, HasSubstr("No such file"));
    fs::create_directory(directory_ / "missing");
    EXPECT_TRUE(write(*file, 1));
    EXPECT_THAT(lines(config_.file), SizeIs(1));
}

TEST_F(CdrFileTest, WritesOnWhereItCannotRotate) {
    config_.rotate_size = 100;
    // With a stamp behind it the name would be too long.
    config_.file = (directory_ / std::string(250, 'x')).string();
    auto file = open();
    ASSERT_TRUE(write(*file, 1));
    std::vector<Cdr> two(2);
    std::size_t written = 0;
    EXPECT_FALSE(file->write(two, written)) << "it is told once";
    EXPECT_EQ(written, 2U);
    EXPECT_TRUE(write(*file, 4));
    EXPECT_THAT(lines(config_.file), SizeIs(4));
    now_ += 61 * second;
    EXPECT_FALSE(file->tick()) << "and tried again";
}

TEST_F(CdrFileTest, FollowsNoLinkAndOpensNoDevice) {
    fs::create_symlink("/dev/null", config_.file);
    EXPECT_FALSE(write(*open(), 1));
    fs::remove(config_.file);
    config_.file = "/dev/null";
    EXPECT_FALSE(write(*open(), 1));
}

// A disk that is full, by the limit on a file's size.
TEST_F(CdrFileTest, NeverTearsALine) {
    auto file = open();
    ASSERT_TRUE(write(*file, 1));
    const auto before = fs::file_size(config_.file);
    struct rlimit old {};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit tight { before + 40, old.rlim_max };
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const auto s = write(*file, 2);
    setrlimit(RLIMIT_FSIZE, &old);
    std::signal(SIGXFSZ, handler);
    EXPECT_FALSE(s);
    EXPECT_EQ(fs::file_size(config_.file), before);
    EXPECT_TRUE(write(*file, 2));
    EXPECT_THAT(lines(config_.file), SizeIs(2));
}

// A sink that the test steers.
struct Disk {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::uint64_t> ids;
    bool fails = false, hangs = false;
    bool hanging = false;
};

class SteeredSink final : public CdrSink {
public:
    explicit SteeredSink(std::shared_ptr<Disk> disk) : disk_{std::move(disk)} {}
    core::Status write(std::span<const Cdr> records, std::size_t& written) override {
        std::unique_lock lock{disk_->mutex};
        disk_->hanging = disk_->hangs;
        disk_->changed.notify_all();
        disk_->changed.wait(lock, [&] { return !disk_->hangs; });
        disk_->hanging = false;
        if (disk_->fails) {
            // All but the last.
            for (written = 0; written + 1 < records.size(); ++written) disk_->ids.push_back(records[written].dlg_id);
            return core::Error{"cdr.file: no room"};
        }
        for (const auto& r : records) disk_->ids.push_back(r.dlg_id);
        written = records.size();
        disk_->changed.notify_all();
        return core::Done{};
    }
    core::Status tick() override { return core::Done{}; }

private:
    std::shared_ptr<Disk> disk_;
};

class CdrWriterTest : public testing::Test {
protected:
    std::unique_ptr<CdrWriter> start(std::size_t queue) {
        return std::make_unique<CdrWriter>(std::make_unique<SteeredSink>(disk_), queue, stats_);
    }
    std::shared_ptr<Disk> disk_ = std::make_shared<Disk>();
    CdrStats stats_;
};

TEST_F(CdrWriterTest, WritesAllInOrderBeforeItEnds) {
    auto w = start(10'000);
    for (std::uint64_t i = 0; i < 3'000; ++i) w->post(Cdr{.dlg_id = i});
    EXPECT_TRUE(w->stop(60s));
    ASSERT_THAT(disk_->ids, SizeIs(3'000));
    for (std::uint64_t i = 0; i < 3'000; ++i) EXPECT_EQ(disk_->ids[i], i);
    EXPECT_EQ(stats_.counts[CdrCount::written].get(), 3'000U);
}

TEST_F(CdrWriterTest, DropsTheNewestWhenTheDiskHangs) {
    disk_->hangs = true;
    auto w = start(10);
    w->post(Cdr{.dlg_id = 0});
    {
        std::unique_lock lock{disk_->mutex};
        disk_->changed.wait(lock, [&] { return disk_->hanging; });
    }
    for (std::uint64_t i = 1; i <= 15; ++i) w->post(Cdr{.dlg_id = i});
    EXPECT_EQ(stats_.counts[CdrCount::dropped].get(), 5U);
    {
        const std::lock_guard lock{disk_->mutex};
        disk_->hangs = false;
        disk_->changed.notify_all();
    }
    EXPECT_TRUE(w->stop(60s));
    ASSERT_THAT(disk_->ids, SizeIs(11));
    EXPECT_EQ(disk_->ids.back(), 10U);
}

TEST_F(CdrWriterTest, TriesWhatWasNotTakenAgain) {
    disk_->fails = true;
    auto w = start(100);
    for (std::uint64_t i = 0; i < 5; ++i) w->post(Cdr{.dlg_id = i});
    while (stats_.counts[CdrCount::errors].get() == 0) std::this_thread::yield();
    {
        const std::lock_guard lock{disk_->mutex};
        disk_->fails = false;
    }
    EXPECT_TRUE(w->stop(60s));
    EXPECT_EQ(disk_->ids, (std::vector<std::uint64_t>{0, 1, 2, 3, 4}));
}

TEST_F(CdrWriterTest, ADiskThatHangsDoesNotKeepUsFromEnding) {
    disk_->hangs = true;
    auto w = start(10);
    w->post(Cdr{.dlg_id = 1});
    EXPECT_FALSE(w->stop(20ms));
    w.reset();
    {
        const std::lock_guard lock{disk_->mutex};
        disk_->hangs = false;
        disk_->changed.notify_all();
    }
    while (disk_.use_count() > 1) std::this_thread::yield();
}

}  // namespace
}  // namespace sipfront::ha

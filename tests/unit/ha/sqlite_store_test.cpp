#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "ha/database.hpp"
#include "ha/sqlite_connection.hpp"
#include "tests/unit/ha/cdr_suite.hpp"
#include "tests/unit/ha/destination_suite.hpp"
#include "tests/unit/ha/opensips_dialog.hpp"
#include "tests/unit/ha/store_suite.hpp"

namespace sipfront::ha {
namespace {

class SqliteBackend {
public:
    static constexpr bool cuts = false;

    SqliteBackend() {
        auto name = (std::filesystem::temp_directory_path() / "sipfront-store-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~SqliteBackend() { std::filesystem::remove_all(folder_); }
    SqliteBackend(const SqliteBackend&) = delete;
    SqliteBackend& operator=(const SqliteBackend&) = delete;

    std::string path() const { return folder_ + "/state/dialogs.db"; }
    std::unique_ptr<SqlConnector> connector() const { return std::make_unique<SqliteConnector>(path()); }
    static std::string number_column() { return "id INTEGER PRIMARY KEY NOT NULL"; }
    // SQLite's types have no UNSIGNED behind a width, and it cannot give a default to a column that is there.
    static std::vector<std::string> newest_opensips_dialog() {
        auto texts = ha::newest_opensips_dialog("");
        const auto replace = [&](const std::string& from, const std::string& to) {
            for (auto at = texts[0].find(from); at != std::string::npos; at = texts[0].find(from)) texts[0].replace(at, from.size(), to);
        };
        replace("_ping_cseq INT(11) UNSIGNED NOT NULL", "_ping_cseq INT DEFAULT 0 NOT NULL");
        replace("(10) UNSIGNED", "");
        return texts;
    }

private:
    std::string folder_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, StoreSuite, ::testing::Types<SqliteBackend>);
INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, DestinationSuite, ::testing::Types<SqliteBackend>);
INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, CdrSuite, ::testing::Types<SqliteBackend>);

TEST(SqliteStore, IsMadeByTheFactoryAndOutlivesItsProcess) {
    const SqliteBackend backend;
    DatabaseConfig config;
    config.engine = DatabaseEngine::sqlite;
    config.path = backend.path();
    const std::vector<DialogRow> rows{answered(5)};
    {
        const auto store = make_dialog_store(config);
        EXPECT_EQ(store->name(), "sqlite " + backend.path());
        const auto done = store->write({core::NodeId{1}, 4, rows, {}});
        ASSERT_TRUE(done) << done.error().text;
    }
    const auto again = make_dialog_store(config);
    std::vector<DialogRow> seen;
    ASSERT_TRUE(again->read([&](DialogRow&& r) { return seen.push_back(std::move(r)), true; }));
    EXPECT_EQ(seen, rows);
    config.engine = DatabaseEngine::none;
    EXPECT_EQ(make_dialog_store(config), nullptr);
}

TEST(SqliteStore, AnotherWriterIsWaitedForAndThenTriedAgain) {
    const SqliteBackend backend;
    SqlStore store{backend.connector(), true};
    const std::vector<DialogRow> rows{answered(5), answered(6)};
    ASSERT_TRUE(store.write({core::NodeId{1}, 4, rows, {}}));
    auto other = backend.connector()->connect();
    ASSERT_TRUE(other);
    ASSERT_TRUE((*other)->execute("BEGIN IMMEDIATE"));
    const auto busy = store.write({core::NodeId{1}, 4, rows, {}});
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().kind, StoreError::Kind::retry) << busy.error().text;
    ASSERT_TRUE((*other)->execute("COMMIT"));
    EXPECT_TRUE(store.write({core::NodeId{1}, 4, rows, {}}));
}

TEST(SqliteStore, AFileThatCannotBeOpenedIsNamed) {
    DatabaseConfig config;
    config.engine = DatabaseEngine::sqlite;
    config.path = "/proc/sipfront/dialogs.db";
    const std::vector<DialogRow> rows{answered(5)};
    const auto done = make_dialog_store(config)->write({core::NodeId{1}, 4, rows, {}});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, StoreError::Kind::lost);
    EXPECT_THAT(done.error().text, ::testing::HasSubstr("/proc/sipfront/dialogs.db"));
}

TEST(SqliteStore, APlaceThatCannotBeWrittenToIsNamedBeforeTheStart) {
    const SqliteBackend backend;
    DatabaseConfig config;
    EXPECT_EQ(config.engine, DatabaseEngine::sqlite) << "the default";
    config.path = backend.path();
    EXPECT_TRUE(check_place(config)) << "its directory is made";
    EXPECT_TRUE(std::filesystem::is_directory(std::filesystem::path{config.path}.parent_path()));
    EXPECT_FALSE(std::filesystem::exists(config.path));
    config.path = "/proc/sipfront/dialogs.db";
    auto s = check_place(config);
    ASSERT_FALSE(s);
    EXPECT_THAT(s.error().what,
                ::testing::AllOf(::testing::HasSubstr("database.path /proc/sipfront/dialogs.db: the directory cannot be made"),
                                 ::testing::HasSubstr("set database.engine to \"none\"")));
    config.path = std::filesystem::path{backend.path()}.parent_path().string();
    s = check_place(config);
    ASSERT_FALSE(s);
    EXPECT_THAT(s.error().what, ::testing::HasSubstr("is no file"));
    config.engine = DatabaseEngine::mysql;
    EXPECT_TRUE(check_place(config)) << "a server may come later";
}

TEST(SqliteStore, AFullFileIsRefusedUntilThereIsRoom) {
    const SqliteBackend backend;
    auto db = backend.connector()->connect();
    ASSERT_TRUE(db);
    ASSERT_TRUE(create_schema(**db));
    ASSERT_TRUE((*db)->execute("PRAGMA max_page_count = 20"));
    std::string text = "INSERT INTO dialog (dlg_id, callid) VALUES (1, '" + std::string(400'000, 'c') + "')";
    const auto full = (*db)->execute(text);
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().kind, StoreError::Kind::refused) << full.error().text;
}

}  // namespace
}  // namespace sipfront::ha

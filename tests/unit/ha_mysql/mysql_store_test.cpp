#include <chrono>
#include <csignal>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ha/mysql_connection.hpp"
#include "tests/unit/ha/cdr_suite.hpp"
#include "tests/unit/ha/destination_suite.hpp"
#include "tests/unit/ha/opensips_dialog.hpp"
#include "tests/unit/ha/store_suite.hpp"
#include "tests/unit/ha_mysql/mariadb.hpp"

namespace sipfront::ha {
namespace {

using Kind = StoreError::Kind;
using ::testing::HasSubstr;

std::unique_ptr<MariaDb> server;

class MysqlBackend {
public:
    static constexpr bool cuts = true;

    MysqlBackend() : name_{"t" + std::to_string(++made_)} { EXPECT_TRUE(server->run("CREATE DATABASE " + name_)); }
    ~MysqlBackend() { EXPECT_TRUE(server->run("DROP DATABASE " + name_)); }
    MysqlBackend(const MysqlBackend&) = delete;
    MysqlBackend& operator=(const MysqlBackend&) = delete;

    DatabaseConfig config() const { return server->config(name_); }
    std::unique_ptr<SqlConnector> connector() const { return std::make_unique<MysqlConnector>(config()); }
    std::unique_ptr<SqlConnection> connect() const {
        auto db = connector()->connect();
        EXPECT_TRUE(db) << db.error().text;
        return std::move(*db);
    }
    static std::string number_column() { return "id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL"; }
    // utf8mb4 and MyISAM, as a server may have made it.
    static std::vector<std::string> newest_opensips_dialog() { return ha::newest_opensips_dialog("ENGINE=MyISAM CHARSET=utf8mb4"); }

private:
    static inline int made_ = 0;
    std::string name_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Mysql, StoreSuite, ::testing::Types<MysqlBackend>);
INSTANTIATE_TYPED_TEST_SUITE_P(Mysql, DestinationSuite, ::testing::Types<MysqlBackend>);
INSTANTIATE_TYPED_TEST_SUITE_P(Mysql, CdrSuite, ::testing::Types<MysqlBackend>);

class MysqlStore : public ::testing::Test {
protected:
    MysqlStore() { EXPECT_TRUE(create_schema(*backend_.connect())); }

    static Kind kind(const core::Result<core::Done, StoreError>& done) {
        EXPECT_FALSE(done);
        return done ? Kind{} : done.error().kind;
    }
    core::Result<core::Done, StoreError> write(DialogStore& store) const { return store.write({core::NodeId{1}, 4, rows_, {}}); }

    MysqlBackend backend_;
    const std::vector<DialogRow> rows_{answered(11), answered(12), answered(13)};
};

TEST_F(MysqlStore, TheNextHostServesWhenOneIsDown_AndStays) {
    auto config = backend_.config();
    config.socket.clear();
    // Port 1 refuses.
    config.hosts = {"127.0.0.1:1", server->host(), "127.0.0.1:2"};
    const auto store = make_dialog_store(config);
    EXPECT_EQ(store->name(), "mysql 127.0.0.1:1");
    for (int i = 0; i < 3; ++i) {
        const auto done = write(*store);
        ASSERT_TRUE(done) << done.error().text;
        EXPECT_EQ(store->name(), "mysql " + server->host());
    }
    config.hosts = {"127.0.0.1:1", "127.0.0.1:2"};
    const auto none = write(*make_dialog_store(config));
    EXPECT_EQ(kind(none), Kind::lost);
    EXPECT_THAT(none.error().text, HasSubstr("127.0.0.1:2"));
}

TEST_F(MysqlStore, AKilledConnectionIsLostAndMadeAnew) {
    const auto store = make_dialog_store(backend_.config());
    ASSERT_TRUE(write(*store));
    const auto admin = backend_.connect();
    std::vector<std::int64_t> others;
    ASSERT_TRUE(admin->query("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE()",
                             [&](const SqlRow& r) { return others.push_back(r.integer(0)), true; }));
    ASSERT_EQ(others.size(), 1U);
    ASSERT_TRUE(admin->execute("KILL " + std::to_string(others[0])));
    EXPECT_EQ(kind(write(*store)), Kind::lost);
    EXPECT_TRUE(write(*store));
}

TEST_F(MysqlStore, AStoppedServerCostsABoundedWait) {
    auto config = backend_.config();
    config.read_timeout = config.connect_timeout = std::chrono::seconds{1};
    const auto store = make_dialog_store(config);
    ASSERT_TRUE(write(*store));
    server->signal(SIGSTOP);
    EXPECT_EQ(kind(write(*store)), Kind::lost) << "while it was connected";
    EXPECT_EQ(kind(write(*store)), Kind::lost) << "while connecting";
    server->signal(SIGCONT);
    const auto done = write(*store);
    EXPECT_TRUE(done) << done.error().text;
}

TEST_F(MysqlStore, ARowThatIsLockedIsTriedAgain) {
    auto config = backend_.config();
    config.read_timeout = std::chrono::seconds{2};
    const auto store = make_dialog_store(config);
    ASSERT_TRUE(write(*store));
    const auto other = backend_.connect();
    ASSERT_TRUE(other->execute("BEGIN"));
    ASSERT_TRUE(other->execute("UPDATE dialog SET state = 4 WHERE dlg_id = 12"));
    EXPECT_EQ(kind(write(*store)), Kind::retry);
    ASSERT_TRUE(other->execute("COMMIT"));
    EXPECT_TRUE(write(*store));
}

TEST_F(MysqlStore, ADeadlockIsTriedAgain) {
    const auto store = make_dialog_store(backend_.config());
    ASSERT_TRUE(write(*store));
    const auto other = backend_.connect(), watcher = backend_.connect();
    ASSERT_TRUE(other->execute("BEGIN"));
    // The server gives up whoever has changed less.
    for (int id = 100; id < 200; ++id) ASSERT_TRUE(other->execute("INSERT INTO dialog (dlg_id) VALUES (" + std::to_string(id) + ")"));
    ASSERT_TRUE(other->execute("UPDATE dialog SET state = 4 WHERE dlg_id = 13"));
    auto written = std::async(std::launch::async, [&] { return write(*store); });
    bool waits = false;
    while (!waits && written.wait_for(std::chrono::milliseconds{10}) == std::future_status::timeout)
        ASSERT_TRUE(watcher->query("SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
                                   [&](const SqlRow&) { return waits = true, false; }));
    ASSERT_TRUE(waits);
    ASSERT_TRUE(other->execute("UPDATE dialog SET state = 4 WHERE dlg_id = 11"));
    const auto done = written.get();
    EXPECT_EQ(kind(done), Kind::retry);
    EXPECT_THAT(done.error().text, HasSubstr("(1213)"));
    ASSERT_TRUE(other->execute("COMMIT"));
    EXPECT_TRUE(write(*store));
}

TEST_F(MysqlStore, AReadOnlyServerIsRefusedAndLeftForAnother) {
    ASSERT_TRUE(server->run("CREATE USER plain@'%' IDENTIFIED BY 'secret'"));
    ASSERT_TRUE(server->run("GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO plain@'%'"));
    auto config = backend_.config();
    config.socket.clear();
    config.hosts = {server->host(), "127.0.0.1:1"};
    config.user = "plain";
    config.password = "secret";
    const auto store = make_dialog_store(config);
    auto done = write(*store);
    ASSERT_TRUE(done) << done.error().text;
    ASSERT_TRUE(server->run("SET GLOBAL read_only = 1"));
    done = write(*store);
    EXPECT_EQ(kind(done), Kind::refused) << done.error().text;
    EXPECT_EQ(store->name(), "mysql 127.0.0.1:1");
    ASSERT_TRUE(server->run("SET GLOBAL read_only = 0"));
    EXPECT_TRUE(write(*store));
    EXPECT_EQ(store->name(), "mysql " + server->host());
    config.password = "wrong";
    done = write(*make_dialog_store(config));
    EXPECT_EQ(kind(done), Kind::refused) << done.error().text;
    EXPECT_THAT(done.error().text, ::testing::AllOf(HasSubstr("denied"), HasSubstr("127.0.0.1:1")));
    ASSERT_TRUE(server->run("DROP USER plain@'%'"));
}

TEST_F(MysqlStore, TooManyConnectionsAreRefused) {
    ASSERT_TRUE(server->run("CREATE USER one@'%' WITH MAX_USER_CONNECTIONS 1"));
    ASSERT_TRUE(server->run("GRANT ALL ON *.* TO one@'%'"));
    auto config = backend_.config();
    config.user = "one";
    const auto first = make_dialog_store(config);
    ASSERT_TRUE(write(*first));
    const auto second = make_dialog_store(config);
    EXPECT_EQ(kind(write(*second)), Kind::refused);
    EXPECT_TRUE(write(*first));
    ASSERT_TRUE(server->run("DROP USER one@'%'"));
}

TEST_F(MysqlStore, ABatchBeyondTheServersPacketIsWrittenInPieces) {
    // 30 MiB; the server takes 16 at a time.
    std::vector<DialogRow> rows(512, answered(1));
    std::uint64_t id = 0;
    for (auto& r : rows) {
        r.dlg_id = ++id;
        r.callee_route_set = std::string(60'000, 'r');
    }
    const auto store = make_dialog_store(backend_.config());
    const auto done = store->write({core::NodeId{1}, 4, rows, {}});
    ASSERT_TRUE(done) << done.error().text;
    std::size_t whole = 0;
    ASSERT_TRUE(store->read([&](DialogRow&& r) { return whole += r.callee_route_set.size() == 60'000, true; }));
    EXPECT_EQ(whole, rows.size());
}

// Version 7 of the table: numbered rows, a dialog named by two numbers that are not unique.
TEST_F(MysqlStore, ADialogTableOfOpenSips17IsMigratedWithItsRows) {
    const auto db = backend_.connect();
    const std::vector<std::string> old{
        "DROP TABLE dialog",
        "DELETE FROM version",
        "INSERT INTO version VALUES ('dialog', 7), ('load_balancer', 2), ('dispatcher', 4)",
        "CREATE TABLE dialog (id INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL, hash_entry INT(10) UNSIGNED NOT NULL, hash_id "
        "INT(10) "
        "UNSIGNED NOT NULL, callid CHAR(255) NOT NULL, from_uri CHAR(128) NOT NULL, from_tag CHAR(64) NOT NULL, to_uri CHAR(128) NOT NULL, "
        "to_tag CHAR(64) NOT NULL, mangled_from_uri CHAR(64) DEFAULT NULL, mangled_to_uri CHAR(64) DEFAULT NULL, caller_cseq CHAR(11) NOT "
        "NULL, callee_cseq CHAR(11) NOT NULL, caller_ping_cseq INT(11) UNSIGNED NOT NULL, callee_ping_cseq INT(11) UNSIGNED NOT NULL, "
        "caller_route_set TEXT(512), callee_route_set TEXT(512), caller_contact CHAR(128) NOT NULL, callee_contact CHAR(128) NOT NULL, "
        "caller_sock CHAR(64) NOT NULL, callee_sock CHAR(64) NOT NULL, state INT(10) UNSIGNED NOT NULL, start_time INT(10) UNSIGNED NOT "
        "NULL, timeout INT(10) UNSIGNED NOT NULL, vars TEXT(512) DEFAULT NULL, profiles TEXT(512) DEFAULT NULL, script_flags INT(10) "
        "UNSIGNED DEFAULT 0 NOT NULL, flags INT(10) UNSIGNED DEFAULT 0 NOT NULL) ENGINE=MyISAM",
        "CREATE INDEX hash_idx ON dialog (hash_entry, hash_id)",
    };
    for (const auto& text : old) {
        const auto done = db->execute(text);
        ASSERT_TRUE(done) << done.error().text;
    }
    for (const char* call : {"first", "second", "same numbers"})
        ASSERT_TRUE(
            db->execute("INSERT INTO dialog (hash_entry, hash_id, callid, from_uri, from_tag, to_uri, to_tag, caller_cseq, "
                        "callee_cseq, caller_ping_cseq, callee_ping_cseq, caller_contact, callee_contact, caller_sock, callee_sock, "
                        "state, start_time, timeout) VALUES (7, 9, '" +
                        std::string{call} + "', '', '', '', '', '1', '2', 0, 0, '', '', '', '', 4, 1, 2)"));
    EXPECT_EQ(kind(write(*make_dialog_store(backend_.config()))), Kind::refused) << "nothing is lost before it is migrated";
    const auto mended = migrate_schema(*db);
    ASSERT_TRUE(mended) << mended.error().text;
    const auto left = check_schema(*db);
    ASSERT_TRUE(left);
    for (const auto& f : *left) ADD_FAILURE() << f.to_string();
    auto done = write(*make_dialog_store(backend_.config()));
    EXPECT_TRUE(done) << done.error().text;

    std::vector<std::string> calls;
    ASSERT_TRUE(db->query("SELECT CONCAT(id, ' ', hash_entry, ' ', dlg_id, ' ', callid) FROM dialog WHERE dlg_id < 11 ORDER BY dlg_id",
                          [&](const SqlRow& r) { return calls.push_back(r.text(0)), true; }));
    EXPECT_THAT(calls, ::testing::ElementsAre("1 7 1 first", "2 7 2 second", "3 7 3 same numbers"));
    std::vector<std::string> versions;
    ASSERT_TRUE(db->query("SELECT CONCAT(table_name, ' ', table_version) FROM version ORDER BY table_name",
                          [&](const SqlRow& r) { return versions.push_back(r.text(0)), true; }));
    EXPECT_THAT(versions, ::testing::ElementsAre("dialog 7", "dispatcher 4", "load_balancer 2", "sipfront_dialog 1"));
}

}  // namespace
}  // namespace sipfront::ha

int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    sipfront::ha::server = sipfront::ha::MariaDb::start();
    if (!sipfront::ha::server) return 1;
    const int result = RUN_ALL_TESTS();
    sipfront::ha::server.reset();
    return result;
}

#include "app/database_commands.hpp"

#include <filesystem>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

namespace sipfront::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class DatabaseCommands : public ::testing::Test {
protected:
    DatabaseCommands() {
        auto name = (std::filesystem::temp_directory_path() / "sipfront-commands-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
        config_.engine = ha::DatabaseEngine::sqlite;
        config_.path = folder_ + "/sipfront.db";
    }
    ~DatabaseCommands() override { std::filesystem::remove_all(folder_); }

    int run(const std::string& command, const std::vector<std::string>& words) {
        std::ostringstream out, err;
        const int code = run_database_command(config_, command, words, out, err);
        out_ = out.str();
        err_ = err.str();
        return code;
    }
    void expect(const std::string& command, const std::vector<std::string>& words, int code = 0) {
        EXPECT_EQ(run(command, words), code) << out_ << err_;
    }

    std::string folder_, out_, err_;
    ha::DatabaseConfig config_;
};

TEST_F(DatabaseCommands, CreateCheckAndMigrate) {
    expect("db", {"check"}, 1);
    EXPECT_THAT(out_, HasSubstr("dialog: is missing; run: sipfrontctl db create"));
    expect("db", {"create"});
    expect("db", {"check"});
    EXPECT_EQ(out_, "the tables are as they should be\n");
    auto db = ha::make_connector(config_)->connect();
    ASSERT_TRUE(db);
    ASSERT_TRUE((*db)->execute("ALTER TABLE dialog DROP COLUMN sf_branch"));
    expect("db", {"check"}, 1);
    EXPECT_EQ(out_, "dialog.sf_branch: is missing; run: sipfrontctl db migrate\n");
    expect("db", {"create"}, 1);
    expect("db", {"migrate"});
    EXPECT_EQ(out_, "mended dialog.sf_branch, which is missing\nthe tables are as they should be\n");
}

TEST_F(DatabaseCommands, GatewaysAsOpensipsctlAddsThem) {
    expect("db", {"create"});
    expect("dispatcher", {"addgw", "1", "sip:100.100.100.103", "0", "FS1"});
    expect("dispatcher", {"addgw", "1", "sip:100.100.100.104", "2", "FS2", "50", "3"});
    expect("dispatcher", {"addgw", "2", "sip:100.100.100.105"});
    expect("dispatcher", {"show"});
    EXPECT_EQ(out_,
              "id=1 set=1 sip:100.100.100.103 state=active weight=1 priority=0 \"FS1\"\n"
              "id=2 set=1 sip:100.100.100.104 state=probing weight=50 priority=3 \"FS2\"\n"
              "id=3 set=2 sip:100.100.100.105 state=active weight=1 priority=0 \"\"\n");
    expect("dispatcher", {"rmgw", "2"});
    expect("dispatcher", {"rmgw", "2"}, 1);
    EXPECT_EQ(err_, "sipfrontctl: dispatcher has no row 2\n");
    expect("dispatcher", {"show"});
    EXPECT_THAT(out_, ::testing::Not(HasSubstr("FS2")));
}

TEST_F(DatabaseCommands, HostsThatTakeCalls) {
    expect("db", {"create"});
    expect("lb", {"add", "1", "sip:100.100.100.103", "pstn=32;transc=10", "FS1"});
    expect("lb", {"show"});
    EXPECT_EQ(out_, "id=1 group=1 sip:100.100.100.103 pstn=32;transc=10 probe_mode=2 \"FS1\"\n");
    expect("lb", {"rm", "1"});
    expect("lb", {"show"});
    EXPECT_EQ(out_, "");
}

TEST_F(DatabaseCommands, WhatCannotServeIsNotInserted) {
    expect("db", {"create"});
    expect("dispatcher", {"addgw", "1", "sip:fs1.example.com", "0"}, 2);
    EXPECT_THAT(err_, AllOf(StartsWith("sipfrontctl: destination: "), HasSubstr("not a numeric address")));
    expect("dispatcher", {"addgw", "1", "sip:10.77.0.103", "0", "FS1", "fs://1"}, 2);
    EXPECT_THAT(err_, HasSubstr("fs://) are not supported"));
    expect("lb", {"add", "1", "sip:10.77.0.103", "pstn=fs://admin:ClueCon@10.77.0.103"}, 2);
    EXPECT_THAT(err_, HasSubstr("fs://) are not supported"));
    expect("lb", {"show"});
    EXPECT_EQ(out_, "");
}

TEST_F(DatabaseCommands, WrongUsageIsToldAndTouchesNothing) {
    for (const auto& [command, words] :
         std::vector<std::pair<std::string, std::vector<std::string>>>{{"db", {}},
                                                                       {"db", {"drop"}},
                                                                       {"dispatcher", {"addgw", "1"}},
                                                                       {"dispatcher", {"addgw", "x", "sip:10.0.0.1"}},
                                                                       {"dispatcher", {"addgw", "1", "sip:10.0.0.1", "3"}},
                                                                       {"dispatcher", {"rmgw", "x"}},
                                                                       {"lb", {"add", "1", "sip:10.0.0.1"}}}) {
        expect(command, words, 2);
        EXPECT_THAT(err_, StartsWith("sipfrontctl: usage: "));
    }
    EXPECT_FALSE(std::filesystem::exists(config_.path));
    config_.engine = ha::DatabaseEngine::none;
    expect("db", {"check"}, 1);
    EXPECT_THAT(err_, HasSubstr("database.engine is \"none\""));
}

}  // namespace
}  // namespace sipfront::app

// The tables of destinations in each kind of database; backends as for store_suite.hpp.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ha/destination_tables.hpp"
#include "ha/schema.hpp"

namespace sipfront::ha {

template <class Backend>
class DestinationSuite : public ::testing::Test {
protected:
    DestinationSuite() {
        auto db = backend_.connector()->connect();
        EXPECT_TRUE(db) << db.error().text;
        db_ = std::move(*db);
        EXPECT_TRUE(create_schema(*db_));
    }
    void run(const std::string& text) {
        const auto done = db_->execute(text);
        ASSERT_TRUE(done) << text << ": " << done.error().text;
    }
    DestinationTables read() {
        auto tables = read_destinations(*db_);
        EXPECT_TRUE(tables) << tables.error().text;
        return tables ? std::move(*tables) : DestinationTables{};
    }
    static std::vector<std::string> texts(const std::vector<RowRemark>& remarks) {
        std::vector<std::string> all;
        for (const auto& r : remarks) all.push_back(r.to_string());
        return all;
    }

    Backend backend_;
    std::unique_ptr<SqlConnection> db_;
};

TYPED_TEST_SUITE_P(DestinationSuite);

TYPED_TEST_P(DestinationSuite, TheClassicInsertsWorkAndTheirRowsAreProbed) {
    this->run("insert into load_balancer (group_id, dst_uri, resources, description) values (1,'sip:100.100.100.103', 'pstn=32', 'FS1');");
    this->run("insert into load_balancer (group_id, dst_uri, resources, description) values (1,'sip:100.100.100.104', 'pstn=32', 'FS2');");
    const auto tables = this->read();
    ASSERT_EQ(tables.load_balancer.size(), 2U);
    EXPECT_EQ(tables.load_balancer[0], (LoadBalancerEntry{1, 1, "sip:100.100.100.103", "pstn=32", 2U, "", "FS1"}));
    EXPECT_EQ(tables.load_balancer[1].id, 2U);
    EXPECT_EQ(tables.load_balancer[1].description, "FS2");
    EXPECT_TRUE(tables.skipped.empty());
    EXPECT_TRUE(tables.warnings.empty());
}

TYPED_TEST_P(DestinationSuite, WhatIsInsertedIsReadBackAndRemoved) {
    const DispatcherEntry gateway{0, 1, "sip:100.100.100.103", "udp:10.77.0.101:5060", 2, "50", 3, 1U, "pfx=9", "it's FS1"};
    auto done = insert_destination(*this->db_, gateway);
    ASSERT_TRUE(done) << done.error().text;
    done = insert_destination(*this->db_, DispatcherEntry{.setid = 2, .destination = "sip:100.100.100.104", .description = "FS2"});
    ASSERT_TRUE(done) << done.error().text;
    done = insert_destination(*this->db_, LoadBalancerEntry{0, 7, "sip:100.100.100.105", "pstn=4;conf=2", {}, "a", "FS3"});
    ASSERT_TRUE(done) << done.error().text;
    auto tables = this->read();
    auto expected = gateway;
    expected.id = 1;
    EXPECT_THAT(tables.dispatcher, ::testing::ElementsAre(expected, DispatcherEntry{.id = 2,
                                                                                    .setid = 2,
                                                                                    .destination = "sip:100.100.100.104",
                                                                                    .socket = "",
                                                                                    .probe_mode = 2U,
                                                                                    .attrs = "",
                                                                                    .description = "FS2"}));
    EXPECT_THAT(tables.load_balancer,
                ::testing::ElementsAre(LoadBalancerEntry{1, 7, "sip:100.100.100.105", "pstn=4;conf=2", 2U, "a", "FS3"}));
    const auto removed = remove_destination(*this->db_, "dispatcher", 1);
    ASSERT_TRUE(removed);
    EXPECT_EQ(*removed, 1U);
    EXPECT_EQ(*remove_destination(*this->db_, "dispatcher", 1), 0U);
    EXPECT_EQ(this->read().dispatcher.size(), 1U);
}

TYPED_TEST_P(DestinationSuite, TablesOfOpenSips17AreReadAndWritten) {
    this->run("DROP TABLE load_balancer");
    this->run("DROP TABLE dispatcher");
    const std::string id = this->backend_.number_column();
    this->run("CREATE TABLE load_balancer (" + id +
              ", group_id INT DEFAULT 0 NOT NULL, dst_uri CHAR(128) NOT NULL, resources CHAR(255) NOT "
              "NULL, probe_mode INT DEFAULT 0 NOT NULL, description CHAR(128) DEFAULT '' NOT NULL)");
    this->run("CREATE TABLE dispatcher (" + id +
              ", setid INT DEFAULT 0 NOT NULL, destination CHAR(192) DEFAULT '' NOT NULL, flags INT "
              "DEFAULT 0 NOT NULL, weight INT DEFAULT 1 NOT NULL, attrs CHAR(128) DEFAULT '' NOT NULL, description CHAR(64) DEFAULT '' NOT "
              "NULL)");
    const auto found = check_schema(*this->db_);
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->empty()) << found->front().to_string();
    this->run("insert into load_balancer (group_id, dst_uri, resources, description) values (1,'sip:100.100.100.103', 'pstn=32', 'FS1')");
    this->run("insert into dispatcher (setid, destination, flags, weight, description) values (1, 'sip:100.100.100.103', 2, 50, 'FS1')");
    const auto done = insert_destination(*this->db_, DispatcherEntry{.setid = 1, .destination = "sip:100.100.100.104", .state = 1});
    ASSERT_TRUE(done) << done.error().text;
    const auto tables = this->read();
    ASSERT_EQ(tables.load_balancer.size(), 1U);
    EXPECT_EQ(tables.load_balancer[0].probe_mode, 0U);
    EXPECT_THAT(this->texts(tables.warnings),
                ::testing::ElementsAre("load_balancer row 1, probe_mode: 0 means that nothing notices when the host dies; UPDATE "
                                       "load_balancer SET probe_mode = 2 WHERE id = 1"));
    ASSERT_EQ(tables.dispatcher.size(), 2U);
    EXPECT_EQ(tables.dispatcher[0].state, 2U);
    EXPECT_EQ(tables.dispatcher[0].weight, "50");
    EXPECT_FALSE(tables.dispatcher[0].probe_mode) << "the table has no such column";
    EXPECT_EQ(tables.dispatcher[1].state, 1U);
    EXPECT_EQ(tables.dispatcher[1].weight, "1");
}

TYPED_TEST_P(DestinationSuite, BadRowsAreNamedAndTheOthersServe) {
    this->run("insert into load_balancer (group_id, dst_uri, resources) values (1, '', 'pstn=32')");
    this->run("insert into load_balancer (group_id, dst_uri, resources) values (1, 'sip:100.100.100.104', '')");
    this->run("insert into load_balancer (group_id, dst_uri, resources) values (1, 'sip:100.100.100.105', 'pstn=32')");
    this->run("insert into dispatcher (setid, destination) values (-4, 'sip:100.100.100.103')");
    this->run("insert into dispatcher (setid, destination) values (1, 'sip:100.100.100.104')");
    const auto tables = this->read();
    ASSERT_EQ(tables.load_balancer.size(), 1U);
    EXPECT_EQ(tables.load_balancer[0].id, 3U);
    ASSERT_EQ(tables.dispatcher.size(), 1U);
    EXPECT_EQ(tables.dispatcher[0].id, 2U);
    EXPECT_THAT(this->texts(tables.skipped),
                ::testing::ElementsAre("load_balancer row 1, dst_uri: is empty; write the host's URI, as sip:10.77.0.103",
                                       "load_balancer row 2, resources: is empty; write the capacities, as pstn=32",
                                       "dispatcher row 1, setid: -4 is out of range; give a number of 0 or more"));
}

TYPED_TEST_P(DestinationSuite, AMissingTableSaysWhatToDo) {
    this->run("DROP TABLE dispatcher");
    const auto tables = read_destinations(*this->db_);
    ASSERT_FALSE(tables);
    EXPECT_EQ(tables.error().text, "the table dispatcher is missing; run: sipfrontctl db create");
    EXPECT_EQ(tables.error().kind, StoreError::Kind::refused);
}

TYPED_TEST_P(DestinationSuite, AMissingColumnIsNoFaultOfTheRows) {
    this->run("insert into load_balancer (group_id, dst_uri, resources) values (1, 'sip:100.100.100.103', 'pstn=32')");
    this->run("ALTER TABLE load_balancer RENAME COLUMN dst_uri TO somewhere");
    const auto tables = read_destinations(*this->db_);
    ASSERT_FALSE(tables);
    EXPECT_EQ(tables.error().text, "the table load_balancer has no column dst_uri; run: sipfrontctl db migrate");
    EXPECT_EQ(tables.error().kind, StoreError::Kind::refused);
}

REGISTER_TYPED_TEST_SUITE_P(DestinationSuite, TheClassicInsertsWorkAndTheirRowsAreProbed, WhatIsInsertedIsReadBackAndRemoved,
                            TablesOfOpenSips17AreReadAndWritten, BadRowsAreNamedAndTheOthersServe, AMissingTableSaysWhatToDo,
                            AMissingColumnIsNoFaultOfTheRows);

}  // namespace sipfront::ha

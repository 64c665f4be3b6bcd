// Call records in the table `acc` of each kind of database; backends as for store_suite.hpp.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ha/cdr_table.hpp"
#include "ha/schema.hpp"

namespace sipfront::ha {

template <class Backend>
class CdrSuite : public ::testing::Test {
protected:
    CdrSuite() : table_{std::make_unique<CdrTable>(backend_.connector(), true)} {
        auto db = backend_.connector()->connect();
        EXPECT_TRUE(db) << db.error().text;
        db_ = std::move(*db);
    }

    static Cdr record(std::uint64_t n) {
        return {.dlg_id = n,
                .call_id = "call" + std::to_string(n) + "@198.51.100.7",
                .caller_tag = "from",
                .callee_tag = "to",
                .from_uri = "sip:alice@example.com",
                .to_uri = "sip:bob@example.com",
                .client = "udp:198.51.100.7:40212",
                .host = "udp:10.77.0.103:5060",
                .destination = "sip:10.77.0.103",
                .group = 1,
                .start = 1'795'402'011'250'000,
                .end = 1'795'402'072'750'000,
                .answer = 1'795'402'014'500'000,
                .reason = sip::DialogEnd::callee_bye,
                .code = 200,
                .attempts = 2,
                .node = core::NodeId{1}};
    }
    void write(const std::vector<Cdr>& records) {
        std::size_t written = 0;
        const auto s = table_->write(records, written);
        ASSERT_TRUE(s) << s.error().what;
        EXPECT_EQ(written, records.size());
    }
    // The columns of each row with a bar between them, by the order of their end.
    std::vector<std::string> rows(const std::vector<std::string>& columns) {
        std::string list;
        for (const auto& c : columns) list += (list.empty() ? "" : ", ") + c;
        std::vector<std::string> all;
        const auto done = db_->query("SELECT " + list + " FROM acc ORDER BY sf_end, sf_dlg_id", [&](const SqlRow& r) {
            std::string text;
            for (std::size_t i = 0; i < columns.size(); ++i) text += (i == 0 ? "" : "|") + (r.is_null(i) ? "NULL" : r.text(i));
            return all.push_back(std::move(text)), true;
        });
        EXPECT_TRUE(done) << done.error().text;
        return all;
    }
    void run(const std::string& text) {
        const auto done = db_->execute(text);
        ASSERT_TRUE(done) << text << ": " << done.error().text;
    }

    Backend backend_;
    std::unique_ptr<CdrTable> table_;
    std::unique_ptr<SqlConnection> db_;
};

TYPED_TEST_SUITE_P(CdrSuite);

TYPED_TEST_P(CdrSuite, ACallIsARowAsOpenSipsWritesIt) {
    auto failed = this->record(2);
    failed.answer.reset();
    failed.reason = sip::DialogEnd::failed;
    failed.code = 486;
    failed.end += 1;
    failed.from_cluster = true;
    auto partial = this->record(0x7fff'ffff'ffff'ffff);
    partial.start.reset();
    partial.answer.reset();
    partial.end += 2;
    this->write({this->record(1), failed, partial});
    EXPECT_THAT(
        this->rows({"method", "from_tag", "to_tag", "callid", "sip_code", "sip_reason", "time", "duration", "ms_duration", "setuptime",
                    "created"}),
        ::testing::ElementsAre("INVITE|from|to|call1@198.51.100.7|200|callee_bye|2026-11-23 02:46:54|58|58250|3|2026-11-23 02:46:51",
                               "INVITE|from|to|call2@198.51.100.7|486|failed|2026-11-23 02:47:52|0|0|0|2026-11-23 02:46:51",
                               "INVITE|from|to|call9223372036854775807@198.51.100.7|200|callee_bye|2026-11-23 02:47:52|0|0|0|NULL"));
    EXPECT_THAT(this->rows({"sf_dlg_id", "sf_node", "sf_partial", "sf_start", "sf_answer", "sf_end", "sf_attempts", "sf_from_cluster"}),
                ::testing::ElementsAre("1|1|0|1795402011250000|1795402014500000|1795402072750000|2|0",
                                       "2|1|0|1795402011250000|NULL|1795402072750001|2|1",
                                       "9223372036854775807|1|1|NULL|NULL|1795402072750002|2|0"));
    EXPECT_EQ(this->rows({"sf_from_uri", "sf_to_uri", "sf_client", "sf_host", "sf_group", "sf_destination"})[0],
              "sip:alice@example.com|sip:bob@example.com|udp:198.51.100.7:40212|udp:10.77.0.103:5060|1|sip:10.77.0.103");
}

TYPED_TEST_P(CdrSuite, ARecordThatIsWrittenTwiceIsThereOnce) {
    std::vector<Cdr> records;
    for (std::uint64_t i = 1; i <= 300; ++i) records.push_back(this->record(i));
    this->write(records);
    EXPECT_EQ(this->rows({"id"}).size(), 300U);
    records.push_back(this->record(301));
    // The same dialog's second call: the answer to a challenge.
    records.push_back(this->record(301));
    records.back().end += 1;
    this->write(records);
    EXPECT_EQ(this->rows({"id"}).size(), 302U);
}

TYPED_TEST_P(CdrSuite, TextsOfAnyLengthAndOctetsAreTaken) {
    auto r = this->record(1);
    r.call_id = "'\"\\%;--\xff\x80" + std::string(5'000, 'c');
    r.from_uri = std::string(5'000, 'u');
    r.caller_tag = r.callee_tag = r.destination = std::string(5'000, 't');
    this->write({r, this->record(2)});
    EXPECT_EQ(this->table_->refused(), 0U);
    const auto rows = this->rows({"callid", "from_tag"});
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0], r.call_id.substr(0, 1'024) + '|' + std::string(255, 't'));
}

TYPED_TEST_P(CdrSuite, AMissingTableLosesNothing) {
    this->write({this->record(1)});
    this->run("DROP TABLE acc");
    const std::vector<Cdr> records{this->record(2), this->record(3)};
    std::size_t written = 7;
    const auto s = this->table_->write(records, written);
    ASSERT_FALSE(s);
    EXPECT_THAT(s.error().what, ::testing::HasSubstr("acc"));
    EXPECT_EQ(written, 0U);
    ASSERT_TRUE(create_schema(*this->db_));
    this->write(records);
    EXPECT_EQ(this->rows({"id"}).size(), 2U);
}

TYPED_TEST_P(CdrSuite, ATableOfOpenSipsIsMigratedWithItsRows) {
    ASSERT_TRUE(create_schema(*this->db_));
    this->run("DROP TABLE acc");
    this->run("CREATE TABLE acc (" + this->backend_.number_column() +
              ", method CHAR(16) DEFAULT '' NOT NULL, from_tag CHAR(64) DEFAULT '' NOT NULL, to_tag CHAR(64) DEFAULT '' NOT NULL, callid "
              "CHAR(64) DEFAULT '' NOT NULL, sip_code CHAR(3) DEFAULT '' NOT NULL, sip_reason CHAR(32) DEFAULT '' NOT NULL, time DATETIME "
              "NOT NULL, duration INT(11) DEFAULT 0 NOT NULL, setuptime INT(11) DEFAULT 0 NOT NULL, created DATETIME DEFAULT NULL, "
              "src_ip CHAR(64) DEFAULT '' NOT NULL)");
    this->run("INSERT INTO acc (method, callid, time) VALUES ('INVITE', 'of old', '2020-01-01 00:00:00')");
    const auto long_call = [&] {
        auto r = this->record(1);
        r.call_id += std::string(100, 'x');
        return r;
    }();
    std::size_t written = 0;
    EXPECT_FALSE(this->table_->write(std::vector{long_call}, written)) << "nothing is lost before it is migrated";
    const auto mended = migrate_schema(*this->db_);
    ASSERT_TRUE(mended) << mended.error().text;
    const auto left = check_schema(*this->db_);
    ASSERT_TRUE(left);
    for (const auto& f : *left) ADD_FAILURE() << f.to_string();
    this->write({long_call});
    this->write({long_call});
    EXPECT_THAT(this->rows({"callid"}), ::testing::UnorderedElementsAre("of old", long_call.call_id));
    EXPECT_EQ(this->table_->refused(), 0U);
}

TYPED_TEST_P(CdrSuite, ARecordThatNothingCanTakeHoldsUpNoOther) {
    this->write({this->record(1)});
    if (!TypeParam::cuts) return;  // it takes everything
    this->run("ALTER TABLE acc MODIFY COLUMN callid CHAR(24) NOT NULL");
    std::vector<Cdr> records;
    for (std::uint64_t i = 2; i <= 200; ++i) records.push_back(this->record(i));
    records[77].call_id = std::string(25, 'x');
    this->write(records);
    EXPECT_EQ(this->table_->refused(), 1U);
    EXPECT_EQ(this->rows({"id"}).size(), 199U);
}

REGISTER_TYPED_TEST_SUITE_P(CdrSuite, ACallIsARowAsOpenSipsWritesIt, ARecordThatIsWrittenTwiceIsThereOnce,
                            TextsOfAnyLengthAndOctetsAreTaken, AMissingTableLosesNothing, ATableOfOpenSipsIsMigratedWithItsRows,
                            ARecordThatNothingCanTakeHoldsUpNoOther);

}  // namespace sipfront::ha

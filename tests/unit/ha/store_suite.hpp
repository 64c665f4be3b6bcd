// What every dialog store owes, run over each kind. A backend has an empty database while it lives: connector(), and `cuts` for
// whether its columns have a width.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ha/schema.hpp"
#include "ha/sql_store.hpp"
#include "tests/unit/ha/rows.hpp"

namespace sipfront::ha {

template <class Backend>
class StoreSuite : public ::testing::Test {
protected:
    StoreSuite() : store_{std::make_unique<SqlStore>(backend_.connector(), true)} {}

    void write(const std::vector<DialogRow>& upserts, const std::vector<std::uint64_t>& deletes = {}, std::uint64_t epoch = 4,
               core::NodeId node = core::NodeId{1}) {
        const auto done = store_->write({node, epoch, upserts, deletes});
        ASSERT_TRUE(done) << done.error().text;
    }
    std::vector<DialogRow> all() {
        std::vector<DialogRow> rows;
        const auto done = store_->read([&](DialogRow&& r) { return rows.push_back(std::move(r)), true; });
        EXPECT_TRUE(done) << done.error().text;
        return rows;
    }
    std::vector<std::uint64_t> ids() {
        std::vector<std::uint64_t> out;
        for (const auto& r : all()) out.push_back(r.dlg_id);
        return out;
    }

    Backend backend_;
    std::unique_ptr<SqlStore> store_;
};

TYPED_TEST_SUITE_P(StoreSuite);

TYPED_TEST_P(StoreSuite, KeepsEveryFieldOfADialog) {
    auto row = answered(0x7fff'ffff'ffff'fffe);
    row.node = core::NodeId{2};
    row.epoch = 9;
    this->write({row}, {}, 9, core::NodeId{2});
    EXPECT_THAT(this->all(), ::testing::ElementsAre(row));
    const auto early = ringing(17);
    this->write({early});
    EXPECT_THAT(this->all(), ::testing::ElementsAre(early, row));
}

TYPED_TEST_P(StoreSuite, ReplacesARowWholly) {
    this->write({ringing(5)});
    const auto now = answered(5);
    this->write({now});
    EXPECT_THAT(this->all(), ::testing::ElementsAre(now)) << "what only ringing needs is gone too";
}

TYPED_TEST_P(StoreSuite, EmptyPartiesLeaveWhatIsThere) {
    const auto first = answered(5);
    this->write({first});
    auto next = first;
    next.from_uri.clear();
    next.to_uri.clear();
    next.caller_contact = "sip:alice@198.51.100.8:5060";
    this->write({next});
    next.from_uri = first.from_uri;
    next.to_uri = first.to_uri;
    EXPECT_THAT(this->all(), ::testing::ElementsAre(next));
}

TYPED_TEST_P(StoreSuite, WhoDoesNotKnowTheStartLeavesIt) {
    const auto first = answered(5);
    this->write({first});
    auto next = first;
    next.created = 0;
    next.start_time = first.start_time + 100;
    next.caller_cseq = 400;
    this->write({next, answered(6)});
    next.created = first.created;
    next.start_time = first.start_time;
    EXPECT_THAT(this->all(), ::testing::ElementsAre(next, answered(6)));
}

TYPED_TEST_P(StoreSuite, TextsOfTheSetUpStayUntilTheAnswer) {
    const auto first = ringing(5);
    this->write({first});
    auto next = first;
    next.client_via.clear();
    next.branch.clear();
    next.request_uri.clear();
    next.routes.clear();
    this->write({next});
    EXPECT_THAT(this->all(), ::testing::ElementsAre(first));
    next.state = sip::DialogState::confirmed;
    this->write({next});
    EXPECT_THAT(this->all(), ::testing::ElementsAre(next));
}

TYPED_TEST_P(StoreSuite, AnUpdateTakesWhatItKnowsAndMakesNoRow) {
    std::vector<DialogRow> rows;
    for (std::uint64_t id = 1; id <= 70; ++id) rows.push_back(ringing(0x7000'0000'0000'0000 + id));
    this->write(rows);
    std::vector<DialogRow> updates;
    for (auto& row : rows) {
        DialogRow u;
        u.dlg_id = row.dlg_id;
        u.node = row.node;
        u.epoch = row.epoch;
        u.state = row.state = sip::DialogState::confirmed;
        u.version = row.version = row.version + 1;
        u.caller_cseq = row.caller_cseq = 4'000'000'000;
        u.host = row.host = "udp:10.77.0.106:5060";
        u.branch = row.branch = "z9hG4bK.moved";
        u.timeout = row.timeout;
        u.start_time = row.start_time;
        u.created = row.created;
        u.caller_sock = row.caller_sock;
        u.callee_sock = row.callee_sock;
        u.destination = row.destination;
        u.group = row.group;
        u.client = row.client;
        u.callee_cseq = row.callee_cseq;
        u.caller_in_cluster = row.caller_in_cluster;
        u.symmetric = row.symmetric;
        u.resource = row.resource = {};  // it holds no load any more
        updates.push_back(u);
    }
    updates.push_back(updates.front());
    updates.back().dlg_id = 99;  // is not there
    const auto done = this->store_->write({.node = rows[0].node, .epoch = rows[0].epoch, .upserts = {}, .deletes = {}, .updates = updates});
    ASSERT_TRUE(done) << done.error().text;
    EXPECT_EQ(this->all(), rows);
    // Of an older epoch: nothing.
    for (auto& u : updates) u.state = sip::DialogState::early;
    ASSERT_TRUE(this->store_->write({.node = rows[0].node, .epoch = rows[0].epoch - 1, .upserts = {}, .deletes = {}, .updates = updates}));
    EXPECT_EQ(this->all(), rows);
}

TYPED_TEST_P(StoreSuite, UpdatesOfAnyNumberAndLength) {
    std::vector<DialogRow> rows;
    for (std::uint64_t i = 1; i <= 700; ++i)
        if (i % 3 != 0) rows.push_back(answered(i));
    this->write(rows);
    // Twice, so that longer texts meet statements that were prepared with short ones.
    for (const std::size_t length : {0U, 900U}) {
        std::vector<DialogRow> updates;
        for (std::uint64_t i = 1; i <= 700; ++i) {
            DialogRow u;
            u.dlg_id = 701 - i;
            u.caller_cseq = 400;
            u.callee_contact = std::string(length, 'c');
            u.callee_route_set = std::string(4 * length, 'r');
            updates.push_back(std::move(u));
        }
        const auto done = this->store_->write({.node = core::NodeId{1}, .epoch = 4, .upserts = {}, .deletes = {}, .updates = updates});
        ASSERT_TRUE(done) << done.error().text;
        const auto all = this->all();
        EXPECT_EQ(all.size(), rows.size());
        for (const auto& r : all) {
            const auto old = answered(r.dlg_id);
            ASSERT_EQ(r.caller_cseq, 400U) << r.dlg_id;
            ASSERT_EQ(r.to_tag, old.to_tag);
            ASSERT_EQ(r.callee_contact, length == 0 ? old.callee_contact : std::string(length, 'c'));
            ASSERT_EQ(r.callee_route_set, length == 0 ? old.callee_route_set : std::string(4 * length, 'r'));
        }
    }
}

TYPED_TEST_P(StoreSuite, OctetsAreKeptAsTheyAre) {
    auto row = answered(5);
    row.callid = "quote'\"\\%_;--\t\xc3\xa4\xff\x80\x81@x";
    row.callee_route_set = std::string(20'000, 'r');
    this->write({row});
    EXPECT_THAT(this->all(), ::testing::ElementsAre(row));
}

TYPED_TEST_P(StoreSuite, DeletesAndUpsertsInOneBatch) {
    this->write({answered(1), answered(2), answered(3)});
    this->write({answered(4)}, {3, 1, 99});
    EXPECT_THAT(this->ids(), ::testing::ElementsAre(2, 4));
    this->write({}, {2});
    EXPECT_THAT(this->ids(), ::testing::ElementsAre(4));
    this->write({}, {});
}

TYPED_TEST_P(StoreSuite, AnyNumberOfRowsInAnyOrder) {
    for (const std::size_t n : {1U, 2U, 3U, 500U, 512U, 513U, 1'300U}) {
        std::vector<DialogRow> rows;
        std::vector<std::uint64_t> gone;
        for (std::size_t i = 0; i < n; ++i) rows.push_back(answered(1 + (i * 7'919) % n));
        this->write(rows);
        std::vector<std::uint64_t> expected;
        for (std::size_t i = 0; i < n; ++i) expected.push_back(1 + i);
        EXPECT_EQ(this->ids(), expected);
        std::ranges::reverse(expected);
        this->write({}, expected);
        EXPECT_TRUE(this->ids().empty()) << n;
    }
}

TYPED_TEST_P(StoreSuite, ReadsPagesInTheOrderOfIds) {
    std::vector<DialogRow> rows;
    for (std::uint64_t i = 1; i <= 4'500; ++i) rows.push_back(answered(i * 0x1'0000'0001ULL));
    this->write(rows);
    std::uint64_t before = 0, seen = 0;
    ASSERT_TRUE(this->store_->read([&](DialogRow&& r) {
        EXPECT_GT(r.dlg_id, before);
        before = r.dlg_id;
        ++seen;
        return true;
    }));
    EXPECT_EQ(seen, 4'500U);
    seen = 0;
    ASSERT_TRUE(this->store_->read([&](DialogRow&&) { return ++seen < 2'100; }));
    EXPECT_EQ(seen, 2'100U) << "stops when told so";
}

TYPED_TEST_P(StoreSuite, ARowOfANewerEpochStays) {
    auto newer = answered(5);
    newer.node = core::NodeId{2};
    newer.epoch = 8;
    this->write({newer}, {}, 8, core::NodeId{2});
    auto late = answered(5);
    late.to_tag = "of the node that lost";
    this->write({late, answered(6)}, {}, 7);
    auto other = answered(6);
    other.epoch = 7;
    EXPECT_THAT(this->all(), ::testing::ElementsAre(newer, other));
    this->write({}, {5, 6}, 7);
    EXPECT_THAT(this->ids(), ::testing::ElementsAre(5)) << "nor is it deleted";
    this->write({}, {5}, 8);
    EXPECT_THAT(this->ids(), ::testing::IsEmpty());
}

TYPED_TEST_P(StoreSuite, TheSameEpochWritesAgain) {
    this->write({answered(5)}, {}, 8);
    auto next = answered(5);
    next.to_tag = "second";
    next.epoch = 8;
    this->write({next}, {}, 8);
    EXPECT_THAT(this->all(), ::testing::ElementsAre(next));
}

TYPED_TEST_P(StoreSuite, SweepsWhatANodeWroteBefore) {
    std::vector<DialogRow> rows;
    for (std::uint64_t i = 1; i <= 2'400; ++i) {
        rows.push_back(answered(i));
        rows.back().version = static_cast<std::int64_t>(i);
    }
    this->write(rows);
    this->write({answered(5'000)}, {}, 4, core::NodeId{2});
    const auto swept = this->store_->sweep(core::NodeId{1}, 2'300);
    ASSERT_TRUE(swept) << swept.error().text;
    EXPECT_EQ(*swept, 2'299U);
    EXPECT_EQ(this->ids().size(), 102U);
    EXPECT_EQ(this->ids().front(), 2'300U);
}

TYPED_TEST_P(StoreSuite, ABatchIsWrittenWhollyOrNotAtAll) {
    this->write({answered(1)});
    auto bad = answered(700);
    bad.from_tag = std::string(300, 't');
    if (!TypeParam::cuts) {
        this->write({bad}, {1});
        EXPECT_THAT(this->all(), ::testing::ElementsAre(bad)) << "its columns take any length";
        return;
    }
    std::vector<DialogRow> rows{bad};
    for (std::uint64_t i = 2; i < 600; ++i) rows.push_back(answered(i));
    const std::vector<std::uint64_t> gone{1};
    const auto done = this->store_->write({core::NodeId{1}, 4, rows, gone});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, StoreError::Kind::row) << done.error().text;
    EXPECT_THAT(done.error().text, ::testing::HasSubstr("from_tag"));
    EXPECT_THAT(this->ids(), ::testing::ElementsAre(1)) << "nothing is cut, nothing written by halves";
    this->write({answered(2)});
}

TYPED_TEST_P(StoreSuite, AMissingTableIsNoFaultOfTheRows) {
    this->write({answered(1)});
    auto db = this->backend_.connector()->connect();
    ASSERT_TRUE(db) << db.error().text;
    ASSERT_TRUE((*db)->execute("DROP TABLE dialog"));
    const std::vector<DialogRow> rows{answered(2)};
    const auto done = this->store_->write({core::NodeId{1}, 4, rows, {}});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, StoreError::Kind::refused) << done.error().text;
    ASSERT_TRUE(create_schema(**db));
    this->write(rows);
    EXPECT_THAT(this->ids(), ::testing::ElementsAre(2));
}

TYPED_TEST_P(StoreSuite, TablesMadeNewAreSound) {
    auto db = this->backend_.connector()->connect();
    ASSERT_TRUE(db) << db.error().text;
    auto found = check_schema(**db);
    ASSERT_TRUE(found) << found.error().text;
    EXPECT_EQ(found->size(), 5U) << "all are missing";
    for (const auto& f : *found) EXPECT_EQ(f.to_string(), f.table + ": is missing; run: sipfrontctl db create");
    for (int twice = 0; twice < 2; ++twice) {
        const auto made = create_schema(**db);
        ASSERT_TRUE(made) << made.error().text;
        found = check_schema(**db);
        ASSERT_TRUE(found) << found.error().text;
        for (const auto& f : *found) ADD_FAILURE() << f.to_string();
    }
    std::map<std::string, std::int64_t> versions;
    ASSERT_TRUE((*db)->query("SELECT table_name, table_version FROM version",
                             [&](const SqlRow& r) { return versions[r.text(0)] = r.integer(1), true; }));
    EXPECT_EQ(versions,
              (std::map<std::string, std::int64_t>{
                  {"acc", 7}, {"dialog", 12}, {"dispatcher", 9}, {"load_balancer", 3}, {"sipfront_dialog", dialog_schema_version}}));
}

TYPED_TEST_P(StoreSuite, MissingColumnsAreNamedAndAdded) {
    auto db = this->backend_.connector()->connect();
    ASSERT_TRUE(db) << db.error().text;
    ASSERT_TRUE(create_schema(**db));
    for (const char* text : {"DROP TABLE dialog", "DELETE FROM version WHERE table_name = 'sipfront_dialog'"})
        ASSERT_TRUE((*db)->execute(text));
    const auto old = this->backend_.newest_opensips_dialog();
    for (const auto& text : old) {
        const auto done = (*db)->execute(text);
        ASSERT_TRUE(done) << done.error().text;
    }
    const auto found = check_schema(**db);
    ASSERT_TRUE(found) << found.error().text;
    std::vector<std::string> missing;
    for (const auto& f : *found)
        if (f.what == "is missing") missing.push_back(f.column);
    EXPECT_EQ(missing.size(), 15U);
    EXPECT_THAT(missing, ::testing::Contains("sf_destination"));
    const auto mended = migrate_schema(**db);
    ASSERT_TRUE(mended) << mended.error().text;
    EXPECT_GE(mended->size(), 16U);
    const auto left = check_schema(**db);
    ASSERT_TRUE(left);
    for (const auto& f : *left) ADD_FAILURE() << f.to_string();
    const auto kept = this->all();
    ASSERT_EQ(kept.size(), 1U);
    EXPECT_EQ(kept[0].dlg_id, 0x12'0000'0034U);
    EXPECT_EQ(kept[0].callid, "kept@example.com");
    EXPECT_EQ(kept[0].caller_cseq, 102U);
    EXPECT_EQ(kept[0].state, sip::DialogState::confirmed);
    EXPECT_EQ(kept[0].destination, "");
    EXPECT_EQ(kept[0].epoch, 0U);
    this->write({ringing(5)});
    EXPECT_EQ(this->all().front(), ringing(5));
}

REGISTER_TYPED_TEST_SUITE_P(StoreSuite, KeepsEveryFieldOfADialog, ReplacesARowWholly, EmptyPartiesLeaveWhatIsThere,
                            WhoDoesNotKnowTheStartLeavesIt, TextsOfTheSetUpStayUntilTheAnswer, AnUpdateTakesWhatItKnowsAndMakesNoRow,
                            UpdatesOfAnyNumberAndLength, OctetsAreKeptAsTheyAre, DeletesAndUpsertsInOneBatch, AnyNumberOfRowsInAnyOrder,
                            ReadsPagesInTheOrderOfIds, ARowOfANewerEpochStays, TheSameEpochWritesAgain, SweepsWhatANodeWroteBefore,
                            ABatchIsWrittenWhollyOrNotAtAll, AMissingTableIsNoFaultOfTheRows, TablesMadeNewAreSound,
                            MissingColumnsAreNamedAndAdded);

}  // namespace sipfront::ha

#include "sip/dialog.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sip/challenge_memory.hpp"

namespace sipfront::sip {
namespace {

using namespace std::chrono_literals;

DialogTexts texts(std::string_view call_id, std::string_view tag) {
    DialogTexts t{};
    t[0] = call_id;
    t[1] = tag;
    return t;
}

class Dialogs : public testing::Test {
protected:
    core::ByteSlab bytes{1 << 20};
    DialogTable table{64, bytes, {1, 2}};
    const core::Tick zero{};
};

TEST_F(Dialogs, AreFoundByHandleAndByCallIdWithCallersTag) {
    const auto h = table.create(1, texts("call", "caller"));
    auto* d = table.get(h);
    ASSERT_NE(d, nullptr);
    EXPECT_EQ(table.find(1, "caller"), d);
    EXPECT_EQ(table.find(1, "callee"), nullptr);
    EXPECT_EQ(table.find(2, "caller"), nullptr);
    table.erase(*d);
    EXPECT_EQ(table.get(h), nullptr);
    EXPECT_EQ(table.find(1, "caller"), nullptr);
    EXPECT_EQ(bytes.used(), 0U);
}

TEST_F(Dialogs, TextsCanBeReplacedFromThemselves) {
    auto* d = table.get(table.create(1, texts("call", "caller")));
    auto t = d->texts();
    t[static_cast<std::size_t>(DialogText::callee_tag)] = "callee";
    t[static_cast<std::size_t>(DialogText::callee_contact)] = "sip:host@10.0.0.1";
    ASSERT_TRUE(table.set_texts(*d, t));
    EXPECT_EQ(d->get(DialogText::call_id), "call");
    EXPECT_EQ(d->get(DialogText::caller_tag), "caller");
    EXPECT_EQ(d->get(DialogText::callee_tag), "callee");
    EXPECT_EQ(d->get(DialogText::callee_contact), "sip:host@10.0.0.1");
    EXPECT_EQ(d->get(DialogText::callee_routes), "");
}

TEST_F(Dialogs, ASecondRecordOfOneCallIdLivesByItsHandle) {
    const auto first = table.create(1, texts("call", "caller"));
    const auto second = table.create(1, texts("call", "caller"));
    ASSERT_TRUE(first && second);
    table.erase(*table.get(second));
    EXPECT_EQ(table.find(1, "caller"), table.get(first)) << "the first one is still found";
}

TEST_F(Dialogs, ExpireInOrderAndErasedOnesLeaveTheList) {
    std::vector<DialogHandle> all;
    for (int i = 0; i < 5; ++i) {
        all.push_back(table.create(1, texts("c" + std::to_string(i), "t")));
        table.expire_at(*table.get(all.back()), zero + std::chrono::seconds{10 + i});
    }
    EXPECT_EQ(table.due(zero + 9s), nullptr);
    table.erase(*table.get(all[0]));
    table.erase(*table.get(all[2]));
    EXPECT_EQ(table.due(zero + 10s), nullptr);
    EXPECT_EQ(table.due(zero + 11s), table.get(all[1]));
    table.expire_at(*table.get(all[1]), zero + 100s);
    EXPECT_EQ(table.due(zero + 13s), table.get(all[3]));
    table.erase(*table.get(all[3]));
    table.erase(*table.get(all[4]));
    EXPECT_EQ(table.due(zero + 99s), nullptr);
    EXPECT_EQ(table.due(zero + 100s), table.get(all[1]));
}

TEST_F(Dialogs, AFullTableRefuses) {
    for (int i = 0; i < 64; ++i) ASSERT_TRUE(table.create(1, texts("c" + std::to_string(i), "t")));
    EXPECT_FALSE(table.create(1, texts("one more", "t")));
    EXPECT_EQ(table.size(), 64U);
}

TEST(ChallengeMemory, ForgetsTheOldestWhenFullAndEverythingInTime) {
    ChallengeMemory memory{3, 10s};
    const core::Tick zero{};
    for (std::uint64_t i = 1; i <= 4; ++i) memory.remember(i, core::DestinationId{static_cast<std::uint16_t>(i)}, zero);
    EXPECT_EQ(memory.find(1, zero), core::no_destination);
    EXPECT_EQ(memory.find(4, zero), core::DestinationId{4});
    EXPECT_EQ(memory.size(), 3U);
    memory.remember(2, core::DestinationId{9}, zero + 5s);
    EXPECT_EQ(memory.find(2, zero + 12s), core::DestinationId{9});
    EXPECT_EQ(memory.find(4, zero + 10s), core::no_destination);
}

}  // namespace
}  // namespace sipfront::sip

#include "ha/journal_lane.hpp"

#include <thread>

#include "tests/unit/ha/dialog_events.hpp"

namespace sipfront::ha {
namespace {

using sip::DialogChange;

struct Taken {
    sip::DialogEvent event;
    std::vector<std::string> texts;
};

std::vector<Taken> drain(JournalLane& lane, std::size_t max = 1'000'000) {
    std::vector<Taken> all;
    lane.drain(max, [&](const sip::DialogEvent& e, const sip::EventTexts& texts) { all.push_back({e, {texts.begin(), texts.end()}}); });
    return all;
}

bool post(JournalLane& lane, const Told& t) { return lane.note(t.event, t.texts); }

TEST(JournalLane, CarriesTheEventAndTheTextsItTells) {
    JournalLane lane{4'096};
    auto first = born(7, core::Tick{1s});
    first.with(sip::SetupText::routes, "");
    ASSERT_TRUE(post(lane, first));
    auto second = changed(7, core::Tick{2s});
    second.texts[sip::index_of(sip::SetupText::branch)] = "not told";
    ASSERT_TRUE(post(lane, second));
    ASSERT_TRUE(post(lane, ended(7, core::Tick{3s})));
    const auto all = drain(lane);
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].event.id, 7U);
    EXPECT_EQ(all[0].event.host.remote, first.event.host.remote);
    for (std::size_t i = 0; i < sip::event_texts; ++i) EXPECT_EQ(all[0].texts[i], first.texts[i]) << i;
    EXPECT_EQ(all[1].texts[sip::index_of(sip::DialogText::callee_tag)], "to-tag");
    EXPECT_EQ(all[1].texts[sip::index_of(sip::SetupText::branch)], "");
    EXPECT_EQ(all[2].event.change, DialogChange::ended);
    EXPECT_EQ(lane.count(LaneCount::posted), 3U);
    EXPECT_EQ(lane.depth(), 0U);
    EXPECT_TRUE(drain(lane).empty());
}

TEST(JournalLane, GivesNoMoreEventsThanAskedFor) {
    JournalLane lane{4'096};
    for (std::uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(post(lane, born(i, core::Tick{})));
    EXPECT_EQ(drain(lane, 3).size(), 3U);
    EXPECT_EQ(lane.depth(), 7U);
    const auto rest = drain(lane);
    ASSERT_EQ(rest.size(), 7U);
    EXPECT_EQ(rest.front().event.id, 3U);
}

// Every length, over many turns of the ring and of the consumer's buffer.
TEST(JournalLane, KeepsRecordsOfAnyLengthWhole) {
    JournalLane lane{1'024};
    const std::string octets = [] {
        std::string s;
        for (int i = 0; i < 20'000; ++i) s += static_cast<char>('a' + i % 23);
        return s;
    }();
    for (std::size_t n = 0; n <= JournalLane::max_text_octets - 32; n += 37) {
        auto t = event(DialogChange::changed, n, core::Tick{});
        t.with(sip::DialogText::call_id, "id").with(sip::DialogText::callee_routes, std::string_view{octets}.substr(0, n));
        t.with(sip::SetupText::routes, "end");
        ASSERT_TRUE(post(lane, t)) << n;
        const auto all = drain(lane, 1);
        ASSERT_EQ(all.size(), 1U);
        ASSERT_EQ(all[0].texts[sip::index_of(sip::DialogText::callee_routes)], octets.substr(0, n));
        ASSERT_EQ(all[0].texts[sip::index_of(sip::SetupText::routes)], "end");
    }
}

TEST(JournalLane, KeepsRoomForEnds) {
    JournalLane lane{JournalLane::least_blocks};
    std::uint64_t id = 0;
    while (post(lane, born(id, core::Tick{}))) ++id;
    EXPECT_EQ(lane.count(LaneCount::full), 1U);
    EXPECT_FALSE(post(lane, state(1, core::Tick{}, sip::DialogState::early)));
    for (std::uint64_t e = 0; e < 32; ++e) EXPECT_TRUE(post(lane, ended(e, core::Tick{})));
    EXPECT_EQ(lane.count(LaneCount::missed_ends), 0U);
    EXPECT_EQ(drain(lane).size(), id + 32);
}

TEST(JournalLane, TellsAnEndWithoutItsTextsRatherThanNot_AndRemembersTheOneItMissed) {
    JournalLane lane{JournalLane::least_blocks};
    std::uint64_t taken = 0;
    while (post(lane, ended(taken, core::Tick{}))) ++taken;
    EXPECT_EQ(lane.count(LaneCount::missed_ends), 1U);
    // Room for one that is bare, and for no other.
    ASSERT_EQ(drain(lane).size(), taken);
    while (lane.count(LaneCount::thinned) == 0) {
        auto e = born(taken, core::Tick{});
        e.event.change = DialogChange::ended;
        ASSERT_TRUE(post(lane, e));
    }
    const auto all = drain(lane);
    EXPECT_EQ(all.back().event.texts, 0U);
    EXPECT_EQ(all.back().event.change, DialogChange::ended);
    EXPECT_NE(all.front().event.texts, 0U);
}

TEST(JournalLane, PostsWhatIsTooLongWithoutItsTexts) {
    JournalLane lane{4'096};
    const std::string route(JournalLane::max_text_octets, 'r');
    auto t = changed(9, core::Tick{});
    t.with(sip::DialogText::caller_routes, route);
    EXPECT_TRUE(post(lane, t)) << "told again it would be as long";
    EXPECT_EQ(lane.count(LaneCount::too_long), 1U);
    const auto all = drain(lane);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].event.id, 9U);
    EXPECT_EQ(all[0].event.texts, 0U);
    EXPECT_EQ(all[0].event.state, sip::DialogState::confirmed_no_ack);
}

TEST(JournalLane, DefersChangesAndNothingElse) {
    JournalLane lane{4'096};
    lane.defer_changes(true);
    EXPECT_FALSE(post(lane, changed(1, core::Tick{})));
    EXPECT_TRUE(post(lane, born(2, core::Tick{})));
    EXPECT_TRUE(post(lane, state(2, core::Tick{}, sip::DialogState::early)));
    EXPECT_TRUE(post(lane, ended(1, core::Tick{})));
    lane.defer_changes(false);
    EXPECT_TRUE(post(lane, changed(2, core::Tick{})));
    EXPECT_EQ(lane.count(LaneCount::deferred), 1U);
}

TEST(JournalLane, HasToldAllOnceThatIsDrained) {
    JournalLane lane{4'096};
    lane.ask_all(1);
    EXPECT_EQ(lane.asked(), 1U);
    ASSERT_TRUE(post(lane, changed(1, core::Tick{})));
    EXPECT_FALSE(lane.told(1));
    lane.told_all(1);
    EXPECT_FALSE(lane.told(1));
    ASSERT_EQ(drain(lane).size(), 1U);
    EXPECT_TRUE(lane.told(1));
    lane.ask_all(2);
    EXPECT_FALSE(lane.told(2));
}

TEST(JournalLane, CrossesThreadsInOrder) {
    JournalLane lane{JournalLane::least_blocks};
    constexpr std::uint64_t events = 20'000;
    std::thread worker{[&] {
        for (std::uint64_t i = 0; i < events; ++i) {
            const auto text = std::to_string(i);
            auto t = event(DialogChange::changed, i, core::Tick{});
            t.with(sip::DialogText::call_id, text);
            while (!post(lane, t)) std::this_thread::yield();
        }
        lane.told_all(1);
    }};
    std::uint64_t next = 0;
    bool right = true;
    while (!lane.told(1)) {
        const auto n = lane.drain(100, [&](const sip::DialogEvent& e, const sip::EventTexts& texts) {
            right = right && e.id == next && texts[0] == std::to_string(next);
            ++next;
        });
        if (n == 0) std::this_thread::yield();
    }
    worker.join();
    EXPECT_TRUE(right);
    EXPECT_EQ(next, events);
}

}  // namespace
}  // namespace sipfront::ha

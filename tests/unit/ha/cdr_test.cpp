#include "ha/cdr.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/unit/ha/dialog_events.hpp"

namespace sipfront::ha {
namespace {

using nlohmann::json;

constexpr core::Tick begin{100s};
constexpr std::int64_t unix_begin = 1'795'402'011'250'000;

Told over(core::Tick at) {
    auto t = born(0x7fff'ffff'ffff'fff1, begin);
    t.event.change = sip::DialogChange::ended;
    t.event.at = at;
    t.event.started = begin;
    t.event.end = sip::DialogEnd::callee_bye;
    return t.with(sip::DialogText::callee_tag, "to-tag");
}

json line_of(const Told& t) {
    DialogNames names;
    names.set(core::DestinationId{3}, {"sip:10.77.0.103", 1, "pstn"});
    const auto now = t.event.at + 3ms;
    const Instant instant{now, unix_begin + std::chrono::duration_cast<std::chrono::microseconds>(now - begin).count()};
    const auto line = to_json_line(make_cdr(t.event, t.texts, names, instant, core::NodeId{2}));
    EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line";
    return json::parse(line);
}

TEST(Cdr, TellsOfAnAnsweredCall) {
    auto t = over(begin + 61'500ms);
    t.event.answered_after_ms = 1'500;
    t.event.attempts = 2;
    const auto expected = json::parse(R"({
        "start": "2026-11-23T02:46:51.250Z", "answer": "2026-11-23T02:46:52.750Z", "end": "2026-11-23T02:47:52.750Z",
        "duration_ms": 60000, "reason": "callee_bye", "code": 0, "direction": "inbound",
        "from_uri": "sip:caller@example.net", "to_uri": "sip:callee@example.com", "client": "udp:198.51.100.7:40212",
        "destination": "sip:10.77.0.103", "group": 1, "host": "udp:10.77.0.103:5060", "attempts": 2,
        "call_id": "call-id", "from_tag": "from-tag", "to_tag": "to-tag", "dlg_id": "9223372036854775793", "node": 2})");
    EXPECT_EQ(line_of(t), expected);
}

TEST(Cdr, TellsOfACallThatFailed) {
    auto t = over(begin + 200ms);
    t.event.end = sip::DialogEnd::failed;
    t.event.code = 486;
    t.event.caller_in_cluster = true;
    const auto j = line_of(t);
    EXPECT_TRUE(j["answer"].is_null());
    EXPECT_EQ(j["duration_ms"], 0);
    EXPECT_EQ(j["reason"], "failed");
    EXPECT_EQ(j["code"], 486);
    EXPECT_EQ(j["direction"], "outbound");
}

TEST(Cdr, ClaimsNoDurationOfACallWhoseStartNobodyKnows) {
    auto t = over(begin + 61s);
    t.event.start_unknown = true;
    t.event.answered_after_ms = 10;
    const auto j = line_of(t);
    EXPECT_EQ(j["partial"], true);
    for (const char* member : {"start", "answer", "duration_ms"}) EXPECT_TRUE(j[member].is_null()) << member;
    EXPECT_EQ(j["end"], "2026-11-23T02:47:52.250Z");
    EXPECT_FALSE(line_of(over(begin + 61s)).contains("partial"));
}

TEST(Cdr, IsJsonWhateverTheTextsHold) {
    auto t = over(begin + 1s);
    t.with(sip::DialogText::call_id, "\"\\\n\x01\xff\xc3");
    EXPECT_EQ(line_of(t)["call_id"], "\"\\\n\x01\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Cdr, WritesInstantsAsRfc3339) {
    EXPECT_EQ(to_rfc3339(0), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(to_rfc3339(951'782'399'999'999), "2000-02-28T23:59:59.999Z");
    EXPECT_EQ(to_rfc3339(-1'000), "1969-12-31T23:59:59.999Z");
}

}  // namespace
}  // namespace sipfront::ha

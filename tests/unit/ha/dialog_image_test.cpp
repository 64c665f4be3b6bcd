#include "ha/dialog_image.hpp"

#include <gtest/gtest.h>

#include "tests/unit/ha/dialog_events.hpp"

namespace sipfront::ha {
namespace {

using sip::DialogState;

constexpr core::Tick begin{100s};
// The wall clock shows 2026-11-23T02:46:51.25Z at the tick of 100 s.
constexpr Instant now{begin, 1'795'402'011'250'000};

DialogImage image_of(std::initializer_list<Told> events) {
    DialogImage i;
    for (const auto& e : events) i.apply(e.event, e.texts);
    return i;
}

DialogNames names() {
    DialogNames n;
    n.set(core::DestinationId{3}, {"sip:10.77.0.103", 1, "pstn"});
    n.set(core::ListenerId{0}, "udp:10.77.0.100:5060");
    n.set(core::ListenerId{1}, "udp:10.77.0.101:5060");
    return n;
}

TEST(DialogImage, OfABornDialogIsTheRowOfAnEarlyOne) {
    const auto r = image_of({born(42, begin)}).row(names(), now);
    EXPECT_EQ(r.dlg_id, 42U);
    EXPECT_EQ(r.callid, "call-id");
    EXPECT_EQ(r.from_tag, "from-tag");
    EXPECT_EQ(r.to_tag, "");
    EXPECT_EQ(r.from_uri, "sip:caller@example.net");
    EXPECT_EQ(r.client_via, "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1");
    EXPECT_EQ(r.caller_sock, "udp:10.77.0.100:5060");
    EXPECT_EQ(r.callee_sock, "udp:10.77.0.101:5060");
    EXPECT_EQ(r.client, "udp:198.51.100.7:40212");
    EXPECT_EQ(r.host, "udp:10.77.0.103:5060");
    EXPECT_EQ(r.destination, "sip:10.77.0.103");
    EXPECT_EQ(r.group, 1U);
    EXPECT_EQ(r.resource, "pstn");
    EXPECT_EQ(r.state, DialogState::unconfirmed);
    EXPECT_EQ(r.created, 1'795'402'011'250'000);
    EXPECT_EQ(r.start_time, 1'795'402'011);
    EXPECT_EQ(r.timeout, 1'795'402'011 + 3'600);
}

TEST(DialogImage, OfAnAnsweredDialogHasNoTextsOfTheSetUp) {
    auto answer = changed(42, begin + 1500ms);
    answer.event.started = begin;
    const auto r = image_of({born(42, begin), answer}).row(names(), {begin + 2s, now.unix_us + 2'000'000});
    EXPECT_EQ(r.to_tag, "to-tag");
    EXPECT_EQ(r.from_uri, "sip:caller@example.net") << "not told again, and kept";
    EXPECT_EQ(r.request_uri + r.client_via + r.branch + r.routes, "");
    EXPECT_EQ(r.start_time, 1'795'402'012) << "when it was answered";
    EXPECT_EQ(r.created, now.unix_us);
}

TEST(DialogImage, OfAHostsCallHasTheClientAsTheCallee) {
    auto t = born(1, begin);
    t.event.caller_in_cluster = true;
    t.event.counted = false;
    const auto r = image_of({t}).row(names(), now);
    EXPECT_EQ(r.caller_sock, "udp:10.77.0.101:5060");
    EXPECT_EQ(r.callee_sock, "udp:10.77.0.100:5060");
    EXPECT_EQ(r.resource, "") << "it holds no load";
}

TEST(DialogImage, WithoutAnExpiryNeverEnds) {
    auto t = born(1, begin);
    t.event.expires = core::Tick::max();
    EXPECT_EQ(image_of({t}).row(names(), now).timeout, 0x7fff'ffff);
}

TEST(DialogImage, TakesAStateAndKeepsItsTexts) {
    auto ringing = state(42, begin + 1s, DialogState::early);
    ringing.event.caller_cseq = 17;
    const auto i = image_of({born(42, begin), ringing});
    EXPECT_TRUE(i.whole());
    const auto r = i.row(names(), now);
    EXPECT_EQ(r.state, DialogState::early);
    EXPECT_EQ(r.caller_cseq, 17U);
    EXPECT_EQ(r.branch, "z9hG4bKours");
}

TEST(DialogImage, OfAStateAloneIsNotWhole) { EXPECT_FALSE(image_of({state(42, begin, DialogState::early)}).whole()); }

TEST(DialogImage, AnEmptyTextThatIsToldReplacesTheOldOne) {
    auto t = event(sip::DialogChange::changed, 42, begin);
    t.with(sip::DialogText::caller_contact, "");
    EXPECT_EQ(image_of({born(42, begin), t}).row(names(), now).caller_contact, "");
}

TEST(DialogImage, IsCompletedByAnOlderOne) {
    auto newer = image_of({state(42, begin + 1s, DialogState::early)});
    newer.complete(image_of({born(42, begin)}));
    EXPECT_TRUE(newer.whole());
    EXPECT_EQ(newer.row(names(), now).state, DialogState::early);
    EXPECT_EQ(newer.row(names(), now).branch, "z9hG4bKours");

    auto answered = image_of({changed(42, begin + 1s)});
    answered.complete(image_of({born(42, begin)}));
    EXPECT_EQ(answered.row(names(), now).from_uri, "sip:caller@example.net");
    EXPECT_EQ(answered.row(names(), now).branch, "");

    auto over = image_of({ended(42, begin + 1s)});
    over.complete(image_of({born(42, begin)}));
    EXPECT_TRUE(over.ended());
    EXPECT_FALSE(over.whole());
}

TEST(DialogNames, AreSeenAsTheyWereToldLast) {
    SharedNames shared;
    EXPECT_EQ(shared.get().destination(core::DestinationId{5}).uri, "");
    shared.set(core::DestinationId{5}, {"sip:a", 1, "pstn"});
    EXPECT_EQ(shared.get().destination(core::DestinationId{5}), (DestinationName{"sip:a", 1, "pstn"}));
    shared.set(core::DestinationId{5}, {"sip:a", 1, "transcode"});
    shared.set(core::ListenerId{2}, "udp:192.0.2.1:5060");
    EXPECT_EQ(shared.get().destination(core::DestinationId{5}).resource, "transcode");
    EXPECT_EQ(shared.get().listener(core::ListenerId{2}), "udp:192.0.2.1:5060");
    EXPECT_EQ(shared.get().destination(core::no_destination).uri, "");
}

}  // namespace
}  // namespace sipfront::ha

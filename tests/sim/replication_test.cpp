// What an observer is told of dialogs, and dialogs that come from elsewhere: a cookie, a store.
#include <deque>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using sip::DialogChange;
using sip::DialogEnd;
using sip::DialogState;
using sip::DialogText;
using sip::SetupText;

// Keeps what it is told, and what is true by it.
class Recorder final : public sip::DialogObserver {
public:
    struct Told {
        sip::DialogEvent event;
        std::array<std::string, sip::event_texts> texts;
    };

    bool note(const sip::DialogEvent& e, const sip::EventTexts& texts) noexcept override {
        if (full) {
            missed_end = missed_end || e.change == DialogChange::ended;
            return false;
        }
        Told t{e, {}};
        for (std::size_t i = 0; i < texts.size(); ++i)
            if ((e.texts >> i & 1) != 0) t.texts[i] = texts[i];
        all.push_back(t);
        if (e.change == DialogChange::ended) {
            rows.erase(e.id);
        } else {
            auto& row = rows[e.id];
            row.event = e;
            for (std::size_t i = 0; i < texts.size(); ++i)
                if ((e.texts >> i & 1) != 0) row.texts[i] = texts[i];
        }
        return true;
    }
    [[nodiscard]] std::vector<DialogChange> changes() const {
        std::vector<DialogChange> c;
        for (const auto& t : all) c.push_back(t.event.change);
        return c;
    }

    bool full = false;
    bool missed_end = false;
    std::vector<Told> all;
    std::map<std::uint64_t, Told> rows;
};

Setup observed(Recorder& r, std::uint32_t workers = 1, bool parties = false) {
    Setup s;
    s.workers = workers;
    s.proxy.keep_parties = parties;
    s.observers.assign(workers, &r);
    return s;
}

// A row as a store would give it back to a new process.
struct Row {
    explicit Row(const Recorder::Told& t) : told{t} {
        const auto& e = told.event;
        dialog.id = e.id;
        dialog.call_id_hash = e.call_id_hash;
        for (std::size_t i = 0; i < sip::dialog_texts; ++i) dialog.texts[i] = told.texts[i];
        dialog.host = e.host;
        dialog.client = e.client;
        dialog.started = e.started;
        dialog.expires = e.expires;
        dialog.answered_after = static_cast<std::uint16_t>(e.answered_after_ms / 10);
        dialog.caller_cseq = e.caller_cseq;
        dialog.callee_cseq = e.callee_cseq;
        dialog.destination = e.destination;
        dialog.state = e.state;
        dialog.counted = e.counted;
        dialog.caller_in_cluster = e.caller_in_cluster;
        dialog.symmetric = e.symmetric;
    }
    Row(const Row&) = delete;

    Recorder::Told told;
    sip::RecoveredDialog dialog;
};

std::deque<Row> rows_of(const Recorder& r) {
    std::deque<Row> rows;
    for (const auto& [id, told] : r.rows) rows.emplace_back(told);
    return rows;
}
void bring(World& world, const std::deque<Row>& rows) {
    for (const auto& row : rows)
        EXPECT_TRUE(world.switchboard()
                        .recovered(core::WorkerId{static_cast<std::uint8_t>(world.owner_of(row.told.texts[0]))})
                        .try_post(&row.dialog));
    world.run();
}
void begin_recovery(World& world, app::WorkerCommand::Kind kind = app::WorkerCommand::Kind::begin_recovery) {
    for (std::uint32_t i = 0; i < world.switchboard().workers(); ++i)
        ASSERT_TRUE(world.switchboard().commands(core::WorkerId{static_cast<std::uint8_t>(i)}).try_post({.kind = kind}));
    world.run();
}

// A call whose node is gone, and what its store was told.
Call establish_in_another_life(Recorder& told) {
    World dead{observed(told)};
    return establish(dead);
}

TEST(DialogEvents, ACallIsToldFromItsInviteToItsBye) {
    Recorder r;
    World world{observed(r)};
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    ASSERT_EQ(r.changes(), std::vector{DialogChange::born});
    const auto born = r.all[0];
    EXPECT_EQ(born.event.state, DialogState::unconfirmed);
    EXPECT_EQ(born.event.host.remote, invite.flow.remote);
    EXPECT_EQ(born.event.client.remote, client_a);
    EXPECT_TRUE(born.event.counted);
    EXPECT_EQ(born.event.at, world.now());
    EXPECT_EQ(born.texts[sip::index_of(DialogText::call_id)], "call-1@client");
    EXPECT_EQ(born.texts[sip::index_of(DialogText::caller_tag)], "caller");
    EXPECT_EQ(born.texts[sip::index_of(DialogText::from_uri)], "sip:alice@example.com");
    EXPECT_EQ(born.texts[sip::index_of(DialogText::to_uri)], "sip:service@10.77.0.100");
    EXPECT_EQ(born.texts[sip::index_of(SetupText::request_uri)], Text{invite.text}.request_uri());
    EXPECT_EQ(born.texts[sip::index_of(SetupText::client_via)], "SIP/2.0/UDP 10.77.0.2:5060;branch=z9hG4bKclient-1");
    EXPECT_THAT(Text{invite.text}.values("Via").front(), testing::HasSubstr(born.texts[sip::index_of(SetupText::branch)]));
    EXPECT_GT(born.texts[sip::index_of(SetupText::branch)].size(), 30U);

    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    ASSERT_EQ(r.all.size(), 2U) << "ringing is told once";
    EXPECT_EQ(r.all[1].event.state, DialogState::early);
    world.advance(1230ms);
    world.receive(response(invite.text, 200, "OK", "callee", {"Contact: <sip:host@10.77.0.103:5062>"}), invite.flow.remote);
    ASSERT_EQ(r.all.size(), 3U);
    EXPECT_EQ(r.all[2].event.change, DialogChange::changed);
    EXPECT_EQ(r.all[2].event.state, DialogState::confirmed_no_ack);
    EXPECT_EQ(r.all[2].event.answered_after_ms, 1230U);
    EXPECT_EQ(r.all[2].texts[sip::index_of(DialogText::callee_tag)], "callee");
    EXPECT_EQ(r.all[2].texts[sip::index_of(DialogText::callee_contact)], "sip:host@10.77.0.103:5062");

    Call call;
    call.invite = invite;
    call.host = invite.flow.remote;
    for (const auto& rr : Text{invite.text}.values("Record-Route")) call.routes.push_back("Route: " + rr);
    world.receive(call.in_dialog("ACK", 1, "z9hG4bKack"), client_a);
    EXPECT_EQ(r.all.back().event.state, DialogState::confirmed);
    const auto before = r.all.size();
    hang_up(world, call);
    ASSERT_EQ(r.all.size(), before + 1);
    const auto& ended = r.all.back();
    EXPECT_EQ(ended.event.change, DialogChange::ended);
    EXPECT_EQ(ended.event.end, DialogEnd::caller_bye);
    EXPECT_EQ(ended.event.code, 200);
    EXPECT_EQ(ended.event.id, born.event.id);
    EXPECT_EQ(ended.event.texts, 0U);
    EXPECT_TRUE(r.rows.empty());
}

TEST(DialogEvents, TheEndHasAllTextsWhereRecordsAreWritten) {
    Recorder r;
    World world{observed(r, 1, true)};
    const auto call = establish(world);
    const auto bye = only(world.receive(call.from_host("BYE", 1, "z9hG4bKhostbye"), call.host), "BYE");
    world.receive(response(bye.text, 200, "OK"), client_a);
    const auto& ended = r.all.back();
    EXPECT_EQ(ended.event.end, DialogEnd::callee_bye);
    EXPECT_EQ(ended.texts[sip::index_of(DialogText::from_uri)], "sip:alice@example.com");
    EXPECT_EQ(ended.texts[sip::index_of(DialogText::to_uri)], "sip:service@10.77.0.100");
    EXPECT_EQ(ended.texts[sip::index_of(DialogText::callee_tag)], "callee");
    EXPECT_EQ(ended.event.client.remote, client_a);
}

TEST(DialogEvents, AFailedCallSaysWithWhatAndACancelledOneThatItWas) {
    Recorder r;
    World world{observed(r)};
    const auto busy = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(busy.text, 486, "Busy Here"), busy.flow.remote);
    EXPECT_EQ(r.all.back().event.end, DialogEnd::failed);
    EXPECT_EQ(r.all.back().event.code, 486);
    RequestSpec spec{.call_id = "second", .branch = "z9hG4bKsecond"};
    const auto invite = only(world.receive(request(spec), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    auto cancel = spec;
    cancel.method = "CANCEL";
    world.receive(request(cancel), client_a);
    world.receive(response(invite.text, 487, "Request Terminated"), invite.flow.remote);
    EXPECT_EQ(r.all.back().event.end, DialogEnd::cancelled);
    EXPECT_TRUE(r.rows.empty());
}

TEST(DialogEvents, TheNextHostIsToldWithItsBranch) {
    Recorder r;
    World world{observed(r)};
    const auto first = only(world.receive(request({}), client_a), "INVITE");
    const auto second = only(world.receive(response(first.text, 503, "Service Unavailable"), first.flow.remote), "INVITE");
    ASSERT_EQ(r.changes(), (std::vector{DialogChange::born, DialogChange::born}));
    EXPECT_EQ(r.all[1].event.host.remote, second.flow.remote);
    EXPECT_EQ(r.all[1].event.attempts, 2);
    EXPECT_NE(r.all[0].texts[sip::index_of(SetupText::branch)], r.all[1].texts[sip::index_of(SetupText::branch)]);
    EXPECT_THAT(second.text, testing::HasSubstr(r.all[1].texts[sip::index_of(SetupText::branch)]));
    EXPECT_EQ(r.rows.size(), 1U);
}

TEST(DialogEvents, WhatFoundNoRoomIsToldLater) {
    Recorder r;
    World world{observed(r)};
    r.full = true;
    const auto call = establish(world);
    EXPECT_TRUE(r.all.empty());
    EXPECT_EQ(world.count(sip::ProxyEvent::dialog_untold), 1U);
    r.full = false;
    world.advance(10ms);
    ASSERT_EQ(r.rows.size(), 1U);
    const auto& row = r.rows.begin()->second;
    EXPECT_EQ(row.event.state, DialogState::confirmed);
    EXPECT_EQ(row.texts[sip::index_of(DialogText::callee_tag)], "callee");
    const auto told = r.all.size();
    world.advance(10ms);
    EXPECT_EQ(r.all.size(), told) << "once";
    hang_up(world, call);
    EXPECT_TRUE(r.rows.empty());
}

TEST(DialogEvents, AllAreToldAgainWhenAsked) {
    Recorder r;
    World world{observed(r, 4)};
    for (int i = 0; i < 20; ++i) establish(world, {.call_id = "again-" + std::to_string(i), .branch = "z9hG4bKagain" + std::to_string(i)});
    const auto before = r.rows.size();
    ASSERT_EQ(before, 20U);
    r.rows.clear();
    begin_recovery(world, app::WorkerCommand::Kind::tell_dialogs);
    world.advance(10ms);
    EXPECT_EQ(r.rows.size(), 20U);
    for (std::size_t w = 0; w < 4; ++w) EXPECT_EQ(world.stats(w).proxy.told_all.get(), 1U);
}

TEST(Adoption, ARequestAnsweredWithSuccessProvesTheDialogOfItsCookie) {
    Recorder of_the_dead, r;
    const auto call = establish_in_another_life(of_the_dead);
    World world{observed(r)};
    const auto info = only(world.receive(call.in_dialog("INFO", 2, "z9hG4bKinfo"), client_a), "INFO");
    EXPECT_EQ(info.flow.remote, call.host);
    EXPECT_EQ(world.dialogs(), 0U) << "on trial";
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_TRUE(r.all.empty());
    world.receive(response(info.text, 200, "OK"), call.host);
    EXPECT_EQ(world.dialogs(), 1U);
    EXPECT_EQ(world.total_load(), 1U);
    EXPECT_EQ(world.count(sip::ProxyEvent::dialog_adopted), 1U);
    ASSERT_EQ(r.rows.size(), 1U);
    EXPECT_EQ(r.rows.begin()->first, of_the_dead.rows.begin()->first) << "the same row in the store";
    hang_up(world, call);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_TRUE(r.rows.empty());
}

TEST(Adoption, ASubscriptionIsNoCall) {
    RequestSpec spec{.method = "SUBSCRIBE", .headers = {"Event: presence"}};
    spec.contact = "<sip:alice@10.77.0.2>";
    auto setup = sim::Setup{};
    setup.proxy.methods[static_cast<std::size_t>(sip::Method::subscribe)] = sip::MethodPolicy::dispatch;
    World subscribed{setup};
    const auto subscribe = only(subscribed.receive(request(spec), client_a), "SUBSCRIBE");
    Call call;
    call.host = subscribe.flow.remote;
    call.spec = spec;
    for (const auto& rr : Text{subscribe.text}.values("Record-Route")) call.routes.push_back("Route: " + rr);
    const auto again = only(subscribed.receive(call.in_dialog("SUBSCRIBE", 2, "z9hG4bKagain"), client_a), "SUBSCRIBE");
    subscribed.receive(response(again.text, 200, "OK"), call.host);
    EXPECT_EQ(subscribed.dialogs(), 0U);
    EXPECT_EQ(subscribed.total_load(), 0U);
}

TEST(Adoption, ARefusedOneLeavesNothing) {
    Recorder of_the_dead, r;
    const auto call = establish_in_another_life(of_the_dead);
    World world{observed(r)};
    const auto info = only(world.receive(call.in_dialog("INFO", 2, "z9hG4bKinfo"), client_a), "INFO");
    world.receive(response(info.text, 481, "Call/Transaction Does Not Exist"), call.host);
    world.jump(70s);
    EXPECT_EQ(world.dialogs(), 0U);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_TRUE(r.all.empty());
    EXPECT_EQ(world.worker().proxy().dialogs().find_id(of_the_dead.rows.begin()->first), nullptr);
}

TEST(Adoption, AByeOfAnUnknownDialogTakesItsRowAway) {
    Recorder of_the_dead, r;
    const auto call = establish_in_another_life(of_the_dead);
    World world{observed(r)};
    hang_up(world, call);
    ASSERT_EQ(r.changes(), std::vector{DialogChange::ended});
    EXPECT_EQ(r.all[0].event.id, of_the_dead.rows.begin()->first);
    EXPECT_EQ(r.all[0].event.end, DialogEnd::caller_bye);
}

TEST(Adoption, ASecondByeThatIsRefusedEndsNoCall) {
    Recorder r;
    World world{observed(r)};
    const auto call = establish(world);
    hang_up(world, call);
    const auto told = r.all.size();
    const auto again = only(world.receive(call.in_dialog("BYE", 3, "z9hG4bKsecond"), client_a), "BYE");
    world.receive(response(again.text, 481, "Call/Transaction Does Not Exist"), call.host);
    for (std::size_t i = told; i < r.all.size(); ++i) EXPECT_EQ(r.all[i].event.end, DialogEnd::none);
    EXPECT_TRUE(r.rows.empty());
    EXPECT_EQ(world.dialogs(), 0U);
}

// What a call record needs: when the call began.
TEST(Adoption, OfACallKnownByItsCookieNobodyClaimsTheStart) {
    Recorder of_the_dead, r;
    const auto call = establish_in_another_life(of_the_dead);
    World world{observed(r)};
    hang_up(world, call);
    ASSERT_EQ(r.all.size(), 1U);
    EXPECT_TRUE(r.all[0].event.start_unknown);

    Recorder adopted;
    World another{observed(adopted)};
    const auto info = only(another.receive(call.in_dialog("INFO", 2, "z9hG4bKinfo"), client_a), "INFO");
    another.receive(response(info.text, 200, "OK"), call.host);
    another.advance(1s);
    hang_up(another, call);
    EXPECT_TRUE(adopted.all.front().event.start_unknown);
    EXPECT_TRUE(adopted.all.back().event.start_unknown);
}

TEST(Adoption, TheRowTellsWhenTheCallBeganWheneverItComes) {
    Recorder of_the_dead;
    const auto call = establish_in_another_life(of_the_dead);
    const auto rows = rows_of(of_the_dead);
    const auto& row = rows[0].dialog;
    ASSERT_NE(row.answered_after, 0);

    Recorder r;
    World before{observed(r)};
    begin_recovery(before);
    before.advance(2s);
    hang_up(before, call);
    const auto ended = before.now();
    EXPECT_TRUE(r.all.empty()) << "the row may still come";
    EXPECT_EQ(before.dialogs(), 0U);
    before.advance(1s);
    bring(before, rows);
    ASSERT_EQ(r.changes(), std::vector{DialogChange::ended});
    const auto& e = r.all[0].event;
    EXPECT_EQ(e.end, DialogEnd::caller_bye);
    EXPECT_EQ(e.code, 200);
    EXPECT_FALSE(e.start_unknown);
    EXPECT_EQ(e.started, row.started);
    EXPECT_EQ(e.answered_after_ms, row.answered_after * 10U);
    EXPECT_LE(e.at, ended);
    EXPECT_GT(e.at, ended - 1s);
    EXPECT_EQ(before.worker().proxy().dialogs().find_id(row.id), nullptr);

    Recorder later;
    World adopted{observed(later)};
    begin_recovery(adopted);
    const auto info = only(adopted.receive(call.in_dialog("INFO", 2, "z9hG4bKinfo"), client_a), "INFO");
    adopted.receive(response(info.text, 200, "OK"), call.host);
    bring(adopted, rows);
    hang_up(adopted, call);
    EXPECT_FALSE(later.all.back().event.start_unknown);
    EXPECT_EQ(later.all.back().event.started, row.started);
}

TEST(Adoption, AnEndThatWaitsForItsRowOutlivesTheProcess) {
    Recorder of_the_dead, r;
    const auto call = establish_in_another_life(of_the_dead);
    {
        World world{observed(r)};
        begin_recovery(world);
        hang_up(world, call);
        EXPECT_TRUE(r.all.empty());
    }
    ASSERT_EQ(r.changes(), std::vector{DialogChange::ended});
    EXPECT_EQ(r.all[0].event.id, of_the_dead.rows.begin()->first);
    EXPECT_TRUE(r.all[0].event.start_unknown);
}

TEST(Adoption, WithoutARowTheEndIsToldIncomplete) {
    Recorder of_the_dead, r;
    const auto call = establish_in_another_life(of_the_dead);
    World world{observed(r)};
    begin_recovery(world);
    hang_up(world, call);
    const auto again = only(world.receive(call.in_dialog("BYE", 3, "z9hG4bKsecond"), client_a), "BYE");
    world.receive(response(again.text, 481, "Call/Transaction Does Not Exist"), call.host);
    EXPECT_TRUE(r.all.empty());
    world.jump(33s, 100ms);
    ASSERT_EQ(r.changes(), std::vector{DialogChange::ended}) << "once";
    EXPECT_EQ(r.all[0].event.end, DialogEnd::caller_bye);
    EXPECT_TRUE(r.all[0].event.start_unknown);
    // A reader that is as late as that brings no ghost back.
    bring(world, rows_of(of_the_dead));
    EXPECT_EQ(world.dialogs(), 0U);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(r.all.back().event.end, DialogEnd::none);
}

class Recovery : public testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Workers, Recovery, testing::Values(1U, 4U));

TEST_P(Recovery, BringsBackCallsLoadsAndTheirEnds) {
    Recorder before, after;
    std::vector<Call> calls;
    {
        World dead{observed(before, GetParam())};
        for (int i = 0; i < 12; ++i)
            calls.push_back(establish(dead, {.call_id = "call-" + std::to_string(i), .branch = "z9hG4bKrec" + std::to_string(i)}));
    }
    World world{observed(after, GetParam())};
    begin_recovery(world);
    hang_up(world, calls[0], "z9hG4bKearly");  // before its row comes
    const auto rows = rows_of(before);
    bring(world, rows);
    begin_recovery(world, app::WorkerCommand::Kind::end_recovery);
    EXPECT_EQ(world.dialogs(), 11U) << "the one that has ended makes no ghost";
    EXPECT_EQ(world.total_load(), 11U);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_LE(world.load(i), 3U);
    // Without its route set too, as the record knows the way.
    auto lost = calls[1];
    lost.routes.clear();
    EXPECT_EQ(hang_up(world, lost, "z9hG4bKlost").size(), 1U);
    for (std::size_t i = 2; i < calls.size(); ++i) EXPECT_EQ(hang_up(world, calls[i], "z9hG4bKend" + std::to_string(i)).size(), 1U);
    EXPECT_EQ(world.dialogs(), 0U);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(std::count_if(after.all.begin(), after.all.end(), [](const auto& t) { return t.event.change == DialogChange::ended; }),
              static_cast<std::ptrdiff_t>(calls.size()))
        << "each once";
    EXPECT_TRUE(std::ranges::none_of(after.all, [](const auto& t) { return t.event.start_unknown; }));
}

TEST_P(Recovery, EndsAtTheInstantOfTheRow) {
    Recorder before, after;
    {
        World dead{observed(before, GetParam())};
        establish(dead, {.call_id = "old"});
        dead.jump(1h, 1min);
        establish(dead, {.call_id = "young", .branch = "z9hG4bKyoung"});
    }
    World world{observed(after, GetParam())};
    const auto rows = rows_of(before);
    bring(world, rows);
    EXPECT_EQ(world.total_load(), 2U);
    world.jump(12h - 2min, 1s);
    EXPECT_EQ(world.total_load(), 2U);
    world.jump(4min, 1s);
    EXPECT_EQ(world.total_load(), 1U);
    world.jump(1h, 1s);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
}

TEST(RecoveryOfEarly, AnAckShowsThatTheCallWasAnswered) {
    Recorder before, after;
    Call call;
    std::map<std::uint64_t, Recorder::Told> rows;
    {
        World dead{observed(before)};
        call.invite = only(dead.receive(request({}), client_a), "INVITE");
        call.host = call.invite.flow.remote;
        rows = before.rows;
        dead.receive(response(call.invite.text, 200, "OK"), call.host);
    }
    for (const auto& rr : Text{call.invite.text}.values("Record-Route")) call.routes.push_back("Route: " + rr);
    before.rows = rows;
    World world{observed(after)};
    const auto stored = rows_of(before);
    bring(world, stored);
    EXPECT_EQ(world.total_load(), 1U);
    EXPECT_EQ(only(world.receive(call.in_dialog("ACK", 1, "z9hG4bKack"), client_a), "ACK").flow.remote, call.host);
    ASSERT_FALSE(after.all.empty());
    EXPECT_EQ(after.all.back().event.state, DialogState::confirmed);
    world.jump(10min, 1s);
    EXPECT_EQ(world.total_load(), 1U) << "it stands";
    hang_up(world, call);
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(RecoveryOfEarly, EndsByItselfWhenNobodyAnswers) {
    Recorder before, after;
    {
        World dead{observed(before)};
        dead.receive(request({}), client_a);
    }
    World world{observed(after)};
    const auto rows = rows_of(before);
    bring(world, rows);
    EXPECT_EQ(world.total_load(), 1U);
    world.jump(190s, 1s);
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(after.all.back().event.change, DialogChange::ended);
}

TEST(Ghosts, APingThatIsAnswered481EndsTheCallBothWays) {
    Recorder r;
    auto setup = observed(r);
    setup.proxy.timers.dialog_ping = 10min;
    setup.proxy.bye_on_timeout = true;
    World world{setup};
    const auto call = establish(world);
    EXPECT_EQ(how_many(world.jump(9min, 1s), "OPTIONS"), 0U);
    auto sent = world.jump(61s, 1s);
    ASSERT_GE(how_many(sent, "OPTIONS"), 1U);
    const auto ping = *std::find_if(sent.begin(), sent.end(), [](const auto& s) { return s.text.starts_with("OPTIONS"); });
    EXPECT_EQ(ping.flow.remote, call.host);
    EXPECT_EQ(Text{ping.text}.value("CSeq"), "1 OPTIONS") << "the last one seen, never a higher one";
    EXPECT_EQ(Text{ping.text}.tag("From"), "caller");
    EXPECT_EQ(Text{ping.text}.tag("To"), "callee");
    sent = world.receive(response(ping.text, 481, "Call/Transaction Does Not Exist"), call.host);
    EXPECT_EQ(sent_to(sent, call.host).size(), 1U);
    const auto to_client = sent_to(sent, client_a);
    ASSERT_EQ(to_client.size(), 1U);
    EXPECT_EQ(to_client[0].method(), "BYE");
    EXPECT_EQ(to_client[0].tag("From"), "callee");
    EXPECT_EQ(to_client[0].tag("To"), "caller");
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(r.all.back().event.end, DialogEnd::ghost);
    EXPECT_TRUE(r.rows.empty());
}

TEST(Ghosts, SoDoesSilence) {
    sim::Setup setup;
    setup.proxy.timers.dialog_ping = 10min;
    World world{setup};
    establish(world);
    const auto sent = world.jump(11min, 1s);
    EXPECT_GT(how_many(sent, "OPTIONS"), 3U);
    EXPECT_EQ(how_many(sent, "BYE"), 0U) << "unless bye_on_timeout asks for it";
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.count(sip::ProxyEvent::dialog_ghost), 1U);
}

TEST(Ghosts, AnyOtherAnswerProvesLife) {
    sim::Setup setup;
    setup.proxy.timers.dialog_ping = 10min;
    World world{setup};
    const auto call = establish(world);
    int pings = 0;
    for (int minute = 0; minute < 60; ++minute) {
        for (const auto& s : world.jump(1min, 1s)) {
            if (!s.text.starts_with("OPTIONS")) continue;
            ++pings;
            world.receive(response(s.text, 500, "Server Internal Error"), call.host);
        }
    }
    EXPECT_THAT(pings, testing::AllOf(testing::Ge(5), testing::Le(12)));
    EXPECT_EQ(world.total_load(), 1U);
    hang_up(world, call);
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Management, EndsACallByItsIdBothWays) {
    Recorder r;
    World world{observed(r)};
    const auto call = establish(world);
    app::DialogListing q;
    q.kind = app::DialogListing::Kind::end;
    q.id = r.rows.begin()->first;
    ASSERT_TRUE(world.switchboard().commands(core::WorkerId{0}).try_post({.kind = app::WorkerCommand::Kind::list, .listing = &q}));
    const auto sent = world.run();
    EXPECT_TRUE(q.done);
    EXPECT_EQ(q.count, 1U);
    EXPECT_EQ(how_many(sent, "BYE"), 2U);
    EXPECT_EQ(sent_to(sent, call.host).at(0).value("CSeq"), "2 BYE");
    EXPECT_EQ(r.all.back().event.end, DialogEnd::management);
    EXPECT_EQ(world.total_load(), 0U);
}

TEST(Management, ListsAllDialogsStepByStep) {
    World world;
    for (int i = 0; i < 25; ++i) establish(world, {.call_id = "list-" + std::to_string(i), .branch = "z9hG4bKlist" + std::to_string(i)});
    std::vector<std::string> seen;
    app::DialogListing q;
    q.found.resize(10);
    for (int steps = 0; steps < 10 && !q.complete; ++steps) {
        q.count = 0;
        q.done = false;
        ASSERT_TRUE(world.switchboard().commands(core::WorkerId{0}).try_post({.kind = app::WorkerCommand::Kind::list, .listing = &q}));
        world.run();
        ASSERT_TRUE(q.done);
        for (std::size_t i = 0; i < q.count; ++i) seen.emplace_back(q.found[i].get(DialogText::call_id));
    }
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen.size(), 25U);
    EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
}

}  // namespace
}  // namespace sipfront::sim

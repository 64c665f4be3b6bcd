// Calls at random, failures of every kind, batches in flight, rings that are too small, deaths of the process: when all that is over,
// the store holds exactly the dialogs that stand.
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "ha/journal.hpp"
#include "tests/unit/ha/dialog_events.hpp"
#include "tests/unit/ha/fake_store.hpp"

namespace sipfront::ha {
namespace {

using sip::DialogState;

struct Call {
    DialogState state = DialogState::unconfirmed;
    std::uint32_t cseq = 1;
    std::string contact = "sip:caller@198.51.100.7";
    bool answered = false;
    bool dirty = false;  // to be told by `changed`

    Told as(Told t) const {
        t.event.state = state;
        t.event.caller_cseq = cseq;
        t.event.answered_after_ms = answered ? 1'500 : 0;
        if (t.event.texts != 0) t.with(sip::DialogText::caller_contact, contact);
        return t;
    }
};

// What the proxy does for its observer.
struct Worker {
    JournalLane lane{JournalLane::least_blocks};
    std::map<std::uint64_t, Call> calls;
    std::uint32_t told = 0, telling = 0;

    void tell(Call& c, Told t) {
        t = c.as(t);
        if (c.dirty && t.event.change != sip::DialogChange::changed) return;
        c.dirty = !lane.note(t.event, t.texts);
    }
    void end(std::uint64_t id, core::Tick now) {
        calls.erase(id);
        const auto t = ended(id, now);
        static_cast<void>(lane.note(t.event, t.texts));
    }
    void poll(core::Tick now) {
        if (lane.asked() != telling) {
            telling = lane.asked();
            for (auto& [id, c] : calls) c.dirty = true;
        }
        bool all = true;
        for (auto& [id, c] : calls) {
            if (c.dirty) tell(c, changed(id, now));
            all = all && !c.dirty;
        }
        if (all && told != telling) lane.told_all(told = telling);
    }
};

class World {
public:
    explicit World(std::uint32_t seed) : random_{seed} {
        config_.batch = 7;
        config_.max_pending = 64 * 1024;
        store_.is_bad = is_bad;
        begin_life();
    }

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            now_ += core::Duration{std::chrono::microseconds{pick(4'000)}};
            for (std::uint32_t n = pick(4); n > 0; --n) act();
            // The journal's thread is not always there, the writers even less.
            if (pick(stalled_ ? 900 : 1'500) == 0) stalled_ = !stalled_;
            if (!stalled_ && pick(3) == 0) turn();
            if (pick(4) == 0) write();
            if (pick(3'000) == 0) die();
            if (pick(500) == 0) store_.down = pick(2) == 0 ? std::optional{kind(pick(3))} : std::nullopt;
            for (auto& w : workers_) w->poll(now_);
        }
    }
    void settle() {
        store_.down.reset();
        store_.failures.clear();
        calm_ = true;
        for (int i = 0; i < 20'000; ++i) {
            now_ += 10ms;
            turn();
            writers_->run_all();
            for (auto& w : workers_) w->poll(now_);
            if (i > 1'500 && journal_->idle() && stats_->resync.get() == 0) break;
        }
        turn();
    }
    void compare() const {
        EXPECT_TRUE(journal_->idle());
        EXPECT_FALSE(writers_->overrun);
        std::set<std::uint64_t> live;
        for (const auto& w : workers_)
            for (const auto& [id, c] : w->calls) {
                live.insert(id);
                if (is_bad(id)) continue;
                const auto row = store_.rows.find(id);
                ASSERT_NE(row, store_.rows.end()) << "dialog " << id << " is missing";
                EXPECT_EQ(row->second.state, c.state) << id;
                EXPECT_EQ(row->second.caller_cseq, c.cseq) << id;
                EXPECT_EQ(row->second.caller_contact, c.contact) << id;
                EXPECT_EQ(row->second.callid, "call-id") << id;
                EXPECT_EQ(row->second.to_tag, c.answered ? "to-tag" : row->second.to_tag) << id;
            }
        for (const auto& [id, row] : store_.rows) EXPECT_TRUE(live.contains(id)) << "dialog " << id << " has ended";
    }
    std::uint64_t count(JournalCount c) const { return counted_[c].get() + stats_->counts[c].get(); }
    std::uint64_t missed() const { return missed_; }
    int lives() const { return lives_; }

private:
    static bool is_bad(std::uint64_t id) { return id % 211 == 0; }
    static StoreError::Kind kind(std::uint32_t n) { return static_cast<StoreError::Kind>(n); }
    std::uint32_t pick(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }

    void begin_life() {
        ++lives_;
        journal_.reset();
        writers_ = std::make_unique<FakeWriters>(3, store_);
        stats_ = std::make_unique<JournalStats>();
        workers_.clear();
        std::vector<JournalLane*> lanes;
        for (int i = 0; i < 3; ++i) lanes.push_back(&workers_.emplace_back(std::make_unique<Worker>())->lane);
        // What the store has stands again, as its rows say.
        for (const auto& [id, row] : store_.rows) {
            Call c{.state = row.state, .cseq = row.caller_cseq, .contact = row.caller_contact};
            c.answered = !row.to_tag.empty();
            workers_[id % 3]->calls.emplace(id, c);
        }
        journal_ = std::make_unique<Journal>(Journal::Parts{config_, core::NodeId{1}, lanes, *writers_, *stats_, {}});
        journal_->set_epoch(static_cast<std::uint64_t>(lives_));
        journal_->recovered();
    }
    void die() {
        // Some batches get there, whoever sent them.
        for (std::size_t w = 0; w < 3; ++w)
            if (pick(2) == 0) writers_->run_one(w);
        remember();
        begin_life();
    }
    void remember() {
        for (std::size_t c = 0; c < core::CounterArray<JournalCount>::size; ++c)
            counted_[static_cast<JournalCount>(c)].add(stats_->counts[static_cast<JournalCount>(c)].get());
        for (const auto& w : workers_) missed_ += w->lane.count(LaneCount::missed_ends);
    }

    void act() {
        auto& w = *workers_[pick(3)];
        auto& calls = w.calls;
        if (calls.size() < 5 || (calls.size() < 60 && pick(4) == 0)) {
            const auto id = next_id_++ * 3 + static_cast<std::uint64_t>(&w == workers_[1].get()) +
                            2 * static_cast<std::uint64_t>(&w == workers_[2].get());
            auto& c = calls[id];
            w.tell(c, born(id, now_));
            return;
        }
        auto it = calls.begin();
        std::advance(it, pick(static_cast<std::uint32_t>(calls.size())));
        const auto id = it->first;
        auto& c = it->second;
        switch (pick(8)) {
            case 0:
                if (!c.answered) w.tell(c, moved(id, now_, 2));
                break;
            case 1:
                if (!c.answered) c.state = DialogState::early;
                w.tell(c, state(id, now_, c.state));
                break;
            case 2:
            case 3:
                c.answered = true;
                c.state = DialogState::confirmed_no_ack;
                w.tell(c, changed(id, now_));
                break;
            case 4:
                ++c.cseq;
                w.tell(c, state(id, now_, c.state));
                break;
            case 5:
                c.contact = "sip:caller@192.0.2." + std::to_string(pick(250));
                w.tell(c, changed(id, now_));
                break;
            default:
                w.end(id, now_);
        }
    }
    void turn() {
        journal_->turn({now_, 1'795'000'000'000'000 + std::chrono::duration_cast<std::chrono::microseconds>(now_ - core::Tick{}).count()});
    }
    void write() {
        if (!calm_ && pick(3) == 0) {
            store_.failures.push_back(kind(pick(3)));
            store_.after_commit = pick(2) == 0;
        }
        writers_->run_one(pick(3));
    }

    std::mt19937 random_;
    JournalConfig config_;
    core::Tick now_{1h};
    FakeStore store_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::unique_ptr<FakeWriters> writers_;
    std::unique_ptr<JournalStats> stats_;
    std::unique_ptr<Journal> journal_;
    core::CounterArray<JournalCount> counted_;
    std::uint64_t missed_ = 0;
    std::uint64_t next_id_ = 1;
    int lives_ = 0;
    bool calm_ = false, stalled_ = false;
};

TEST(JournalChaos, EndsWithTheTrueSet) {
    std::uint64_t resyncs = 0, dropped = 0, refused = 0, retries = 0, missed = 0;
    int lives = 0;
    for (std::uint32_t seed = 1; seed <= 24; ++seed) {
        SCOPED_TRACE(seed);
        World w{seed};
        w.run(5'000);
        w.settle();
        w.compare();
        resyncs += w.count(JournalCount::resyncs);
        dropped += w.count(JournalCount::changes_dropped);
        refused += w.count(JournalCount::rows_refused);
        retries += w.count(JournalCount::retries);
        missed += w.missed();
        lives += w.lives();
        if (HasFailure()) break;
    }
    // All of it did happen.
    EXPECT_GT(resyncs, 0U);
    EXPECT_GT(dropped, 0U);
    EXPECT_GT(refused, 0U);
    EXPECT_GT(retries, 100U);
    EXPECT_GT(lives, 24);
    EXPECT_GT(missed, 0U);
}

}  // namespace
}  // namespace sipfront::ha

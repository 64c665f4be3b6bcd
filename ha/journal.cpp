#include "ha/journal.hpp"

#include <algorithm>
#include <utility>

#include "core/log.hpp"

namespace sipfront::ha {

namespace {

// Of all lanes together: some 10 ms of work, so that results and batches do not wait for long.
constexpr std::size_t events_a_turn = 8'192;
constexpr std::size_t events_a_time = 32;

// The dialog ids of a worker may be consecutive, or differ in high bits only (splitmix64's finish).
std::uint64_t spread(std::uint64_t id) noexcept {
    id = (id ^ (id >> 30)) * 0xbf58476d1ce4e5b9;
    id = (id ^ (id >> 27)) * 0x94d049bb133111eb;
    return id ^ (id >> 31);
}

}  // namespace

WriteResult run(DialogStore& store, const WriteJob& job) {
    if (job.sweep) {
        const auto swept = store.sweep(job.node, *job.sweep);
        return swept ? WriteResult{std::nullopt, *swept} : WriteResult{swept.error(), 0};
    }
    const auto written =
        store.write({.node = job.node, .epoch = job.epoch, .upserts = job.upserts, .deletes = job.deletes, .updates = job.updates});
    return written ? WriteResult{} : WriteResult{written.error(), 0};
}

Journal::Journal(Parts parts) : parts_{std::move(parts)}, posted_(parts_.lanes.size()) {
    const auto n = parts_.writers.count();
    const JournalShard::Limits limits{parts_.config.flush_interval, parts_.config.batch};
    for (std::size_t i = 0; i < n; ++i) shards_.emplace_back(limits, parts_.stats);
}

JournalShard& Journal::shard_of(std::uint64_t id) noexcept { return shards_[spread(id) % shards_.size()]; }

std::size_t Journal::turn(const Instant& now, bool hurry) {
    version_ = std::max(version_, now.unix_us);
    const auto& names = names_.get();
    take_results(now);
    const auto drained = drain(now, names);
    step_resync(now);
    defer_changes();
    give_jobs(now, names, hurry);
    show();
    return drained;
}

std::size_t Journal::drain(const Instant& now, const DialogNames& names) {
    std::size_t drained = 0;
    const auto lanes = parts_.lanes.size();
    for (std::size_t i = 0; i < lanes; ++i) {
        auto& lane = *parts_.lanes[(first_lane_ + i) % lanes];
        const auto take = [&](const sip::DialogEvent& e, const sip::EventTexts& texts) {
            if (!shard_of(e.id).apply(e, texts, version_, octets() < parts_.config.max_pending)) dropped_ = true;
            if (e.change == sip::DialogChange::ended && parts_.on_ended) parts_.on_ended(e, texts, names, now);
        };
        for (std::size_t some = 1, left = events_a_turn / lanes; some > 0 && left > 0 && !holds_back(now.tick); left -= some) {
            some = lane.drain(std::min(left, events_a_time), take);
            drained += some;
        }
    }
    if (lanes > 0) first_lane_ = (first_lane_ + 1) % lanes;
    parts_.stats.counts[JournalCount::events].add(drained);
    return drained;
}

// While the workers tell everything anew, what there is no room for stays in the rings and with them: dropping it would void the
// resync, time and again. A store that takes nothing is another matter.
bool Journal::holds_back(core::Tick now) const noexcept {
    return resync_ == ResyncState::asking && octets() > parts_.config.max_pending / 2 && calm(now);
}

bool Journal::calm(core::Tick now) const noexcept {
    return std::all_of(shards_.begin(), shards_.end(), [&](const auto& s) { return s.calm(now); });
}

std::size_t Journal::octets() const noexcept {
    std::size_t sum = 0;
    for (const auto& s : shards_) sum += s.octets();
    return sum;
}

// A change that waits at its worker takes no room here.
void Journal::defer_changes() {
    const auto bound = parts_.config.max_pending;
    const auto have = octets();
    const auto defer = have > bound / 2 || (deferring_ && have > bound / 4);
    if (defer != deferring_)
        for (auto* lane : parts_.lanes) lane->defer_changes(defer);
    deferring_ = defer;
}

void Journal::take_results(const Instant& now) {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        if (!shards_[i].busy()) continue;
        const auto result = parts_.writers.take(i);
        if (!result) continue;
        if (i == 0 && sweeping_) {
            sweeping_ = false;
            shards_[0].swept(result->error, now.tick);
            sweep_ = result->error ? ResyncView::Sweep::failed : ResyncView::Sweep::done;
            parts_.stats.counts[JournalCount::rows_swept].add(result->swept);
        } else {
            shards_[i].done(result->error, now.tick);
        }
    }
}

void Journal::give_jobs(const Instant& now, const DialogNames& names, bool hurry) {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        auto& shard = shards_[i];
        if (!shard.ready(now.tick, hurry)) continue;
        auto job = shard.take_batch(names, now);
        job.node = parts_.node;
        job.epoch = epoch_.load(std::memory_order_relaxed);
        for (auto* rows : {&job.upserts, &job.updates})
            for (auto& row : *rows) {
                row.node = job.node;
                row.epoch = job.epoch;
            }
        parts_.writers.begin(i, std::move(job));
    }
}

bool Journal::idle() const noexcept {
    return std::all_of(shards_.begin(), shards_.end(), [](const auto& s) { return s.empty() && !s.busy(); }) &&
           std::all_of(parts_.lanes.begin(), parts_.lanes.end(), [](const auto* l) { return l->depth() == 0; });
}

std::uint64_t Journal::missed_ends() const noexcept {
    std::uint64_t sum = 0;
    for (const auto* lane : parts_.lanes) sum += lane->count(LaneCount::missed_ends);
    return sum;
}

ResyncView Journal::view(const Instant& now) const {
    const auto lanes_all = [&](auto&& f) { return std::all_of(parts_.lanes.begin(), parts_.lanes.end(), f); };
    ResyncView v;
    v.wanted = recovered_.load(std::memory_order_acquire) &&
               (dropped_ || wanted_.load(std::memory_order_acquire) || missed_ends() != missed_seen_);
    v.calm = calm(now.tick) && octets() <= parts_.config.max_pending / 4;
    std::size_t i = 0;
    v.drained = lanes_all([&](const auto* lane) { return lane->drained() >= posted_[i++]; });
    v.told = lanes_all([&](const auto* lane) { return lane->told(asked_); });
    v.voided = dropped_;
    v.settled = std::all_of(shards_.begin(), shards_.end(), [](const auto& s) { return s.settled(); });
    if (v.calm && resync_ == ResyncState::settling) v.calm = shards_[0].ready_to_sweep(now.tick);
    v.sweep = sweep_;
    return v;
}

void Journal::step_resync(const Instant& now) {
    const auto [next, action] = step(resync_, view(now));
    sweep_ = ResyncView::Sweep::none;
    resync_ = next;
    act(action);
}

void Journal::act(ResyncDo action) {
    switch (action) {
        case ResyncDo::note_posted:
            missed_seen_ = missed_ends();
            wanted_.store(false, std::memory_order_relaxed);
            dropped_ = false;
            for (std::size_t i = 0; i < posted_.size(); ++i) posted_[i] = parts_.lanes[i]->count(LaneCount::posted);
            core::log().info("journal: the store may hold dialogs that have ended: all workers tell theirs anew");
            break;
        case ResyncDo::ask:
            // What was drained up to now has an older one.
            sweep_version_ = ++version_;
            ++asked_;
            for (auto* lane : parts_.lanes) lane->ask_all(asked_);
            break;
        case ResyncDo::mark:
            for (auto& s : shards_) s.mark();
            break;
        case ResyncDo::sweep: {
            WriteJob job{.node = parts_.node, .epoch = epoch_.load(std::memory_order_relaxed)};
            job.sweep = sweep_version_;
            shards_[0].sweep_begun();
            sweeping_ = true;
            parts_.writers.begin(0, std::move(job));
            break;
        }
        case ResyncDo::finish:
            parts_.stats.counts[JournalCount::resyncs].add();
            core::log().info("journal: the store holds the true set again");
            break;
        case ResyncDo::nothing:
            break;
    }
}

void Journal::show() {
    std::size_t pending = 0;
    for (const auto& s : shards_) pending += s.size();
    parts_.stats.pending.set(pending);
    parts_.stats.pending_octets.set(octets());
    parts_.stats.resync.set(static_cast<std::uint64_t>(resync_));
}

}  // namespace sipfront::ha

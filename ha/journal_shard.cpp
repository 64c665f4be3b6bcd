#include "ha/journal_shard.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace sipfront::ha {

namespace {

using sip::DialogChange;
using namespace std::chrono_literals;

struct BackOff {
    core::Duration first, most;
};

constexpr BackOff back_off_of(StoreError::Kind kind) noexcept {
    switch (kind) {
        case StoreError::Kind::retry:
            return {10ms, 1s};
        case StoreError::Kind::lost:
            return {50ms, 2s};
        default:
            return {500ms, 10s};
    }
}

// So many bad rows without a good one: then it is the table that is bad, and nothing is given up any more.
constexpr std::uint32_t bad_rows_given_up = 3;
// List and hash nodes, two rounded allocations.
constexpr std::size_t node_octets = 96;

}  // namespace

std::size_t JournalShard::octets_of(const Change& c) noexcept { return sizeof(Change) + node_octets + c.image.octets(); }

bool JournalShard::apply(const sip::DialogEvent& e, const sip::EventTexts& texts, std::int64_t version, bool room) {
    const auto found = by_id_.find(e.id);
    if (found == by_id_.end()) {
        if (!room) return stats_.counts[JournalCount::changes_dropped].add(), false;
        insert(e, texts, version);
        return true;
    }
    stats_.counts[JournalCount::coalesced].add();
    auto& change = *found->second;
    if (e.change == DialogChange::ended && change.fresh) {
        stats_.counts[JournalCount::coalesced].add();
        const auto it = found->second;
        by_id_.erase(found);
        remove(waiting_, it);
    } else if (e.change != DialogChange::state || !change.image.ended()) {
        merge(change, e, texts, version);
    }
    return true;
}

void JournalShard::insert(const sip::DialogEvent& e, const sip::EventTexts& texts, std::int64_t version) {
    auto& change = waiting_.emplace_back();
    change.image.apply(e, texts);
    change.since = e.at;
    change.version = version;
    change.mark = mark_;
    // A second host's `born` follows one that may have been written.
    change.fresh = e.change == DialogChange::born && e.attempts <= 1;
    by_id_.emplace(e.id, std::prev(waiting_.end()));
    octets_ += octets_of(change);
}

void JournalShard::merge(Change& c, const sip::DialogEvent& e, const sip::EventTexts& texts, std::int64_t version) {
    octets_ -= octets_of(c);
    c.image.apply(e, texts);
    c.version = version;
    octets_ += octets_of(c);
}

void JournalShard::remove(Changes& from, Changes::iterator it) {
    octets_ -= octets_of(*it);
    if (it->mark != mark_) --unsettled_;
    from.erase(it);
}

void JournalShard::mark() {
    ++mark_;
    unsettled_ = size();
}

std::size_t JournalShard::next_size() const noexcept {
    // Halves of what is suspect, until it is a single row.
    return suspects_ == 0 ? limits_.batch : std::max<std::size_t>(suspects_ / 2, 1);
}

bool JournalShard::ready(core::Tick now, bool hurry) const noexcept {
    if (busy_ || waiting_.empty() || now < not_before_) return false;
    return hurry || suspects_ > 0 || waiting_.size() >= limits_.batch || now - waiting_.front().since >= limits_.flush_interval;
}

WriteJob JournalShard::take_batch(const DialogNames& names, const Instant& now) {
    WriteJob job;
    auto end = waiting_.begin();
    std::advance(end, static_cast<std::ptrdiff_t>(std::min(next_size(), waiting_.size())));
    for (auto it = waiting_.begin(); it != end; ++it) {
        const auto& image = it->image;
        by_id_.erase(image.event().id);
        it->fresh = false;
        if (image.ended()) {
            job.deletes.push_back(image.event().id);
        } else {
            auto& rows = image.whole() ? job.upserts : job.updates;
            rows.push_back(image.row(names, now));
            rows.back().version = it->version;
        }
    }
    in_flight_.splice(in_flight_.begin(), waiting_, waiting_.begin(), end);
    busy_ = true;
    return job;
}

void JournalShard::done(const std::optional<StoreError>& error, core::Tick now) {
    busy_ = false;
    if (!error) return succeeded(now);
    const auto size = in_flight_.size();
    put_back();
    stats_.counts[JournalCount::retries].add();
    if (error->kind == StoreError::Kind::row) {
        stats_.errors[static_cast<std::size_t>(error->kind)].add();
        bisect(size, *error, now);
    } else {
        failed(*error, now);
    }
}

void JournalShard::succeeded(core::Tick now) {
    suspects_ -= std::min(suspects_, in_flight_.size());
    for (auto it = in_flight_.begin(); it != in_flight_.end();) {
        const auto kind = it->image.ended()   ? JournalCount::rows_deleted
                          : it->image.whole() ? JournalCount::rows_written
                                              : JournalCount::rows_updated;
        stats_.counts[kind].add();
        stats_.lag.record(static_cast<std::uint64_t>(std::max(now - it->since, core::Duration{0}).count()));
        remove(in_flight_, it++);
    }
    stats_.counts[JournalCount::batches].add();
    mended();
}

void JournalShard::mended() {
    if (lost_) stats_.counts[JournalCount::reconnects].add();
    if (complained_) core::log().info("journal: the store takes changes again; {} dialogs wait", waiting_.size());
    lost_ = complained_ = false;
    failures_ = dropped_ = 0;
    not_before_ = {};
}

// What was in flight is again the oldest that waits; a newer change of the same dialog takes its place there.
void JournalShard::put_back() {
    while (!in_flight_.empty()) {
        const auto older = std::prev(in_flight_.end());
        const auto found = by_id_.find(older->image.event().id);
        if (found == by_id_.end()) {
            by_id_.emplace(older->image.event().id, older);
            waiting_.splice(waiting_.begin(), in_flight_, older);
            continue;
        }
        const auto newer = found->second;
        octets_ -= octets_of(*newer);
        newer->image.complete(older->image);
        octets_ += octets_of(*newer);
        newer->since = older->since;
        newer->fresh = false;
        // Settled is only what is written; of two, the older one counts.
        if (newer->mark != mark_) --unsettled_;
        newer->mark = older->mark;
        if (older->mark != mark_) ++unsettled_;
        remove(in_flight_, older);
        waiting_.splice(waiting_.begin(), waiting_, newer);
    }
}

void JournalShard::failed(const StoreError& error, core::Tick now) {
    stats_.errors[static_cast<std::size_t>(error.kind)].add();
    // Deadlocks are everyday life; the counter has them.
    if (error.kind != StoreError::Kind::retry && errors_.admit(now)) {
        complained_ = true;
        core::log().warn("journal: {}: {}; {} dialogs wait ({} more such lines were suppressed)", name(error.kind), error.text,
                         waiting_.size(), errors_.suppressed());
    }
    lost_ = lost_ || error.kind == StoreError::Kind::lost;
    back_off(error.kind, now);
}

void JournalShard::back_off(StoreError::Kind kind, core::Tick now) noexcept {
    const auto [first, most] = back_off_of(kind);
    not_before_ = now + std::min(most, first * (std::int64_t{1} << std::min(failures_, 16U)));
    ++failures_;
}

void JournalShard::bisect(std::size_t size, const StoreError& error, core::Tick now) {
    suspects_ = size;
    if (size > 1) return;
    suspects_ = 0;
    if (dropped_ < bad_rows_given_up) return drop_bad(error, now);
    // Others first: should they be taken, this one was bad indeed.
    waiting_.splice(waiting_.end(), waiting_, waiting_.begin());
    if (errors_.admit(now)) core::log().error("journal: the table takes no row: {}; see `sipfrontctl db check`", error.text);
    back_off(error.kind, now);
}

void JournalShard::drop_bad(const StoreError& error, core::Tick now) {
    const auto it = waiting_.begin();
    const auto id = it->image.event().id;
    if (bad_rows_.admit(now))
        core::log().error(
            "journal: the table does not take dialog {} (Call-ID {}): {}; it is left out ({} more such lines were suppressed)", id,
            it->image.texts()[index_of(sip::DialogText::call_id)], error.text, bad_rows_.suppressed());
    ++dropped_;
    stats_.counts[JournalCount::rows_refused].add();
    by_id_.erase(id);
    remove(waiting_, it);
}

void JournalShard::swept(const std::optional<StoreError>& error, core::Tick now) {
    busy_ = false;
    if (error)
        failed(*error, now);
    else
        mended();
}

}  // namespace sipfront::ha

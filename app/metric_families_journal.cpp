// The dialog journal and call records.
#include <algorithm>
#include <functional>

#include "app/metric_families.hpp"

namespace sipfront::app {

namespace {

// One series per enumerator of one set of counts.
template <class Enum, class Read>
void by_what(Families& out, const char* name_of_family, const char* help, Read&& read) {
    auto f = counter(name_of_family, help);
    for (std::size_t i = 0; i < core::CounterArray<Enum>::size; ++i) {
        const auto e = static_cast<Enum>(i);
        f.add({{"what", std::string{ha::name(e)}}}, static_cast<double>(read(e)));
    }
    f.finish(out);
}

void recovery_families(Families& out, const RecoveryStats& r) {
    auto rows = counter("sipfront_recovery_rows_total", "Rows of the dialog table read at the start, by what became of them.");
    for (const auto& [what, count] : {std::pair{"read", &r.rows}, {"brought", &r.brought}, {"unusable", &r.unusable}, {"own", &r.own}})
        rows.add({{"what", what}}, static_cast<double>(count->get()));
    rows.finish(out);
    counter("sipfront_recovery_failures_total", "Readings of the dialog table that failed and were begun again.")
        .add({}, static_cast<double>(r.failures.get()))
        .finish(out);
    gauge("sipfront_recovery_done", "1 when all rows have been brought to their workers.").add({}, r.done ? 1 : 0).finish(out);
    gauge("sipfront_recovery_seconds", "What that took.").add({}, static_cast<double>(r.micros.get()) / 1e6).finish(out);
}

void lane_families(Families& out, const Telemetry& t) {
    auto posts = counter("sipfront_journal_posts_total", "Dialog events that a worker had for the journal, by what became of them.");
    auto depth = gauge("sipfront_journal_ring_depth", "Dialog events on their way from a worker to the journal.");
    for (std::size_t w = 0; w < t.lanes.size(); ++w) {
        const auto worker = std::to_string(w);
        for (std::size_t i = 0; i < core::CounterArray<ha::LaneCount>::size; ++i) {
            const auto c = static_cast<ha::LaneCount>(i);
            posts.add({{"worker", worker}, {"result", std::string{ha::name(c)}}}, static_cast<double>(t.lanes[w]->count(c)));
        }
        depth.add({{"worker", worker}}, static_cast<double>(t.lanes[w]->depth()));
    }
    posts.finish(out);
    depth.finish(out);
}

void cdr_families(Families& out, const Telemetry& t) {
    if (std::ranges::none_of(t.cdr, std::identity{})) return;
    auto records = counter("sipfront_cdr_total", "Call records, by where they go and what became of them, and errors in writing them.");
    auto waiting = gauge("sipfront_cdr_waiting", "Call records that wait for the disk or the database.");
    for (std::size_t i = 0; i < t.cdr.size(); ++i) {
        if (t.cdr[i] == nullptr) continue;
        const std::string target{ha::name(static_cast<ha::CdrTarget>(i))};
        for (std::size_t k = 0; k < core::CounterArray<ha::CdrCount>::size; ++k) {
            const auto c = static_cast<ha::CdrCount>(k);
            records.add({{"target", target}, {"what", std::string{ha::name(c)}}}, static_cast<double>(t.cdr[i]->counts[c].get()));
        }
        waiting.add({{"target", target}}, static_cast<double>(t.cdr[i]->waiting.get()));
    }
    records.finish(out);
    waiting.finish(out);
}

}  // namespace

void journal_families(Families& out, const Telemetry& t) {
    cdr_families(out, t);
    if (t.recovery != nullptr) recovery_families(out, *t.recovery);
    if (t.journal == nullptr) return;
    const auto& j = *t.journal;
    by_what<ha::JournalCount>(out, "sipfront_journal_total", "What the journal of dialogs did.",
                              [&](ha::JournalCount c) { return j.counts[c].get(); });
    auto errors = counter("sipfront_journal_errors_total", "Batches that the store did not take, by kind of error.");
    for (std::size_t k = 0; k < ha::store_errors; ++k)
        errors.add({{"kind", std::string{ha::name(static_cast<ha::StoreError::Kind>(k))}}}, static_cast<double>(j.errors[k].get()));
    errors.finish(out);
    histogram("sipfront_journal_lag_seconds", "From a change of a dialog to its commit in the store.")
        .add_histogram({}, {&j.lag})
        .finish(out);
    gauge("sipfront_journal_pending", "Dialogs with changes that the store has not confirmed.")
        .add({}, static_cast<double>(j.pending.get()))
        .finish(out);
    gauge("sipfront_journal_pending_bytes", "Memory of those changes.").add({}, static_cast<double>(j.pending_octets.get())).finish(out);
    auto resync = gauge("sipfront_journal_resync", "1 for the state of the resynchronisation of the store.");
    for (std::size_t s = 0; s < static_cast<std::size_t>(ha::ResyncState::count_); ++s)
        resync.add({{"state", std::string{ha::name(static_cast<ha::ResyncState>(s))}}}, j.resync.get() == s ? 1 : 0);
    resync.finish(out);
    lane_families(out, t);
}

}  // namespace sipfront::app

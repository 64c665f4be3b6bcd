// How the store's rows become the true set again after an end was missed or changes had to be dropped: every worker tells all its
// dialogs, what they told is written, and rows of this node that nobody told are swept. A pure machine.
#pragma once

#include <cstdint>

#include "ha/journal_stats.hpp"

namespace sipfront::ha {

enum class ResyncDo : std::uint8_t {
    nothing,
    note_posted,  // everything that the workers have posted by now is to be drained before they are asked
    ask,          // note the version from which on rows stay, and ask the workers
    mark,         // all changes that wait now are to be written before the sweep
    sweep,
    finish
};

struct ResyncView {
    bool wanted = false;   // something was missed since the workers were asked the last time
    bool calm = false;     // the store takes changes, and few wait
    bool drained = false;  // what note_posted noted
    bool told = false;     // by every worker
    bool voided = false;   // a change was dropped since the workers were asked
    bool settled = false;  // what `mark` marked is written
    enum class Sweep : std::uint8_t { none, done, failed } sweep = Sweep::none;
};

struct ResyncStep {
    ResyncState next;
    ResyncDo action = ResyncDo::nothing;
};

constexpr ResyncStep step(ResyncState state, const ResyncView& v) noexcept {
    using S = ResyncState;
    switch (state) {
        case S::idle:
            // While the store is down, being told everything would only overflow once more.
            return v.wanted && v.calm ? ResyncStep{S::catching_up, ResyncDo::note_posted} : ResyncStep{S::idle};
        case S::catching_up:
            // Else a change of a dialog whose end was missed could come out of a ring after the version was noted, and keep its row.
            return v.drained ? ResyncStep{S::asking, ResyncDo::ask} : ResyncStep{S::catching_up};
        case S::asking:
            if (v.voided) return {S::idle};
            return v.told ? ResyncStep{S::settling, ResyncDo::mark} : ResyncStep{S::asking};
        case S::settling:
            if (v.voided) return {S::idle};
            return v.settled && v.calm ? ResyncStep{S::sweeping, ResyncDo::sweep} : ResyncStep{S::settling};
        case S::sweeping:
            if (v.sweep == ResyncView::Sweep::done) return {S::idle, ResyncDo::finish};
            return v.sweep == ResyncView::Sweep::failed ? ResyncStep{S::settling} : ResyncStep{S::sweeping};
        default:
            return {S::idle};
    }
}

static_assert(step(ResyncState::settling, {.calm = true, .voided = true, .settled = true}).action == ResyncDo::nothing);

}  // namespace sipfront::ha

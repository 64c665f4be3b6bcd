// The dialog journal: takes what workers tell of their dialogs, coalesces it by dialog, and has it written in batches, so that the
// store comes to hold the true set whatever the store does meanwhile. docs/ARCHITECTURE.md, "Dialogs beyond the process".
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "core/types.hpp"
#include "ha/dialog_names.hpp"
#include "ha/journal_config.hpp"
#include "ha/journal_lane.hpp"
#include "ha/journal_shard.hpp"
#include "ha/journal_stats.hpp"
#include "ha/resync.hpp"
#include "ha/write_job.hpp"

namespace sipfront::ha {

// Told of each call that is over, with all its texts where the worker had room for them. On the journal's thread; does not wait.
using OnEnded = std::function<void(const sip::DialogEvent&, const sip::EventTexts&, const DialogNames&, const Instant&)>;

// turn() and idle() are one thread's; the rest is any thread's.
class Journal {
public:
    struct Parts {
        JournalConfig config;
        core::NodeId node{};
        std::vector<JournalLane*> lanes;  // one a worker
        Writers& writers;
        JournalStats& stats;
        OnEnded on_ended;  // may be empty
    };
    // What the parts refer to outlives it.
    explicit Journal(Parts parts);
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;

    // Takes results, drains the rings (so many events at most), gives batches to writers that have none. `hurry`: without waiting
    // for others to go with. Never blocks. Returns the events drained.
    std::size_t turn(const Instant& now, bool hurry = false);
    // Nothing waits, neither in the rings nor here nor at a writer.
    [[nodiscard]] bool idle() const noexcept;

    // Of the node's role: written with each row, and refused by the store when it is older than the row's.
    void set_epoch(std::uint64_t epoch) noexcept { epoch_.store(epoch, std::memory_order_relaxed); }
    SharedNames& names() noexcept { return names_; }
    // Rows of this node that no worker knows may be swept from now on: its workers have taken over what the store had of an earlier
    // life. No resync begins before.
    void recovered() noexcept { recovered_.store(true, std::memory_order_release); }
    void want_resync() noexcept { wanted_.store(true, std::memory_order_release); }

private:
    [[nodiscard]] JournalShard& shard_of(std::uint64_t id) noexcept;
    std::size_t drain(const Instant& now, const DialogNames& names);
    [[nodiscard]] bool calm(core::Tick now) const noexcept;
    [[nodiscard]] bool holds_back(core::Tick now) const noexcept;
    [[nodiscard]] std::size_t octets() const noexcept;
    void defer_changes();
    void take_results(const Instant& now);
    void give_jobs(const Instant& now, const DialogNames& names, bool hurry);
    void step_resync(const Instant& now);
    void act(ResyncDo action);
    [[nodiscard]] ResyncView view(const Instant& now) const;
    [[nodiscard]] std::uint64_t missed_ends() const noexcept;
    void show();

    Parts parts_;
    SharedNames names_;
    std::atomic<std::uint64_t> epoch_{0};
    std::atomic<bool> recovered_{false}, wanted_{false};

    std::deque<JournalShard> shards_;  // one a writer
    std::size_t first_lane_ = 0;       // of the next turn
    std::int64_t version_ = 0;         // us; never goes back, as the wall clock may
    bool deferring_ = false;

    ResyncState resync_ = ResyncState::idle;
    std::uint32_t asked_ = 0;
    std::vector<std::uint64_t> posted_;  // by each lane when the resync began
    std::uint64_t missed_seen_ = 0;      // of missed_ends(), when the workers were asked
    bool dropped_ = false;               // a change, since the workers were asked
    std::int64_t sweep_version_ = 0;
    bool sweeping_ = false;  // the first writer's job is the sweep
    ResyncView::Sweep sweep_ = ResyncView::Sweep::none;
};

}  // namespace sipfront::ha

// What the journal counts.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/counters.hpp"
#include "ha/dialog_store.hpp"

namespace sipfront::ha {

enum class JournalCount : std::uint8_t {
    events,        // taken from the workers
    coalesced,     // that cost the store nothing of their own
    rows_written,  // whole
    rows_updated,  // all but their texts
    rows_deleted,
    batches,          // written
    retries,          // batches that failed and were put back
    reconnects,       // first successes after a connection was lost
    rows_refused,     // rows that the table does not take
    changes_dropped,  // beyond max_pending; a resync follows
    resyncs,          // completed
    rows_swept,       // by resyncs
    count_
};
std::string_view name(JournalCount c) noexcept;

// What goes on beside the writing.
enum class ResyncState : std::uint8_t { idle, catching_up, asking, settling, sweeping, count_ };
std::string_view name(ResyncState s) noexcept;

inline constexpr std::size_t store_errors = 4;
std::string_view name(StoreError::Kind k) noexcept;

// Journal's thread: writes; any thread: reads.
struct JournalStats {
    core::CounterArray<JournalCount> counts;
    std::array<core::Counter, store_errors> errors;  // by StoreError::Kind
    core::Histogram lag;                             // from an event to its commit
    core::Counter pending;                           // dialogs with changes that the store has not confirmed
    core::Counter pending_octets;
    core::Counter resync;  // ResyncState
};

}  // namespace sipfront::ha

#include "ha/journal_stats.hpp"

#include <iterator>

namespace sipfront::ha {

std::string_view name(JournalCount c) noexcept {
    static constexpr std::string_view names[] = {"events",  "coalesced",  "rows_written", "rows_updated",    "rows_deleted", "batches",
                                                 "retries", "reconnects", "rows_refused", "changes_dropped", "resyncs",      "rows_swept"};
    static_assert(std::size(names) == static_cast<std::size_t>(JournalCount::count_));
    return names[static_cast<std::size_t>(c)];
}

std::string_view name(ResyncState s) noexcept {
    static constexpr std::string_view names[] = {"idle", "catching_up", "asking", "settling", "sweeping"};
    static_assert(std::size(names) == static_cast<std::size_t>(ResyncState::count_));
    return names[static_cast<std::size_t>(s)];
}

std::string_view name(StoreError::Kind k) noexcept {
    static constexpr std::string_view names[] = {"lost", "retry", "refused", "row"};
    static_assert(std::size(names) == store_errors);
    return names[static_cast<std::size_t>(k)];
}

}  // namespace sipfront::ha

// What the journal gives to a writer, and gets back.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/types.hpp"
#include "ha/dialog_row.hpp"
#include "ha/dialog_store.hpp"

namespace sipfront::ha {

struct WriteJob {
    core::NodeId node{};
    std::uint64_t epoch = 0;
    std::vector<DialogRow> upserts, updates;
    std::vector<std::uint64_t> deletes;
    // Instead of all that: rows of the node older than this version go.
    std::optional<std::int64_t> sweep;
};

struct WriteResult {
    std::optional<StoreError> error;
    std::uint64_t swept = 0;
};

// Runs the job; blocks as long as the store does.
WriteResult run(DialogStore& store, const WriteJob& job);

// Writers as the journal sees them: each has one job at most, and a result when it is done. One thread's.
class Writers {
public:
    virtual ~Writers() = default;
    [[nodiscard]] virtual std::size_t count() const noexcept = 0;
    // Only when the writer has no job.
    virtual void begin(std::size_t writer, WriteJob job) = 0;
    virtual std::optional<WriteResult> take(std::size_t writer) = 0;
};

}  // namespace sipfront::ha

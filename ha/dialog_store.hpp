// The seam between the journal and a database. One object is used by one thread at a time; every call may block, and none is made
// on a poll core.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/result.hpp"
#include "core/types.hpp"
#include "ha/dialog_row.hpp"

namespace sipfront::ha {

struct StoreError {
    enum class Kind : std::uint8_t {
        lost,     // no connection, or it broke: connect again, to the next host of the list
        retry,    // deadlock, lock wait, certification failure: the same batch again, soon
        refused,  // read-only, disk full, no permission, no such table, too many connections: again, but later
        row,      // this batch has a row that the table does not take (too long), or is too large as a whole: the batch in halves
    };
    Kind kind = Kind::lost;
    std::string text;         // with the database's own words and number
    bool other_host = false;  // another host of the list may take it; a store goes there by itself
};

// What one transaction writes, whole or not at all. No list names a dialog twice, nor two lists the same one.
struct DialogBatch {
    core::NodeId node{};      // who writes
    std::uint64_t epoch = 0;  // neither a row of a newer one is overwritten, nor deleted
    std::span<const DialogRow> upserts;
    std::span<const std::uint64_t> deletes;  // dlg_ids; one that is not there is no error
    // Of these only some texts are known, if any: a row that is there takes what is no text and the texts that are not empty; one that
    // is not there is not made.
    std::span<const DialogRow> updates{};
};

class DialogStore {
public:
    virtual ~DialogStore() = default;

    // Connects if need be. A row whose `epoch` in the table is newer than the batch's stays as it is. Empty texts of `from_uri` and
    // `to_uri`, and in states 1 and 2 those of the set-up, leave what the table has.
    virtual core::Result<core::Done, StoreError> write(const DialogBatch& batch) = 0;
    // All rows in the order of their ids, some thousand at a time, so that neither side holds a table in memory. `row` returns false to
    // stop.
    virtual core::Result<core::Done, StoreError> read(const std::function<bool(DialogRow&&)>& row) = 0;
    // Rows of `node` that were last written before `version`: what is left of dialogs whose end nobody could write.
    virtual core::Result<std::uint64_t, StoreError> sweep(core::NodeId node, std::int64_t version) = 0;
    // For the metrics and `sipfrontctl`: "mysql 10.77.0.120:3306", "sqlite /var/lib/sipfront/dialogs.db".
    [[nodiscard]] virtual std::string name() const = 0;
};

}  // namespace sipfront::ha

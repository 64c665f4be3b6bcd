// The dialog store of any SQL database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ha/dialog_table.hpp"
#include "ha/sql_session.hpp"

namespace sipfront::ha {

class SqlStore final : public DialogStore {
public:
    // `make_tables`: see SqlSession.
    explicit SqlStore(std::unique_ptr<SqlConnector> connector, bool make_tables = false);

    core::Result<core::Done, StoreError> write(const DialogBatch& batch) override;
    core::Result<core::Done, StoreError> read(const std::function<bool(DialogRow&&)>& row) override;
    core::Result<std::uint64_t, StoreError> sweep(core::NodeId node, std::int64_t version) override;
    [[nodiscard]] std::string name() const override { return session_.name(); }

private:
    struct Prepared {
        SqlStatements upserts, updates, deletes;
    };

    bool is_one_statement(const DialogBatch& batch);
    SqlResult<core::Done> write_connected(const DialogBatch& batch);
    SqlResult<core::Done> upsert(const DialogBatch& batch);
    SqlResult<core::Done> update(const DialogBatch& batch);
    SqlResult<core::Done> write_sorted(const DialogBatch& batch, Upsert upsert);
    SqlResult<core::Done> erase(const DialogBatch& batch);
    SqlResult<core::Done> execute(const char* text);

    SqlSession<Prepared> session_;
    // Kept for their memory.
    std::vector<const DialogRow*> sorted_;
    std::vector<std::uint64_t> sorted_ids_;
    std::vector<SqlValue> values_;
};

}  // namespace sipfront::ha

// The dialog store of any SQL database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ha/dialog_table.hpp"
#include "ha/sql.hpp"

namespace sipfront::ha {

class SqlStore final : public DialogStore {
public:
    // `make_tables`: on connecting, makes tables that are missing (a database of our own, which nobody else administers).
    explicit SqlStore(std::unique_ptr<SqlConnector> connector, bool make_tables = false);

    core::Result<core::Done, StoreError> write(const DialogBatch& batch) override;
    core::Result<core::Done, StoreError> read(const std::function<bool(DialogRow&&)>& row) override;
    core::Result<std::uint64_t, StoreError> sweep(core::NodeId node, std::int64_t version) override;
    [[nodiscard]] std::string name() const override { return connector_->name(); }

private:
    using Statements = std::map<std::size_t, std::unique_ptr<SqlStatement>>;  // by rows
    // Statements go before their connection does.
    struct Session {
        std::unique_ptr<SqlConnection> connection;
        Statements upserts, updates, deletes;
    };

    SqlResult<core::Done> connected();
    bool is_one_statement(const DialogBatch& batch);
    SqlResult<core::Done> write_connected(const DialogBatch& batch);
    SqlResult<core::Done> upsert(const DialogBatch& batch);
    SqlResult<core::Done> update(const DialogBatch& batch);
    SqlResult<core::Done> write_sorted(const DialogBatch& batch, Upsert upsert);
    SqlResult<core::Done> erase(const DialogBatch& batch);
    SqlResult<core::Done> execute(const char* text);
    template <class Text>
    SqlResult<SqlStatement*> statement(Statements& prepared, std::size_t rows, Text&& text);
    // What the error costs: the connection, the host, or nothing.
    StoreError settle(StoreError error);

    std::unique_ptr<SqlConnector> connector_;
    bool make_tables_;
    Session session_;
    // Kept for their memory.
    std::vector<const DialogRow*> sorted_;
    std::vector<std::uint64_t> sorted_ids_;
    std::vector<SqlValue> values_;
};

}  // namespace sipfront::ha

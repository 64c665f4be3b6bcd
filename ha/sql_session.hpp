// What a store has at its database: a connection that is made when it is needed and given up when it breaks, and what was prepared on
// it. Of one thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "ha/schema.hpp"
#include "ha/sql.hpp"

namespace sipfront::ha {

// Of one kind, by the number of rows that a statement takes.
using SqlStatements = std::map<std::size_t, std::unique_ptr<SqlStatement>>;

// `Prepared`: the store's own SqlStatements.
template <class Prepared>
class SqlSession {
public:
    // `make_tables`: on connecting, makes tables that are missing (a database of our own, which nobody else administers).
    SqlSession(std::unique_ptr<SqlConnector> connector, bool make_tables) : connector_{std::move(connector)}, make_tables_{make_tables} {}

    // Before anything else is asked of it.
    SqlResult<core::Done> open() {
        if (open_.connection) return core::Done{};
        auto connection = connector_->connect();
        if (!connection) return connection.error();
        if (make_tables_)
            if (auto made = create_schema(**connection); !made) return made.error();
        open_.connection = std::move(*connection);
        return core::Done{};
    }

    // What an error costs: the connection, the host, or nothing. Returns it.
    StoreError settle(StoreError error) {
        if (error.kind == StoreError::Kind::lost || error.other_host) {
            // Not for a connection that could not be made: the connector has tried them all.
            if (open_.connection) connector_->leave_host();
            open_ = Open{};
        }
        return error;
    }

    [[nodiscard]] SqlConnection& connection() const noexcept { return *open_.connection; }
    [[nodiscard]] SqlDialect dialect() const noexcept { return open_.connection->dialect(); }
    [[nodiscard]] Prepared& prepared() noexcept { return open_.prepared; }
    [[nodiscard]] std::string name() const { return connector_->name(); }

    // The statement for so many rows, prepared at its first use; `text()` makes its text.
    template <class Text>
    SqlResult<SqlStatement*> statement(SqlStatements& kind, std::size_t rows, Text&& text) {
        auto& slot = kind[rows];
        if (!slot) {
            auto made = connection().prepare(text());
            if (!made) return made.error();
            slot = std::move(*made);
        }
        return slot.get();
    }

private:
    // Statements go before their connection does.
    struct Open {
        std::unique_ptr<SqlConnection> connection;
        Prepared prepared;
    };

    std::unique_ptr<SqlConnector> connector_;
    bool make_tables_;
    Open open_;
};

}  // namespace sipfront::ha

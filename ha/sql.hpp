// A database as the stores and tables use it: the least that MySQL and SQLite have in common. A connection and its statements belong
// to one thread; every call may block for as long as the timeouts of the configuration say.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "core/result.hpp"
#include "ha/dialog_store.hpp"

namespace sipfront::ha {

template <class T>
using SqlResult = core::Result<T, StoreError>;

enum class SqlDialect : std::uint8_t { mysql, sqlite };

// NULL, a number or a text; a text is borrowed until the call returns.
using SqlValue = std::variant<std::monostate, std::int64_t, std::string_view>;

// A row of a result, gone when the callback returns. Columns count from 0.
class SqlRow {
public:
    virtual ~SqlRow() = default;
    [[nodiscard]] virtual bool is_null(std::size_t column) const = 0;
    // NULL and what is no number: 0.
    [[nodiscard]] virtual std::int64_t integer(std::size_t column) const = 0;
    // NULL: empty.
    [[nodiscard]] virtual std::string text(std::size_t column) const = 0;
};

// Ends before its connection.
class SqlStatement {
public:
    virtual ~SqlStatement() = default;
    // As many values as the text has question marks. Returns the rows changed; MySQL counts one twice that an upsert replaced.
    virtual SqlResult<std::uint64_t> execute(std::span<const SqlValue> values) = 0;
};

class SqlConnection {
public:
    virtual ~SqlConnection() = default;

    [[nodiscard]] virtual SqlDialect dialect() const noexcept = 0;
    // Returns the rows changed. Outside of BEGIN each statement is a transaction of its own.
    virtual SqlResult<std::uint64_t> execute(const std::string& text) = 0;
    // `row` returns false to stop, and makes no call on this connection.
    virtual SqlResult<core::Done> query(const std::string& text, const std::function<bool(const SqlRow&)>& row) = 0;
    virtual SqlResult<std::unique_ptr<SqlStatement>> prepare(const std::string& text) = 0;
};

// Where connections come from. Of one thread, too.
class SqlConnector {
public:
    virtual ~SqlConnector() = default;
    // To the host that answered last; if it does not, to the next ones of the list, each tried once.
    virtual SqlResult<std::unique_ptr<SqlConnection>> connect() = 0;
    // The host of the last connection fails in a way that another one need not: connect() begins with the next one.
    virtual void leave_host() noexcept {}
    // "mysql 10.77.0.120:3306", "sqlite /var/lib/sipfront/sipfront.db".
    [[nodiscard]] virtual std::string name() const = 0;
};

}  // namespace sipfront::ha

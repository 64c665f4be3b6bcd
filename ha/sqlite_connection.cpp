#include "ha/sqlite_connection.hpp"

#include <filesystem>
#include <system_error>
#include <utility>

#include <sqlite3.h>

namespace sipfront::ha {

namespace {

// Another writer of the file (sipfrontctl, a backup) is waited for so long.
constexpr int busy_timeout_ms = 2'000;

StoreError::Kind kind_of(int code) noexcept {
    using Kind = StoreError::Kind;
    switch (code & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_SCHEMA:
        case SQLITE_ABORT:
        case SQLITE_INTERRUPT:
            return Kind::retry;
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
        case SQLITE_PROTOCOL:
            return Kind::lost;
        case SQLITE_TOOBIG:
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
        case SQLITE_RANGE:
            return Kind::row;
        default:  // full, read-only, corrupt, no permission, no memory, no such table
            return Kind::refused;
    }
}

struct CloseDatabase {
    void operator()(sqlite3* db) const noexcept { sqlite3_close_v2(db); }
};
struct Finalize {
    void operator()(sqlite3_stmt* s) const noexcept { sqlite3_finalize(s); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Prepared = std::unique_ptr<sqlite3_stmt, Finalize>;

StoreError error_of(sqlite3* db) {
    const int code = sqlite3_extended_errcode(db);
    return {kind_of(code), std::string{sqlite3_errmsg(db)} + " (" + std::to_string(code) + ")"};
}

SqlResult<Prepared> prepare_text(sqlite3* db, const std::string& text, unsigned flags) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v3(db, text.c_str(), static_cast<int>(text.size() + 1), flags, &raw, nullptr) != SQLITE_OK) return error_of(db);
    return Prepared{raw};
}

// Steps to the end; f(stmt) for each row, false to stop.
template <class F>
SqlResult<std::uint64_t> run(sqlite3* db, sqlite3_stmt* s, F&& f) {
    int code = 0;
    while ((code = sqlite3_step(s)) == SQLITE_ROW)
        if (!f(s)) break;
    if (code == SQLITE_DONE || code == SQLITE_ROW) {
        const auto changed = static_cast<std::uint64_t>(sqlite3_changes(db));
        sqlite3_reset(s);
        return changed;
    }
    auto error = error_of(db);
    sqlite3_reset(s);
    return error;
}

class Row final : public SqlRow {
public:
    explicit Row(sqlite3_stmt* s) : s_{s} {}
    bool is_null(std::size_t column) const override { return sqlite3_column_type(s_, static_cast<int>(column)) == SQLITE_NULL; }
    std::int64_t integer(std::size_t column) const override { return sqlite3_column_int64(s_, static_cast<int>(column)); }
    std::string text(std::size_t column) const override {
        const auto at = static_cast<int>(column);
        const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(s_, at));
        return data == nullptr ? std::string{} : std::string{data, static_cast<std::size_t>(sqlite3_column_bytes(s_, at))};
    }

private:
    sqlite3_stmt* s_;
};

class SqliteStatement final : public SqlStatement {
public:
    SqliteStatement(sqlite3* db, Prepared statement) : db_{db}, statement_{std::move(statement)} {}

    SqlResult<std::uint64_t> execute(std::span<const SqlValue> values) override {
        for (std::size_t i = 0; i < values.size(); ++i)
            if (bind(static_cast<int>(i + 1), values[i]) != SQLITE_OK) return error_of(db_);
        auto result = run(db_, statement_.get(), [](sqlite3_stmt*) { return true; });
        // The texts are the caller's no longer than this.
        sqlite3_clear_bindings(statement_.get());
        return result;
    }

private:
    int bind(int at, const SqlValue& value) {
        if (const auto* number = std::get_if<std::int64_t>(&value)) return sqlite3_bind_int64(statement_.get(), at, *number);
        const auto* text = std::get_if<std::string_view>(&value);
        if (text == nullptr) return sqlite3_bind_null(statement_.get(), at);
        // A null pointer would be NULL.
        const char* data = text->data() == nullptr ? "" : text->data();
        return sqlite3_bind_text(statement_.get(), at, data, static_cast<int>(text->size()), SQLITE_STATIC);
    }

    sqlite3* db_;
    Prepared statement_;
};

class SqliteConnection final : public SqlConnection {
public:
    explicit SqliteConnection(Database db) : db_{std::move(db)} {}

    SqlDialect dialect() const noexcept override { return SqlDialect::sqlite; }

    SqlResult<std::uint64_t> execute(const std::string& text) override {
        auto statement = prepare_text(db_.get(), text, 0);
        if (!statement) return statement.error();
        return run(db_.get(), statement->get(), [](sqlite3_stmt*) { return true; });
    }

    SqlResult<core::Done> query(const std::string& text, const std::function<bool(const SqlRow&)>& row) override {
        auto statement = prepare_text(db_.get(), text, 0);
        if (!statement) return statement.error();
        const auto result = run(db_.get(), statement->get(), [&](sqlite3_stmt* s) { return row(Row{s}); });
        if (!result) return result.error();
        return core::Done{};
    }

    SqlResult<std::unique_ptr<SqlStatement>> prepare(const std::string& text) override {
        auto statement = prepare_text(db_.get(), text, SQLITE_PREPARE_PERSISTENT);
        if (!statement) return statement.error();
        return std::unique_ptr<SqlStatement>{std::make_unique<SqliteStatement>(db_.get(), std::move(*statement))};
    }

private:
    Database db_;
};

}  // namespace

SqliteConnector::SqliteConnector(std::string path) : path_{std::move(path)} {}

SqlResult<std::unique_ptr<SqlConnection>> SqliteConnector::connect() {
    std::error_code failed;
    const auto folder = std::filesystem::path{path_}.parent_path();
    if (!folder.empty()) std::filesystem::create_directories(folder, failed);
    sqlite3* raw = nullptr;
    // One thread a connection: SQLite need not lock.
    const int code = sqlite3_open_v2(path_.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    Database db{raw};
    const auto with_path = [&](StoreError e) {
        e.text += " at " + name();
        return e;
    };
    if (code != SQLITE_OK) return with_path(db ? error_of(db.get()) : StoreError{StoreError::Kind::refused, "no memory"});
    sqlite3_busy_timeout(db.get(), busy_timeout_ms);
    auto connection = std::make_unique<SqliteConnection>(std::move(db));
    // A commit survives the death of the process; that of the machine may cost the last ones, which is no worse than the lag.
    for (const char* pragma : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"})
        if (auto done = connection->execute(pragma); !done) return with_path(done.error());
    return std::unique_ptr<SqlConnection>{std::move(connection)};
}

}  // namespace sipfront::ha

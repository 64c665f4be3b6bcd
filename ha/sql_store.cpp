#include "ha/sql_store.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace sipfront::ha {

namespace {

constexpr std::size_t page_rows = 2'000;
// Statements of 1, 2, 4, ... rows, so that any batch is a handful of prepared statements. 512 rows are 16,384 values, of the
// 65,535 that a statement may have. SQLite gains nothing by more than one.
constexpr std::size_t most_rows = 512;

// A statement of so many octets passes every server's max_allowed_packet; beyond it the connection would break again and again.
constexpr std::size_t most_octets = 1 << 20;

std::size_t rows_at_once(SqlDialect dialect, std::size_t left) {
    return dialect == SqlDialect::sqlite ? 1 : std::bit_floor(std::min(left, most_rows));
}

std::size_t octets(std::span<const SqlValue> values) {
    std::size_t sum = 0;
    for (const auto& v : values)
        if (const auto* text = std::get_if<std::string_view>(&v)) sum += text->size();
    return sum;
}

}  // namespace

SqlStore::SqlStore(std::unique_ptr<SqlConnector> connector, bool make_tables) : session_{std::move(connector), make_tables} {}

SqlResult<core::Done> SqlStore::write(const DialogBatch& batch) {
    if (batch.upserts.empty() && batch.updates.empty() && batch.deletes.empty()) return core::Done{};
    auto done = session_.open();
    if (done) done = write_connected(batch);
    if (done) return done;
    return session_.settle(done.error());
}

// A transaction by itself then, which costs one turn instead of three.
bool SqlStore::is_one_statement(const DialogBatch& batch) {
    if (!batch.updates.empty() || (!batch.upserts.empty() && !batch.deletes.empty())) return false;
    const auto rows = batch.upserts.size() + batch.deletes.size();
    if (rows_at_once(session_.dialect(), rows) != rows) return false;
    values_.clear();
    for (const auto& row : batch.upserts) append_values(row, batch.node, batch.epoch, values_);
    return octets(values_) <= most_octets;
}

SqlResult<core::Done> SqlStore::write_connected(const DialogBatch& batch) {
    const auto dialect = session_.dialect();
    const bool alone = is_one_statement(batch);
    if (!alone)
        // SQLite takes the write lock here, where waiting for it is possible.
        if (auto done = execute(dialect == SqlDialect::sqlite ? "BEGIN IMMEDIATE" : "BEGIN"); !done) return done;
    auto done = upsert(batch);
    if (done) done = update(batch);
    if (done) done = erase(batch);
    if (done && !alone) done = execute("COMMIT");
    if (done || alone) return done;
    // Over a broken connection this fails at once, and the server does it by itself.
    if (done.error().kind != StoreError::Kind::lost)
        if (const auto undone = execute("ROLLBACK"); !undone && undone.error().kind == StoreError::Kind::lost) return undone.error();
    return done;
}

SqlResult<core::Done> SqlStore::upsert(const DialogBatch& batch) {
    sorted_.clear();
    for (const auto& row : batch.upserts) sorted_.push_back(&row);
    // Writers that take locks in one order do not wait for each other in a circle.
    std::ranges::sort(sorted_, {}, &DialogRow::dlg_id);
    return write_sorted(batch, Upsert::whole);
}

// Those that are there are locked, and then written like the others: one turn for all of them, not one for each.
SqlResult<core::Done> SqlStore::update(const DialogBatch& batch) {
    sorted_.clear();
    for (const auto& row : batch.updates) sorted_.push_back(&row);
    std::ranges::sort(sorted_, {}, &DialogRow::dlg_id);
    std::string ids;
    for (const auto* row : sorted_) ids += (ids.empty() ? "" : ",") + std::to_string(row->dlg_id);
    if (ids.empty()) return core::Done{};
    sorted_ids_.clear();
    const auto done = session_.connection().query(present_text(session_.dialect(), ids), [&](const SqlRow& r) {
        sorted_ids_.push_back(static_cast<std::uint64_t>(r.integer(0)));
        return true;
    });
    if (!done) return done;
    std::erase_if(sorted_, [&](const DialogRow* row) { return !std::ranges::binary_search(sorted_ids_, row->dlg_id); });
    return write_sorted(batch, Upsert::partial);
}

SqlResult<core::Done> SqlStore::write_sorted(const DialogBatch& batch, Upsert upsert) {
    const auto dialect = session_.dialect();
    auto& prepared_ones = upsert == Upsert::whole ? session_.prepared().upserts : session_.prepared().updates;
    for (std::size_t at = 0; at < sorted_.size();) {
        auto rows = rows_at_once(dialect, sorted_.size() - at);
        values_.clear();
        for (std::size_t i = 0; i < rows; ++i) append_values(*sorted_[at + i], batch.node, batch.epoch, values_);
        while (rows > 1 && octets(values_) > most_octets) {
            rows /= 2;
            values_.resize(rows * dialog_columns.size());
        }
        const auto prepared = session_.statement(prepared_ones, rows, [&] { return upsert_text(dialect, rows, upsert); });
        if (!prepared) return prepared.error();
        if (const auto done = (*prepared)->execute(values_); !done) return done.error();
        at += rows;
    }
    return core::Done{};
}

SqlResult<core::Done> SqlStore::erase(const DialogBatch& batch) {
    sorted_ids_.assign(batch.deletes.begin(), batch.deletes.end());
    std::ranges::sort(sorted_ids_);
    for (std::size_t at = 0; at < sorted_ids_.size();) {
        const auto rows = rows_at_once(session_.dialect(), sorted_ids_.size() - at);
        values_.clear();
        for (std::size_t i = 0; i < rows; ++i) values_.emplace_back(static_cast<std::int64_t>(sorted_ids_[at + i]));
        values_.emplace_back(static_cast<std::int64_t>(batch.epoch));
        const auto prepared = session_.statement(session_.prepared().deletes, rows, [rows] { return delete_text(rows); });
        if (!prepared) return prepared.error();
        if (const auto done = (*prepared)->execute(values_); !done) return done.error();
        at += rows;
    }
    return core::Done{};
}

SqlResult<core::Done> SqlStore::execute(const char* text) {
    const auto done = session_.connection().execute(text);
    if (!done) return done.error();
    return core::Done{};
}

SqlResult<core::Done> SqlStore::read(const std::function<bool(DialogRow&&)>& row) {
    if (auto done = session_.open(); !done) return session_.settle(done.error());
    std::vector<DialogRow> page;
    std::uint64_t after = 0;
    do {
        page.clear();
        const auto done = session_.connection().query(page_text(after, page_rows), [&](const SqlRow& r) {
            page.push_back(parse_row(r));
            return true;
        });
        if (!done) return session_.settle(done.error());
        if (!page.empty()) after = page.back().dlg_id;
        for (auto& r : page)
            if (!row(std::move(r))) return core::Done{};
    } while (page.size() == page_rows);
    return core::Done{};
}

SqlResult<std::uint64_t> SqlStore::sweep(core::NodeId node, std::int64_t version) {
    if (auto done = session_.open(); !done) return session_.settle(done.error());
    const auto old = "sf_node = " + std::to_string(core::raw(node)) + " AND sf_version < " + std::to_string(version);
    std::uint64_t swept = 0, after = 0;
    // In pieces: a transaction of a million rows would hold up everyone else, and Galera would refuse it.
    for (std::size_t found = page_rows; found == page_rows;) {
        std::string ids;
        found = 0;
        const auto seen = session_.connection().query("SELECT dlg_id FROM dialog WHERE dlg_id > " + std::to_string(after) + " AND " + old +
                                                          " ORDER BY dlg_id LIMIT " + std::to_string(page_rows),
                                                      [&](const SqlRow& r) {
                                                          after = static_cast<std::uint64_t>(r.integer(0));
                                                          ids += (ids.empty() ? "" : ",") + std::to_string(after);
                                                          ++found;
                                                          return true;
                                                      });
        if (!seen) return session_.settle(seen.error());
        if (found == 0) break;
        const auto done = session_.connection().execute("DELETE FROM dialog WHERE dlg_id IN (" + ids + ") AND " + old);
        if (!done) return session_.settle(done.error());
        swept += *done;
    }
    return swept;
}

}  // namespace sipfront::ha

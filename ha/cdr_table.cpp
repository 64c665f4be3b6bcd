#include "ha/cdr_table.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "core/log.hpp"
#include "ha/instant.hpp"

namespace sipfront::ha {

namespace {

constexpr std::int64_t us_per_s = 1'000'000;
// In one statement, which is below 1 MiB then whatever the texts.
constexpr std::size_t most_records = 128;

// As schema_tables.cpp makes the columns.
constexpr std::size_t uri_width = 1'024, tag_width = 255;

constexpr std::array<std::string_view, 26> columns{
    "method",      "from_tag",  "to_tag",    "callid",    "sip_code", "sip_reason",     "time",        "duration",       "ms_duration",
    "setuptime",   "created",   "sf_record", "sf_dlg_id", "sf_node",  "sf_partial",     "sf_start",    "sf_answer",      "sf_end",
    "sf_from_uri", "sf_to_uri", "sf_client", "sf_host",   "sf_group", "sf_destination", "sf_attempts", "sf_from_cluster"};

std::string insert_text(SqlDialect dialect, std::size_t rows) {
    std::string text = "INSERT INTO acc (", one = "(";
    for (const auto column : columns) {
        text.append(one.size() == 1 ? "" : ", ").append(column);
        one += one.size() == 1 ? "?" : ",?";
    }
    one += ')';
    text += ") VALUES ";
    for (std::size_t i = 0; i < rows; ++i) text.append(i == 0 ? "" : ",").append(one);
    return text + (dialect == SqlDialect::mysql ? " ON DUPLICATE KEY UPDATE id = id" : " ON CONFLICT(sf_record) DO NOTHING");
}

// UTC, as a DATETIME column of either database has it.
std::string to_datetime(std::int64_t unix_us) {
    const Utc t{unix_us};
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", t.year(), t.month(), t.time.tm_mday, t.time.tm_hour, t.time.tm_min,
                       t.time.tm_sec);
}

SqlValue cut(const std::string& text, std::size_t width) { return std::string_view{text}.substr(0, width); }

// What an INT UNSIGNED column holds.
SqlValue span_of(std::int64_t us, std::int64_t unit) { return std::clamp<std::int64_t>(us / unit, 0, 0xffff'ffff); }

SqlValue instant(std::optional<std::int64_t> us) { return us ? SqlValue{*us} : SqlValue{std::monostate{}}; }

}  // namespace

CdrTable::CdrTable(std::unique_ptr<SqlConnector> connector, bool make_tables)
    : session_{std::move(connector), make_tables}, limit_{most_records} {}

core::Status CdrTable::write(std::span<const Cdr> records, std::size_t& written) {
    written = 0;
    if (auto done = session_.open(); !done) return settle(done.error());
    while (written < records.size()) {
        const auto n = std::min({std::bit_floor(records.size() - written), limit_, most_records});
        const auto done = insert(records.subspan(written, n));
        if (done) {
            written += n;
            limit_ = std::min(2 * limit_, most_records);
            continue;
        }
        if (done.error().kind != StoreError::Kind::row) return settle(done.error());
        limit_ = std::max<std::size_t>(n / 2, 1);
        if (n > 1) continue;
        core::log().error("call records: the table acc does not take that of call {}: {}; run: sipfrontctl db check",
                          records[written].call_id, done.error().text);
        ++refused_;
        ++written;
    }
    return core::Done{};
}

core::Status CdrTable::settle(const StoreError& error) { return core::Error{"call records: " + session_.settle(error).text}; }

// All of them or none.
SqlResult<core::Done> CdrTable::insert(std::span<const Cdr> records) {
    if (session_.dialect() == SqlDialect::mysql) return insert_rows(records);
    // A row a statement, and one commit for all.
    if (const auto begun = session_.connection().execute("BEGIN IMMEDIATE"); !begun) return begun.error();
    SqlResult<core::Done> done = core::Done{};
    for (std::size_t i = 0; done && i < records.size(); ++i) done = insert_rows(records.subspan(i, 1));
    if (done)
        if (const auto committed = session_.connection().execute("COMMIT"); !committed) done = committed.error();
    if (!done) (void)session_.connection().execute("ROLLBACK");
    return done;
}

SqlResult<core::Done> CdrTable::insert_rows(std::span<const Cdr> records) {
    const auto dialect = session_.dialect();
    const auto statement = session_.statement(session_.prepared(), records.size(), [&] { return insert_text(dialect, records.size()); });
    if (!statement) return statement.error();
    values_.clear();
    texts_.clear();
    // The values borrow from them.
    texts_.reserve(4 * records.size());
    const auto keep = [&](std::string text) { return SqlValue{std::string_view{texts_.emplace_back(std::move(text))}}; };
    for (const auto& r : records) {
        const auto talked = r.answer ? r.end - *r.answer : 0;
        const auto code = r.code != 0 ? r.code : r.answer ? 200 : 0;
        const std::array<SqlValue, columns.size()> row{
            std::string_view{"INVITE"}, cut(r.caller_tag, tag_width), cut(r.callee_tag, tag_width), cut(r.call_id, uri_width),
            keep(code != 0 ? std::to_string(code) : std::string{}), name(r.reason),
            // As OpenSIPS: when the call began to cost.
            keep(to_datetime(r.answer.value_or(r.end))), span_of(talked, us_per_s), span_of(talked, 1'000),
            span_of(r.answer ? *r.answer - r.start.value_or(*r.answer) : 0, us_per_s),
            r.start ? keep(to_datetime(*r.start)) : SqlValue{std::monostate{}}, keep(fmt::format("{}-{}", r.dlg_id, r.end)),
            static_cast<std::int64_t>(r.dlg_id), std::int64_t{core::raw(r.node)}, std::int64_t{r.start ? 0 : 1}, instant(r.start),
            instant(r.answer), r.end, cut(r.from_uri, uri_width), cut(r.to_uri, uri_width), std::string_view{r.client},
            std::string_view{r.host}, std::int64_t{r.group}, cut(r.destination, tag_width), std::int64_t{r.attempts},
            std::int64_t{r.from_cluster ? 1 : 0}};
        values_.insert(values_.end(), row.begin(), row.end());
    }
    const auto done = (*statement)->execute(values_);
    if (!done) return done.error();
    return core::Done{};
}

}  // namespace sipfront::ha

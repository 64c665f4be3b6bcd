#include "ha/destination_tables.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "ha/schema.hpp"
#include "ha/schema_tables.hpp"

namespace sipfront::ha {

namespace {

constexpr std::int64_t u32_max = 0xffff'ffff;

// 1.7's dispatcher.flags.
constexpr std::int64_t inactive_flag = 1, probing_flag = 2;

bool has(const std::vector<ColumnInfo>& columns, std::string_view name) {
    return std::ranges::find(columns, name, &ColumnInfo::name) != columns.end();
}

SqlResult<std::vector<ColumnInfo>> columns_of(SqlConnection& db, const std::string& table) {
    auto columns = table_columns(db, table);
    if (!columns) return columns;
    if (columns->empty()) return StoreError{StoreError::Kind::refused, "the table " + table + " is missing; run: sipfrontctl db create"};
    // Without it every row would be bad, and all destinations gone.
    const auto shape = std::ranges::find(table_shapes(), table, &TableShape::name);
    for (const auto& c : shape->columns)
        if (c.required && !has(*columns, c.name))
            return StoreError{StoreError::Kind::refused,
                              "the table " + table + " has no column " + std::string{c.name} + "; run: sipfrontctl db migrate"};
    return columns;
}

// The columns of a row by name; those that the table lacks are as if they were NULL.
class NamedRow {
public:
    NamedRow(const SqlRow& row, std::span<const std::string> names) : row_{row}, names_{names} {}

    bool is_null(std::string_view name) const {
        const auto at = find(name);
        return !at || row_.is_null(*at);
    }
    std::string text(std::string_view name) const {
        const auto at = find(name);
        return at ? row_.text(*at) : std::string{};
    }
    std::int64_t integer(std::string_view name) const {
        const auto at = find(name);
        return at ? row_.integer(*at) : 0;
    }

private:
    std::optional<std::size_t> find(std::string_view name) const {
        const auto at = std::ranges::find(names_, name);
        return at == names_.end() ? std::nullopt : std::optional{static_cast<std::size_t>(at - names_.begin())};
    }
    const SqlRow& row_;
    std::span<const std::string> names_;
};

// Reads one table row by row; f(row) takes it or complains.
template <class F>
SqlResult<core::Done> for_each_row(SqlConnection& db, const std::string& table, std::span<const std::string_view> wanted, F&& f) {
    const auto columns = columns_of(db, table);
    if (!columns) return columns.error();
    std::vector<std::string> names;
    std::string list;
    for (const auto name : wanted) {
        if (!has(*columns, name)) continue;
        names.emplace_back(name);
        list += (list.empty() ? "" : ", ") + names.back();
    }
    return db.query("SELECT " + list + " FROM " + table + " ORDER BY id", [&](const SqlRow& row) { return f(NamedRow{row, names}), true; });
}

// One row on its way to an entry: remembers the first thing that is wrong with it.
class Reading {
public:
    Reading(const NamedRow& row, std::string table, std::vector<RowRemark>& skipped)
        : row_{row}, table_{std::move(table)}, id_{row.integer("id")}, skipped_{skipped} {}

    std::uint32_t number(std::string_view column, std::string_view mend) {
        const auto n = row_.integer(column);
        if (n < 0 || n > u32_max) complain(column, std::to_string(n) + " is out of range", mend);
        return static_cast<std::uint32_t>(std::clamp<std::int64_t>(n, 0, u32_max));
    }
    std::string text(std::string_view column, std::string_view mend) {
        auto t = row_.text(column);
        if (t.empty()) complain(column, "is empty", mend);
        return t;
    }
    std::optional<std::uint32_t> probe_mode() {
        if (row_.is_null("probe_mode")) return std::nullopt;
        return number("probe_mode", "write 0 (never), 1 (when out of service) or 2 (always)");
    }
    void complain(std::string_view column, std::string why, std::string_view mend) {
        if (sound_) skipped_.push_back({table_, id_, std::string{column}, std::move(why), std::string{mend}});
        sound_ = false;
    }
    [[nodiscard]] bool sound() const noexcept { return sound_; }

private:
    const NamedRow& row_;
    std::string table_;
    std::int64_t id_;
    std::vector<RowRemark>& skipped_;
    bool sound_ = true;
};

// In tables that OpenSIPS made, 0 is the default and thus what a row has that names no mode.
void warn_of_silence(const std::string& table, std::uint32_t id, std::optional<std::uint32_t> mode, std::vector<RowRemark>& warnings) {
    if (mode != 0U) return;
    warnings.push_back({table, id, "probe_mode", "0 means that nothing notices when the host dies",
                        "UPDATE " + table + " SET probe_mode = 2 WHERE id = " + std::to_string(id)});
}

SqlResult<core::Done> read_load_balancer(SqlConnection& db, DestinationTables& out) {
    constexpr std::array<std::string_view, 7> wanted{"id", "group_id", "dst_uri", "resources", "probe_mode", "attrs", "description"};
    return for_each_row(db, "load_balancer", wanted, [&](const NamedRow& row) {
        Reading r{row, "load_balancer", out.skipped};
        LoadBalancerEntry e;
        e.id = r.number("id", "number the rows from 1");
        e.group_id = r.number("group_id", "give a number of 0 or more");
        e.dst_uri = r.text("dst_uri", "write the host's URI, as sip:10.77.0.103");
        e.resources = r.text("resources", "write the capacities, as pstn=32");
        e.probe_mode = r.probe_mode();
        e.attrs = row.text("attrs");
        e.description = row.text("description");
        if (!r.sound()) return;
        warn_of_silence("load_balancer", e.id, e.probe_mode, out.warnings);
        out.load_balancer.push_back(std::move(e));
    });
}

SqlResult<core::Done> read_dispatcher(SqlConnection& db, DestinationTables& out) {
    constexpr std::array<std::string_view, 11> wanted{"id",     "setid",    "destination", "socket", "state",      "flags",
                                                      "weight", "priority", "probe_mode",  "attrs",  "description"};
    return for_each_row(db, "dispatcher", wanted, [&](const NamedRow& row) {
        Reading r{row, "dispatcher", out.skipped};
        DispatcherEntry e;
        e.id = r.number("id", "number the rows from 1");
        e.setid = r.number("setid", "give a number of 0 or more");
        e.destination = r.text("destination", "write the host's URI, as sip:10.77.0.103");
        e.socket = row.text("socket");
        if (row.is_null("state")) {
            const auto flags = row.integer("flags");
            if ((flags & ~(inactive_flag | probing_flag)) != 0)
                r.complain("flags", std::to_string(flags) + " has bits that are not known",
                           "write 0 (active), 1 (inactive) or 2 (probing)");
            e.state = (flags & inactive_flag) != 0 ? 1 : (flags & probing_flag) != 0 ? 2 : 0;
        } else {
            e.state = r.number("state", "write 0 (active), 1 (inactive) or 2 (probing)");
        }
        if (!row.is_null("weight")) e.weight = row.text("weight");
        e.priority = static_cast<std::int32_t>(std::clamp<std::int64_t>(row.integer("priority"), -1'000'000, 1'000'000));
        e.probe_mode = r.probe_mode();
        e.attrs = row.text("attrs");
        e.description = row.text("description");
        if (!r.sound()) return;
        warn_of_silence("dispatcher", e.id, e.probe_mode, out.warnings);
        out.dispatcher.push_back(std::move(e));
    });
}

using Fields = std::vector<std::pair<std::string, SqlValue>>;

SqlResult<core::Done> insert(SqlConnection& db, const std::string& table, const Fields& fields) {
    std::string names, marks;
    std::vector<SqlValue> values;
    for (const auto& [name, value] : fields) {
        names += (names.empty() ? "" : ", ") + name;
        marks += marks.empty() ? "?" : ", ?";
        values.push_back(value);
    }
    const auto statement = db.prepare("INSERT INTO " + table + " (" + names + ") VALUES (" + marks + ')');
    if (!statement) return statement.error();
    const auto done = (*statement)->execute(values);
    if (!done) return done.error();
    return core::Done{};
}

void add_unless_empty(Fields& fields, const std::string& name, const std::string& text) {
    if (!text.empty()) fields.emplace_back(name, std::string_view{text});
}

}  // namespace

std::string RowRemark::to_string() const { return table + " row " + std::to_string(id) + ", " + column + ": " + why + "; " + mend; }

SqlResult<DestinationTables> read_destinations(SqlConnection& db) {
    DestinationTables tables;
    if (auto done = read_load_balancer(db, tables); !done) return done.error();
    if (auto done = read_dispatcher(db, tables); !done) return done.error();
    return tables;
}

SqlResult<core::Done> insert_destination(SqlConnection& db, const LoadBalancerEntry& e) {
    const auto columns = columns_of(db, "load_balancer");
    if (!columns) return columns.error();
    Fields fields{
        {"group_id", std::int64_t{e.group_id}}, {"dst_uri", std::string_view{e.dst_uri}}, {"resources", std::string_view{e.resources}}};
    // Whatever default the table has: a row of ours is probed.
    if (has(*columns, "probe_mode")) fields.emplace_back("probe_mode", std::int64_t{e.probe_mode.value_or(2)});
    add_unless_empty(fields, "attrs", e.attrs);
    add_unless_empty(fields, "description", e.description);
    return insert(db, "load_balancer", fields);
}

SqlResult<core::Done> insert_destination(SqlConnection& db, const DispatcherEntry& e) {
    const auto columns = columns_of(db, "dispatcher");
    if (!columns) return columns.error();
    // 1.7: 0, 1 and 2 mean the same as bits.
    const std::string state = has(*columns, "state") ? "state" : "flags";
    Fields fields{{"setid", std::int64_t{e.setid}}, {"destination", std::string_view{e.destination}}, {state, std::int64_t{e.state}}};
    if (has(*columns, "probe_mode")) fields.emplace_back("probe_mode", std::int64_t{e.probe_mode.value_or(2)});
    if (e.priority != 0) fields.emplace_back("priority", std::int64_t{e.priority});
    if (e.weight != "1") add_unless_empty(fields, "weight", e.weight);
    add_unless_empty(fields, "socket", e.socket);
    add_unless_empty(fields, "attrs", e.attrs);
    add_unless_empty(fields, "description", e.description);
    return insert(db, "dispatcher", fields);
}

SqlResult<std::uint64_t> remove_destination(SqlConnection& db, const std::string& table, std::uint32_t id) {
    return db.execute("DELETE FROM " + table + " WHERE id = " + std::to_string(id));
}

}  // namespace sipfront::ha

#include "ha/schema.hpp"

#include <algorithm>

#include "ha/schema_tables.hpp"

namespace sipfront::ha {

namespace {

using Columns = std::vector<ColumnInfo>;
using Findings = std::vector<SchemaFinding>;

constexpr std::string_view our_version_row = "sipfront_dialog";
const std::string migrate_it = "run: sipfrontctl db migrate";

std::string lower(std::string s) {
    std::ranges::transform(s, s.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return s;
}

const ColumnInfo* find(const Columns& columns, std::string_view name) {
    const auto c = std::ranges::find(columns, name, &ColumnInfo::name);
    return c == columns.end() ? nullptr : &*c;
}

SqlResult<Columns> mysql_columns(SqlConnection& db, const std::string& table) {
    Columns all;
    const auto done = db.query(
        "SELECT column_name, data_type, COALESCE(character_maximum_length, 0), COALESCE(character_set_name, ''), is_nullable, "
        "column_default IS NOT NULL, column_key, extra FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '" +
            table + "' ORDER BY ordinal_position",
        [&](const SqlRow& r) {
            ColumnInfo c;
            c.name = lower(r.text(0));
            c.type = lower(r.text(1));
            c.width = r.integer(2);
            c.charset = r.text(3);
            c.nullable = r.text(4) == "YES";
            c.has_default = r.integer(5) != 0;
            c.primary = r.text(6) == "PRI";
            c.numbered = lower(r.text(7)).find("auto_increment") != std::string::npos;
            all.push_back(std::move(c));
            return true;
        });
    if (!done) return done.error();
    return all;
}

SqlResult<Columns> sqlite_columns(SqlConnection& db, const std::string& table) {
    Columns all;
    const auto done = db.query("PRAGMA table_info(" + table + ')', [&](const SqlRow& r) {
        // Widths are not kept to, and an integer key numbers itself.
        ColumnInfo c;
        c.name = lower(r.text(1));
        c.type = lower(r.text(2));
        c.nullable = r.integer(3) == 0;
        c.has_default = !r.is_null(4);
        c.primary = r.integer(5) != 0;
        c.numbered = c.primary;
        all.push_back(std::move(c));
        return true;
    });
    if (!done) return done.error();
    return all;
}

// What one table lacks.
class Inspection {
public:
    Inspection(SqlConnection& db, const TableShape& shape, const Columns& columns)
        : mysql_{db.dialect() == SqlDialect::mysql}, shape_{shape}, columns_{columns} {}

    Findings run() {
        const auto* key = find(columns_, shape_.key);
        if (shape_.name == "dialog" && (key == nullptr || !key->primary))
            old_dialog(key);
        else if (key == nullptr)
            note(shape_.key, "is missing: this is no table of OpenSIPS", "rename the table, and run: sipfrontctl db create");
        else if (mysql_ && shape_.key_is_wide && shape_.key_is_numbered && key->type != "bigint")
            note(shape_.key, "has 32 bits, which so many calls use up", migrate_it).clause =
                "MODIFY COLUMN " + std::string{shape_.key} + " BIGINT UNSIGNED NOT NULL AUTO_INCREMENT";
        for (const auto& shape : shape_.columns) compare(shape);
        if (shape_.name == "dialog" || shape_.name == "acc") foreign_columns();
        return std::move(found_);
    }

private:
    SchemaFinding& note(std::string_view column, std::string what, std::string mend) {
        return found_.emplace_back(SchemaFinding{std::string{shape_.name}, std::string{column}, std::move(what), std::move(mend), {}, {}});
    }

    // OpenSIPS 1.7 numbers its rows (id) and names a dialog by hash_entry and hash_id, not uniquely. Its rows get their number as
    // dlg_id; the number itself stops counting, since each upsert would use one up.
    void old_dialog(const ColumnInfo* key) {
        const auto* id = find(columns_, "id");
        if (id == nullptr || !mysql_) {
            note("dlg_id", key == nullptr ? "is missing" : "is not the primary key", "rename the table, and run: sipfrontctl db create");
            return;
        }
        auto& f = note("dlg_id", "is missing, as in OpenSIPS 1.7: its rows get their id as dlg_id, which becomes the key", migrate_it);
        if (key == nullptr) f.statements.emplace_back("ALTER TABLE dialog ADD COLUMN dlg_id BIGINT UNSIGNED NOT NULL DEFAULT 0 FIRST");
        f.statements.emplace_back("UPDATE dialog SET dlg_id = id WHERE dlg_id = 0");
        f.clause = "MODIFY COLUMN id INT UNSIGNED NOT NULL DEFAULT 0, DROP PRIMARY KEY, ADD PRIMARY KEY (dlg_id)";
    }

    void compare(const ColumnShape& shape) {
        if (!shape.required) return;
        const auto* c = find(columns_, shape.name);
        const std::string type{shape.type};
        if (c == nullptr) return add(std::string{shape.name}, type);
        if (!mysql_ || c->width == 0 || c->width >= shape.width) return;
        auto& f = note(shape.name,
                       "takes " + std::to_string(c->width) + " characters, " + std::to_string(shape.width) +
                           " may come: dialogs with more are not stored",
                       migrate_it);
        // In its own character set: the text that is there stays what it is.
        const auto space = type.find(' ');
        f.clause = "MODIFY COLUMN " + c->name + ' ' + type.substr(0, space) + " CHARACTER SET " + c->charset + type.substr(space);
    }

    void add(const std::string& column, std::string type) {
        auto& f = note(column, "is missing", migrate_it);
        // SQLite takes no UNIQUE here.
        constexpr std::string_view unique = " UNIQUE";
        if (mysql_ || !type.ends_with(unique)) {
            f.clause = "ADD COLUMN " + column + ' ' + type;
            return;
        }
        type.resize(type.size() - unique.size());
        const std::string table{shape_.name};
        f.statements = {"ALTER TABLE " + table + " ADD COLUMN " + column + ' ' + type,
                        "CREATE UNIQUE INDEX " + table + '_' + column + " ON " + table + " (" + column + ')'};
    }

    // Columns that we do not write must not need it.
    void foreign_columns() {
        for (const auto& c : columns_) {
            if (c.nullable || c.has_default || c.numbered || c.primary ||
                !std::ranges::none_of(shape_.columns, [&](const ColumnShape& s) { return s.required && s.name == c.name; }))
                continue;
            const bool text = c.type.find("char") != std::string::npos;
            auto& f = note(c.name, "must be written, and we do not know it",
                           text || c.type.find("int") != std::string::npos ? migrate_it : "give it a default, or let it be NULL");
            if (f.mend == migrate_it) f.clause = "ALTER COLUMN " + c.name + " SET DEFAULT " + (text ? "''" : "0");
        }
    }

    bool mysql_;
    const TableShape& shape_;
    const Columns& columns_;
    Findings found_;
};

SqlResult<core::Done> check_engine(SqlConnection& db, Findings& found) {
    if (db.dialect() != SqlDialect::mysql) return core::Done{};
    return db.query("SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'dialog'",
                    [&](const SqlRow& r) {
                        const auto engine = lower(r.text(0));
                        if (engine != "myisam" && engine != "aria" && engine != "memory") return true;
                        found.push_back({"dialog",
                                         "",
                                         "is kept by " + r.text(0) + ", which has no transactions and which Galera does not replicate",
                                         migrate_it,
                                         {},
                                         "ENGINE=InnoDB"});
                        return true;
                    });
}

std::string version_row(std::string_view table, int version) {
    return "INSERT INTO version (table_name, table_version) VALUES ('" + std::string{table} + "', " + std::to_string(version) + ')';
}

SqlResult<std::int64_t> our_version(SqlConnection& db) {
    std::int64_t version = -1;
    const auto done = db.query("SELECT table_version FROM version WHERE table_name = '" + std::string{our_version_row} + '\'',
                               [&](const SqlRow& r) { return version = r.integer(0), true; });
    if (!done) return done.error();
    return version;
}

SqlResult<core::Done> check_version(SqlConnection& db, Findings& found) {
    const auto version = our_version(db);
    if (!version) return version.error();
    if (*version < 0)
        found.push_back({"version",
                         "",
                         "lacks the row '" + std::string{our_version_row} + "'",
                         migrate_it,
                         {version_row(our_version_row, dialog_schema_version)},
                         {}});
    else if (*version != dialog_schema_version)
        found.push_back({"version",
                         "",
                         "says that the tables are of version " + std::to_string(*version) +
                             " of sipfront's columns, and this is version " + std::to_string(dialog_schema_version),
                         "use the sipfront that made them, or one that is newer",
                         {},
                         {}});
    return core::Done{};
}

// The statements of one table's findings; on MySQL a table of a million rows is rebuilt once, not once a column.
std::vector<std::string> plan(const Findings& found, const std::string& table, SqlDialect dialect) {
    std::vector<std::string> statements;
    std::string clauses;
    for (const auto& f : found) {
        if (f.table != table) continue;
        statements.insert(statements.end(), f.statements.begin(), f.statements.end());
        if (f.clause.empty()) continue;
        if (dialect == SqlDialect::mysql)
            clauses += (clauses.empty() ? "" : ", ") + f.clause;
        else
            statements.push_back("ALTER TABLE " + table + ' ' + f.clause);
    }
    if (!clauses.empty()) statements.push_back("ALTER TABLE " + table + ' ' + clauses);
    return statements;
}

}  // namespace

std::string SchemaFinding::to_string() const { return table + (column.empty() ? "" : '.' + column) + ": " + what + "; " + mend; }

SqlResult<Columns> table_columns(SqlConnection& db, const std::string& table) {
    return db.dialect() == SqlDialect::mysql ? mysql_columns(db, table) : sqlite_columns(db, table);
}

SqlResult<Findings> check_schema(SqlConnection& db) {
    Findings found;
    bool all_there = true;
    for (const auto& shape : table_shapes()) {
        const std::string name{shape.name};
        const auto columns = table_columns(db, name);
        if (!columns) return columns.error();
        if (columns->empty()) {
            all_there = false;
            auto& f = found.emplace_back(
                SchemaFinding{name, "", "is missing", "run: sipfrontctl db create", {create_text(shape, db.dialect())}, {}});
            if (shape.version != 0) f.statements.push_back(version_row(shape.name, shape.version));
            continue;
        }
        auto more = Inspection{db, shape, *columns}.run();
        std::ranges::move(more, std::back_inserter(found));
    }
    if (auto done = check_engine(db, found); !done) return done.error();
    if (all_there)
        if (auto done = check_version(db, found); !done) return done.error();
    return found;
}

SqlResult<core::Done> create_schema(SqlConnection& db) {
    for (const auto& shape : table_shapes()) {
        const auto columns = table_columns(db, std::string{shape.name});
        if (!columns) return columns.error();
        if (!columns->empty()) continue;
        if (auto done = db.execute(create_text(shape, db.dialect())); !done) return done.error();
        // A version row may be left of a table that somebody dropped.
        if (shape.version == 0) continue;
        if (auto done = db.execute("DELETE FROM version WHERE table_name = '" + std::string{shape.name} + '\''); !done) return done.error();
        if (auto done = db.execute(version_row(shape.name, shape.version)); !done) return done.error();
        if (shape.name != "dialog") continue;
        if (auto done = db.execute("DELETE FROM version WHERE table_name = '" + std::string{our_version_row} + '\''); !done)
            return done.error();
        if (auto done = db.execute(version_row(our_version_row, dialog_schema_version)); !done) return done.error();
    }
    return core::Done{};
}

SqlResult<Findings> migrate_schema(SqlConnection& db) {
    if (auto done = create_schema(db); !done) return done.error();
    auto found = check_schema(db);
    if (!found) return found;
    for (const auto& shape : table_shapes())
        for (const auto& statement : plan(*found, std::string{shape.name}, db.dialect()))
            if (auto done = db.execute(statement); !done) return done.error();
    std::erase_if(*found, [](const SchemaFinding& f) { return !f.can_be_mended(); });
    return found;
}

}  // namespace sipfront::ha

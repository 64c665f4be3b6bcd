// The tables: made new, compared with what a database has, and brought up to what we write. Shapes as of OpenSIPS' newest
// (load_balancer 3, dispatcher 9, dialog 12), our columns of `dialog` named sf_*. Nothing that MySQL NDB Cluster lacks: every table
// has a primary key, none has a foreign or full-text one, no TEXT is part of a key, rows stay below 14,000 octets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ha/sql.hpp"

namespace sipfront::ha {

// Of our columns; the row 'sipfront_dialog' of the table `version` holds it.
inline constexpr int dialog_schema_version = 1;

// A column as the database describes it.
struct ColumnInfo {
    std::string name, type;  // type in lower case: "char", "int", "text"
    std::int64_t width = 0;  // characters of a text column; 0: of no such bound
    std::string charset;     // MySQL's, of a text column
    bool nullable = true;
    bool has_default = false;
    bool primary = false;
    bool numbered = false;  // AUTO_INCREMENT
};
// Empty: no such table.
SqlResult<std::vector<ColumnInfo>> table_columns(SqlConnection& db, const std::string& table);

// Something that keeps us from writing to, or reading from, the tables.
struct SchemaFinding {
    std::string table, column;  // column empty: the table as a whole
    std::string what, mend;
    std::vector<std::string> statements;  // that mend it, in order, before ...
    std::string clause;                   // ... this part of one ALTER TABLE
    [[nodiscard]] bool can_be_mended() const noexcept { return !statements.empty() || !clause.empty(); }
    // "dialog.dlg_id: is missing; run: sipfrontctl db migrate".
    [[nodiscard]] std::string to_string() const;
};

// What is missing or wrong, in the order of the tables. Columns that we do not know are nobody's business but must have a default.
SqlResult<std::vector<SchemaFinding>> check_schema(SqlConnection& db);
// Makes the tables that are missing. Those that are there stay as they are.
SqlResult<core::Done> create_schema(SqlConnection& db);
// Mends what check_schema() finds, keeping all rows and columns; returns what it mended. What is left over shows in another check.
// A second run goes on where a broken one ended. Rows of `version` other than our own stay as they are.
SqlResult<std::vector<SchemaFinding>> migrate_schema(SqlConnection& db);

}  // namespace sipfront::ha

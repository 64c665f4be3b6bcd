#include "ha/schema_tables.hpp"

#include <array>

namespace sipfront::ha {

namespace {

constexpr std::array version_columns{
    ColumnShape{"table_version", "INT UNSIGNED NOT NULL DEFAULT 0"},
};

constexpr std::array load_balancer_columns{
    ColumnShape{"group_id", "INT UNSIGNED NOT NULL DEFAULT 0"},
    ColumnShape{"dst_uri", "CHAR(128) NOT NULL DEFAULT ''"},
    ColumnShape{"resources", "CHAR(255) NOT NULL DEFAULT ''"},
    // OpenSIPS has 0 here, which means that a row that names no mode is never probed.
    ColumnShape{"probe_mode", "INT UNSIGNED NOT NULL DEFAULT 2", 0, false},
    ColumnShape{"attrs", "CHAR(255) DEFAULT NULL", 0, false},
    ColumnShape{"description", "CHAR(128) DEFAULT NULL", 0, false},
};

constexpr std::array dispatcher_columns{
    ColumnShape{"setid", "INT NOT NULL DEFAULT 0"},
    ColumnShape{"destination", "CHAR(192) NOT NULL DEFAULT ''"},
    ColumnShape{"socket", "CHAR(128) DEFAULT NULL", 0, false},
    ColumnShape{"state", "INT NOT NULL DEFAULT 0", 0, false},
    ColumnShape{"probe_mode", "INT UNSIGNED NOT NULL DEFAULT 2", 0, false},
    ColumnShape{"weight", "CHAR(64) NOT NULL DEFAULT '1'", 0, false},
    ColumnShape{"priority", "INT NOT NULL DEFAULT 0", 0, false},
    ColumnShape{"attrs", "CHAR(128) DEFAULT NULL", 0, false},
    ColumnShape{"description", "CHAR(64) DEFAULT NULL", 0, false},
};

// OpenSIPS' order. Its CHAR(255) are wider here: a Call-ID, a Contact, a URI may be longer, and nothing is cut.
constexpr std::array dialog_columns_of_table{
    ColumnShape{"callid", "VARCHAR(1024) NOT NULL DEFAULT ''", 1024},
    ColumnShape{"from_uri", "VARCHAR(1024) NOT NULL DEFAULT ''", 1024},
    ColumnShape{"from_tag", "VARCHAR(255) NOT NULL DEFAULT ''", 255},
    ColumnShape{"to_uri", "VARCHAR(1024) NOT NULL DEFAULT ''", 1024},
    ColumnShape{"to_tag", "VARCHAR(255) NOT NULL DEFAULT ''", 255},
    ColumnShape{"mangled_from_uri", "VARCHAR(255) DEFAULT NULL", 0, false},
    ColumnShape{"mangled_to_uri", "VARCHAR(255) DEFAULT NULL", 0, false},
    ColumnShape{"caller_cseq", "CHAR(11) NOT NULL DEFAULT '0'"},
    ColumnShape{"callee_cseq", "CHAR(11) NOT NULL DEFAULT '0'"},
    ColumnShape{"caller_ping_cseq", "INT UNSIGNED NOT NULL DEFAULT 0", 0, false},
    ColumnShape{"callee_ping_cseq", "INT UNSIGNED NOT NULL DEFAULT 0", 0, false},
    ColumnShape{"caller_route_set", "TEXT"},
    ColumnShape{"callee_route_set", "TEXT"},
    ColumnShape{"caller_contact", "VARCHAR(1024) DEFAULT NULL", 1024},
    ColumnShape{"callee_contact", "VARCHAR(1024) DEFAULT NULL", 1024},
    ColumnShape{"caller_sock", "VARCHAR(64) NOT NULL DEFAULT ''", 64},
    ColumnShape{"callee_sock", "VARCHAR(64) NOT NULL DEFAULT ''", 64},
    ColumnShape{"state", "INT UNSIGNED NOT NULL DEFAULT 0"},
    ColumnShape{"start_time", "INT UNSIGNED NOT NULL DEFAULT 0"},
    ColumnShape{"timeout", "INT UNSIGNED NOT NULL DEFAULT 0"},
    ColumnShape{"vars", "TEXT", 0, false},
    ColumnShape{"profiles", "TEXT", 0, false},
    ColumnShape{"script_flags", "VARCHAR(255) DEFAULT NULL", 0, false},
    ColumnShape{"module_flags", "INT UNSIGNED NOT NULL DEFAULT 0", 0, false},
    ColumnShape{"flags", "INT UNSIGNED NOT NULL DEFAULT 0", 0, false},
    ColumnShape{"rt_on_answer", "VARCHAR(64) DEFAULT NULL", 0, false},
    ColumnShape{"rt_on_timeout", "VARCHAR(64) DEFAULT NULL", 0, false},
    ColumnShape{"rt_on_hangup", "VARCHAR(64) DEFAULT NULL", 0, false},
    // Ours.
    ColumnShape{"sf_destination", "VARCHAR(255) NOT NULL DEFAULT ''", 255},
    ColumnShape{"sf_group", "INT UNSIGNED NOT NULL DEFAULT 0"},
    ColumnShape{"sf_resource", "VARCHAR(128) NOT NULL DEFAULT ''", 128},
    ColumnShape{"sf_node", "SMALLINT UNSIGNED NOT NULL DEFAULT 0"},
    ColumnShape{"sf_epoch", "BIGINT NOT NULL DEFAULT 0"},
    ColumnShape{"sf_version", "BIGINT NOT NULL DEFAULT 0"},
    ColumnShape{"sf_created", "BIGINT NOT NULL DEFAULT 0"},
    ColumnShape{"sf_host", "VARCHAR(64) NOT NULL DEFAULT ''", 64},
    ColumnShape{"sf_client", "VARCHAR(64) NOT NULL DEFAULT ''", 64},
    ColumnShape{"sf_caller_in_cluster", "SMALLINT NOT NULL DEFAULT 0"},
    ColumnShape{"sf_symmetric", "SMALLINT NOT NULL DEFAULT 0"},
    ColumnShape{"sf_request_uri", "VARCHAR(1024) NOT NULL DEFAULT ''", 1024},
    ColumnShape{"sf_client_via", "VARCHAR(1024) NOT NULL DEFAULT ''", 1024},
    ColumnShape{"sf_branch", "VARCHAR(255) NOT NULL DEFAULT ''", 255},
    ColumnShape{"sf_routes", "TEXT"},
};

// OpenSIPS' order and names; its tags and Call-IDs are 64 characters wide.
constexpr std::array acc_columns{
    ColumnShape{"method", "CHAR(16) NOT NULL DEFAULT ''"},
    ColumnShape{"from_tag", "VARCHAR(255) NOT NULL DEFAULT ''", 255},
    ColumnShape{"to_tag", "VARCHAR(255) NOT NULL DEFAULT ''", 255},
    ColumnShape{"callid", "VARCHAR(1024) NOT NULL DEFAULT ''", 1024},
    ColumnShape{"sip_code", "CHAR(3) NOT NULL DEFAULT ''"},
    ColumnShape{"sip_reason", "CHAR(32) NOT NULL DEFAULT ''"},
    ColumnShape{"time", "DATETIME NOT NULL"},
    ColumnShape{"duration", "INT UNSIGNED NOT NULL DEFAULT 0"},
    ColumnShape{"ms_duration", "INT UNSIGNED NOT NULL DEFAULT 0"},
    ColumnShape{"setuptime", "INT UNSIGNED NOT NULL DEFAULT 0"},
    ColumnShape{"created", "DATETIME DEFAULT NULL"},
    // Ours.
    ColumnShape{"sf_record", "VARCHAR(48) DEFAULT NULL UNIQUE"},
    ColumnShape{"sf_dlg_id", "BIGINT NOT NULL DEFAULT 0"},
    ColumnShape{"sf_node", "SMALLINT UNSIGNED NOT NULL DEFAULT 0"},
    ColumnShape{"sf_partial", "SMALLINT NOT NULL DEFAULT 0"},
    ColumnShape{"sf_start", "BIGINT DEFAULT NULL"},
    ColumnShape{"sf_answer", "BIGINT DEFAULT NULL"},
    ColumnShape{"sf_end", "BIGINT DEFAULT NULL"},
    ColumnShape{"sf_from_uri", "VARCHAR(1024) NOT NULL DEFAULT ''", 1024},
    ColumnShape{"sf_to_uri", "VARCHAR(1024) NOT NULL DEFAULT ''", 1024},
    ColumnShape{"sf_client", "VARCHAR(64) NOT NULL DEFAULT ''", 64},
    ColumnShape{"sf_host", "VARCHAR(64) NOT NULL DEFAULT ''", 64},
    ColumnShape{"sf_group", "INT UNSIGNED NOT NULL DEFAULT 0"},
    ColumnShape{"sf_destination", "VARCHAR(255) NOT NULL DEFAULT ''", 255},
    ColumnShape{"sf_attempts", "SMALLINT UNSIGNED NOT NULL DEFAULT 0"},
    ColumnShape{"sf_from_cluster", "SMALLINT NOT NULL DEFAULT 0"},
};

constexpr std::array shapes{
    TableShape{"version", "table_name", false, false, 0, version_columns},
    TableShape{"load_balancer", "id", true, false, 3, load_balancer_columns},
    TableShape{"dispatcher", "id", true, false, 9, dispatcher_columns},
    TableShape{"dialog", "dlg_id", false, true, 12, dialog_columns_of_table},
    TableShape{"acc", "id", true, true, 7, acc_columns},
};

std::string_view key_type(const TableShape& table, SqlDialect dialect) noexcept {
    if (table.key == "table_name") return "CHAR(32) NOT NULL PRIMARY KEY";
    // SQLite numbers rows by itself where the key is INTEGER PRIMARY KEY.
    if (dialect == SqlDialect::sqlite) return "INTEGER PRIMARY KEY NOT NULL";
    if (!table.key_is_numbered) return "BIGINT UNSIGNED NOT NULL PRIMARY KEY";
    return table.key_is_wide ? "BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY" : "INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY";
}

}  // namespace

std::span<const TableShape> table_shapes() noexcept { return shapes; }

std::string create_text(const TableShape& table, SqlDialect dialect) {
    auto text = "CREATE TABLE IF NOT EXISTS " + std::string{table.name} + " (" + std::string{table.key} + ' ' +
                std::string{key_type(table, dialect)};
    for (const auto& c : table.columns) text.append(", ").append(c.name).append(" ").append(c.type);
    text += ')';
    // latin1 takes any octet, one octet a character: header fields are octets, and rows stay small.
    if (dialect == SqlDialect::mysql) text += " ENGINE=InnoDB DEFAULT CHARSET=latin1";
    return text;
}

}  // namespace sipfront::ha

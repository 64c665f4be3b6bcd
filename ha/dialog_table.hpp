// The `dialog` table as SQL: its columns that a DialogRow fills, the statements that write and read them.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ha/dialog_row.hpp"
#include "ha/sql.hpp"

namespace sipfront::ha {

// In the order of the statements below. The first is the key.
inline constexpr std::array<std::string_view, 32> dialog_columns{"dlg_id",           "callid",         "from_uri",
                                                                 "from_tag",         "to_uri",         "to_tag",
                                                                 "caller_cseq",      "callee_cseq",    "caller_route_set",
                                                                 "callee_route_set", "caller_contact", "callee_contact",
                                                                 "caller_sock",      "callee_sock",    "state",
                                                                 "start_time",       "timeout",        "sf_destination",
                                                                 "sf_group",         "sf_resource",    "sf_node",
                                                                 "sf_epoch",         "sf_version",     "sf_created",
                                                                 "sf_host",          "sf_client",      "sf_caller_in_cluster",
                                                                 "sf_symmetric",     "sf_request_uri", "sf_client_via",
                                                                 "sf_branch",        "sf_routes"};

// What a row has of texts that the new one leaves empty. `whole`: those that only the INVITE tells stay; `partial`: all of the dialog's.
enum class Upsert : std::uint8_t { whole, partial };
// "INSERT INTO dialog ..." of so many rows that replaces rows with the same key, but none of a newer epoch.
std::string upsert_text(SqlDialect dialect, std::size_t rows, Upsert upsert);
// "DELETE FROM dialog WHERE dlg_id IN (?, ...) AND sf_epoch <= ?".
std::string delete_text(std::size_t rows);
// Which of these (comma-separated) ids are there; until the transaction ends, nobody else deletes them.
std::string present_text(SqlDialect dialect, const std::string& ids);
// Up to so many rows beyond the key, in its order.
std::string page_text(std::uint64_t after, std::size_t rows);

// The values of one row for upsert_text(). Who writes it is said by the batch.
void append_values(const DialogRow& row, core::NodeId node, std::uint64_t epoch, std::vector<SqlValue>& values);
// The row of page_text().
DialogRow parse_row(const SqlRow& row);

}  // namespace sipfront::ha

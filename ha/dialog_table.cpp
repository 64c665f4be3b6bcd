#include "ha/dialog_table.hpp"

#include <algorithm>

namespace sipfront::ha {

namespace {

std::int64_t number(std::uint64_t n) noexcept { return static_cast<std::int64_t>(n); }

// What an upsert leaves alone when the new text is empty: the parties, of which only the INVITE tells.
bool kept_when_empty(std::string_view column) noexcept { return column == "from_uri" || column == "to_uri"; }

// Nor, while a call is set up, the texts of its set-up.
bool kept_while_early(std::string_view column) noexcept {
    return column == "sf_request_uri" || column == "sf_client_via" || column == "sf_branch" || column == "sf_routes";
}

// What an event need not tell: an update leaves it alone when it is empty.
bool is_dialogs_text(std::string_view column) noexcept {
    constexpr std::array<std::string_view, 13> texts{
        "callid",         "from_uri",       "from_tag",       "to_uri",        "to_tag",    "caller_route_set", "callee_route_set",
        "caller_contact", "callee_contact", "sf_request_uri", "sf_client_via", "sf_branch", "sf_routes"};
    return std::ranges::find(texts, column) != texts.end();
}

std::string column_list() {
    std::string list;
    for (const auto column : dialog_columns) list.append(list.empty() ? "" : ", ").append(column);
    return list;
}

std::string assignments(SqlDialect dialect) {
    std::string text;
    const auto add = [&](std::string_view column) {
        const std::string name{column};
        const auto given = dialect == SqlDialect::mysql ? "VALUES(" + name + ')' : "excluded." + name;
        // MySQL has no WHERE here, and assigns from left to right: the epoch that is compared must come last.
        std::string value = given, condition = dialect == SqlDialect::mysql ? "VALUES(sf_epoch) >= sf_epoch" : "";
        if (kept_when_empty(column) || kept_while_early(column)) {
            auto told = given + " <> ''";
            if (kept_while_early(column))
                told = '(' + told + " OR " + (dialect == SqlDialect::mysql ? "VALUES(state)" : "excluded.state") + " > 2)";
            if (dialect == SqlDialect::mysql)
                condition += " AND " + told;
            else
                value = "CASE WHEN " + told + " THEN " + given + " ELSE " + name + " END";
        }
        if (!condition.empty()) value = "IF(" + condition + ", " + given + ", " + name + ')';
        text += (text.empty() ? "" : ", ") + name + " = " + value;
    };
    for (const auto column : dialog_columns)
        if (column != "dlg_id" && column != "sf_epoch") add(column);
    add("sf_epoch");
    return text;
}

}  // namespace

std::string upsert_text(SqlDialect dialect, std::size_t rows) {
    std::string one = "(";
    for (std::size_t i = 0; i < dialog_columns.size(); ++i) one += i == 0 ? "?" : ",?";
    one += ')';
    auto text = "INSERT INTO dialog (" + column_list() + ") VALUES ";
    text.reserve(text.size() + rows * (one.size() + 1) + 4'096);
    for (std::size_t i = 0; i < rows; ++i) text.append(i == 0 ? "" : ",").append(one);
    if (dialect == SqlDialect::mysql) return text + " ON DUPLICATE KEY UPDATE " + assignments(dialect);
    return text + " ON CONFLICT(dlg_id) DO UPDATE SET " + assignments(dialect) + " WHERE excluded.sf_epoch >= dialog.sf_epoch";
}

std::string update_text(SqlDialect dialect, std::size_t rows) {
    const bool mysql = dialect == SqlDialect::mysql;
    std::string one, set;
    for (const auto column : dialog_columns) {
        const std::string name{column};
        // An untyped parameter would be compared as a floating-point number, of which an id has too many digits.
        const bool key = column == "dlg_id";
        one += (one.empty() ? "SELECT " : ", ") + std::string{key && mysql ? "CAST(? AS SIGNED)" : "?"} + " AS n_" + name;
        if (key) continue;
        const auto given = "v.n_" + name;
        set += (set.empty() ? "" : ", ") + (mysql ? "d." + name : name) + " = ";
        set += is_dialogs_text(column)
                   ? "CASE WHEN " + given + " <> '' THEN " + given + " ELSE " + (mysql ? "d." : "dialog.") + name + " END"
                   : given;
    }
    std::string all;
    for (std::size_t i = 0; i < rows; ++i) all += (i == 0 ? "" : " UNION ALL ") + one;
    if (mysql) return "UPDATE dialog d JOIN (" + all + ") v ON d.dlg_id = v.n_dlg_id SET " + set + " WHERE d.sf_epoch <= v.n_sf_epoch";
    return "UPDATE dialog SET " + set + " FROM (" + all + ") AS v WHERE dialog.dlg_id = v.n_dlg_id AND dialog.sf_epoch <= v.n_sf_epoch";
}

std::string delete_text(std::size_t rows) {
    std::string text = "DELETE FROM dialog WHERE dlg_id IN (";
    for (std::size_t i = 0; i < rows; ++i) text += i == 0 ? "?" : ",?";
    return text + ") AND sf_epoch <= ?";
}

std::string page_text(std::uint64_t after, std::size_t rows) {
    return "SELECT " + column_list() + " FROM dialog WHERE dlg_id > " + std::to_string(after) + " ORDER BY dlg_id LIMIT " +
           std::to_string(rows);
}

void append_values(const DialogRow& r, core::NodeId node, std::uint64_t epoch, std::vector<SqlValue>& values) {
    const auto text = [](const std::string& s) { return SqlValue{std::string_view{s}}; };
    const auto integer = [](std::int64_t n) { return SqlValue{n}; };
    const std::array<SqlValue, dialog_columns.size()> all{integer(number(r.dlg_id)),
                                                          text(r.callid),
                                                          text(r.from_uri),
                                                          text(r.from_tag),
                                                          text(r.to_uri),
                                                          text(r.to_tag),
                                                          integer(r.caller_cseq),
                                                          integer(r.callee_cseq),
                                                          text(r.caller_route_set),
                                                          text(r.callee_route_set),
                                                          text(r.caller_contact),
                                                          text(r.callee_contact),
                                                          text(r.caller_sock),
                                                          text(r.callee_sock),
                                                          integer(static_cast<std::int64_t>(r.state)),
                                                          integer(r.start_time),
                                                          integer(r.timeout),
                                                          text(r.destination),
                                                          integer(r.group),
                                                          text(r.resource),
                                                          integer(core::raw(node)),
                                                          integer(number(epoch)),
                                                          integer(r.version),
                                                          integer(r.created),
                                                          text(r.host),
                                                          text(r.client),
                                                          integer(r.caller_in_cluster ? 1 : 0),
                                                          integer(r.symmetric ? 1 : 0),
                                                          text(r.request_uri),
                                                          text(r.client_via),
                                                          text(r.branch),
                                                          text(r.routes)};
    values.insert(values.end(), all.begin(), all.end());
}

DialogRow parse_row(const SqlRow& row) {
    DialogRow r;
    std::size_t at = 0;
    const auto integer = [&] { return row.integer(at++); };
    const auto text = [&] { return row.text(at++); };
    const auto positive = [&] { return static_cast<std::uint64_t>(std::max<std::int64_t>(0, integer())); };
    const auto small = [&] { return static_cast<std::uint32_t>(std::min<std::uint64_t>(positive(), 0xffff'ffff)); };
    r.dlg_id = positive();
    r.callid = text();
    r.from_uri = text();
    r.from_tag = text();
    r.to_uri = text();
    r.to_tag = text();
    r.caller_cseq = small();
    r.callee_cseq = small();
    r.caller_route_set = text();
    r.callee_route_set = text();
    r.caller_contact = text();
    r.callee_contact = text();
    r.caller_sock = text();
    r.callee_sock = text();
    const auto state = positive();
    // What is no state says nothing of the call.
    r.state = state >= 1 && state <= 5 ? static_cast<sip::DialogState>(state) : sip::DialogState::deleted;
    r.start_time = integer();
    r.timeout = integer();
    r.destination = text();
    r.group = small();
    r.resource = text();
    r.node = core::NodeId{static_cast<std::uint8_t>(std::min<std::uint64_t>(positive(), 255))};
    r.epoch = positive();
    r.version = integer();
    r.created = integer();
    r.host = text();
    r.client = text();
    r.caller_in_cluster = integer() != 0;
    r.symmetric = integer() != 0;
    r.request_uri = text();
    r.client_via = text();
    r.branch = text();
    r.routes = text();
    return r;
}

}  // namespace sipfront::ha

#include "ha/dialog_table.hpp"

#include <algorithm>

namespace sipfront::ha {

namespace {

std::int64_t number(std::uint64_t n) noexcept { return static_cast<std::int64_t>(n); }

// Texts of which only the INVITE tells, and those that only an early dialog has.
constexpr std::array<std::string_view, 2> parties{"from_uri", "to_uri"};
constexpr std::array<std::string_view, 4> set_up{"sf_request_uri", "sf_client_via", "sf_branch", "sf_routes"};
constexpr std::array<std::string_view, 7> others{"callid",           "from_tag",       "to_tag",        "caller_route_set",
                                                 "callee_route_set", "caller_contact", "callee_contact"};

bool among(std::span<const std::string_view> names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

// When the new value takes the place of the old one, whatever the epochs; empty: always.
std::string taken_when(std::string_view column, const std::string& given, const std::string& given_state, const std::string& given_created,
                       Upsert upsert) {
    // 0: by one that knows the dialog by its cookie alone.
    if (column == "sf_created" || column == "start_time") return given_created + " <> 0";
    const auto not_empty = given + " <> ''";
    if (among(parties, column) || (upsert == Upsert::partial && (among(set_up, column) || among(others, column)))) return not_empty;
    // Once it is answered, it needs them no more.
    if (among(set_up, column)) return "(" + not_empty + " OR " + given_state + " > 2)";
    return {};
}

std::string column_list() {
    std::string list;
    for (const auto column : dialog_columns) list.append(list.empty() ? "" : ", ").append(column);
    return list;
}

std::string assignments(SqlDialect dialect, Upsert upsert) {
    const bool mysql = dialect == SqlDialect::mysql;
    const auto given = [&](std::string_view column) {
        return mysql ? "VALUES(" + std::string{column} + ')' : "excluded." + std::string{column};
    };
    std::string text;
    const auto add = [&](std::string_view column) {
        const std::string name{column};
        auto condition = taken_when(column, given(column), given("state"), given("sf_created"), upsert);
        // MySQL has no WHERE here, and assigns from left to right: the epoch that is compared must come last.
        if (mysql) condition = given("sf_epoch") + " >= sf_epoch" + (condition.empty() ? "" : " AND " + condition);
        const auto value =
            condition.empty() ? given(column) : "CASE WHEN " + condition + " THEN " + given(column) + " ELSE dialog." + name + " END";
        text += (text.empty() ? "" : ", ") + name + " = " + value;
    };
    for (const auto column : dialog_columns)
        if (column != "dlg_id" && column != "sf_epoch") add(column);
    add("sf_epoch");
    return text;
}

}  // namespace

std::string upsert_text(SqlDialect dialect, std::size_t rows, Upsert upsert) {
    std::string one = "(";
    for (std::size_t i = 0; i < dialog_columns.size(); ++i) one += i == 0 ? "?" : ",?";
    one += ')';
    auto text = "INSERT INTO dialog (" + column_list() + ") VALUES ";
    text.reserve(text.size() + rows * (one.size() + 1) + 4'096);
    for (std::size_t i = 0; i < rows; ++i) text.append(i == 0 ? "" : ",").append(one);
    if (dialect == SqlDialect::mysql) return text + " ON DUPLICATE KEY UPDATE " + assignments(dialect, upsert);
    return text + " ON CONFLICT(dlg_id) DO UPDATE SET " + assignments(dialect, upsert) + " WHERE excluded.sf_epoch >= dialog.sf_epoch";
}

std::string delete_text(std::size_t rows) {
    std::string text = "DELETE FROM dialog WHERE dlg_id IN (";
    for (std::size_t i = 0; i < rows; ++i) text += i == 0 ? "?" : ",?";
    return text + ") AND sf_epoch <= ?";
}

std::string present_text(SqlDialect dialect, const std::string& ids) {
    // SQLite has only one writer anyway.
    return "SELECT dlg_id FROM dialog WHERE dlg_id IN (" + ids + ") ORDER BY dlg_id" + (dialect == SqlDialect::mysql ? " FOR UPDATE" : "");
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

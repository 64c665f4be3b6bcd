#include "app/admin_commands.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "app/statistics.hpp"
#include "balancer/destination_uri.hpp"

namespace sipfront::app {

namespace {

using balancer::DestinationView;
using balancer::Kind;
using balancer::State;

CommandError not_found(std::string what) { return {404, std::move(what)}; }
CommandError bad_value(std::string what) { return {invalid_params, std::move(what)}; }

CommandResult done(const core::Status& s) {
    if (s) return Json("OK");
    return CommandError{500, s.error().what};
}

std::vector<DestinationView> rows(const Operations& ops, Kind kind) {
    auto all = destinations(ops.snapshot());
    std::erase_if(all, [&](const DestinationView& d) { return d.kind != kind; });
    return all;
}

// "enabled" as lb_list has it: whether the host takes calls.
const char* yes(bool b) { return b ? "yes" : "no"; }

Json lb_row(const DestinationView& d) {
    Json resources = Json::array();
    for (const auto& r : d.resources) resources.push_back({{"name", r.name}, {"max", r.capacity}, {"load", r.load}});
    return {{"uri", d.uri},
            {"id", d.row_id},
            {"group", d.group},
            {"enabled", yes(d.state == State::active)},
            {"auto-reenable", d.probe_mode != 0 && d.state != State::disabled && d.state != State::inactive ? "on" : "off"},
            {"Resources", std::move(resources)},
            {"attrs", d.attrs},
            {"description", d.description},
            {"state", d.leaving ? "leaving" : balancer::name(d.state)},
            {"full", d.full},
            {"picks", d.picks}};
}

CommandResult lb_list(const Operations& ops) {
    Json list = Json::array();
    for (const auto& d : rows(ops, Kind::load_balancer)) list.push_back(lb_row(d));
    return Json{{"Destinations", std::move(list)}};
}

std::optional<DestinationView> lb_row_of(const Operations& ops, std::uint32_t row_id) {
    for (auto& d : rows(ops, Kind::load_balancer))
        if (d.row_id == row_id && !d.leaving) return std::move(d);
    return std::nullopt;
}

CommandResult lb_status(Operations& ops, const Arguments& a) {
    const auto id = a.number("destination_id");
    if (!id) return bad_value("destination_id is the number that lb_list shows as id");
    const auto row = lb_row_of(ops, *id);
    if (!row) return not_found("no row with id " + std::to_string(*id) + "; lb_list shows them");
    if (!a.has("new_status")) return Json{{"enabled", yes(row->state == State::active)}, {"state", balancer::name(row->state)}};
    const auto status = a.number("new_status");
    if (!status || *status > 1) return bad_value("new_status is 0 (out) or 1 (in)");
    return done(ops.set_state(row->id, *status == 1 ? State::active : State::disabled));
}

CommandResult lb_resize(Operations& ops, const Arguments& a) {
    const auto id = a.number("destination_id");
    const auto capacity = a.number("new_capacity");
    if (!id || !capacity) return bad_value("destination_id and new_capacity are numbers");
    const auto row = lb_row_of(ops, *id);
    if (!row) return not_found("no row with id " + std::to_string(*id) + "; lb_list shows them");
    return done(ops.resize(*id, a.text("res_name"), *capacity));
}

// As OpenSIPS prints them: "Active", "Inactive", "Probing".
std::string ds_state(State s) {
    switch (s) {
        case State::active:
            return "Active";
        case State::probing:
            return "Probing";
        case State::inactive:
        case State::disabled:
            break;
    }
    return "Inactive";
}

CommandResult ds_list(const Operations& ops) {
    std::map<std::uint32_t, Json> sets;
    for (const auto& d : rows(ops, Kind::dispatcher)) {
        auto& list = sets.try_emplace(d.group, Json::array()).first->second;
        list.push_back({{"URI", d.uri},
                        {"state", ds_state(d.state)},
                        {"first_hit_counter", d.picks},
                        {"attr", d.attrs},
                        {"weight", d.weight},
                        {"priority", d.priority},
                        {"description", d.description},
                        {"full", d.full},
                        {"leaving", d.leaving}});
    }
    Json out = Json::array();
    for (auto& [id, list] : sets) out.push_back({{"id", id}, {"Destinations", std::move(list)}});
    return Json{{"PARTITIONS", Json::array({{{"name", "default"}, {"SETS", std::move(out)}}})}};
}

CommandResult ds_set_state(Operations& ops, const Arguments& a) {
    const auto group = a.number("group");
    if (!group) return bad_value("group is the number of a set");
    const auto letter = a.text("state");
    constexpr std::array states{std::pair{'a', State::active}, std::pair{'i', State::inactive}, std::pair{'p', State::probing},
                                std::pair{'d', State::disabled}};
    const auto wanted =
        std::ranges::find_if(states, [&](const auto& s) { return letter == std::string{s.first} || letter == balancer::name(s.second); });
    if (wanted == states.end()) return bad_value("state is active, inactive, probing or disabled, or its first letter");
    const auto uri = balancer::parse_destination_uri(a.text("address"));
    if (!uri) return bad_value("address: " + uri.error().what);
    const auto text = balancer::canonical_uri(uri->remote, uri->transport);
    for (const auto& d : rows(ops, Kind::dispatcher))
        if (d.group == *group && d.uri == text && !d.leaving) return done(ops.set_state(d.id, wanted->second));
    return not_found(text + " is not in set " + std::to_string(*group) + "; ds_list shows them");
}

CommandResult reload(Operations& ops) {
    auto r = ops.reload();
    if (r.errors.empty()) {
        Json out{{"applied", r.applied}, {"needs_restart", r.needs_restart}, {"warnings", r.warnings}};
        // Without waiting for the database: db_status tells when it is answered.
        if (r.reading != 0) out["reading"] = r.reading;
        return out;
    }
    std::string all = "the configuration has errors, nothing was changed";
    for (const auto& e : r.errors) all += "\n" + e;
    return CommandError{500, std::move(all)};
}

CommandResult db_status(const Operations& ops) {
    const auto s = ops.destinations_status();
    return Json{{"source", s.source.empty() ? "config" : s.source},
                {"answered", s.answered},
                {"error", s.error},
                {"from_cache", s.from_cache},
                {"skipped", s.skipped},
                {"warnings", s.warnings}};
}

// "core:", "core:rcv_requests", "rcv_requests" or "all".
CommandResult get_statistics(const Operations& ops, const Arguments& a) {
    const auto all = statistics(ops.telemetry(), ops.snapshot(), ops.uptime_seconds());
    Json out = Json::object();
    for (const auto& wanted : a.texts("statistics")) {
        bool found = false;
        for (const auto& s : all)
            if (wanted == "all" || wanted == s.group + ':' || wanted == s.name || wanted == s.group + ':' + s.name) {
                out[s.group + ':' + s.name] = s.value;
                found = true;
            }
        if (!found) return not_found("no statistic or group \"" + wanted + "\"; list_statistics shows them, groups end with a colon");
    }
    return out;
}

CommandResult list_statistics(const Operations& ops) {
    Json out = Json::object();
    for (const auto& s : statistics(ops.telemetry(), ops.snapshot(), ops.uptime_seconds()))
        out[s.group + ':' + s.name] = s.level ? "non-counter" : "counter";
    return out;
}

CommandResult dialog_counts(const Operations& ops) {
    const auto& t = ops.telemetry();
    Json workers = Json::array();
    std::uint64_t all = 0, early = 0;
    for (const auto& w : t.workers) {
        const auto dialogs = w.stats->proxy.dialogs.get(), ringing = w.stats->proxy.early_dialogs.get();
        workers.push_back({{"dialogs", dialogs}, {"early", ringing}});
        all += dialogs;
        early += ringing;
    }
    return Json{{"dialogs", all}, {"early", early}, {"confirmed", all > early ? all - early : 0}, {"workers", std::move(workers)}};
}

constexpr std::array log_levels{std::pair{"trace", spdlog::level::trace}, std::pair{"debug", spdlog::level::debug},
                                std::pair{"info", spdlog::level::info},   std::pair{"warning", spdlog::level::warn},
                                std::pair{"error", spdlog::level::err},   std::pair{"critical", spdlog::level::critical},
                                std::pair{"off", spdlog::level::off}};

CommandResult log_level(Operations& ops, const Arguments& a) {
    if (a.has("level")) {
        const auto wanted = std::ranges::find(log_levels, a.text("level"), [](const auto& l) { return std::string{l.first}; });
        if (wanted == log_levels.end()) return bad_value("level is trace, debug, info, warning, error, critical or off");
        ops.set_log_level(wanted->second);
    }
    const auto now = std::ranges::find(log_levels, ops.log_level(), [](const auto& l) { return l.second; });
    return Json{{"Log level", now == log_levels.end() ? "info" : now->first}};
}

CommandResult port_status(const Operations& ops) {
    Json out = Json::array();
    for (const auto& p : ops.ports())
        out.push_back({{"device", p.device}, {"active", p.active}, {"carrier", p.carrier}, {"silent", p.silent}});
    return Json{{"Ports", std::move(out)}};
}

CommandResult threads(const Operations& ops) {
    Json out = Json::array();
    const auto list = ops.threads();
    const auto& workers = ops.telemetry().workers;
    for (std::size_t i = 0; i < list.size(); ++i) {
        Json one{{"ID", i}, {"Type", list[i].name}, {"CPU", list[i].cpu < 0 ? Json("any") : Json(list[i].cpu)}};
        if (i < workers.size() && workers[i].occupancy != nullptr) {
            const auto& o = *workers[i].occupancy;
            one["polls"] = o.polls.get();
            one["busy_cycles"] = o.busy_cycles.get();
            one["cycles"] = o.poll_cycles.get() + o.sleep_cycles.get();
        }
        out.push_back(std::move(one));
    }
    return Json{{"Processes", std::move(out)}};
}

double share_of(const core::Counter& c) { return static_cast<double>(c.get()) / static_cast<double>(balancer::admit_all); }

CommandResult overload(const Operations& ops) {
    const auto& t = ops.telemetry();
    Json workers = Json::array(), methods = Json::object();
    for (std::size_t i = 0; i < t.workers.size(); ++i) {
        const auto& o = t.workers[i].stats->overload;
        workers.push_back({{"ID", i},
                           {"engaged", o.engaged.get() != 0},
                           {"admission_share", share_of(o.share)},
                           {"standing_share", share_of(o.standing)},
                           {"standing_seconds", static_cast<double>(o.standing_time.get()) / 1e9},
                           {"episodes", o.episodes.get()}});
    }
    for (std::size_t i = 0; i < core::CounterArray<sip::Method>::size; ++i) {
        const auto m = static_cast<sip::Method>(i);
        const auto admitted = total(t, [m](const WorkerStats& s) { return s.overload.admitted[m].get(); });
        const auto rejected = total(t, [m](const WorkerStats& s) { return s.overload.rejected[m].get(); });
        if (admitted + rejected > 0) methods[std::string{sip::name(m)}] = {{"admitted", admitted}, {"rejected", rejected}};
    }
    return Json{{"Workers", std::move(workers)}, {"Requests", std::move(methods)}};
}

CommandResult resolver(const Operations& ops) {
    Json names = Json::array(), counts = Json::object();
    for (const auto& n : ops.names()) {
        Json targets = Json::array();
        for (const auto& t : n.targets)
            targets.push_back({{"address", t.remote.to_string()}, {"priority", t.priority}, {"weight", t.weight}});
        Json one{{"host", n.host}, {"underway", n.underway}, {"targets", std::move(targets)}};
        if (n.port != 0) one["port"] = n.port;
        if (n.transport_named) one["transport"] = core::param_name(n.transport);
        one["state"] = !n.state                               ? "unknown"
                       : *n.state == core::NameStatus::found  ? "found"
                       : *n.state == core::NameStatus::absent ? "absent"
                                                              : "failed";
        if (n.state) one["ttl"] = n.seconds_left;
        names.push_back(std::move(one));
    }
    if (const auto* stats = ops.telemetry().resolver) {
        for (std::size_t i = 0; i < core::CounterArray<kni::ResolverCount>::size; ++i) {
            const auto c = static_cast<kni::ResolverCount>(i);
            counts[std::string{kni::name(c)}] = stats->counts[c].get();
        }
    }
    return Json{{"Names", std::move(names)}, {"Counts", std::move(counts)}};
}

// As OpenSIPS lists a dialog, and what it does not know of.
Json dialog_row(const DialogStatus& d, const std::vector<DestinationView>& all) {
    const auto host = std::ranges::find(all, d.destination, &DestinationView::id);
    return {{"ID", std::to_string(d.id)},
            {"state", static_cast<int>(d.state)},
            {"timestart", d.start},
            {"timeout", d.timeout},
            {"callid", d.call_id},
            {"from_uri", d.from_uri},
            {"to_uri", d.to_uri},
            {"caller_tag", d.from_tag},
            {"caller_contact", d.caller_contact},
            {"caller_cseq", d.caller_cseq},
            {"caller_route_set", d.caller_route_set},
            {"CALLEES", Json::array({{{"callee_tag", d.to_tag},
                                      {"callee_contact", d.callee_contact},
                                      {"callee_cseq", d.callee_cseq},
                                      {"callee_route_set", d.callee_route_set}}})},
            {"worker", d.worker},
            {"destination", host == all.end() ? "" : host->uri},
            {"counted", d.counted},
            {"host", d.host.to_string()},
            {"client", d.client.to_string()},
            {"caller_in_cluster", d.caller_in_cluster}};
}

CommandResult dlg_list(Operations& ops, const Arguments& a) {
    constexpr std::uint32_t most = 1'000;
    std::uint32_t index = 0, count = 100;
    const bool by_call = a.has("callid") && a.has("from_tag");
    if (a.has("callid") && !by_call) return bad_value("callid goes with from_tag");
    for (auto [name, value] : {std::pair{"index", &index}, std::pair{"counter", &count}}) {
        if (!a.has(name)) continue;
        const auto n = a.number(name);
        if (!n) return bad_value(std::string{name} + " is no number");
        *value = *n;
    }
    if (count > most) return bad_value("counter is at most " + std::to_string(most) + "; go on with index");
    const auto found = by_call ? ops.dialogs_of(a.text("callid"), a.text("from_tag")) : ops.dialogs(index, count);
    if (!found) return CommandError{503, found.error().what};
    if (by_call && found->empty()) return not_found("no such dialog");
    const auto all = destinations(ops.snapshot());
    Json list = Json::array();
    for (const auto& d : *found) list.push_back(dialog_row(d, all));
    const auto total_now = total(ops.telemetry(), [](const WorkerStats& s) { return s.proxy.dialogs.get(); });
    return Json{{"count", total_now}, {"Dialogs", std::move(list)}};
}

CommandResult dlg_end_dlg(Operations& ops, const Arguments& a) {
    const auto text = a.text("dialog_id");
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc{} || end != text.data() + text.size()) return bad_value("dialog_id is the number that dlg_list shows as ID");
    const auto ended = ops.end_dialog(id);
    if (!ended) return CommandError{503, ended.error().what};
    if (!*ended) return not_found("no answered call has this id");
    return Json("OK");
}

CommandResult status(const Operations& ops) {
    const auto& t = ops.telemetry();
    const auto sum = [&](auto field) { return total(t, [&](const WorkerStats& s) { return (s.proxy.*field).get(); }); };
    const auto lb = rows(ops, Kind::load_balancer), ds = rows(ops, Kind::dispatcher);
    const auto usable = [](const auto& list) {
        return std::ranges::count_if(list, [](const auto& d) { return d.state == State::active && !d.full; });
    };
    return Json{{"version", t.version},
                {"uptime", ops.uptime_seconds()},
                {"workers", t.workers.size()},
                {"draining", t.control != nullptr && t.control->draining.get() != 0},
                {"overloaded", std::ranges::any_of(t.workers, [](const auto& w) { return w.stats->overload.engaged.get() != 0; })},
                {"transactions", sum(&sip::ProxyCounters::transactions)},
                {"dialogs", sum(&sip::ProxyCounters::dialogs)},
                {"early_dialogs", sum(&sip::ProxyCounters::early_dialogs)},
                {"load_balancer", {{"destinations", lb.size()}, {"usable", usable(lb)}}},
                {"dispatcher", {{"destinations", ds.size()}, {"usable", usable(ds)}}}};
}

void add_balancer_commands(CommandTable& t, Operations& ops) {
    t.add({"lb_list", {}, {}, "hosts that take calls, with their load", [&ops](const Arguments&) { return lb_list(ops); }});
    t.add({"lb_status", {"destination_id"}, {"new_status"}, "show or set whether a host takes calls (0, 1)", [&ops](const Arguments& a) {
               return lb_status(ops, a);
           }});
    t.add({"lb_resize",
           {"destination_id", "res_name", "new_capacity"},
           {},
           "change a host's capacity until the next reload of its row",
           [&ops](const Arguments& a) { return lb_resize(ops, a); }});
    t.add({"lb_reload", {}, {}, "as reload", [&ops](const Arguments&) { return reload(ops); }});
    t.add({"ds_list", {}, {"full", "partition"}, "hosts that take registrations", [&ops](const Arguments&) { return ds_list(ops); }});
    t.add({"ds_set_state",
           {"state", "group", "address"},
           {},
           "take a host in (active), out (inactive), or on trial (probing)",
           [&ops](const Arguments& a) { return ds_set_state(ops, a); }});
    t.add({"ds_reload", {}, {"partition", "inherit_state"}, "as reload", [&ops](const Arguments&) { return reload(ops); }});
    t.add({"reload", {}, {}, "read the configuration files again", [&ops](const Arguments&) { return reload(ops); }});
    for (const char* name : {"list", "status", "resize", "reload"})
        t.alias(std::string{"load_balancer:"} + name, std::string{"lb_"} + name);
    for (const char* name : {"list", "set_state", "reload"}) t.alias(std::string{"dispatcher:"} + name, std::string{"ds_"} + name);
}

}  // namespace

void add_admin_commands(CommandTable& t, Operations& ops) {
    add_balancer_commands(t, ops);
    t.add({"dlg_counts", {}, {}, "dialogs of each worker", [&ops](const Arguments&) { return dialog_counts(ops); }});
    t.add({"dlg_list",
           {},
           {"callid", "from_tag", "index", "counter"},
           "dialogs: one by Call-ID and From tag, or so many (100) from an index on",
           [&ops](const Arguments& a) { return dlg_list(ops, a); }});
    t.add({"dlg_end_dlg", {"dialog_id"}, {}, "end a call: BYE to both sides", [&ops](const Arguments& a) { return dlg_end_dlg(ops, a); }});
    t.alias("dialog:list", "dlg_list");
    t.alias("dialog:end", "dlg_end_dlg");
    t.add({.name = "get_statistics",
           .required = {"statistics"},
           .optional = {},
           .help = "values by name, by group (\"core:\"), or all",
           .run = [&ops](const Arguments& a) { return get_statistics(ops, a); },
           .takes_rest = true});
    t.add({"list_statistics", {}, {}, "names and kinds of the statistics", [&ops](const Arguments&) { return list_statistics(ops); }});
    t.add({"status", {}, {}, "the daemon at a glance", [&ops](const Arguments&) { return status(ops); }});
    t.add({"overload", {}, {}, "share of new work that each worker admits, and how its queues stand", [&ops](const Arguments&) {
               return overload(ops);
           }});
    t.add({"resolver", {}, {}, "host names that are known, with their addresses", [&ops](const Arguments&) { return resolver(ops); }});
    t.add({"db_status", {}, {}, "where destinations come from, and what came of the last reading", [&ops](const Arguments&) {
               return db_status(ops);
           }});
    t.add({"ports", {}, {}, "ports, or the members of the bond", [&ops](const Arguments&) { return port_status(ops); }});
    t.add({"ps", {}, {}, "threads and how busy they are", [&ops](const Arguments&) { return threads(ops); }});
    t.add({"log_level", {}, {"level"}, "show or set what is logged", [&ops](const Arguments& a) { return log_level(ops, a); }});
    t.add({"drain", {}, {}, "take no new calls, and end when the last one has ended", [&ops](const Arguments&) {
               ops.drain();
               return CommandResult{Json("OK")};
           }});
    t.add({"uptime", {}, {}, "seconds since the start", [&ops](const Arguments&) {
               return CommandResult{Json{{"Up since", ops.telemetry().started}, {"Up time", ops.uptime_seconds()}}};
           }});
    t.add({"version", {}, {}, "", [&ops](const Arguments&) {
               return CommandResult{Json{{"Server", "sipfront (" + ops.telemetry().version + ")"}}};
           }});
    t.add({"which", {}, {}, "all commands", [&t](const Arguments&) { return CommandResult{Json(t.names())}; }});
    t.alias("debug", "log_level");
}

}  // namespace sipfront::app

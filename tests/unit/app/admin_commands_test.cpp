#include "app/admin_commands.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/app/fake_daemon.hpp"

namespace sipfront::app {
namespace {

using ::testing::HasSubstr;

class AdminCommands : public ::testing::Test {
protected:
    AdminCommands() { add_admin_commands(table, daemon); }

    // The result; a failure of the test when it is an error.
    Json call(const std::string& method, const Json& params = nullptr) {
        const auto response = ask(method, params);
        EXPECT_TRUE(response.contains("result")) << response.dump();
        return response.value("result", Json{});
    }
    Json refused(const std::string& method, const Json& params = nullptr) {
        const auto response = ask(method, params);
        EXPECT_TRUE(response.contains("error")) << response.dump();
        return response.value("error", Json::object());
    }
    Json ask(const std::string& method, const Json& params) {
        Json request{{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}};
        if (!params.is_null()) request["params"] = params;
        return Json::parse(table.handle(request.dump()));
    }

    FakeDaemon daemon;
    CommandTable table;
};

TEST_F(AdminCommands, LbListHasTheShapeOfOpenSips) {
    (*daemon.destination(0).load)[balancer::ResourceId{0}].try_reserve();
    const auto list = call("lb_list")["Destinations"];
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(list[0]["uri"], "sip:10.77.0.103:5060");
    EXPECT_EQ(list[0]["id"], 1);
    EXPECT_EQ(list[0]["group"], 1);
    EXPECT_EQ(list[0]["enabled"], "yes");
    EXPECT_EQ(list[0]["auto-reenable"], "on");
    EXPECT_EQ(list[0]["Resources"], Json::parse(R"([{"name": "pstn", "max": 32, "load": 1}])"));
    EXPECT_EQ(list[0]["attrs"], "");
    EXPECT_EQ(list[1]["Resources"][0]["load"], 0);
    EXPECT_EQ(call("load_balancer:list")["Destinations"], list);
}

TEST_F(AdminCommands, LbStatusTakesAHostOutAndIn) {
    EXPECT_EQ(call("lb_status", positional(2))["enabled"], "yes");
    EXPECT_EQ(call("lb_status", {{"destination_id", 2}, {"new_status", 0}}), "OK");
    EXPECT_EQ(call("lb_status", positional(2))["enabled"], "no");
    EXPECT_EQ(call("lb_list")["Destinations"][1]["auto-reenable"], "off");
    EXPECT_EQ(call("lb_status", positional("2", "1")), "OK") << "a shell gives strings";
    EXPECT_EQ(call("lb_status", positional(2))["enabled"], "yes");
    EXPECT_EQ(refused("lb_status", positional(9))["code"], 404);
    EXPECT_EQ(refused("lb_status", positional("x"))["code"], invalid_params);
    EXPECT_EQ(refused("lb_status", positional(2, 7))["code"], invalid_params);
    EXPECT_EQ(refused("lb_status")["code"], invalid_params);
}

TEST_F(AdminCommands, LbResizeChangesTheCapacity) {
    EXPECT_EQ(call("lb_resize", positional(2, "pstn", 99)), "OK");
    EXPECT_EQ(call("lb_list")["Destinations"][1]["Resources"][0]["max"], 99);
    EXPECT_THAT(refused("lb_resize", positional(2, "fax", 1))["message"].get<std::string>(), HasSubstr("fax"));
    EXPECT_EQ(refused("lb_resize", positional(2, "pstn", -1))["code"], invalid_params);
}

TEST_F(AdminCommands, DsListHasTheShapeOfOpenSips) {
    const auto partition = call("ds_list")["PARTITIONS"].at(0);
    EXPECT_EQ(partition["name"], "default");
    EXPECT_EQ(partition["SETS"].at(0)["id"], 1);
    const auto d = partition["SETS"][0]["Destinations"].at(0);
    EXPECT_EQ(d["URI"], "sip:10.77.0.103:5060");
    EXPECT_EQ(d["state"], "Active");
    EXPECT_EQ(d["weight"], 3);
    EXPECT_EQ(d["first_hit_counter"], 0);
    EXPECT_EQ(d["description"], "FS1");
}

TEST_F(AdminCommands, DsSetStateFindsTheHostHoweverItIsSpelt) {
    const auto state = [&] { return call("ds_list")["PARTITIONS"][0]["SETS"][0]["Destinations"][0]["state"]; };
    EXPECT_EQ(call("ds_set_state", positional("i", 1, "sip:10.77.0.103")), "OK");
    EXPECT_EQ(state(), "Inactive");
    EXPECT_EQ(call("ds_set_state", positional("probing", "1", "sip:10.77.0.103:5060;transport=udp")), "OK");
    EXPECT_EQ(state(), "Probing");
    EXPECT_EQ(call("dispatcher:set_state", {{"state", "active"}, {"group", 1}, {"address", "sip:10.77.0.103"}}), "OK");
    EXPECT_EQ(state(), "Active");
    EXPECT_EQ(refused("ds_set_state", positional("a", 2, "sip:10.77.0.103"))["code"], 404);
    EXPECT_EQ(refused("ds_set_state", positional("x", 1, "sip:10.77.0.103"))["code"], invalid_params);
    EXPECT_EQ(refused("ds_set_state", positional("a", 1, "nonsense"))["code"], invalid_params);
}

TEST_F(AdminCommands, StatisticsByNameGroupAndAll) {
    daemon.stats[0].proxy.requests_in[sip::Method::invite].add(3);
    daemon.stats[1].proxy.requests_in[sip::Method::bye].add(4);
    daemon.stats[1].proxy.dialogs.set(5);
    daemon.stats[1].proxy.early_dialogs.set(2);
    EXPECT_EQ(call("get_statistics", positional("rcv_requests")), Json::parse(R"({"core:rcv_requests": 7})"));
    const auto dialog = call("get_statistics", positional("dialog:"));
    EXPECT_EQ(dialog["dialog:active_dialogs"], 3);
    EXPECT_EQ(dialog["dialog:early_dialogs"], 2);
    EXPECT_EQ(call("get_statistics", positional("core:timestamp", "tm:inuse_transactions")).size(), 2U);
    EXPECT_EQ(call("get_statistics", {{"statistics", "all"}}).size(), call("list_statistics").size());
    EXPECT_EQ(call("list_statistics")["dialog:active_dialogs"], "non-counter");
    EXPECT_EQ(call("list_statistics")["core:rcv_requests"], "counter");
    EXPECT_EQ(call("get_statistics", positional("load_balancer:"))["load_balancer:capacity"], 48);
    EXPECT_EQ(refused("get_statistics", positional("nothing"))["code"], 404);
}

TEST_F(AdminCommands, ReloadReportsAllErrors) {
    daemon.report = {.errors = {}, .warnings = {}, .applied = {"balancer.lb_algorithm"}, .needs_restart = {"sip.timers.t1"}};
    EXPECT_EQ(call("lb_reload")["applied"].at(0), "balancer.lb_algorithm");
    EXPECT_EQ(call("ds_reload")["needs_restart"].at(0), "sip.timers.t1");
    daemon.report = {.errors = {"one", "two"}, .warnings = {}, .applied = {}, .needs_restart = {}};
    const auto message = refused("reload")["message"].get<std::string>();
    EXPECT_THAT(message, HasSubstr("one"));
    EXPECT_THAT(message, HasSubstr("two"));
    EXPECT_EQ(daemon.reloads, 3);
}

TEST_F(AdminCommands, TheRest) {
    EXPECT_EQ(call("version")["Server"], "sipfront (0.1.0)");
    EXPECT_EQ(call("uptime")["Up time"], 77);
    EXPECT_EQ(call("log_level")["Log level"], "info");
    EXPECT_EQ(call("log_level", positional("debug"))["Log level"], "debug");
    EXPECT_EQ(daemon.level, spdlog::level::debug);
    EXPECT_EQ(refused("log_level", positional("loud"))["code"], invalid_params);
    EXPECT_EQ(call("ports")["Ports"].at(1)["silent"], true);
    EXPECT_EQ(call("ps")["Processes"].at(2)["CPU"], "any");
    EXPECT_EQ(call("status")["load_balancer"]["usable"], 2);
    EXPECT_EQ(call("dlg_counts")["workers"].size(), 2U);
    EXPECT_EQ(call("drain"), "OK");
    EXPECT_TRUE(daemon.drained);
    const auto names = call("which");
    EXPECT_NE(std::find(names.begin(), names.end(), "lb_list"), names.end());
}

TEST_F(AdminCommands, DialogsAreListedAsOpenSipsListsThemAndEndedByTheirId) {
    for (std::uint64_t i = 1; i <= 3; ++i) {
        DialogStatus d;
        d.id = 0x7fff'ffff'ffff'fff0 + i;
        d.worker = i % 2;
        d.state = sip::DialogState::confirmed;
        d.call_id = "call-" + std::to_string(i);
        d.from_tag = "caller";
        d.to_tag = "callee";
        d.callee_contact = "sip:host@10.77.0.103";
        d.destination = daemon.destination(0).id;
        daemon.calls.push_back(d);
    }
    const auto all = call("dlg_list")["Dialogs"];
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0]["ID"], "9223372036854775793") << "as text: JSON's numbers lose digits";
    EXPECT_EQ(all[0]["state"], 4);
    EXPECT_EQ(all[0]["callid"], "call-1");
    EXPECT_EQ(all[0]["CALLEES"][0]["callee_contact"], "sip:host@10.77.0.103");
    EXPECT_EQ(all[0]["destination"], "sip:10.77.0.103:5060");
    EXPECT_EQ(call("dialog:list", {{"index", 1}, {"counter", 1}})["Dialogs"][0]["callid"], "call-2");
    EXPECT_EQ(call("dlg_list", positional("call-3", "caller"))["Dialogs"].size(), 1U);
    EXPECT_EQ(refused("dlg_list", positional("call-9", "caller"))["code"], 404);
    EXPECT_EQ(refused("dlg_list", positional("call-3"))["code"], invalid_params);
    EXPECT_EQ(refused("dlg_list", {{"counter", 100'000}})["code"], invalid_params);
    EXPECT_EQ(refused("dlg_end_dlg", positional("one"))["code"], invalid_params);
    EXPECT_EQ(refused("dlg_end_dlg", positional("5"))["code"], 404);
    EXPECT_EQ(call("dlg_end_dlg", positional("9223372036854775793")), "OK");
    EXPECT_EQ(call("dlg_list")["Dialogs"].size(), 2U);
}

TEST_F(AdminCommands, OverloadShowsSharesAndVerdicts) {
    EXPECT_EQ(call("status")["overloaded"], false);
    EXPECT_TRUE(call("overload")["Requests"].empty());
    auto& o = daemon.stats[1].overload;
    o.share.set(balancer::admit_all / 4);
    o.engaged.set(1);
    o.standing_time.set(2'000'000'000);
    o.rejected[sip::Method::invite].add(3);
    const auto shown = call("overload");
    EXPECT_EQ(shown["Workers"][1]["admission_share"], 0.25);
    EXPECT_EQ(shown["Workers"][1]["engaged"], true);
    EXPECT_EQ(shown["Workers"][1]["standing_seconds"], 2.0);
    EXPECT_EQ(shown["Requests"], Json::parse(R"({"INVITE": {"admitted": 0, "rejected": 3}})"));
    EXPECT_EQ(call("status")["overloaded"], true);
}

TEST_F(AdminCommands, ResolverShowsNamesAndCounts) {
    EXPECT_TRUE(call("resolver")["Names"].empty());
    daemon.known_names = {
        {.host = "carrier.example",
         .state = core::NameStatus::found,
         .seconds_left = 59,
         .targets = {{*core::Endpoint::parse("192.0.2.1:5070"), 1, 10, 0}, {*core::Endpoint::parse("[fd00::1]:5060"), 2, 0, 1}}},
        {.host = "new.example", .port = 5080, .transport_named = true, .underway = true}};
    daemon.resolved.counts[kni::ResolverCount::queries].add(7);
    const auto shown = call("resolver");
    EXPECT_EQ(shown["Names"][0], Json::parse(R"({"host": "carrier.example", "state": "found", "ttl": 59, "underway": false, "targets": [
        {"address": "192.0.2.1:5070", "priority": 1, "weight": 10}, {"address": "[fd00::1]:5060", "priority": 2, "weight": 0}]})"));
    EXPECT_EQ(shown["Names"][1], Json::parse(R"({"host": "new.example", "state": "unknown", "port": 5080, "transport": "udp",
        "underway": true, "targets": []})"));
    EXPECT_EQ(shown["Counts"]["queries"], 7);
    EXPECT_EQ(shown["Counts"]["failed"], 0);
}

TEST_F(AdminCommands, JsonRpcErrorsAreThoseOfTheSpecification) {
    EXPECT_EQ(Json::parse(table.handle("{"))["error"]["code"], -32700);
    EXPECT_EQ(Json::parse(table.handle("{}"))["error"]["code"], -32600);
    EXPECT_EQ(Json::parse(table.handle("[]"))["error"]["code"], -32600);
    EXPECT_EQ(Json::parse(table.handle(R"({"jsonrpc":"2.0","id":{},"method":1})"))["id"], nullptr);
    EXPECT_EQ(refused("lb_lits")["code"], -32601);
    EXPECT_THAT(refused("lb_lits")["message"].get<std::string>(), HasSubstr("\"lb_list\""));
    EXPECT_EQ(refused("lb_list", positional(1))["code"], -32602) << "too many";
    EXPECT_EQ(refused("lb_status", {{"destination", 1}})["code"], -32602) << "unknown name";
    EXPECT_EQ(refused("lb_status", "1")["code"], -32602) << "neither list nor object";
}

TEST_F(AdminCommands, NotificationsAndBatches) {
    EXPECT_EQ(table.handle(R"({"jsonrpc":"2.0","method":"drain"})"), "");
    EXPECT_TRUE(daemon.drained);
    const auto answers = Json::parse(table.handle(
        R"([{"jsonrpc":"2.0","id":"a","method":"version"},{"jsonrpc":"2.0","method":"version"},{"jsonrpc":"2.0","id":2,"method":"x"}])"));
    ASSERT_EQ(answers.size(), 2U);
    EXPECT_EQ(answers[0]["id"], "a");
    EXPECT_TRUE(answers[1].contains("error"));
    EXPECT_EQ(table.handle(R"([{"jsonrpc":"2.0","method":"version"}])"), "");
}

}  // namespace
}  // namespace sipfront::app

#include "app/control.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "tests/unit/app/fake_daemon.hpp"

namespace sipfront::app {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string two_hosts = R"(
data_plane = { ports = ["net_null0"], workers = 2 }
kernel.addresses = ["10.77.0.101/24"]
node.drain_timeout = "10s"
[[load_balancer]]
dst_uri = "sip:10.77.0.103"
resources = "pstn=32"
[[load_balancer]]
dst_uri = "sip:10.77.0.104"
resources = "pstn=32"
[[dispatcher]]
destination = "sip:10.77.0.103"
)";

// Control without a data plane, on a manual clock.
class ControlTest : public ::testing::Test {
protected:
    ControlTest() {
        std::string name = (std::filesystem::temp_directory_path() / "sipfront-control-XXXXXX").string();
        directory_ = ::mkdtemp(name.data());
        file_ = directory_ + "/sipfront.toml";
        write(two_hosts);
        config_ = std::move(*load_config({file_}));
        Telemetry t;
        for (auto& s : stats_) t.workers.push_back({&s, nullptr, nullptr});
        t.switchboard = &switchboard_;
        t.control = &control_stats_;
        t.version = "test";
        control_.emplace(ControlParts{.config = config_,
                                      .config_files = {file_},
                                      .switchboard = switchboard_,
                                      .snapshots = snapshots_,
                                      .telemetry = t,
                                      .stats = control_stats_,
                                      .threads = {},
                                      .clock = [this] { return now_; },
                                      .network = nullptr,
                                      .resolver = &resolver_});
    }
    ~ControlTest() override { std::filesystem::remove_all(directory_); }

    void write(const std::string& toml) const { std::ofstream{file_} << toml; }
    const balancer::Snapshot& snapshot() { return *snapshots_.acquire(core::WorkerId{0}); }
    const balancer::Destination& host(std::size_t i) { return snapshot().destinations()[i]; }
    void evidence(std::size_t host_index, sip::Outcome outcome, std::uint16_t status = 0) {
        ASSERT_TRUE(switchboard_.evidence(core::WorkerId{1}).try_post({host(host_index).id, outcome, true, status}));
    }
    std::vector<WorkerCommand> commands(unsigned worker) {
        std::vector<WorkerCommand> all;
        switchboard_.commands(core::WorkerId{static_cast<std::uint8_t>(worker)})
            .consume([&](const WorkerCommand& c) { all.push_back(c); }, 100);
        return all;
    }
    Json call(const std::string& method, const Json& params = Json::array()) {
        return Json::parse(control_->answer(Json{{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}}.dump()));
    }

    std::string directory_, file_;
    core::Tick now_{1h};
    Config config_;
    std::array<WorkerStats, 2> stats_;
    ControlStats control_stats_;
    Switchboard switchboard_{2};
    core::Published<balancer::Snapshot> snapshots_{3};
    // Says that every address is 192.0.2.1.
    struct Dns final : kni::DnsTransport {
        void query(const kni::DnsQuery& q, OnReply on_reply) override {
            const kni::DnsRecord one{.address = core::IpAddress::v4(0xc0000201)};
            on_reply(q.type == kni::RecordType::a ? kni::DnsReply{kni::DnsReply::Status::found, {one}, 60}
                                                  : kni::DnsReply{kni::DnsReply::Status::absent, {}, 60});
        }
    } dns_;
    core::Published<core::NameTable> names_{2};
    kni::ResolverStats resolver_stats_;
    core::HashKey name_key_{core::SecretKey{1, 2}};
    kni::Resolver resolver_{
        {.config = {}, .families = {}, .key = name_key_, .dns = dns_, .names = names_, .stats = resolver_stats_, .clock = [this] {
             return now_;
         }}};
    std::optional<Control> control_;
};

TEST_F(ControlTest, FirstSnapshotIsThereBeforeAnyWorker) {
    EXPECT_EQ(snapshot().destinations().size(), 3U);
    EXPECT_EQ(snapshot().calls().size(), 2U);
}

TEST_F(ControlTest, EvidenceFromWorkersTakesAHostOutAndBringsItBack) {
    evidence(0, sip::Outcome::timeout);
    control_->tick();
    EXPECT_EQ(host(0).state, balancer::State::active) << "one failure is none";
    evidence(0, sip::Outcome::timeout);
    control_->tick();
    EXPECT_EQ(host(0).state, balancer::State::probing);
    EXPECT_EQ(host(1).state, balancer::State::active);
    evidence(0, sip::Outcome::alive, 200);
    control_->tick();
    EXPECT_EQ(host(0).state, balancer::State::active);
    EXPECT_EQ(control_stats_.counts[ControlCount::health_changes].get(), 2U);
    EXPECT_EQ(control_stats_.failures[core::raw(host(0).id)].get(), 2U);
}

TEST_F(ControlTest, QuestionsOfWorkersAreAnsweredByATable) {
    const auto question = core::NameQuestion::make("carrier.example", 0, false).value();
    EXPECT_EQ(names_.acquire(core::WorkerId{0}), nullptr);
    for (const unsigned worker : {0U, 1U})
        ASSERT_TRUE(switchboard_.questions(core::WorkerId{static_cast<std::uint8_t>(worker)}).try_post(question));
    control_->tick();
    const auto* table = names_.acquire(core::WorkerId{0});
    ASSERT_NE(table, nullptr);
    const auto* answer = table->find(question.key(name_key_), now_);
    ASSERT_NE(answer, nullptr);
    EXPECT_EQ(answer->target(0, 0)->remote.to_string(), "192.0.2.1:5060");
    const auto shown = call("resolver")["result"]["Names"];
    ASSERT_EQ(shown.size(), 1U) << "both asked for the same";
    EXPECT_EQ(shown[0]["ttl"], 60);
    now_ += 60s;
    control_->tick();
    EXPECT_TRUE(call("resolver")["result"]["Names"].empty()) << "nobody used it";
}

TEST_F(ControlTest, ReplacedSnapshotsAreFreedOnceEveryWorkerMovedOn) {
    (void)snapshot();
    ASSERT_TRUE(control_->set_state(host(0).id, balancer::State::disabled));
    EXPECT_EQ(snapshots_.waiting(), 1U);
    control_->tick();
    EXPECT_EQ(snapshots_.waiting(), 1U) << "worker 0 may still look at it";
    (void)snapshot();
    control_->tick();
    EXPECT_EQ(snapshots_.waiting(), 0U);
}

TEST_F(ControlTest, ReloadKeepsWhatStaysAndLingersWhatGoes) {
    auto* load = host(1).load.get();
    load->try_reserve(snapshot().call_resources());
    ASSERT_TRUE(control_->set_state(host(0).id, balancer::State::disabled));
    write(R"(
data_plane = { ports = ["net_null0"], workers = 2 }
kernel.addresses = ["10.77.0.101/24"]
sip.fork_attempts = 2
[[load_balancer]]
dst_uri = "sip:10.77.0.103"
resources = "pstn=64"
[[dispatcher]]
destination = "sip:10.77.0.103"
)");
    control_->on_signal(SIGHUP);
    EXPECT_EQ(control_stats_.counts[ControlCount::reload_ok].get(), 1U);
    EXPECT_EQ(host(0).state, balancer::State::disabled) << "health of a row that stays is kept";
    EXPECT_EQ(host(0).resources.at(0).capacity, 64U);
    const auto lingering =
        std::ranges::find_if(snapshot().destinations(), [](const auto& d) { return d.phase == balancer::Phase::lingering; });
    ASSERT_NE(lingering, snapshot().destinations().end());
    EXPECT_EQ(lingering->uri, "sip:10.77.0.104:5060");

    // Its last call ends: a little later it is gone.
    load->release(snapshot().call_resources());
    for (int i = 0; i < 10; ++i) {
        now_ += 1s;
        control_->tick();
        (void)snapshot();
    }
    EXPECT_EQ(snapshot().destinations().size(), 2U);
}

TEST_F(ControlTest, ReloadWithErrorsChangesNothingAndReportsThemAll) {
    write(two_hosts + "[balancer]\nlb_algorithm = \"best\"\nlb_groop = 1\n");
    const auto report = control_->reload();
    ASSERT_EQ(report.errors.size(), 2U);
    EXPECT_THAT(report.errors[0], HasSubstr("sipfront.toml:"));
    EXPECT_EQ(control_stats_.counts[ControlCount::reload_failed].get(), 1U);
    EXPECT_EQ(snapshot().calls().size(), 2U);
    EXPECT_THAT(call("reload")["error"]["message"].get<std::string>(), HasSubstr("lb_groop"));
}

TEST_F(ControlTest, ReloadNamesWhatWaitsForARestartUntilItComes) {
    write(two_hosts + "[balancer]\nlb_algorithm = \"absolute\"\n[sip]\nfork_attempts = 2\n");
    auto report = control_->reload();
    EXPECT_THAT(report.errors, IsEmpty());
    EXPECT_THAT(report.applied, ElementsAre("balancer.lb_algorithm"));
    EXPECT_THAT(report.needs_restart, ElementsAre("sip.fork_attempts"));
    EXPECT_EQ(snapshot().lb_algorithm(), balancer::LbAlgorithm::absolute);
    report = control_->reload();
    EXPECT_THAT(report.applied, IsEmpty());
    EXPECT_THAT(report.needs_restart, ElementsAre("sip.fork_attempts"));
}

TEST_F(ControlTest, WhatACallUsesCannotChangeWhileRunning) {
    write(two_hosts +
          "[balancer]\nlb_resource = \"fax\"\n[[load_balancer]]\ndst_uri = \"sip:10.77.0.105\"\nresources = \"pstn=1;fax=1\"\n");
    const auto report = control_->reload();
    EXPECT_THAT(report.errors, IsEmpty());
    EXPECT_THAT(report.needs_restart, ElementsAre("balancer.lb_resource"));
    EXPECT_EQ(snapshot().calls().size(), 3U) << "the rows are taken all the same";
}

TEST_F(ControlTest, ResizeLastsUntilAReload) {
    EXPECT_EQ(call("lb_resize", positional(1, "pstn", 5))["result"], "OK");
    const auto pstn = snapshot().call_resources().first();
    EXPECT_EQ((*host(0).load)[pstn].read().capacity, 5U);
    EXPECT_THAT(control_->reload().applied, Contains("load_balancer[0].resources"));
    EXPECT_EQ((*host(0).load)[pstn].read().capacity, 32U);
}

TEST_F(ControlTest, AHostPutOnTrialIsProbedAtOnce) {
    ASSERT_TRUE(control_->set_state(host(1).id, balancer::State::probing));
    EXPECT_EQ(host(1).state, balancer::State::probing);
    for (const unsigned w : {0U, 1U}) {
        const auto told = commands(w);
        ASSERT_EQ(told.size(), 1U);
        EXPECT_EQ(told[0].kind, WorkerCommand::Kind::probe);
        EXPECT_EQ(told[0].destination, host(1).id);
    }
}

TEST_F(ControlTest, DrainEndsWhenTheLastWorkerIsIdle) {
    stats_[0].idle.set(1);
    control_->on_signal(SIGTERM);
    EXPECT_EQ(control_stats_.draining.get(), 1U);
    for (const unsigned w : {0U, 1U}) {
        const auto told = commands(w);
        ASSERT_EQ(told.size(), 1U);
        EXPECT_EQ(told[0].kind, WorkerCommand::Kind::drain);
    }
    control_->tick();
    EXPECT_FALSE(control_->finished());
    stats_[1].idle.set(1);
    control_->tick();
    EXPECT_TRUE(control_->finished());
}

TEST_F(ControlTest, DrainEndsAtItsTimeout) {
    control_->drain();
    now_ += 9'999ms;
    control_->tick();
    EXPECT_FALSE(control_->finished());
    now_ += 1ms;
    control_->tick();
    EXPECT_TRUE(control_->finished());
}

TEST_F(ControlTest, ASecondSignalEndsAtOnce) {
    control_->on_signal(SIGTERM);
    EXPECT_FALSE(control_->finished());
    control_->on_signal(SIGTERM);
    EXPECT_TRUE(control_->finished());
}

TEST_F(ControlTest, AnswersManagement) {
    now_ += 61s;
    EXPECT_EQ(call("uptime")["result"]["Up time"], 61);
    EXPECT_EQ(call("lb_status", positional(2, 0))["result"], "OK");
    EXPECT_EQ(host(1).state, balancer::State::disabled);
    EXPECT_EQ(control_stats_.counts[ControlCount::admin_requests].get(), 2U);
}

// A database whose answers the test gives.
struct FakeFeed final : DestinationFeed {
    std::uint64_t request() override { return ++requests; }
    std::optional<Answer> take() override { return std::exchange(next, std::nullopt); }
    std::string name() const override { return "fake"; }
    void bring(const std::vector<std::string>& hosts) {
        ha::DestinationTables tables;
        std::uint32_t id = 0;
        for (const auto& uri : hosts) {
            tables.load_balancer.push_back({++id, 1, uri, "pstn=8", {}, "", ""});
            ha::DispatcherEntry gateway;
            gateway.id = id;
            gateway.setid = 1;
            gateway.destination = uri;
            tables.dispatcher.push_back(gateway);
        }
        next.emplace(Answer{requests, std::move(tables)});
    }
    void fail(const std::string& what) { next.emplace(Answer{requests, core::Error{what}}); }

    std::uint64_t requests = 1;
    std::optional<Answer> next;
};

class ControlWithDatabase : public ControlTest {
protected:
    ControlWithDatabase() {
        cache_ = directory_ + "/destinations.json";
        toml_ =
            "data_plane = { ports = [\"net_null0\"], workers = 2 }\nkernel.addresses = [\"10.77.0.101/24\"]\n"
            "database = { engine = \"mysql\", destinations = \"database\", destination_cache = \"" +
            cache_ + "\" }\n";
        write(toml_);
        restart();
    }
    void restart() {
        control_.reset();
        config_ = std::move(*load_config({file_}));
        control_.emplace(ControlParts{.config = config_,
                                      .config_files = {file_},
                                      .switchboard = switchboard_,
                                      .snapshots = snapshots_,
                                      .telemetry = {},
                                      .stats = control_stats_,
                                      .threads = {},
                                      .clock = [this] { return now_; },
                                      .network = nullptr,
                                      .resolver = &resolver_,
                                      .dns = nullptr,
                                      .feed = &feed_});
    }
    void bring(const std::vector<std::string>& hosts) {
        feed_.bring(hosts);
        control_->take_destinations();
    }
    std::vector<std::string> hosts() {
        std::vector<std::string> all;
        for (const auto& d : snapshot().destinations())
            if (d.identity.kind == balancer::Kind::load_balancer && d.phase == balancer::Phase::live) all.push_back(d.uri);
        return all;
    }

    FakeFeed feed_;
    std::string cache_, toml_;
};

TEST_F(ControlWithDatabase, StartsWithoutHostsAndTakesThemWhenTheyCome) {
    EXPECT_THAT(hosts(), IsEmpty());
    control_->take_destinations();
    EXPECT_THAT(hosts(), IsEmpty()) << "nothing has come yet";
    bring({"sip:10.77.0.103", "sip:10.77.0.104"});
    EXPECT_THAT(hosts(), ElementsAre("sip:10.77.0.103:5060", "sip:10.77.0.104:5060"));
    EXPECT_EQ(call("lb_list")["result"]["Destinations"].size(), 2U);
    EXPECT_EQ(call("db_status")["result"]["source"], "fake");
}

TEST_F(ControlWithDatabase, StatesOfHostsThatStayAreKept) {
    bring({"sip:10.77.0.103", "sip:10.77.0.104"});
    EXPECT_EQ(call("lb_status", positional(2, 0))["result"], "OK");
    const auto before = host(1).id;
    bring({"sip:10.77.0.105", "sip:10.77.0.104"});
    EXPECT_THAT(hosts(), ElementsAre("sip:10.77.0.105:5060", "sip:10.77.0.104:5060"));
    EXPECT_EQ(host(1).id, before);
    EXPECT_EQ(host(1).state, balancer::State::disabled) << "by group and URI, whatever its row's number";
}

TEST_F(ControlWithDatabase, AReadingThatFailsLeavesTheRunningSet) {
    bring({"sip:10.77.0.103"});
    const auto report = control_->reload();
    EXPECT_EQ(report.reading, 2U);
    EXPECT_THAT(report.applied, IsEmpty());
    EXPECT_THAT(hosts(), ElementsAre("sip:10.77.0.103:5060")) << "until the database answers";
    feed_.fail("it stands still");
    control_->take_destinations();
    EXPECT_THAT(hosts(), ElementsAre("sip:10.77.0.103:5060"));
    EXPECT_EQ(control_stats_.counts[ControlCount::destinations_failed].get(), 1U);
    auto status = call("db_status")["result"];
    EXPECT_EQ(status["error"], "it stands still");
    EXPECT_EQ(status["answered"], 2);
    EXPECT_EQ(call("lb_reload")["result"]["reading"], 3);
    bring({"sip:10.77.0.104"});
    status = call("db_status")["result"];
    EXPECT_EQ(status["error"], "");
    EXPECT_EQ(status["answered"], 3);
    EXPECT_EQ(control_stats_.counts[ControlCount::destinations_read].get(), 2U);
}

TEST_F(ControlWithDatabase, RowsThatCannotServeAreNamedAndTheOthersDo) {
    bring({"sip:10.77.0.103", "sip:10.77.0.101", "sip:10.77.0.103"});
    EXPECT_THAT(hosts(), ElementsAre("sip:10.77.0.103:5060"));
    const auto skipped = call("db_status")["result"]["skipped"];
    ASSERT_EQ(skipped.size(), 4U) << skipped.dump();
    EXPECT_THAT(skipped[0].get<std::string>(), HasSubstr("load_balancer row 2, dst_uri: \"sip:10.77.0.101\" is a listener of ours"));
    EXPECT_THAT(skipped.dump(), HasSubstr("load_balancer row 3, dst_uri"));
    EXPECT_EQ(control_stats_.destination_rows_skipped.get(), 4U);
}

TEST_F(ControlWithDatabase, WhatWasReadBeforeServesUntilTheDatabaseAnswers) {
    std::ofstream{cache_} << R"({"load_balancer":[{"id":1,"group_id":1,"dst_uri":"sip:10.77.0.109","resources":"pstn=4","probe_mode":null,)"
                             R"("attrs":"","description":""}],"dispatcher":[]})";
    restart();
    EXPECT_THAT(hosts(), ElementsAre("sip:10.77.0.109:5060"));
    EXPECT_EQ(call("db_status")["result"]["from_cache"], true);
    feed_.fail("down");
    control_->take_destinations();
    EXPECT_THAT(hosts(), ElementsAre("sip:10.77.0.109:5060"));
    bring({"sip:10.77.0.103"});
    EXPECT_THAT(hosts(), ElementsAre("sip:10.77.0.103:5060"));
    EXPECT_EQ(call("db_status")["result"]["from_cache"], false);
}

TEST_F(ControlWithDatabase, ResizeLastsUntilTheNextReading) {
    bring({"sip:10.77.0.103"});
    EXPECT_EQ(call("lb_resize", positional(1, "pstn", 5))["result"], "OK");
    const auto pstn = snapshot().call_resources().first();
    EXPECT_EQ((*host(0).load)[pstn].read().capacity, 5U);
    bring({"sip:10.77.0.103"});
    EXPECT_EQ((*host(0).load)[pstn].read().capacity, 8U);
}

TEST_F(ControlWithDatabase, GoingBackToTheConfigurationTakesARestart) {
    bring({"sip:10.77.0.103"});
    write(two_hosts);
    const auto report = control_->reload();
    EXPECT_THAT(report.needs_restart, Contains("database.destinations"));
    EXPECT_THAT(hosts(), ElementsAre("sip:10.77.0.103:5060"));
}

TEST_F(ControlTest, GoingToTheDatabaseTakesARestart) {
    write(two_hosts.substr(0, two_hosts.find("[[")) + "[database]\nengine = \"mysql\"\ndestinations = \"database\"\n");
    const auto report = control_->reload();
    EXPECT_THAT(report.errors, IsEmpty());
    EXPECT_THAT(report.needs_restart, Contains("database.destinations"));
    EXPECT_EQ(snapshot().calls().size(), 2U) << "those of the configuration stay";
}

TEST_F(ControlTest, RunsInTheLoop) {
    auto loop = std::move(*EventLoop::create());
    // SIGHUP and the like must be blocked wherever they may arrive.
    block_signals({SIGHUP, SIGTERM, SIGINT});
    ASSERT_TRUE(control_->attach(*loop));
    for (auto& s : stats_) s.idle.set(1);
    ASSERT_EQ(::raise(SIGTERM), 0);
    loop->run();
    EXPECT_TRUE(control_->finished());
}

}  // namespace
}  // namespace sipfront::app

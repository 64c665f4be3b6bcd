#include "app/config.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/config_binder.hpp"

namespace sipfront::app {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// The least that makes a sound configuration.
const std::string base = R"(
data_plane.ports = ["net_null0"]
kernel.addresses = ["10.77.0.101/24"]
kernel.virtual_addresses = ["10.77.0.100/24"]
[[load_balancer]]
dst_uri = "sip:10.77.0.103"
resources = "pstn=32"
[[dispatcher]]
destination = "sip:10.77.0.103"
)";

Config good(const std::vector<ConfigText>& texts) {
    auto r = parse_config(texts);
    if (r) return std::move(*r);
    for (const auto& e : r.error()) ADD_FAILURE() << e.to_string();
    return {};
}
Config good_with(const std::string& more) { return good({{"base.toml", base}, {"more.toml", more}}); }

std::vector<std::string> errors_of(const std::vector<ConfigText>& texts) {
    std::vector<std::string> all;
    if (const auto r = parse_config(texts); !r)
        for (const auto& e : r.error()) all.push_back(e.to_string());
    return all;
}
std::vector<std::string> errors_with(const std::string& more) { return errors_of({{"base.toml", base}, {"more.toml", more}}); }

TEST(Config, LeastFileGivesDefaultsAndDerivedListeners) {
    const auto c = good({{"base.toml", base}});
    EXPECT_EQ(c.proxy.timers.t1, 500ms);
    EXPECT_EQ(c.proxy.timers.dialog_timeout, 12h);
    ASSERT_EQ(c.proxy.listeners.size(), 2U);
    EXPECT_EQ(c.proxy.listeners[0].local.to_string(), "10.77.0.100:5060");
    EXPECT_TRUE(c.proxy.listeners[0].virtual_ip);
    EXPECT_EQ(c.proxy.listeners[1].local.to_string(), "10.77.0.101:5060");
    EXPECT_FALSE(c.proxy.listeners[1].virtual_ip);
    EXPECT_EQ(core::raw(c.proxy.listeners[1].id), 1);
    EXPECT_EQ(c.metrics.listen.to_string(), "10.77.0.101:9090");
    EXPECT_EQ(c.balancer.load_balancer.at(0).id, 1U);
    EXPECT_EQ(c.balancer.load_balancer.at(0).probe_mode, 2) << "a row without a probe mode is probed";
    EXPECT_EQ(c.kernel.addresses.at(0).length, 24);
    EXPECT_EQ(c.kernel.addresses.at(0).address.to_string(), "10.77.0.101");
}

TEST(Config, ReadsEveryKindOfValue) {
    const auto c = good_with(R"(
node = { id = 2, key_file = "/etc/sipfront/keys", drain_timeout = "1h30m" }
log.level = "debug"
[data_plane]
ports = ["net_null0", "net_null1"]
workers = 2
cores = [2, 3]
memory = "1GiB"
idle_sleep = "20us"
reassembly_timeout = "750ms"
reassembly_contexts = 512
reassembly_buffers = 4096
bond = { mode = "active_backup", primary = "net_null1", monitor_interval = "50ms", arp_targets = ["10.77.0.1"] }
[kernel]
routes = [{ destination = "0.0.0.0/0", via = "10.77.0.1" }]
[sip]
image_bytes = 2097152
failover_codes = [500, 503]
cluster_to_self = "balance_elsewhere"
path = "supported"
large_requests = "fragment"
methods = { subscribe = "dispatch" }
trust = { strip = ["X-Token"] }
[balancer]
lb_algorithm = "absolute"
ds_algorithm = "round_robin"
carrier_prefixes = ["192.0.2.0/24"]
probe = { jitter = 0, interval = "10s" }
)");
    EXPECT_EQ(core::raw(c.proxy.node), 2);
    EXPECT_EQ(c.key_file, "/etc/sipfront/keys");
    EXPECT_EQ(c.drain_timeout, 90min);
    EXPECT_EQ(c.data_plane.ports.size(), 2U);
    EXPECT_THAT(c.data_plane.cores, ElementsAre(2U, 3U));
    EXPECT_EQ(c.data_plane.memory_mb, 1024U);
    EXPECT_EQ(c.data_plane.idle_sleep_us, 20U);
    EXPECT_EQ(c.data_plane.reassembly_timeout_ms, 750U);
    EXPECT_EQ(c.data_plane.reassembly_contexts, 512U);
    EXPECT_EQ(c.data_plane.reassembly_buffers, 4096U);
    EXPECT_EQ(c.data_plane.bond.mode, dpdk::BondMode::active_backup);
    EXPECT_EQ(c.data_plane.bond.monitor_interval_ms, 50U);
    EXPECT_EQ(c.data_plane.bond.arp_targets.at(0).to_string(), "10.77.0.1");
    EXPECT_EQ(c.kernel.routes.at(0).via.to_string(), "10.77.0.1");
    EXPECT_EQ(c.proxy.image_bytes, 2'097'152U);
    EXPECT_THAT(c.proxy.failover_codes, ElementsAre(500, 503));
    EXPECT_EQ(c.proxy.cluster_to_self, sip::SelfPolicy::balance_elsewhere);
    EXPECT_EQ(c.proxy.path, sip::PathPolicy::supported);
    EXPECT_EQ(c.proxy.large_requests, sip::LargeRequests::fragment);
    EXPECT_EQ(c.proxy.methods[static_cast<std::size_t>(sip::Method::subscribe)], sip::MethodPolicy::dispatch);
    EXPECT_EQ(c.proxy.methods[static_cast<std::size_t>(sip::Method::invite)], sip::MethodPolicy::balance);
    EXPECT_THAT(c.proxy.trust_strip, ElementsAre("X-Token"));
    EXPECT_EQ(c.balancer.lb_algorithm, balancer::LbAlgorithm::absolute);
    EXPECT_EQ(c.balancer.ds_algorithm, balancer::DsAlgorithm::round_robin);
    EXPECT_EQ(c.balancer.carrier_prefixes.at(0).to_string(), "192.0.2.0/24");
    EXPECT_EQ(c.balancer.probe.jitter, 0);
    EXPECT_EQ(c.balancer.probe.interval, 10s);
}

TEST(Config, RowsHaveTheColumnsOfOpenSips) {
    const auto c = good_with(R"(
balancer = { lb_group = 7, ds_set = 3, lb_resource = "pstn;conf" }
[[load_balancer]]
id = 12
group_id = 7
dst_uri = "sip:[fd77::103]:5070;transport=udp"
resources = "pstn=32;conf=4"
probe_mode = 1
attrs = "x"
description = "FS1"
[[dispatcher]]
setid = 3
destination = "sip:10.77.0.104"
state = 2
weight = 50
priority = -1
description = "FS2"
)");
    ASSERT_EQ(c.balancer.load_balancer.size(), 1U) << "a later file's rows replace the earlier ones";
    const auto& lb = c.balancer.load_balancer[0];
    EXPECT_EQ(lb.id, 12U);
    EXPECT_EQ(lb.group_id, 7U);
    EXPECT_THAT(lb.resources, ElementsAre(balancer::ResourceSpec{"pstn", 32}, balancer::ResourceSpec{"conf", 4}));
    EXPECT_EQ(lb.probe_mode, 1);
    EXPECT_EQ(lb.attrs, "x");
    const auto& ds = c.balancer.dispatcher.at(0);
    EXPECT_EQ(ds.state, 2);
    EXPECT_EQ(ds.weight, 50U);
    EXPECT_EQ(ds.priority, -1);
    EXPECT_EQ(ds.description, "FS2");
}

TEST(Config, ResolverIsRead) {
    const auto c = good({{"a", base}, {"b", "[resolver]\nservers = [\"10.77.0.53\", \"[fd77::53]:5353\"]\nwait = \"2s\"\nmax_names = 64"}});
    ASSERT_EQ(c.resolver.servers.size(), 2U);
    EXPECT_EQ(c.resolver.servers[0].to_string(), "10.77.0.53:53");
    EXPECT_EQ(c.resolver.servers[1].to_string(), "[fd77::53]:5353");
    EXPECT_EQ(c.proxy.timers.name_wait, 2s);
    EXPECT_EQ(c.resolver.max_names, 64U);
    EXPECT_FALSE(parse_config({{"a", base}, {"b", "resolver.servers = [\"ns.example\"]"}})) << "a name server has an address";
}

TEST(Config, JournalAndCallRecordsAreRead) {
    const auto c = good({{"base.toml", base},
                         {"more.toml",
                          "journal = { flush_interval = \"20ms\", writers = 4, ring = \"64MiB\" }\n"
                          "cdr = { file = \"/var/log/sipfront/cdr.json\", rotate_interval = \"1h\" }\n"}});
    EXPECT_EQ(c.journal.flush_interval, 20ms);
    EXPECT_EQ(c.journal.writers, 4U);
    EXPECT_EQ(c.journal.ring, 64U << 20);
    EXPECT_EQ(c.cdr.rotate_interval, 1h);
    EXPECT_TRUE(c.proxy.keep_parties) << "records name the parties";
    EXPECT_FALSE(good({{"base.toml", base}}).proxy.keep_parties);
}

TEST(Config, LaterFilesOverrideKeyByKey) {
    const auto c = good({{"a", base}, {"b", "sip.timers.t1 = \"400ms\"\nsip.timers.t2 = \"3s\""}, {"c", "sip.timers.t1 = \"300ms\""}});
    EXPECT_EQ(c.proxy.timers.t1, 300ms);
    EXPECT_EQ(c.proxy.timers.t2, 3s);
}

TEST(Config, ReportsAllErrorsAtOnceWithTheirPlaces) {
    const auto errors = errors_with(
        "sip.max_forwards_default = 0\n"
        "sip.timers.t1 = \"5x\"\n"
        "  log.level = \"warn\"\n"
        "sip.repair_routes = 1\n"
        "[sip.timer]\n");
    EXPECT_THAT(errors, ElementsAre("more.toml:1:5: sip.max_forwards_default: 0 is out of range; give 1 to 255",
                                    "more.toml:2:12: sip.timers.t1: \"5x\" is not a duration; write it as \"500ms\", \"2s\", "
                                    "\"90m\" or \"12h\"",
                                    "more.toml:3:7: log.level: \"warn\" is none of its choices; did you mean \"warning\"?",
                                    "more.toml:4:5: sip.repair_routes: is a whole number; write true or false",
                                    "more.toml:5:6: sip.timer: is not a key that sipfront knows; did you mean \"timers\"?"));
}

TEST(Config, UnknownKeysAreErrorsWithASuggestion) {
    EXPECT_THAT(errors_with("sip.large_requests = \"stream\""), ElementsAre(HasSubstr("no TCP transport yet")));
    EXPECT_THAT(errors_with("sip.fork_atempts = 2"), ElementsAre(HasSubstr("did you mean \"fork_attempts\"?")));
    EXPECT_THAT(errors_with("sip.fr_timer = \"1s\""), ElementsAre(HasSubstr("did you mean \"sip.timers.fr_timer\"?")));
    EXPECT_THAT(errors_with("sip.qqqqqq = 1"), ElementsAre(HasSubstr("; remove it")));
    EXPECT_THAT(errors_with("[[dispatcher]]\ndestination = \"sip:10.77.0.103\"\nwieght = 3"),
                ElementsAre(AllOf(HasSubstr("more.toml:3:1: dispatcher[0].wieght"), HasSubstr("\"weight\""))));
}

TEST(Config, SyntaxErrorsNameFileAndLine) {
    const auto errors = errors_of({{"a.toml", "x = = 1"}, {"b.toml", base}, {"c.toml", "\n\n[oops"}});
    ASSERT_THAT(errors, SizeIs(2));
    EXPECT_THAT(errors[0], HasSubstr("a.toml:1:"));
    EXPECT_THAT(errors[1], HasSubstr("c.toml:3:"));
}

TEST(Config, MissingFileIsReported) {
    const auto r = load_config({"/nonexistent/sipfront.toml"});
    ASSERT_FALSE(r);
    EXPECT_THAT(r.error().at(0).to_string(), AllOf(HasSubstr("/nonexistent/sipfront.toml"), HasSubstr("No such file")));
}

struct Rule {
    const char* toml;
    const char* expected;
};
class ConfigRules : public ::testing::TestWithParam<Rule> {};

TEST_P(ConfigRules, AreChecked) { EXPECT_THAT(errors_with(GetParam().toml), Contains(HasSubstr(GetParam().expected))); }

INSTANTIATE_TEST_SUITE_P(
    All, ConfigRules,
    ::testing::Values(
        Rule{"sip.timers = { t1 = \"4s\" }", "more.toml:1:16: sip.timers.t1: is 4s, not below t2 (4s)"},
        Rule{"sip.timers.timer_c = \"3m\"", "sip.timers.timer_c: 3m is out of range"},
        Rule{"sip.timers.fr_inv_timer = \"10m\"", "beyond timer_c"},
        Rule{"sip.timers = { t1 = \"10ms\" }", "fr_timer: is 2s, beyond 64*t1"}, Rule{"sip.timers.t2 = \"4000500us\"", "is too fine"},
        Rule{"balancer.probe.timeout = \"5s\"", "not below the interval"},
        Rule{"database.engine = \"none\"\ncdr.table = true", "cdr.table: is set, and there is no database"},
        Rule{"cdr.file = \"cdr.json\"", "\"cdr.json\" is not an absolute path"},
        Rule{"cdr.file = \"/a\"\nlog.file = \"/a\"", "cdr.file: is the log's file, too"},
        Rule{"cdr = { file = \"/a\", rotate_size = \"1KiB\" }", "cdr.rotate_size: is 1KiB"},
        Rule{"cdr = { file = \"/a\", rotate_interval = \"1s\" }", "cdr.rotate_interval: is 1s"}, Rule{"journal.batch = 0", "journal.batch"},
        Rule{"sip.methods.register = \"balance\"", "is none of its choices"},
        Rule{"sip.trust.strip = [\"X Y\"]", "not a header field's name"},
        Rule{"[[sip.listeners]]\naddress = \"10.77.0.55:5060\"", "more.toml:2:1: sip.listeners[0].address: 10.77.0.55 is neither"},
        Rule{"[[sip.listeners]]\naddress = \"10.77.0.100\"", "none of them is on the node's own address"},
        Rule{"[[sip.listeners]]\naddress = \"10.77.0.101\"\n[[sip.listeners]]\naddress = \"10.77.0.101:5060\"", "is listed twice for udp"},
        Rule{"[[sip.listeners]]\naddress = \"nowhere\"", "\"nowhere\" is not understood"}, Rule{"[[sip.listeners]]", "address: is missing"},
        Rule{"data_plane.ports = [\"a\", \"b\"]", "has 2 ports and no bond"}, Rule{"data_plane.bond.mode = \"active_backup\"", "of 1 port"},
        Rule{"data_plane.bond.primary = \"c\"", "\"c\" is not among"}, Rule{"data_plane.ports = []", "is empty"},
        Rule{"data_plane.workers = 65", "give 1 to 64"}, Rule{"data_plane.cores = [1, 2]", "names 2 cores for 1 workers"},
        Rule{"data_plane = { workers = 2, cores = [1, 1] }", "names a core twice"},
        Rule{"data_plane.rx_descriptors = 1000", "is not a power of two"}, Rule{"data_plane.mbufs = 2000", "give at least 2304"},
        Rule{"kernel.addresses = []", "kernel.addresses: is empty"}, Rule{"kernel.addresses = [\"10.77.0.101\"]", "is not understood"},
        Rule{"kernel.addresses = [\"10.77.0.101/24\", \"10.77.0.100/24\"]", "10.77.0.100 is given twice"},
        Rule{"kernel.interface = \"a-name-far-too-long\"", "not an interface's name"},
        Rule{"[[kernel.routes]]\ndestination = \"::/0\"\nvia = \"10.77.0.1\"", "another address family"},
        Rule{"[[kernel.routes]]\ndestination = \"0.0.0.0/0\"\nvia = \"10.78.0.1\"", "on none of the node's networks"},
        Rule{"load_balancer = []", "no row of [[load_balancer]] is in group 1"}, Rule{"dispatcher = []", "no row of [[dispatcher]]"},
        Rule{"balancer.lb_resource = \"pstn;fax\"", "has the resource \"fax\""},
        Rule{"[[load_balancer]]\nresources = \"pstn=1\"", "dst_uri: is missing"},
        Rule{"[[load_balancer]]\ndst_uri = \"sip:10.77.0.9\"", "resources: is missing"},
        Rule{"[[load_balancer]]\ndst_uri = \"sip:10.77.0.9\"\nresources = \"pstn=many\"", "\"pstn=many\" is not understood"},
        Rule{"[[load_balancer]]\ndst_uri = \"http://x\"\nresources = \"pstn=1\"", "is not a SIP URI"},
        Rule{"[[load_balancer]]\ndst_uri = \"sip:fs1.example.com\"\nresources = \"pstn=1\"", "is not a numeric address"},
        Rule{"[[load_balancer]]\ndst_uri = \"sip:10.77.0.9;transport=tcp\"\nresources = \"pstn=1\"", "other than UDP"},
        Rule{"[[load_balancer]]\ndst_uri = \"sip:10.77.0.100\"\nresources = \"pstn=1\"", "requests would loop"},
        Rule{"[[dispatcher]]\ndestination = \"sip:10.77.0.9\"\n[[dispatcher]]\ndestination = \"sip:10.77.0.9\"", "is in set 1 twice"},
        Rule{"database = { engine = \"none\", destinations = \"database\" }\nload_balancer = []\ndispatcher = []",
             "is \"database\", and there is none"},
        Rule{"database = { engine = \"sqlite\", destinations = \"database\" }", "load_balancer: has rows"},
        Rule{"database.hosts = [\"db1\"]", "database.engine: is \"sqlite\", a file, and database.hosts is of a server"},
        Rule{"database = { engine = \"sqlite\", path = \"\" }", "database.path: is empty"},
        Rule{"database = { engine = \"mysql\", hosts = [] }", "database.hosts: is empty"},
        Rule{"database = { engine = \"mysql\", hosts = [\"db1:x\"] }", "\"db1:x\" is not a host"},
        Rule{"database = { engine = \"mysql\", name = \"a`b\" }", "not a database's name"},
        Rule{"database = { engine = \"mysql\", password = \"a\", password_file = \"b\" }", "is given beside"},
        Rule{"overload.retry_after_min = \"11s\"", "is 11s, above retry_after_max (10s)"},
        Rule{"overload.target_delay = \"2s\"", "overload.target_delay: 2s is out of range"},
        Rule{"overload.emergency = [\"sip:112@x\"]", "neither the user of a URI"},
        Rule{"overload.resource_priority = [\"ets\"]", "not a namespace and a priority"},
        Rule{"metrics.listen = \"10.77.0.101:0\"", "is not understood"}, Rule{"admin.socket = \"\"", "not a path"}));

TEST(Config, DestinationsOfTheDatabaseNeedNoRows) {
    const auto c = good_with("load_balancer = []\ndispatcher = []\ndatabase = { engine = \"mysql\", destinations = \"database\" }");
    EXPECT_EQ(c.database.destinations, ha::DestinationSource::database);
    EXPECT_EQ(c.database.engine, ha::DatabaseEngine::mysql);
}

TEST(Config, DescribeReadsBackToTheSame) {
    const auto c =
        good_with("sip.trust.strip = [\"X-A\", \"X-B\"]\nbalancer.guard.deny = [\"192.0.2.0/24\"]\nnode.drain_timeout = \"90s\"");
    std::string toml;
    for (const auto& k : describe(c))
        if (k.path.find('[') == std::string::npos) toml += k.path + " = " + k.value + '\n';
    const auto again = good({{"base.toml", base}, {"described.toml", toml}});
    const auto is_same = changes(c, again);
    EXPECT_THAT(is_same.applied, IsEmpty());
    EXPECT_THAT(is_same.needs_restart, IsEmpty());
}

TEST(Config, ChangesTellWhatAReloadCanApply) {
    const auto from = good({{"base.toml", base}});
    const auto to =
        good_with("sip.fork_attempts = 2\nbalancer.lb_algorithm = \"absolute\"\n[[dispatcher]]\ndestination = \"sip:10.77.0.104\"");
    const auto c = changes(from, to);
    EXPECT_THAT(c.applied, UnorderedElementsAre("balancer.lb_algorithm", "dispatcher[0].destination"));
    EXPECT_THAT(c.needs_restart, ElementsAre("sip.fork_attempts"));
}

TEST(Config, RemovedRowsAreChanges) {
    const std::string two = base + "[[dispatcher]]\ndestination = \"sip:10.77.0.104\"\n";
    const auto c = changes(good({{"two", two}}), good({{"one", base}}));
    EXPECT_THAT(c.applied, Contains("dispatcher[1].destination"));
    EXPECT_THAT(c.needs_restart, IsEmpty());
}

}  // namespace
}  // namespace sipfront::app

#include "app/metrics.hpp"

#include <map>
#include <set>
#include <sstream>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/app/fake_daemon.hpp"

namespace sipfront::app {
namespace {

using ::testing::HasSubstr;

// The text format, read as a Prometheus server reads it, and checked as `promtool check metrics` does.
struct Scrape {
    std::map<std::string, double> series;      // "name{a="b"}" -> value
    std::map<std::string, std::string> types;  // by family

    explicit Scrape(const std::string& text) {
        std::set<std::string> helped;
        std::istringstream lines{text};
        for (std::string line; std::getline(lines, line);) {
            std::istringstream words{line};
            std::string hash, kind, family, rest;
            words >> hash >> kind >> family;
            std::getline(words, rest);
            if (kind == "HELP" && hash == "#") {
                EXPECT_TRUE(helped.insert(family).second) << family << " has two helps";
                EXPECT_GT(rest.size(), 5U) << family;
            } else if (kind == "TYPE" && hash == "#") {
                EXPECT_TRUE(helped.contains(family)) << family << " has no help";
                types[family] = rest.substr(1);
            } else if (!line.empty()) {
                // name{label="value",...} number; label values of ours hold no space.
                const auto space = line.rfind(' ');
                const auto key = line.substr(0, space);
                const auto brace = key.find('{');
                const auto labelled = brace != std::string::npos;
                EXPECT_TRUE(space != std::string::npos && (!labelled || key.ends_with("\"}"))) << line;
                EXPECT_EQ(key.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), brace) << line;
                EXPECT_TRUE(series.emplace(key, std::stod(line.substr(space + 1))).second) << "twice: " << line;
                check_name(key.substr(0, brace));
            }
        }
    }
    void check_name(const std::string& name) const {
        EXPECT_TRUE(name.starts_with("sipfront_")) << name;
        const auto type = types.find(name);
        if (type == types.end()) {
            const auto cut = name.rfind('_');
            EXPECT_EQ(types.at(name.substr(0, cut)), "histogram") << name;
        } else {
            EXPECT_EQ(type->second == "counter", name.ends_with("_total")) << name;
        }
    }
    double operator[](const std::string& key) const {
        const auto s = series.find(key);
        EXPECT_NE(s, series.end()) << key;
        return s == series.end() ? -1 : s->second;
    }
};

TEST(Metrics, SumTheWorkersAndNameTheReasons) {
    FakeDaemon d;
    d.stats[0].proxy.requests_in[sip::Method::invite].add(3);
    d.stats[1].proxy.requests_in[sip::Method::invite].add(4);
    d.stats[0].proxy.responses_out[2].add(5);
    d.stats[1].proxy.parse_errors[sip::ParseError::missing_via].add(2);
    d.stats[1].proxy.drops[sip::ProxyDrop::scanner].add(9);
    d.stats[0].proxy.transactions.set(11);
    d.stats[1].proxy.transactions.set(1);
    d.stats[0].proxy.events[sip::ProxyEvent::dialog_created].add(6);
    const Scrape s{metrics_text(d.view, d.snapshot())};
    EXPECT_EQ(s["sipfront_requests_received_total{method=\"INVITE\"}"], 7);
    EXPECT_EQ(s["sipfront_requests_received_total{method=\"BYE\"}"], 0);
    EXPECT_EQ(s["sipfront_responses_sent_total{class=\"2xx\"}"], 5);
    EXPECT_EQ(s["sipfront_parse_errors_total{reason=\"missing_via\"}"], 2);
    EXPECT_EQ(s["sipfront_drops_total{reason=\"scanner\"}"], 9);
    EXPECT_EQ(s["sipfront_transactions_active"], 12);
    EXPECT_EQ(s["sipfront_dialogs_created_total"], 6);
    EXPECT_EQ(s["sipfront_build_info{version=\"0.1.0\"}"], 1);
    EXPECT_EQ(s.types.at("sipfront_dialogs_active"), "gauge");
}

TEST(Metrics, ShowOverload) {
    FakeDaemon d;
    for (auto& s : d.stats) s.overload.share.set(balancer::admit_all);
    d.stats[1].overload.share.set(balancer::admit_all / 4);
    d.stats[1].overload.standing.set(balancer::admit_all / 2);
    d.stats[1].overload.standing_time.set(1'500'000'000);
    d.stats[1].overload.episodes.add(2);
    d.stats[0].overload.rejected[sip::Method::invite].add(3);
    d.stats[1].overload.rejected[sip::Method::invite].add(4);
    d.stats[1].overload.admitted[sip::Method::register_].add(5);
    const Scrape s{metrics_text(d.view, d.snapshot())};
    EXPECT_EQ(s["sipfront_overload_admission_share{worker=\"0\"}"], 1);
    EXPECT_EQ(s["sipfront_overload_admission_share{worker=\"1\"}"], 0.25);
    EXPECT_EQ(s["sipfront_overload_standing_share{worker=\"1\"}"], 0.5);
    EXPECT_EQ(s["sipfront_overload_standing_seconds_total{worker=\"1\"}"], 1.5);
    EXPECT_EQ(s["sipfront_overload_episodes_total{worker=\"1\"}"], 2);
    EXPECT_EQ(s["sipfront_overload_requests_total{method=\"INVITE\",verdict=\"rejected\"}"], 7);
    EXPECT_EQ(s["sipfront_overload_requests_total{method=\"REGISTER\",verdict=\"admitted\"}"], 5);
}

TEST(Metrics, ShowTheResolver) {
    FakeDaemon d;
    d.resolved.counts[kni::ResolverCount::queries].add(12);
    d.resolved.counts[kni::ResolverCount::absent].add(3);
    d.resolved.names.set(5);
    const Scrape s{metrics_text(d.view, d.snapshot())};
    EXPECT_EQ(s["sipfront_resolver_total{what=\"queries\"}"], 12);
    EXPECT_EQ(s["sipfront_resolver_total{what=\"absent\"}"], 3);
    EXPECT_EQ(s["sipfront_resolver_names"], 5);
    EXPECT_EQ(s.types.at("sipfront_resolver_total"), "counter");
}

TEST(Metrics, ShowTheJournalAndCallRecords) {
    FakeDaemon d;
    const Scrape none{metrics_text(d.view, d.snapshot())};
    EXPECT_FALSE(none.types.contains("sipfront_journal_total"));
    ha::JournalStats journal;
    ha::JournalLane lane{1'024};
    ha::CdrStats cdr;
    d.view.journal = &journal;
    d.view.lanes = {&lane};
    d.view.cdr = {nullptr, &cdr};
    journal.counts[ha::JournalCount::rows_written].add(12);
    journal.errors[static_cast<std::size_t>(ha::StoreError::Kind::retry)].add(3);
    journal.pending.set(5);
    journal.lag.record(9'000'000);
    journal.resync.set(static_cast<std::uint64_t>(ha::ResyncState::asking));
    cdr.counts[ha::CdrCount::dropped].add(2);
    sip::DialogEvent e;
    e.change = sip::DialogChange::ended;
    ASSERT_TRUE(lane.note(e, {}));
    const Scrape s{metrics_text(d.view, d.snapshot())};
    EXPECT_EQ(s["sipfront_journal_total{what=\"rows_written\"}"], 12);
    EXPECT_EQ(s["sipfront_journal_errors_total{kind=\"retry\"}"], 3);
    EXPECT_EQ(s["sipfront_journal_pending"], 5);
    EXPECT_EQ(s["sipfront_journal_lag_seconds_count"], 1);
    EXPECT_EQ(s["sipfront_journal_resync{state=\"asking\"}"], 1);
    EXPECT_EQ(s["sipfront_journal_resync{state=\"idle\"}"], 0);
    EXPECT_EQ(s["sipfront_journal_posts_total{worker=\"0\",result=\"posted\"}"], 1);
    EXPECT_EQ(s["sipfront_journal_ring_depth{worker=\"0\"}"], 1);
    EXPECT_EQ(s["sipfront_cdr_total{target=\"table\",what=\"dropped\"}"], 2);
}

TEST(Metrics, ShowDestinations) {
    FakeDaemon d;
    (*d.destination(0).load)[balancer::ResourceId{0}].try_reserve();
    d.destination(0).load->count_pick(core::WorkerId{1});
    d.control.failures[core::raw(d.destination(1).id)].add(8);
    ASSERT_TRUE(d.set_state(d.destination(1).id, balancer::State::disabled));
    const Scrape s{metrics_text(d.view, d.snapshot())};
    const std::string first = R"({table="load_balancer",group="1",uri="sip:10.77.0.103:5060")";
    const std::string second = R"({table="load_balancer",group="1",uri="sip:10.77.0.104:5060")";
    EXPECT_EQ(s["sipfront_destination_load" + first + ",resource=\"pstn\"}"], 1);
    EXPECT_EQ(s["sipfront_destination_capacity" + second + ",resource=\"pstn\"}"], 16);
    EXPECT_EQ(s["sipfront_destination_picks_total" + first + "}"], 1);
    EXPECT_EQ(s["sipfront_destination_state" + first + ",state=\"active\"}"], 1);
    EXPECT_EQ(s["sipfront_destination_state" + second + ",state=\"active\"}"], 0);
    EXPECT_EQ(s["sipfront_destination_state" + second + ",state=\"disabled\"}"], 1);
    EXPECT_EQ(s["sipfront_destination_failures_total" + second + "}"], 8);
    EXPECT_EQ(s[R"(sipfront_destination_full{table="dispatcher",group="1",uri="sip:10.77.0.103:5060"})"], 0);
}

TEST(Metrics, HistogramsAreCumulativeInSeconds) {
    FakeDaemon d;
    d.stats[0].proxy.invite_success.record(1'000);          // below the first bound
    d.stats[1].proxy.invite_success.record(2'000'000'000);  // 2 s
    d.stats[1].proxy.invite_success.record(1ULL << 39);     // beyond the last bound
    const Scrape s{metrics_text(d.view, d.snapshot())};
    EXPECT_EQ(s["sipfront_invite_success_seconds_count"], 3);
    EXPECT_NEAR(s["sipfront_invite_success_seconds_sum"], 2.000001 + static_cast<double>(1ULL << 39) / 1e9, 1e-3);
    EXPECT_EQ(s["sipfront_invite_success_seconds_bucket{le=\"+Inf\"}"], 3);
    EXPECT_EQ(s["sipfront_invite_success_seconds_bucket{le=\"1.6384e-05\"}"], 1);
    EXPECT_EQ(s["sipfront_invite_success_seconds_bucket{le=\"1.073741824\"}"], 1);
    EXPECT_EQ(s["sipfront_invite_success_seconds_bucket{le=\"2.147483648\"}"], 2);
}

TEST(Metrics, ShowMailboxesPollLoopsPortsAndControl) {
    FakeDaemon d;
    d.board.lane(core::WorkerId{0}, core::WorkerId{1}).try_post({});
    d.occupancy[1].busy_cycles.add(50);
    d.occupancy[1].poll_cycles.add(200);
    d.ports_counted[0].to_kernel.add(3);
    d.ports_counted[0].drops[dpdk::Drop::udp_checksum].add(1);
    d.ports_counted[0].icmp_errors[dpdk::IcmpReport::packet_too_big].add(4);
    d.ports_counted[0].path_mtus.add(2);
    d.control.counts[ControlCount::reload_failed].add(2);
    d.view.ports = {"net_a", "net_b"};
    d.control.bond_active.set(1);
    d.stats[1].counts[WorkerCount::steered_here].add(6);
    const Scrape s{metrics_text(d.view, d.snapshot())};
    EXPECT_EQ(s["sipfront_mailbox_depth{worker=\"1\"}"], 1);
    EXPECT_EQ(s["sipfront_mailbox_depth{worker=\"0\"}"], 0);
    EXPECT_EQ(s["sipfront_mailbox_full_total{worker=\"1\"}"], 0);
    EXPECT_EQ(s["sipfront_poll_busy_cycles_total{worker=\"1\"}"], 50);
    EXPECT_EQ(s["sipfront_poll_cycles_total{worker=\"1\"}"], 200);
    EXPECT_EQ(s["sipfront_kernel_sent_frames_total{worker=\"0\"}"], 3);
    EXPECT_EQ(s["sipfront_port_drops_total{reason=\"udp_checksum\"}"], 1);
    EXPECT_EQ(s["sipfront_port_icmp_errors_total{result=\"packet_too_big\"}"], 4);
    EXPECT_EQ(s["sipfront_port_path_mtus_total{worker=\"0\"}"], 2);
    EXPECT_EQ(s["sipfront_config_reloads_total{result=\"failed\"}"], 2);
    EXPECT_EQ(s["sipfront_bond_member_active{device=\"net_b\"}"], 1);
    EXPECT_EQ(s["sipfront_bond_member_active{device=\"net_a\"}"], 0);
    EXPECT_EQ(s["sipfront_worker_messages_total{worker=\"1\",what=\"steered_here\"}"], 6);
}

TEST(Metrics, AreServedOverHttpFromThePublishedSnapshot) {
    FakeDaemon d;
    core::Published<balancer::Snapshot> published{3, std::move(d.current)};
    auto server = MetricsServer::open({core::IpAddress::v4(0x7f000001), 0}, d.view, {&published, core::WorkerId{2}});
    ASSERT_TRUE(server) << server.error().what;

    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons((*server)->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    constexpr std::string_view request = "GET /metrics HTTP/1.0\r\n\r\n";
    ASSERT_EQ(::send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
    std::string answer, piece(65536, '\0');
    for (ssize_t n = 0; (n = ::recv(fd, piece.data(), piece.size(), 0)) > 0;) answer.append(piece, 0, static_cast<std::size_t>(n));
    ::close(fd);
    EXPECT_THAT(answer, HasSubstr("200 OK"));
    EXPECT_THAT(answer, HasSubstr("sipfront_destination_capacity{table=\"load_balancer\""));

    // The scrape holds no snapshot back.
    published.publish(std::make_unique<const balancer::Snapshot>(balancer::SnapshotParts{}));
    EXPECT_EQ(published.reclaim(), 1U);
}

}  // namespace
}  // namespace sipfront::app

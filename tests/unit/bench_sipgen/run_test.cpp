// What sipgen does around its engine: which rates it tries, how it judges them, what it writes.
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "bench/sipgen/driver.hpp"
#include "bench/sipgen/report.hpp"

namespace sipfront::sipgen {
namespace {

Options searching(double from, double to) {
    Options o;
    o.mode = Options::Mode::search;
    o.span = {from, to, 0};
    return o;
}

// The rates tried when all up to `capacity` pass.
std::vector<double> tried(const Options& o, double capacity, double& best) {
    std::vector<double> all;
    Plan plan{o};
    while (plan.next() > 0 && all.size() < 100) {
        all.push_back(plan.next());
        plan.learn(plan.next() <= capacity);
    }
    best = plan.best();
    return all;
}

TEST(Plan, SearchesByHalvesToOnePercent) {
    double best = 0;
    const auto rates = tried(searching(1000, 100'000), 33'333, best);
    EXPECT_LE(best, 33'333);
    EXPECT_GE(best, 33'333 * 0.985);
    EXPECT_LE(rates.size(), 12U);
}

TEST(Plan, StopsAtTheEndsOfTheRange) {
    double best = -1;
    EXPECT_THAT(tried(searching(1000, 2000), 500, best), testing::ElementsAre(1000));
    EXPECT_EQ(best, 0);
    EXPECT_THAT(tried(searching(1000, 2000), 9000, best), testing::ElementsAre(1000, 2000));
    EXPECT_EQ(best, 2000);
}

TEST(Plan, RampsThroughAllSteps) {
    Options o;
    o.mode = Options::Mode::ramp;
    o.span = {100, 400, 100};
    double best = 0;
    EXPECT_THAT(tried(o, 250, best), testing::ElementsAre(100, 200, 300, 400));
    EXPECT_EQ(best, 200);
}

Summary result(double rate, std::uint64_t placed, std::uint64_t failed) {
    auto s = summarize(traffic::Stats{});
    s.rate = rate;
    s.seconds = 1;
    s.placed = placed;
    s.completed = placed - failed;
    s.failed = failed;
    return s;
}

TEST(Summary, PassesWithinTheShareOnlyIfTheGeneratorKeptUp) {
    EXPECT_TRUE(result(1000, 10'000, 1).passes(1e-4));
    EXPECT_FALSE(result(1000, 10'000, 2).passes(1e-4));
    auto late = result(1000, 10'000, 0);
    late.behind_most = 1000;
    EXPECT_FALSE(late.passes(1e-4));
    auto foreign = result(1000, 10'000, 1);
    foreign.wrong = 1;
    EXPECT_FALSE(foreign.passes(1e-4));
    EXPECT_FALSE(Summary{}.passes(1e-4));
}

class Files : public testing::Test {
protected:
    Files() {
        auto name = (std::filesystem::temp_directory_path() / "sipgen-test-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~Files() override { std::filesystem::remove_all(folder_); }
    static std::string content(const std::filesystem::path& file) {
        std::ostringstream text;
        text << std::ifstream{file}.rdbuf();
        return text.str();
    }

    std::filesystem::path folder_;
};

Report ramp() {
    traffic::Stats stats;
    for (std::uint64_t i = 1; i < 1000; ++i) stats.added.record(i * 1000);
    auto first = summarize(stats);
    first.rate = 100;
    first.placed = first.completed = 100;
    Report r;
    r.steps = {first, result(200, 200, 50)};
    r.best = 100;
    r.samples = {"mangled (via), at a host:\nINVITE \xff"};
    return r;
}

Options two_parties() {
    Options o;
    o.mode = Options::Mode::ramp;
    o.traffic.clients = {*core::Endpoint::parse("10.0.0.1:5060")};
    o.traffic.hosts = {*core::Endpoint::parse("10.0.0.2:5060")};
    o.traffic.target = *core::Endpoint::parse("10.0.0.3:5060");
    return o;
}

TEST_F(Files, JsonHoldsEachStepAndTheOneThatCounts) {
    ASSERT_TRUE(write_json(two_parties(), ramp(), folder_ / "a.json"));
    const auto j = nlohmann::json::parse(content(folder_ / "a.json"));
    EXPECT_EQ(j["best_rate"], 100);
    EXPECT_EQ(j["steps"].size(), 2U);
    EXPECT_EQ(j["result"]["rate"], 100);
    EXPECT_EQ(j["steps"][1]["failed_share"], 0.25);
    EXPECT_NEAR(j["result"]["latency_us"]["added"]["p50"].get<double>(), 500, 20);
    EXPECT_FALSE(write_json(two_parties(), ramp(), folder_ / "missing" / "a.json"));
}

TEST_F(Files, ChartIsDrawn) {
    ASSERT_TRUE(write_plot(two_parties(), ramp(), folder_ / "a.svg"));
    const auto svg = content(folder_ / "a.svg");
    EXPECT_THAT(svg, testing::StartsWith("<svg "));
    EXPECT_THAT(svg, testing::HasSubstr("Latency over the rate"));
    EXPECT_THAT(svg, testing::Not(testing::HasSubstr("nan")));
    EXPECT_THAT(svg, testing::Not(testing::HasSubstr("inf")));
}

std::optional<Options> parse(std::vector<std::string> words, int& status) {
    std::vector<char*> argv;
    for (auto& w : words) argv.push_back(w.data());
    return parse_options(static_cast<int>(argv.size()), argv.data(), status);
}

TEST(Arguments, AreReadWithTheirDefaults) {
    int status = -1;
    const auto o = parse({"sipgen", "--sockets", "--client", "10.0.0.1", "--host", "10.0.0.2:5070", "--host", "10.0.0.3", "--target",
                          "10.0.0.9:5060", "--search", "500:20000", "--hold", "0.5", "--mix", "invite=3,register=1", "--client-netns", "a"},
                         status);
    ASSERT_TRUE(o);
    EXPECT_EQ(o->mode, Options::Mode::search);
    EXPECT_EQ(o->span.to, 20'000);
    EXPECT_EQ(o->traffic.clients.at(0).port, 5060);
    EXPECT_EQ(o->traffic.hosts.at(0).port, 5070);
    EXPECT_EQ(o->traffic.hold, std::chrono::milliseconds{500});
    EXPECT_EQ(o->traffic.invite_weight, 3U);
    EXPECT_EQ(o->traffic.register_weight, 1U);
    EXPECT_EQ(o->max_failed, 1e-4);
    EXPECT_EQ(o->client_netns, "a");
}

TEST(Arguments, ThatContradictAreRefused) {
    const std::vector<std::string> good{"sipgen", "--sockets", "--client", "10.0.0.1", "--host", "10.0.0.2", "--target", "10.0.0.9"};
    for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{{},
                                                                                      {"--rate", "5", "--search", "1:2"},
                                                                                      {"--search", "2:1"},
                                                                                      {"--ramp", "1:2"},
                                                                                      {"--rate", "5", "--mix", "cancel=1"},
                                                                                      {"--rate", "5", "--client", "somewhere"},
                                                                                      {"--rate", "5", "--invite-bytes", "50"},
                                                                                      {"--rate", "5", "--vdev", "net_null0"},
                                                                                      {"--rate", "5", "--plot", "a.gif"}}) {
        auto words = good;
        words.insert(words.end(), more.begin(), more.end());
        int status = -1;
        EXPECT_FALSE(parse(words, status)) << testing::PrintToString(more);
        EXPECT_EQ(status, bad_usage);
    }
}

}  // namespace
}  // namespace sipfront::sipgen

// The torture messages of RFC 4475 and RFC 5118 (tests/corpus) through a whole worker: each gets the verdict that a proxy owes it, with
// the methods of the classic deployment and with all of them allowed.
#include "tests/corpus/corpus.hpp"

#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

const std::vector<corpus::Case>& all() {
    static const auto cases = corpus::load();
    return cases;
}

// "forwarded", "dropped" or the status of our answer.
std::string verdict(World& world, const corpus::Case& c) {
    const auto sent = world.receive(c.bytes, client_b);
    std::string reply = "dropped";
    for (const auto& s : sent) {
        const auto status = Text{s.text}.status();
        if (status == 0) return "forwarded";
        if (status != 100) reply = std::to_string(status);
    }
    return reply;
}

bool fits(const std::string& verdict, const std::vector<std::string>& allowed) {
    return std::ranges::any_of(
        allowed, [&](const std::string& a) { return a == verdict || (a == "4xx" && verdict.size() == 3 && verdict[0] == '4'); });
}

bool is_policy(const std::string& verdict) {
    static const std::vector<std::string> codes{"401", "403", "404", "405", "407", "480", "481", "488", "501", "503"};
    return std::ranges::find(codes, verdict) != codes.end();
}

class Torture : public testing::TestWithParam<corpus::Case> {};

TEST_P(Torture, GetsTheVerdictThatAProxyOwes) {
    World world;
    const auto said = verdict(world, GetParam());
    EXPECT_TRUE(fits(said, GetParam().owes) || fits(said, GetParam().also_allowed) || (GetParam().policy_refusal && is_policy(said)))
        << said << ": " << GetParam().note;
    world.jump(400s);
    EXPECT_EQ(world.transactions(), 0U);
    EXPECT_EQ(world.total_load(), 0U);
}

TEST_P(Torture, GetsItWithAllMethodsAllowedToo) {
    sim::Setup open;
    open.proxy.methods.fill(sip::MethodPolicy::dispatch);
    World world{open};
    const auto said = verdict(world, GetParam());
    EXPECT_TRUE(fits(said, GetParam().owes) || fits(said, GetParam().also_allowed) || (GetParam().policy_refusal && is_policy(said)))
        << said << ": " << GetParam().note;
}

INSTANTIATE_TEST_SUITE_P(Messages, Torture, testing::ValuesIn(all()), [](const auto& one) {
    auto name = one.param.name;
    std::ranges::replace_if(
        name, [](char c) { return c == '.' || c == '-'; }, '_');
    return name;
});

}  // namespace
}  // namespace sipfront::sim

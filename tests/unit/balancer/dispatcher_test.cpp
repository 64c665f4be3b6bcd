#include "balancer/dispatcher.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "balancer/rendezvous.hpp"

namespace sipfront::balancer {
namespace {

constexpr core::DestinationId id_of(std::size_t host) { return static_cast<core::DestinationId>(host); }

std::vector<DispatchCandidate> hosts(const std::vector<std::uint32_t>& weights) {
    std::vector<DispatchCandidate> set;
    for (std::size_t i = 0; i < weights.size(); ++i)
        set.push_back({rendezvous_seed("sip:10.77.0." + std::to_string(103 + i) + ":5060"), id_of(i), weights[i], 0, true, false});
    return set;
}

std::uint64_t key_of(int user) {
    return hash_aor(core::HashKey{core::SecretKey{1, 2}}, "sip:user" + std::to_string(user) + "@example.org");
}

core::DestinationId pick(const std::vector<DispatchCandidate>& set, std::uint64_t key) {
    return choose_by_weight(set, {key, core::no_destination, {}}, nullptr).destination;
}

TEST(Dispatcher, SpreadsKeysByWeight) {
    const auto set = hosts({1, 2, 3, 4});
    constexpr int keys = 100'000;
    std::array<int, 4> got{};
    for (int k = 0; k < keys; ++k) ++got[core::raw(pick(set, key_of(k)))];
    for (std::size_t i = 0; i < 4; ++i) {
        const auto fair = keys * static_cast<double>(i + 1) / 10.0;
        EXPECT_NEAR(got[i], fair, fair * 0.02);
    }
}

TEST(Dispatcher, GivesOneKeyTheSameHostAlways) {
    const auto set = hosts({3, 1, 2});
    for (int k = 0; k < 1'000; ++k) EXPECT_EQ(pick(set, key_of(k)), pick(set, key_of(k)));
    // Neither the rows' order nor their ids matter.
    auto renumbered = set;
    std::swap(renumbered[0], renumbered[2]);
    for (auto& c : renumbered) c.id = static_cast<core::DestinationId>(core::raw(c.id) + 100);
    for (int k = 0; k < 1'000; ++k) EXPECT_EQ(core::raw(pick(set, key_of(k))) + 100, core::raw(pick(renumbered, key_of(k))));
}

TEST(Dispatcher, AHostThatLeavesMovesOnlyItsOwnKeys) {
    const auto all = hosts({2, 2, 1, 2});
    auto without = all;
    without[1].active = false;
    std::map<core::DestinationId, int> moved_to;
    for (int k = 0; k < 20'000; ++k) {
        const auto before = pick(all, key_of(k));
        const auto after = pick(without, key_of(k));
        if (before == id_of(1)) {
            ++moved_to[after];
        } else {
            ASSERT_EQ(before, after);
        }
    }
    // kamailio#2361, opensips#387: one neighbour must not inherit everything. Weights 2:1:2.
    const double moved = moved_to[id_of(0)] + moved_to[id_of(2)] + moved_to[id_of(3)];
    EXPECT_NEAR(moved, 20'000 * 2.0 / 7.0, 300);
    EXPECT_NEAR(moved_to[id_of(0)], moved * 0.4, moved * 0.03);
    EXPECT_NEAR(moved_to[id_of(2)], moved * 0.2, moved * 0.03);
    EXPECT_NEAR(moved_to[id_of(3)], moved * 0.4, moved * 0.03);
}

TEST(Dispatcher, AHostThatComesTakesOnlyItsShare) {
    const auto three = hosts({1, 1, 1});
    const auto four = hosts({1, 1, 1, 1});
    int moved = 0;
    for (int k = 0; k < 20'000; ++k) {
        const auto before = pick(three, key_of(k));
        const auto after = pick(four, key_of(k));
        if (before == after) continue;
        ASSERT_EQ(after, id_of(3));
        ++moved;
    }
    EXPECT_NEAR(moved, 5'000, 150);
}

TEST(Dispatcher, AHigherWeightOnlyAttracts) {
    const auto before = hosts({1, 1, 1});
    const auto after = hosts({1, 2, 1});
    for (int k = 0; k < 5'000; ++k) {
        const auto a = pick(before, key_of(k));
        const auto b = pick(after, key_of(k));
        if (a != b) {
            ASSERT_EQ(b, id_of(1));
        }
    }
}

TEST(Dispatcher, TheHighestPriorityWithAUsableHostServes) {
    auto set = hosts({1, 1, 1});
    set[0].priority = 2;
    set[1].priority = 1;
    set[2].priority = 0;
    EXPECT_EQ(pick(set, 7), id_of(0));
    set[0].active = false;
    EXPECT_EQ(pick(set, 7), id_of(1));
    set[1].full = true;
    EXPECT_EQ(pick(set, 7), id_of(2));
    set[2].weight = 0;
    EXPECT_EQ(choose_by_weight(set, {7, core::no_destination, {}}, nullptr).answer, sip::Answer::full);
    set[1].active = false;
    EXPECT_EQ(choose_by_weight(set, {7, core::no_destination, {}}, nullptr).answer, sip::Answer::unavailable);
    EXPECT_EQ(choose_by_weight({}, {7, core::no_destination, {}}, nullptr).answer, sip::Answer::unavailable);
}

TEST(Dispatcher, FailsOverToTheNextInTheKeysOwnOrder) {
    const auto set = hosts({1, 1, 1, 1});
    for (int k = 0; k < 200; ++k) {
        std::vector<core::DestinationId> tried;
        for (std::size_t i = 0; i < set.size(); ++i) {
            const auto c = choose_by_weight(set, {key_of(k), core::no_destination, tried}, nullptr);
            ASSERT_EQ(c.answer, sip::Answer::selected);
            ASSERT_EQ(std::ranges::find(tried, c.destination), tried.end());
            tried.push_back(c.destination);
        }
        ASSERT_EQ(choose_by_weight(set, {key_of(k), core::no_destination, tried}, nullptr).answer, sip::Answer::unavailable);
    }
}

TEST(Dispatcher, AsksThePreferredHostFirst) {
    auto set = hosts({1, 1, 1});
    const auto usual = pick(set, 99);
    const auto other = usual == id_of(0) ? id_of(1) : id_of(0);
    EXPECT_EQ(choose_by_weight(set, {99, other, {}}, nullptr).destination, other);
    set[core::raw(other)].full = true;
    EXPECT_EQ(choose_by_weight(set, {99, other, {}}, nullptr).destination, usual);
}

TEST(Dispatcher, RoundRobinFollowsWeightsSmoothly) {
    const auto set = hosts({5, 1, 1});
    RoundRobin turns;
    std::string order;
    for (int i = 0; i < 14; ++i) order += static_cast<char>('a' + core::raw(choose_by_weight(set, {}, &turns).destination));
    EXPECT_EQ(order, "aabacaaaabacaa");
}

TEST(Dispatcher, RoundRobinSkipsWhatIsOut) {
    auto set = hosts({1, 1, 1});
    RoundRobin turns;
    set[1].active = false;
    std::array<int, 3> got{};
    for (int i = 0; i < 100; ++i) ++got[core::raw(choose_by_weight(set, {}, &turns).destination)];
    EXPECT_EQ(got, (std::array{50, 0, 50}));
}

TEST(DispatchKey, AnAorIsUserAndHostAndNothingElse) {
    const core::HashKey key{core::SecretKey{3, 4}};
    const auto aor = [&](std::string_view uri) { return hash_aor(key, uri); };
    const auto alice = aor("sip:alice@example.org");
    EXPECT_EQ(aor("sip:alice@EXAMPLE.org"), alice);
    EXPECT_EQ(aor("sip:%61lic%65@example.org"), alice);
    EXPECT_EQ(aor("sip:alice@example.org:5070;transport=tcp"), alice);
    EXPECT_EQ(aor("sips:alice@example.org"), alice);
    EXPECT_EQ(aor("sip:alice;phone-context=x@example.org"), alice);
    EXPECT_NE(aor("sip:Alice@example.org"), alice) << "the user part is case-sensitive";
    EXPECT_NE(aor("sip:alice@example.com"), alice);
    EXPECT_NE(aor("sip:bob@example.org"), alice);
    EXPECT_NE(hash_aor(core::HashKey{core::SecretKey{5, 6}}, "sip:alice@example.org"), alice) << "the key counts";
    EXPECT_EQ(aor("not a uri"), aor("not a uri"));
    EXPECT_EQ(aor("sip:" + std::string(300, 'x') + "@h"), aor("sip:" + std::string(300, 'x') + "@H"));
}

TEST(DispatchKey, TheUserHashIgnoresTheHost) {
    const core::HashKey key{core::SecretKey{3, 4}};
    EXPECT_EQ(hash_user(key, "sip:1234@a"), hash_user(key, "sip:1234@b;user=phone"));
    EXPECT_NE(hash_user(key, "sip:1234@a"), hash_user(key, "sip:1235@a"));
    EXPECT_NE(hash_user(key, "sip:a"), hash_user(key, "sip:b"));
}

TEST(DispatchKey, TakesThePartOfTheRequestThatTheAlgorithmNames) {
    const std::string text =
        "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.0.2;branch=z9hG4bKx\r\nFrom: <sip:alice@example.org>;tag=1\r\n"
        "To: \"Alice\" <sip:alice@example.org;x=y>\r\nCall-ID: abc@10.77.0.2\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n";
    sip::Message m;
    ASSERT_EQ(m.parse(text), sip::ParseError::none);
    const core::HashKey key{core::SecretKey{3, 4}};
    EXPECT_EQ(dispatch_key(key, DsAlgorithm::aor, m), hash_aor(key, "sip:alice@example.org"));
    EXPECT_EQ(dispatch_key(key, DsAlgorithm::call_id, m), core::digest(key, "abc@10.77.0.2"));
    EXPECT_EQ(dispatch_key(key, DsAlgorithm::request_user, m), hash_user(key, "sip:example.org"));
}

}  // namespace
}  // namespace sipfront::balancer

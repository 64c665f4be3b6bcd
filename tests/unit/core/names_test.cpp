#include "core/names.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

using namespace std::chrono_literals;

NameAnswer answer(std::initializer_list<NameTarget> targets) {
    NameAnswer a;
    a.status = NameStatus::found;
    for (const auto& t : targets) a.targets[a.count++] = t;
    return a;
}

NameTarget host(std::uint32_t last, std::uint16_t priority, std::uint16_t weight, std::uint16_t group) {
    return {{IpAddress::v4(0xc0000200 + last), 5060}, priority, weight, group};
}

std::uint32_t last_octet(const NameTarget* t) { return t->remote.address.v4_host_order() & 0xff; }

TEST(NameQuestion, IsOneForAllSpellingsOfAName) {
    const HashKey key{SecretKey{1, 2}};
    const auto a = NameQuestion::make("Carrier.EXAMPLE.", 0, false), b = NameQuestion::make("carrier.example", 0, false);
    ASSERT_TRUE(a && b);
    EXPECT_EQ(a->host(), "carrier.example");
    EXPECT_EQ(*a, *b);
    EXPECT_EQ(a->key(key), b->key(key));
    EXPECT_NE(a->key(key), NameQuestion::make("carrier.example", 5060, false)->key(key));
    EXPECT_NE(a->key(key), NameQuestion::make("carrier.example", 0, true)->key(key));
    EXPECT_NE(a->key(key), NameQuestion::make("carrier.example", 0, false, Transport::tcp)->key(key));
    EXPECT_NE(a->key(key), a->key(HashKey{SecretKey{3, 4}}));
}

TEST(NameQuestion, RefusesWhatIsNoHostName_Rfc1035_2_3_4) {
    const std::string label(63, 'a'), long_name = label + "." + label + "." + label + "." + std::string(61, 'b');
    EXPECT_TRUE(NameQuestion::make(label, 0, false));
    EXPECT_FALSE(NameQuestion::make(label + "a", 0, false));
    ASSERT_EQ(long_name.size(), NameQuestion::max_host);
    EXPECT_TRUE(NameQuestion::make(long_name, 0, false));
    EXPECT_TRUE(NameQuestion::make(long_name + ".", 0, false));
    EXPECT_FALSE(NameQuestion::make(long_name + "b", 0, false));
    for (const std::string_view bad :
         {"", ".", "..", ".a", "a..b", "a..", "a b", "a\nb", "a/b", "a%b", "224.0.0.1", "1.2.3.999", "example.7", "\xc3\xa4.example"})
        EXPECT_FALSE(NameQuestion::make(bad, 0, false)) << bad;
}

TEST(NameAnswer, LowerPrioritiesComeFirstAndAddressesOfARecordStandTogether) {
    const auto a = answer({host(1, 1, 0, 0), host(2, 1, 0, 0), host(3, 2, 5, 1), host(4, 3, 0, 2)});
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        for (std::uint32_t i = 0; i < 4; ++i) EXPECT_EQ(last_octet(a.target(seed, i)), i + 1);
        EXPECT_EQ(a.target(seed, 4), nullptr);
    }
    EXPECT_EQ(NameAnswer{}.target(1, 0), nullptr);
}

TEST(NameAnswer, TheSameSeedDrawsTheSameOrderOfAll) {
    const auto a = answer({host(1, 1, 10, 0), host(2, 1, 20, 1), host(3, 1, 0, 2), host(4, 1, 40, 3)});
    std::map<std::vector<std::uint32_t>, int> orders;
    for (std::uint64_t seed = 0; seed < 1000; ++seed) {
        std::vector<std::uint32_t> order;
        for (std::size_t i = 0; i < 4; ++i) {
            EXPECT_EQ(a.target(seed, i), a.target(seed, i));
            order.push_back(last_octet(a.target(seed, i)));
        }
        ++orders[order];
        std::sort(order.begin(), order.end());
        EXPECT_EQ(order, (std::vector<std::uint32_t>{1, 2, 3, 4})) << "each once";
    }
    EXPECT_GT(orders.size(), 10U);
}

TEST(NameAnswer, WeightsAreSharesOfTheFirstPlace_Rfc2782) {
    const auto a = answer({host(1, 1, 10, 0), host(2, 1, 30, 1), host(3, 1, 60, 2), host(4, 1, 0, 3)});
    std::map<std::uint32_t, int> first;
    constexpr int draws = 20'000;
    for (std::uint64_t seed = 0; seed < draws; ++seed) ++first[last_octet(a.target(seed * 7919, 0))];
    EXPECT_NEAR(first[1], draws * 10 / 101, 300);
    EXPECT_NEAR(first[2], draws * 30 / 101, 400);
    EXPECT_NEAR(first[3], draws * 60 / 101, 400);
    EXPECT_NEAR(first[4], draws * 1 / 101, 100) << "a weight of zero leaves a small chance";
}

TEST(NameTable, FindsWhatHasNotExpiredAndTellsThatItIsUsed) {
    std::vector<NameTable::Row> rows;
    for (const std::uint64_t key : {30U, 10U, 20U}) {
        auto entry = std::make_shared<NameEntry>();
        entry->answer = answer({host(static_cast<std::uint32_t>(key), 0, 0, 0)});
        entry->answer.expires = Tick{1min};
        rows.push_back({key, std::move(entry)});
    }
    const auto twenty = rows[2].entry;
    const NameTable table{std::move(rows)};
    EXPECT_FALSE(twenty->used);
    for (const std::uint64_t key : {10U, 20U, 30U}) {
        const auto* a = table.find(key, Tick{59s});
        ASSERT_NE(a, nullptr);
        EXPECT_EQ(last_octet(a->target(0, 0)), key);
    }
    EXPECT_TRUE(twenty->used);
    EXPECT_EQ(table.find(10, Tick{60s}), nullptr);
    EXPECT_EQ(table.find(15, Tick{}), nullptr);
    EXPECT_EQ(NameTable{{}}.find(10, Tick{}), nullptr);
}

}  // namespace
}  // namespace sipfront::core

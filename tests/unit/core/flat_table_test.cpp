#include "core/flat_table.hpp"

#include <map>
#include <random>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

TEST(FlatTable, InsertsFindsAndErases) {
    FlatTable<std::uint64_t> table{10};
    EXPECT_EQ(table.find(5), nullptr);
    EXPECT_TRUE(table.insert(5, 50));
    ASSERT_NE(table.find(5), nullptr);
    EXPECT_EQ(*table.find(5), 50U);
    EXPECT_FALSE(table.insert(5, 51));
    EXPECT_EQ(*table.find(5), 50U);
    EXPECT_TRUE(table.erase(5));
    EXPECT_FALSE(table.erase(5));
    EXPECT_EQ(table.find(5), nullptr);
    EXPECT_EQ(table.size(), 0U);
}

TEST(FlatTable, TheZeroHashIsAKeyLikeAnyOther) {
    FlatTable<int> table{10};
    EXPECT_FALSE(table.erase(0));
    EXPECT_TRUE(table.insert(0, 7));
    EXPECT_FALSE(table.insert(0, 8));
    ASSERT_NE(table.find(0), nullptr);
    EXPECT_EQ(*table.find(0), 7);
    EXPECT_TRUE(table.erase(0));
    EXPECT_EQ(table.find(0), nullptr);
}

TEST(FlatTable, HoldsItsCapacityAndRefusesOneMore) {
    for (const std::size_t capacity : {1U, 2U, 3U, 48U, 1000U}) {
        FlatTable<std::uint64_t> table{capacity};
        for (std::uint64_t k = 1; k <= capacity; ++k) ASSERT_TRUE(table.insert(k << 40, k));
        EXPECT_FALSE(table.insert(3, 3));
        EXPECT_FALSE(table.insert_or_assign(3, 3));
        EXPECT_TRUE(table.insert_or_assign(std::uint64_t{1} << 40, 9));
        EXPECT_EQ(*table.find(std::uint64_t{1} << 40), 9U);
        EXPECT_EQ(table.size(), capacity);
        EXPECT_EQ(table.capacity(), capacity);
        EXPECT_EQ(table.find(3), nullptr);
    }
}

TEST(FlatTable, ErasingInARunThatWrapsAroundKeepsTheOthersReachable) {
    FlatTable<int> table{5};  // eight slots
    for (const std::uint64_t key : {7U, 15U, 23U, 6U, 8U}) ASSERT_TRUE(table.insert(key, static_cast<int>(key)));
    ASSERT_TRUE(table.erase(15));
    for (const std::uint64_t key : {7U, 23U, 6U, 8U}) {
        ASSERT_NE(table.find(key), nullptr) << key;
        EXPECT_EQ(*table.find(key), static_cast<int>(key));
    }
    ASSERT_TRUE(table.erase(7));
    for (const std::uint64_t key : {23U, 6U, 8U}) ASSERT_NE(table.find(key), nullptr) << key;
    EXPECT_EQ(table.find(7), nullptr);
    EXPECT_EQ(table.find(15), nullptr);
}

TEST(FlatTable, ForEachVisitsEveryEntryOnce) {
    FlatTable<int> table{100};
    std::map<std::uint64_t, int> expected;
    for (int i = 1; i <= 70; ++i) {
        table.insert(static_cast<std::uint64_t>(i) * 0x9e3779b97f4a7c15, i);
        expected[static_cast<std::uint64_t>(i) * 0x9e3779b97f4a7c15] = i + 1;
    }
    table.for_each([](std::uint64_t, int& v) { ++v; });
    std::map<std::uint64_t, int> seen;
    table.for_each([&](std::uint64_t key, int v) { EXPECT_TRUE(seen.emplace(key, v).second); });
    EXPECT_EQ(seen, expected);
}

// Few home slots, so that runs are long, collide and wrap.
TEST(FlatTable, AgreesWithAModelOverRandomOperations) {
    for (const std::uint64_t key_space : {40U, 400U, 1000000U}) {
        FlatTable<std::uint64_t> table{96};
        std::unordered_map<std::uint64_t, std::uint64_t> model;
        std::mt19937_64 random{3};
        for (int i = 0; i < 100000; ++i) {
            // The low seven bits choose among 128 slots; crowd them into 16 homes at the end of the table.
            const auto n = 1 + random() % key_space;
            const auto key = (n << 7) | (112 + n % 16);
            table.prefetch(key);
            switch (random() % 4) {
                case 0: {
                    const bool fits = model.size() < 96 && !model.contains(key);
                    ASSERT_EQ(table.insert(key, n + static_cast<std::uint64_t>(i)), fits);
                    if (fits) model[key] = n + static_cast<std::uint64_t>(i);
                    break;
                }
                case 1: {
                    const bool fits = model.size() < 96 || model.contains(key);
                    ASSERT_EQ(table.insert_or_assign(key, static_cast<std::uint64_t>(i)), fits);
                    if (fits) model[key] = static_cast<std::uint64_t>(i);
                    break;
                }
                default:
                    ASSERT_EQ(table.erase(key), model.erase(key) == 1);
                    break;
            }
            ASSERT_EQ(table.size(), model.size());
            const auto* const found = table.find(key);
            ASSERT_EQ(found != nullptr, model.contains(key));
            if (found != nullptr) {
                ASSERT_EQ(*found, model[key]);
            }
            if (i % 1000 == 0) {
                for (const auto& [k, v] : model) {
                    ASSERT_NE(table.find(k), nullptr);
                    ASSERT_EQ(*table.find(k), v);
                }
            }
        }
    }
}

}  // namespace
}  // namespace sipfront::core

#include "core/flat_table.hpp"

#include <map>
#include <random>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

// Slots of a table for `capacity` keys, and the `n`th of the keys that belong to one of them.
constexpr std::uint64_t slots_of(std::uint64_t capacity) { return capacity + capacity * 2 / 3 + 2; }
constexpr std::uint64_t key_at(std::uint64_t slot, std::uint64_t slots, std::uint64_t n) {
    const auto low = ((slot << 32) + slots - 1) / slots;
    return (n << 32) | (low + 1);
}

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
    constexpr std::uint64_t capacity = 5, slots = slots_of(capacity), end = slots - 1;
    FlatTable<int> table{capacity};
    // Three that belong to the last slot, one before it, one to the first: they fill the last two slots and the first three.
    const std::uint64_t a = key_at(end, slots, 1), b = key_at(end, slots, 2), c = key_at(end, slots, 3);
    const std::uint64_t before = key_at(end - 1, slots, 1), first = key_at(0, slots, 1);
    int value = 0;
    for (const auto key : {a, b, c, before, first}) ASSERT_TRUE(table.insert(key, ++value));
    ASSERT_TRUE(table.erase(b));
    for (const auto key : {a, c, before, first}) ASSERT_NE(table.find(key), nullptr) << key;
    EXPECT_EQ(*table.find(c), 3);
    EXPECT_EQ(*table.find(first), 5);
    ASSERT_TRUE(table.erase(a));
    for (const auto key : {c, before, first}) ASSERT_NE(table.find(key), nullptr) << key;
    EXPECT_EQ(table.find(a), nullptr);
    EXPECT_EQ(table.find(b), nullptr);
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
            // Crowded into 16 homes at the end of the table.
            const auto n = 1 + random() % key_space;
            const auto key = key_at(slots_of(96) - 16 + n % 16, slots_of(96), n);
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

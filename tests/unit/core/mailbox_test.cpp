#include "core/mailbox.hpp"

#include <array>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

TEST(Mailbox, KeepsTheOrder) {
    Mailbox<int, 8> box;
    EXPECT_TRUE(box.try_post(1));
    EXPECT_TRUE(box.try_post(2));
    EXPECT_EQ(box.depth(), 2U);
    std::array<int, 4> out{};
    EXPECT_EQ(box.drain(out), 2U);
    EXPECT_EQ(out[0], 1);
    EXPECT_EQ(out[1], 2);
    EXPECT_EQ(box.depth(), 0U);
    EXPECT_EQ(box.drain(out), 0U);
}

TEST(Mailbox, FullRefusesAndCounts) {
    Mailbox<int, 3> box;
    const std::array<int, 5> items{1, 2, 3, 4, 5};
    EXPECT_EQ(box.post(items), 3U);
    EXPECT_FALSE(box.try_post(6));
    EXPECT_EQ(box.depth(), 3U);
    EXPECT_EQ(box.posted(), 3U);
    EXPECT_EQ(box.full(), 3U);
    std::vector<int> seen;
    EXPECT_EQ(box.consume([&](int& n) { seen.push_back(n); }, 2), 2U);
    EXPECT_EQ(box.consume([&](int& n) { seen.push_back(n); }, 100), 1U);
    EXPECT_EQ(seen, (std::vector<int>{1, 2, 3}));
    EXPECT_EQ(box.drained(), 3U);
    EXPECT_TRUE(box.try_post(7));
}

TEST(Mailbox, StatisticsOfTheTwoSidesShareNoLine) {
    using Box = Mailbox<std::uint64_t, 16>;
    EXPECT_EQ(alignof(Box), 64U);
    EXPECT_EQ(sizeof(Box) % 64, 0U);
}

TEST(Mailbox, LosesAndReordersNothingBetweenTwoThreads) {
    static constexpr std::uint64_t total = 200000;
    Mailbox<std::uint64_t, 64> box;
    std::thread producer{[&box] {
        std::array<std::uint64_t, 7> batch{};
        std::uint64_t next = 0;
        while (next < total) {
            std::size_t n = 0;
            while (n < batch.size() && next + n < total) {
                batch[n] = next + n;
                ++n;
            }
            const auto fitted = n == 1 ? (box.try_post(batch[0]) ? 1U : 0U) : box.post({batch.data(), n});
            next += fitted;
            if (fitted == 0) std::this_thread::yield();
        }
    }};
    std::uint64_t expected = 0;
    std::uint64_t wrong = 0;
    std::array<std::uint64_t, 16> out{};
    while (expected < total) {
        const auto n = box.drain(out);
        for (std::size_t i = 0; i < n; ++i) wrong += out[i] == expected++ ? 0 : 1;
        const auto consumed = box.consume([&](std::uint64_t& v) { wrong += v == expected++ ? 0 : 1; }, 5);
        if (n + consumed == 0) std::this_thread::yield();
        EXPECT_LE(box.depth(), 64U);
    }
    producer.join();
    EXPECT_EQ(wrong, 0U);
    EXPECT_EQ(box.depth(), 0U);
    EXPECT_EQ(box.posted(), total);
    EXPECT_EQ(box.drained(), total);
}

}  // namespace
}  // namespace sipfront::core

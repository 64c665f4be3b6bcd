#include "core/counters.hpp"

#include <random>

#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

enum class Drop : std::uint8_t { not_sip, no_call_id, count_ };

TEST(CounterArray, CountsPerEnumerator) {
    CounterArray<Drop> drops;
    drops[Drop::no_call_id].add();
    drops[Drop::no_call_id].add(4);
    drops[Drop::not_sip].set(9);
    EXPECT_EQ(drops[Drop::no_call_id].get(), 5U);
    EXPECT_EQ(drops[Drop::not_sip].get(), 9U);
    EXPECT_EQ(CounterArray<Drop>::size, 2U);
}

TEST(Histogram, EveryValueLiesBelowTheBoundOfItsBucketAndNotBelowTheOneBefore) {
    std::mt19937_64 random{6};
    for (int i = 0; i < 100000; ++i) {
        const auto ns = random() >> (random() % 64);
        const auto bucket = Histogram::index(ns);
        ASSERT_LT(bucket, Histogram::buckets);
        if (bucket + 1 < Histogram::buckets) {
            ASSERT_LT(ns, Histogram::upper_bound(bucket)) << bucket;
        }
        if (bucket > 0) {
            ASSERT_GE(ns, Histogram::upper_bound(bucket - 1)) << bucket;
        }
    }
}

TEST(Histogram, ABoundIsTheFirstValueOfTheNextBucket) {
    for (std::size_t b = 0; b + 1 < Histogram::buckets; ++b) {
        EXPECT_EQ(Histogram::index(Histogram::upper_bound(b)), b + 1);
        EXPECT_EQ(Histogram::index(Histogram::upper_bound(b) - 1), b);
    }
    EXPECT_EQ(Histogram::index(0), 0U);
    EXPECT_EQ(Histogram::index(63), 0U);
    EXPECT_EQ(Histogram::index(~std::uint64_t{0}), Histogram::buckets - 1);
}

TEST(Histogram, RecordsCountAndSum) {
    Histogram h;
    h.record(100);
    h.record(100);
    h.record(1'000'000);
    EXPECT_EQ(h.count(Histogram::index(100)), 2U);
    EXPECT_EQ(h.count(Histogram::index(1'000'000)), 1U);
    EXPECT_EQ(h.sum(), 1'000'200U);
}

}  // namespace
}  // namespace sipfront::core

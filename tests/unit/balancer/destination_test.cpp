#include "balancer/destination.hpp"

#include <atomic>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::balancer {
namespace {

constexpr ResourceId pstn{0};
constexpr ResourceId conf{3};

ResourceSet set_of(std::initializer_list<ResourceId> ids) {
    ResourceSet s;
    for (const auto id : ids) s.add(id);
    return s;
}

TEST(ResourceSet, VisitsItsMembersInAscendingOrderUntilRefused) {
    std::vector<ResourceId> seen;
    EXPECT_TRUE(set_of({conf, pstn}).all([&](ResourceId r) { return seen.push_back(r), true; }));
    EXPECT_EQ(seen, (std::vector{pstn, conf}));
    seen.clear();
    EXPECT_FALSE(set_of({conf, pstn}).all([&](ResourceId r) { return seen.push_back(r), false; }));
    EXPECT_EQ(seen, std::vector{pstn});
    EXPECT_TRUE(set_of({pstn, conf}).includes(set_of({conf})));
    EXPECT_FALSE(set_of({pstn}).includes(set_of({pstn, conf})));
}

TEST(ResourceLoad, NeverReservesAboveItsCapacity) {
    ResourceLoad r;
    EXPECT_FALSE(r.try_reserve());
    r.set_capacity(2);
    EXPECT_TRUE(r.try_reserve());
    EXPECT_TRUE(r.try_reserve());
    EXPECT_FALSE(r.try_reserve());
    EXPECT_EQ(r.read().load, 2U);
}

// opensips#2102, #1937, #3294: a counter below zero is 4294967262, and the host is excluded for good.
TEST(ResourceLoad, NeverGoesBelowZero) {
    ResourceLoad r;
    r.set_capacity(1);
    EXPECT_FALSE(r.release());
    EXPECT_EQ(r.read().load, 0U);
    EXPECT_EQ(r.read().capacity, 1U);
    EXPECT_TRUE(r.try_reserve());
    EXPECT_TRUE(r.release());
    EXPECT_FALSE(r.release());
    EXPECT_EQ(r.read().load, 0U);
}

TEST(ResourceLoad, AdoptsAboveItsCapacityAndTakesNothingNewUntilBelow) {
    ResourceLoad r;
    r.set_capacity(1);
    r.adopt();
    r.adopt();
    EXPECT_EQ(r.read().load, 2U);
    EXPECT_FALSE(r.try_reserve());
    EXPECT_TRUE(r.release());
    EXPECT_FALSE(r.try_reserve());
    EXPECT_TRUE(r.release());
    EXPECT_TRUE(r.try_reserve());
}

TEST(ResourceLoad, ResizeKeepsTheLoad) {
    ResourceLoad r;
    r.set_capacity(3);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(r.try_reserve());
    r.set_capacity(2);
    EXPECT_EQ(r.read().load, 3U);
    EXPECT_FALSE(r.try_reserve());
    r.set_capacity(std::numeric_limits<std::uint32_t>::max());
    EXPECT_TRUE(r.try_reserve());
    EXPECT_EQ(r.read().load, 4U);
}

TEST(DestinationLoad, ReservesAllResourcesOrNone) {
    DestinationLoad d{1};
    d[pstn].set_capacity(2);
    d[conf].set_capacity(1);
    const auto both = set_of({pstn, conf});
    EXPECT_TRUE(d.try_reserve(both));
    EXPECT_FALSE(d.try_reserve(both));
    EXPECT_EQ(d[pstn].read().load, 1U);
    EXPECT_EQ(d[conf].read().load, 1U);
    EXPECT_FALSE(d.idle());
    EXPECT_TRUE(d.release(both));
    EXPECT_FALSE(d.release(both));
    EXPECT_TRUE(d.idle());
}

TEST(DestinationLoad, SumsThePicksOfAllWorkers) {
    DestinationLoad d{3};
    d.count_pick(core::WorkerId{0});
    d.count_pick(core::WorkerId{2});
    d.count_pick(core::WorkerId{2});
    EXPECT_EQ(d.picks(), 3U);
}

TEST(DestinationLoad, AdmissionIsExactOverFourWorkersAtOnce) {
    constexpr std::uint32_t capacity = 7;
    constexpr int rounds = 20'000;
    DestinationLoad d{4};
    const auto need = set_of({pstn, conf});
    d[pstn].set_capacity(capacity);
    d[conf].set_capacity(capacity + 1);
    std::atomic<std::uint32_t> held{0};
    std::atomic<std::uint32_t> most{0};
    std::atomic<int> errors{0};
    const auto worker = [&] {
        for (int i = 0; i < rounds; ++i) {
            // Two at a time, so that four workers want more than there is.
            int mine = 0;
            for (int k = 0; k < 2; ++k) {
                if (!d.try_reserve(need)) continue;
                ++mine;
                const auto now = held.fetch_add(1) + 1;
                auto seen = most.load();
                while (now > seen && !most.compare_exchange_weak(seen, now)) {
                }
                if (d[pstn].read().load > capacity) errors.fetch_add(1);
            }
            for (; mine > 0; --mine) {
                held.fetch_sub(1);
                if (!d.release(need)) errors.fetch_add(1);
            }
        }
    };
    std::vector<std::thread> workers;
    for (int i = 0; i < 4; ++i) workers.emplace_back(worker);
    for (auto& w : workers) w.join();
    EXPECT_EQ(errors.load(), 0);
    EXPECT_LE(most.load(), capacity);
    EXPECT_GE(most.load(), 1U);
    EXPECT_TRUE(d.idle());
}

TEST(DestinationLoad, EveryUnitIsGivenOutWhenFourWorkersRace) {
    constexpr std::uint32_t capacity = 10'000;
    DestinationLoad d{4};
    d[pstn].set_capacity(capacity);
    std::atomic<std::uint32_t> granted{0};
    std::vector<std::thread> workers;
    for (int i = 0; i < 4; ++i) {
        workers.emplace_back([&] {
            for (std::uint32_t k = 0; k < capacity; ++k)
                if (d.try_reserve(set_of({pstn}))) granted.fetch_add(1);
        });
    }
    for (auto& w : workers) w.join();
    EXPECT_EQ(granted.load(), capacity);
    EXPECT_EQ(d[pstn].read().load, capacity);
}

}  // namespace
}  // namespace sipfront::balancer

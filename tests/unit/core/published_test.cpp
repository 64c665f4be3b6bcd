#include "core/published.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

constexpr WorkerId first{0};
constexpr WorkerId second{1};

TEST(Published, WorkersSeeTheNewestSnapshot) {
    Published<int> p{2};
    EXPECT_EQ(p.acquire(first), nullptr);
    p.publish(std::make_unique<const int>(1));
    ASSERT_NE(p.acquire(first), nullptr);
    EXPECT_EQ(*p.acquire(first), 1);
    p.publish(std::make_unique<const int>(2));
    EXPECT_EQ(*p.acquire(first), 2);
    EXPECT_EQ(*p.acquire(second), 2);
    EXPECT_EQ(*p.current(), 2);
}

TEST(Published, MayStartWithASnapshot) {
    Published<int> p{1, std::make_unique<const int>(5)};
    ASSERT_NE(p.acquire(first), nullptr);
    EXPECT_EQ(*p.acquire(first), 5);
}

TEST(Published, FreesASnapshotOnlyWhenEveryWorkerHasMovedOn) {
    auto witness = std::make_shared<int>(0);
    Published<std::shared_ptr<int>> p{2};
    p.publish(std::make_unique<const std::shared_ptr<int>>(witness));
    p.acquire(first);
    p.acquire(second);
    p.publish(std::make_unique<const std::shared_ptr<int>>());
    EXPECT_EQ(p.reclaim(), 0U);
    p.acquire(first);
    EXPECT_EQ(p.reclaim(), 0U);
    EXPECT_EQ(p.waiting(), 1U);
    EXPECT_EQ(witness.use_count(), 2);
    p.acquire(second);
    EXPECT_EQ(p.reclaim(), 1U);
    EXPECT_EQ(witness.use_count(), 1);
    EXPECT_EQ(p.waiting(), 0U);
}

TEST(Published, AWorkerThatStoodStillHoldsOnlyWhatItSaw) {
    Published<int> p{2};
    p.publish(std::make_unique<const int>(1));
    p.acquire(first);
    p.publish(std::make_unique<const int>(2));
    p.acquire(second);
    p.publish(std::make_unique<const int>(3));
    EXPECT_EQ(p.reclaim(), 0U);
    p.acquire(first);
    EXPECT_EQ(p.reclaim(), 1U);
    p.acquire(second);
    EXPECT_EQ(p.reclaim(), 1U);
}

TEST(Published, NeitherNewcomersNorLeaversHoldAnythingBack) {
    Published<int> p{2};
    p.publish(std::make_unique<const int>(1));
    p.publish(std::make_unique<const int>(2));
    EXPECT_EQ(p.reclaim(), 1U);
    p.acquire(first);
    p.publish(std::make_unique<const int>(3));
    EXPECT_EQ(p.reclaim(), 0U);
    p.leave(first);
    EXPECT_EQ(p.reclaim(), 1U);
    EXPECT_EQ(*p.acquire(first), 3);
    p.publish(std::make_unique<const int>(4));
    EXPECT_EQ(p.reclaim(), 0U);
}

// A freed snapshot says so before its memory goes; the sanitizers see the rest.
struct Snapshot {
    explicit Snapshot(std::uint64_t n) : a{n}, b{~n} {}
    ~Snapshot() { a = b = 0; }
    std::uint64_t a;
    std::uint64_t b;
};

TEST(Published, NoWorkerEverSeesAFreedOrOlderSnapshot) {
    static constexpr std::size_t workers = 3;
    static constexpr std::uint64_t versions = 3000;
    Published<Snapshot> p{workers, std::make_unique<const Snapshot>(1)};
    std::array<std::atomic<std::uint64_t>, workers> torn{};
    std::array<std::atomic<std::uint64_t>, workers> backwards{};
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (std::size_t w = 0; w < workers; ++w) {
        threads.emplace_back([&, w] {
            const WorkerId me{static_cast<std::uint8_t>(w)};
            std::uint64_t newest = 0;
            for (std::uint64_t loop = 0; !stop.load(std::memory_order_relaxed); ++loop) {
                const auto* const s = p.acquire(me);
                const auto a = s->a;
                if (s->b != ~a) torn[w].fetch_add(1);
                if (a < newest) backwards[w].fetch_add(1);
                newest = a;
                if (loop % 16 == 0) std::this_thread::yield();
                if (s->a != a) torn[w].fetch_add(1);
                if (loop % 64 == w) p.leave(me);
            }
            p.leave(me);
        });
    }
    std::size_t freed = 0;
    for (std::uint64_t v = 2; v <= versions; ++v) {
        p.publish(std::make_unique<const Snapshot>(v));
        freed += p.reclaim();
        if (v % 4 == 0) std::this_thread::yield();
    }
    stop = true;
    for (auto& t : threads) t.join();
    freed += p.reclaim();
    EXPECT_EQ(freed, versions - 1);
    for (std::size_t w = 0; w < workers; ++w) {
        EXPECT_EQ(torn[w].load(), 0U);
        EXPECT_EQ(backwards[w].load(), 0U);
    }
}

}  // namespace
}  // namespace sipfront::core

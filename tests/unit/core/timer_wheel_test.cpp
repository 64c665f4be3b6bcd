#include "core/timer_wheel.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

constexpr Tick start{1000h};

// Fires into a list; most tests look at payloads only.
std::vector<std::uint64_t> fired_until(TimerWheel& wheel, Tick now, std::size_t max = 1'000'000) {
    std::vector<std::uint64_t> payloads;
    wheel.advance(
        now,
        [&](std::uint64_t payload, Tick due) {
            EXPECT_LE(due, now);
            payloads.push_back(payload);
        },
        max);
    return payloads;
}

using Payloads = std::vector<std::uint64_t>;

TEST(TimerWheel, FiresAtItsTimeAndNotBefore) {
    TimerWheel wheel{8, start};
    auto id = wheel.schedule(start + 500ms, 7);
    EXPECT_TRUE(wheel.is_pending(id));
    EXPECT_EQ(fired_until(wheel, start + 499ms), Payloads{});
    EXPECT_EQ(fired_until(wheel, start + 500ms), Payloads{7});
    EXPECT_FALSE(wheel.is_pending(id));
    EXPECT_EQ(wheel.size(), 0U);
    EXPECT_EQ(fired_until(wheel, start + 10s), Payloads{});
}

TEST(TimerWheel, ADueTimeBetweenTwoTicksIsRoundedUp) {
    TimerWheel wheel{8, start};
    (void)wheel.schedule(start + 500ms + 1ns, 7);
    EXPECT_EQ(fired_until(wheel, start + 500ms + 999us), Payloads{});
    EXPECT_EQ(fired_until(wheel, start + 501ms), Payloads{7});
}

TEST(TimerWheel, TellsTheDueTimeExactly) {
    TimerWheel wheel{8, start};
    const auto due = start + 123456789ns;
    (void)wheel.schedule(due, 1);
    Tick told{};
    wheel.advance(start + 1s, [&](std::uint64_t, Tick t) { told = t; });
    EXPECT_EQ(told, due);
}

TEST(TimerWheel, TimersOfOneTickFireInTheOrderOfScheduling) {
    TimerWheel wheel{64, start};
    for (std::uint64_t i = 0; i < 20; ++i) (void)wheel.schedule(start + 70s, i);
    EXPECT_EQ(fired_until(wheel, start + 69s), Payloads{});
    for (std::uint64_t i = 20; i < 30; ++i) (void)wheel.schedule(start + 70s, i);
    const auto fired = fired_until(wheel, start + 70s);
    ASSERT_EQ(fired.size(), 30U);
    EXPECT_TRUE(std::is_sorted(fired.begin(), fired.end()));
}

TEST(TimerWheel, CancelForgetsTheTimerAndNullsTheId) {
    TimerWheel wheel{8, start};
    auto a = wheel.schedule(start + 5ms, 1);
    auto b = wheel.schedule(start + 5ms, 2);
    auto c = wheel.schedule(start + 5ms, 3);
    wheel.cancel(b);
    EXPECT_FALSE(b);
    wheel.cancel(b);
    EXPECT_EQ(fired_until(wheel, start + 5ms), (Payloads{1, 3}));
    wheel.cancel(a);
    wheel.cancel(c);
    EXPECT_EQ(wheel.size(), 0U);
}

TEST(TimerWheel, AStaleIdDoesNotCancelTheNextTenant) {
    TimerWheel wheel{1, start};
    auto old = wheel.schedule(start + 1ms, 1);
    auto copy = old;
    wheel.cancel(old);
    (void)wheel.schedule(start + 1ms, 2);
    wheel.cancel(copy);
    EXPECT_EQ(fired_until(wheel, start + 1ms), Payloads{2});
}

TEST(TimerWheel, FullGivesANullIdAndRoomComesBack) {
    TimerWheel wheel{2, start};
    EXPECT_TRUE(wheel.schedule(start + 1ms, 1));
    EXPECT_TRUE(wheel.schedule(start + 2ms, 2));
    auto none = wheel.schedule(start + 3ms, 3);
    EXPECT_FALSE(none);
    wheel.cancel(none);
    EXPECT_EQ(fired_until(wheel, start + 1ms), Payloads{1});
    EXPECT_TRUE(wheel.schedule(start + 3ms, 4));
    EXPECT_EQ(wheel.capacity(), 2U);
}

TEST(TimerWheel, APastDueTimeFiresAtTheNextAdvanceEvenAtTheSameInstant) {
    TimerWheel wheel{8, start};
    const auto now = start + 1h;
    EXPECT_EQ(fired_until(wheel, now), Payloads{});
    (void)wheel.schedule(start + 1s, 1);
    (void)wheel.schedule(now, 2);
    (void)wheel.schedule(start - 5s, 3);
    EXPECT_EQ(fired_until(wheel, now), (Payloads{1, 2, 3}));
}

TEST(TimerWheel, ATimerThatReschedulesItselfForThePastCannotHoldTheCall) {
    TimerWheel wheel{8, start};
    (void)wheel.schedule(start + 1ms, 1);
    int calls = 0;
    const auto again = [&](std::uint64_t payload, Tick due) {
        ++calls;
        EXPECT_TRUE(wheel.schedule(due, payload));
    };
    EXPECT_EQ(wheel.advance(start + 1ms, again), 1U);
    EXPECT_EQ(wheel.advance(start + 1ms, again), 1U);
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(wheel.size(), 1U);
}

TEST(TimerWheel, ATimerScheduledFromATimerFiresInTheSameCallIfItsTickComesLater) {
    TimerWheel wheel{8, start};
    (void)wheel.schedule(start + 10ms, 1);
    Payloads seen;
    wheel.advance(start + 1s, [&](std::uint64_t payload, Tick due) {
        seen.push_back(payload);
        if (payload < 5) (void)wheel.schedule(due + 100ms, payload + 1);
    });
    EXPECT_EQ(seen, (Payloads{1, 2, 3, 4, 5}));
}

TEST(TimerWheel, ATimerMayCancelAnotherOfItsOwnTick) {
    TimerWheel wheel{8, start};
    std::vector<TimerId> ids;
    for (std::uint64_t i = 0; i < 5; ++i) ids.push_back(wheel.schedule(start + 3ms, i));
    Payloads seen;
    wheel.advance(start + 3ms, [&](std::uint64_t payload, Tick) {
        seen.push_back(payload);
        if (payload == 1) wheel.cancel(ids[2]), wheel.cancel(ids[4]), wheel.cancel(ids[1]);
    });
    EXPECT_EQ(seen, (Payloads{0, 1, 3}));
    EXPECT_EQ(wheel.size(), 0U);
}

TEST(TimerWheel, MaxStopsTheCallAndTheNextOneGoesOn) {
    TimerWheel wheel{100, start};
    for (std::uint64_t i = 0; i < 100; ++i) (void)wheel.schedule(start + std::chrono::milliseconds{1 + i / 10}, i);
    Payloads all;
    for (int call = 0; call < 14; ++call) {
        const auto some = fired_until(wheel, start + 1s, 7);
        EXPECT_EQ(some.size(), 7U);
        all.insert(all.end(), some.begin(), some.end());
    }
    const auto rest = fired_until(wheel, start + 1s, 7);
    EXPECT_EQ(rest.size(), 2U);
    all.insert(all.end(), rest.begin(), rest.end());
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
    EXPECT_EQ(wheel.advance(
                  start + 2s, [](std::uint64_t, Tick) {}, 0),
              0U);
}

// One slot of the third level holds 65 s worth of timers; `max` bounds the work of spreading it.
TEST(TimerWheel, AnOvercrowdedSlotIsSpreadOverSeveralCallsWithoutLosingATimer) {
    constexpr std::uint32_t n = 10000;
    TimerWheel wheel{n, start};
    for (std::uint32_t i = 0; i < n; ++i) (void)wheel.schedule(start + 70s + std::chrono::milliseconds{i % 7}, i);
    std::size_t calls = 0;
    std::size_t fired = 0;
    for (; fired < n && calls < n; ++calls)
        fired += wheel.advance(
            start + 71s, [](std::uint64_t, Tick) {}, 100);
    EXPECT_EQ(fired, n);
    EXPECT_GT(calls, n / 100);
    EXPECT_LT(calls, 2 * n / 100);
}

TEST(TimerWheel, HoursWithoutACallCostNothing) {
    TimerWheel wheel{8, start, 1us};
    (void)wheel.schedule(start + 24h * 365 * 20, 20);
    (void)wheel.schedule(start + 24h * 365, 1);
    EXPECT_EQ(fired_until(wheel, start + 24h * 364), Payloads{});
    EXPECT_EQ(fired_until(wheel, start + 24h * 365), Payloads{1});
    EXPECT_EQ(fired_until(wheel, start + 24h * 365 * 30), Payloads{20});
}

TEST(TimerWheel, TheEndOfTimeIsAValidDueTime) {
    TimerWheel wheel{8, Tick{}, 1ns};
    auto id = wheel.schedule(Tick::max(), 1);
    EXPECT_EQ(fired_until(wheel, start), Payloads{});
    EXPECT_TRUE(wheel.is_pending(id));
    EXPECT_EQ(fired_until(wheel, Tick::max()), Payloads{1});
}

TEST(TimerWheel, TimeThatGoesBackwardsFiresNothing) {
    TimerWheel wheel{8, start};
    EXPECT_EQ(fired_until(wheel, start + 1s), Payloads{});
    (void)wheel.schedule(start + 2s, 1);
    EXPECT_EQ(fired_until(wheel, start), Payloads{});
    EXPECT_EQ(fired_until(wheel, start - 1h), Payloads{});
    EXPECT_EQ(fired_until(wheel, start + 2s), Payloads{1});
}

// The wheel beside a sorted map: same set, same order of ticks, never early, never more than a tick late.
class Model {
public:
    explicit Model(std::uint64_t seed) : random_{seed} {}

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            const auto n = random_() % 8;
            for (std::uint64_t k = 0; k < n; ++k) schedule();
            if (random_() % 3 == 0) cancel_any();
            now_ += step();
            advance();
            ASSERT_EQ(wheel_.size(), due_.size());
        }
    }

private:
    static constexpr std::uint32_t capacity = 2000;

    Duration step() {
        switch (random_() % 20) {
            case 0:
                return std::chrono::milliseconds{random_() % 400'000};
            case 1:
                return std::chrono::hours{random_() % 30};
            case 2:
                return 0ns;
            default:
                return std::chrono::nanoseconds{random_() % 5'000'000};
        }
    }
    Duration distance() {
        const auto bits = random_() % 48;
        return Duration{static_cast<std::int64_t>(random_() & ((std::uint64_t{1} << bits) - 1))} - 1ms;
    }
    void schedule() {
        const auto due = now_ + distance();
        const auto id = wheel_.schedule(due, next_);
        ASSERT_EQ(static_cast<bool>(id), due_.size() < capacity);
        if (!id) return;
        due_[next_] = due;
        ids_[next_] = id;
        ++next_;
    }
    void cancel_any() {
        if (due_.empty()) return;
        const auto victim = std::next(due_.begin(), static_cast<std::ptrdiff_t>(random_() % std::min<std::size_t>(due_.size(), 50)));
        wheel_.cancel(ids_[victim->first]);
        ids_.erase(victim->first);
        due_.erase(victim);
    }
    void advance() {
        std::size_t calls = 0;
        Tick last_due = Tick::min();
        // Every other call is unbounded and must serve all that was due when it began.
        const bool unbounded = random_() % 2 == 0;
        const auto max = unbounded ? std::numeric_limits<std::size_t>::max() : 1 + random_() % 40;
        const auto first_of_this_call = next_;
        const auto fire = [&](std::uint64_t payload, Tick due) {
            ASSERT_TRUE(due_.contains(payload));
            ASSERT_EQ(due_[payload], due);
            ASSERT_LE(due, now_);
            // Within one call, in order of ticks. What was late when scheduled goes first and in its own order.
            if (due > reached_) {
                ASSERT_GE(due + 1ms, last_due);
                last_due = std::max(last_due, due);
            }
            due_.erase(payload);
            ids_.erase(payload);
            if (random_() % 4 == 0) schedule();
            if (random_() % 8 == 0) cancel_any();
        };
        while (wheel_.advance(now_, fire, max) == max) ASSERT_LT(++calls, 5000U);
        if (unbounded) {
            for (const auto& [payload, due] : due_) ASSERT_TRUE(payload >= first_of_this_call || due + 1ms > now_) << payload;
        }
        // A call that was cut short by cascading, or timers that fire scheduled for the past.
        for (int i = 0; i < 200 && overdue() > 0; ++i) wheel_.advance(now_, fire, max);
        ASSERT_EQ(overdue(), 0U);
        reached_ = now_;
    }
    std::size_t overdue() const {
        return static_cast<std::size_t>(
            std::count_if(due_.begin(), due_.end(), [this](const auto& entry) { return entry.second + 1ms <= now_; }));
    }

    std::mt19937_64 random_;
    TimerWheel wheel_{capacity, start};
    Tick now_ = start;
    Tick reached_ = start;
    std::uint64_t next_ = 1;
    std::map<std::uint64_t, Tick> due_;
    std::unordered_map<std::uint64_t, TimerId> ids_;
};

TEST(TimerWheel, AgreesWithASortedMapOverRandomOperations) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) Model{seed}.run(3000);
}

}  // namespace
}  // namespace sipfront::core

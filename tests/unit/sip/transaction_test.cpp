// The transaction table's timers: whoever begins waits in a queue, and wakes as if it stood in the wheel.
#include "sip/transaction.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::sip {
namespace {

using namespace std::chrono_literals;

constexpr core::Tick start{std::chrono::hours{1}};
constexpr core::Duration t1 = 500ms;

struct Table {
    core::ByteSlab bytes{1U << 20};
    TransactionTable table{4096, bytes, core::HashKey{core::SecretKey{1, 2}}, start};
    std::map<std::uint64_t, TransactionHandle> live;  // by tag

    Transaction* begin(std::uint64_t tag, core::Tick now, core::Duration first, core::Duration end, bool queued) {
        auto* t = table.create(tag + 1);
        if (t == nullptr) return nullptr;
        t->tag = tag;
        t->client_state = fsm::State::calling;
        t->deadline(Deadline::client_retransmit) = now + first;
        t->deadline(Deadline::client_end) = now + end;
        live[tag] = table.handle_of(*t);
        queued ? table.begin(*t, now + t1) : table.settle(*t);
        return t;
    }
    // Whose deadlines came, in order of their tags. A retransmission comes again; the end ends.
    std::vector<std::uint64_t> advance(core::Tick now, std::size_t max) {
        std::vector<std::uint64_t> fired;
        table.advance(
            now,
            [&](Transaction& t) {
                fired.push_back(t.tag);
                if (t.deadline(Deadline::client_retransmit) <= now) t.deadline(Deadline::client_retransmit) = now + 2 * t1;
                if (t.deadline(Deadline::client_end) <= now) {
                    t.client_state = fsm::State::terminated;
                    live.erase(t.tag);
                }
                table.settle(t);
            },
            max);
        std::sort(fired.begin(), fired.end());
        return fired;
    }
};

TEST(TransactionTable, WhoeverBeginsWakesAsIfInTheWheel) {
    Table queue, wheel;
    std::mt19937 random{7};
    const auto any = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    auto now = start;
    std::uint64_t tag = 0;
    std::size_t fired = 0;
    for (int step = 0; step < 20'000; ++step) {
        now += std::chrono::milliseconds{any(20)};
        const auto kind = any(8);
        if (kind < 3) {
            // Some begin with a deadline that is nearer than T1, or farther.
            const core::Duration first = kind == 0 && any(4) == 0 ? std::chrono::milliseconds{100 + any(1000)} : t1;
            const core::Duration end = any(5) == 0 ? 300ms : 4s;
            queue.begin(tag, now, first, end, true);
            wheel.begin(tag, now, first, end, false);
            ++tag;
        } else if (kind < 6 && !queue.live.empty()) {
            const auto chosen =
                std::next(queue.live.begin(), static_cast<std::ptrdiff_t>(any(static_cast<std::uint32_t>(queue.live.size()))))->first;
            const auto what = any(3);
            const core::Tick soon = now + std::chrono::milliseconds{any(700)};
            for (auto* each : {&queue, &wheel}) {
                auto* t = each->table.get(each->live.at(chosen));
                ASSERT_NE(t, nullptr);
                if (what == 0) t->deadline(Deadline::client_retransmit) = core::Tick::max();
                if (what == 1) t->deadline(Deadline::client_end) = soon;
                if (what == 2) t->client_state = fsm::State::terminated;
                if (what == 2) each->live.erase(chosen);
                each->table.settle(*t);
            }
        }
        const auto in_queue = queue.advance(now, 512);
        ASSERT_EQ(in_queue, wheel.advance(now, 512)) << "step " << step;
        fired += in_queue.size();
        ASSERT_EQ(queue.table.size(), wheel.table.size());
    }
    EXPECT_GT(fired, 3'000U);
    for (int i = 0; i < 10; ++i) {
        now += 1s;
        EXPECT_EQ(queue.advance(now, 4096), wheel.advance(now, 4096));
    }
    EXPECT_EQ(queue.table.size(), 0U);
    EXPECT_EQ(queue.table.timers(), 0U);
}

TEST(TransactionTable, AtMostSoManyWakeAtOnce) {
    Table t;
    for (std::uint64_t tag = 0; tag < 100; ++tag) t.begin(tag, start, t1, 4s, true);
    EXPECT_TRUE(t.advance(start + t1 - 1ns, 30).empty());
    std::vector<std::uint64_t> woken;
    for (int i = 0; i < 4; ++i)
        for (const auto tag : t.advance(start + t1, 30)) woken.push_back(tag);
    EXPECT_EQ(woken.size(), 100U);
    std::sort(woken.begin(), woken.end());
    EXPECT_EQ(std::unique(woken.begin(), woken.end()), woken.end());
}

TEST(TransactionTable, WhatLingersEndsWhenItIsDue) {
    Table t;
    const auto linger = [&](std::uint64_t tag, core::Tick due) {
        auto* one = t.begin(tag, start, t1, 4s, true);
        one->kind = Transaction::Kind::invite;
        one->reply.remote = {core::IpAddress::v4(0x0a000001), 5060};
        ASSERT_TRUE(t.table.linger(*one, Residues::none, due));
    };
    const auto at = start + 32s + 300us;  // between two whole milliseconds
    linger(1, at);
    linger(2, at + 5ms);
    for (core::Tick now = start + 31s; now < at + 10ms; now += 100us) {
        t.advance(now, 512);
        t.table.expire(now, 512);
        const auto left = (now < start + 32s + 1ms ? 1U : 0U) + (now < start + 32s + 6ms ? 1U : 0U);
        ASSERT_EQ(t.table.lingering(), left) << (now - start).count();
    }
    linger(3, at + 11ms);
    t.table.expire(at + 20ms, 512);
    EXPECT_EQ(t.table.lingering(), 0U);
}

}  // namespace
}  // namespace sipfront::sip

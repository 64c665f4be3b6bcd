// What all workers stand on: keyed hash, hash table, timer wheel, mailbox; from what fits the first cache to what fits none.
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <benchmark/benchmark.h>

#include "app/switchboard.hpp"
#include "core/flat_table.hpp"
#include "core/hash.hpp"
#include "core/timer_wheel.hpp"
#include "core/types.hpp"

namespace {

using namespace sipfront;
using namespace std::chrono_literals;

struct Entry;
using Value = core::Handle<Entry>;
using Table = core::FlatTable<Value>;

// splitmix64 (Steele, Lea, Flood 2014): stands for keyed hashes.
std::uint64_t key(std::uint64_t n) noexcept {
    n = (n + 1) * 0x9e3779b97f4a7c15;
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
    n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
    return n ^ (n >> 31);
}

// A table of `n` keys: those of the numbers `oldest` to `oldest` + n - 1.
struct Filled {
    explicit Filled(std::uint64_t n) : table{n + 64} {
        for (std::uint64_t i = 0; i < n; ++i) (void)table.insert(key(i), Value{static_cast<std::uint32_t>(i), 1});
    }

    Table table;
    std::uint64_t oldest = 0;
};

// The last one asked for is kept: building ten million takes longer than measuring.
Filled& filled(std::uint64_t n) {
    static std::unique_ptr<Filled> kept;
    static std::uint64_t size = 0;
    if (size != n) {
        kept.reset();
        kept = std::make_unique<Filled>(n);
        size = n;
    }
    return *kept;
}

void sizes(benchmark::internal::Benchmark* b) {
    for (const auto n : {1'000, 10'000, 100'000, 1'000'000, 10'000'000}) b->Arg(n);
}

// Each find waits for the one before, as messages handled one at a time do.
void table_find(benchmark::State& state) {
    const auto n = static_cast<std::uint64_t>(state.range(0));
    auto& [table, oldest] = filled(n);
    std::uint64_t i = 0;
    for ([[maybe_unused]] auto _ : state) {
        const auto* found = table.find(key(oldest + i % n));
        // The generation is 1; the next key waits for it.
        i = i * 6364136223846793005 + 1442695040888963406 + found->generation;
    }
    benchmark::DoNotOptimize(i);
}
BENCHMARK(table_find)->Apply(sizes);

// All of a burst asked for ahead, as the worker does.
void table_find_burst(benchmark::State& state) {
    constexpr std::size_t burst = 64;
    const auto n = static_cast<std::uint64_t>(state.range(0));
    auto& [table, oldest] = filled(n);
    std::uint64_t i = 0, sum = 0;
    std::array<std::uint64_t, burst> keys;
    for ([[maybe_unused]] auto _ : state) {
        for (auto& k : keys) {
            i = i * 6364136223846793005 + 1442695040888963407;
            k = key(oldest + i % n);
            table.prefetch(k);
        }
        for (const auto k : keys) sum += table.find(k)->index;
    }
    benchmark::DoNotOptimize(sum);
    state.counters["each"] =
        benchmark::Counter(static_cast<double>(state.iterations() * burst), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(table_find_burst)->Apply(sizes);

// One key leaves and one comes: the oldest for a new one.
template <std::uint64_t Ahead>
void table_replace(benchmark::State& state) {
    const auto n = static_cast<std::uint64_t>(state.range(0));
    auto& [table, oldest] = filled(n);
    for ([[maybe_unused]] auto _ : state) {
        if constexpr (Ahead > 0) {
            table.prefetch(key(oldest + Ahead));
            table.prefetch(key(oldest + n + Ahead));
        }
        benchmark::DoNotOptimize(table.erase(key(oldest)));
        benchmark::DoNotOptimize(table.insert(key(oldest + n), Value{static_cast<std::uint32_t>(oldest), 1}));
        ++oldest;
    }
}
BENCHMARK(table_replace<0>)->Apply(sizes);
BENCHMARK(table_replace<8>)->Apply(sizes);

void pending(benchmark::internal::Benchmark* b) {
    for (const auto n : {1'000, 100'000, 1'000'000, 5'000'000}) b->Arg(n);
}

constexpr auto lifetime = 32s;

// `n` timers over the next 32 s, whose order is not that of their places in memory.
std::unique_ptr<core::TimerWheel> wheel_of(std::uint32_t n, core::Tick start) {
    constexpr std::uint64_t span = core::Duration{lifetime}.count();
    auto wheel = std::make_unique<core::TimerWheel>(n + 64, start);
    for (std::uint32_t i = 0; i < n; ++i) (void)wheel->schedule(start + core::Duration{static_cast<std::int64_t>(key(i) % span)}, i);
    return wheel;
}

// A timer that is taken back before it fires, as most of SIP's are.
void timer_schedule_cancel(benchmark::State& state) {
    const core::Tick start{1h};
    const auto wheel = wheel_of(static_cast<std::uint32_t>(state.range(0)), start);
    std::uint64_t i = 0;
    for ([[maybe_unused]] auto _ : state) {
        ++i;
        auto id = wheel->schedule(start + 500ms + std::chrono::milliseconds{i & 0xfff}, i);
        benchmark::DoNotOptimize(id);
        wheel->cancel(id);
    }
}
BENCHMARK(timer_schedule_cancel)->Apply(pending);

// Milliseconds pass; each timer that fires is set again for 32 s later.
void timer_advance(benchmark::State& state) {
    core::Tick now{1h};
    const auto wheel = wheel_of(static_cast<std::uint32_t>(state.range(0)), now);
    std::uint64_t fired = 0;
    for ([[maybe_unused]] auto _ : state) {
        now += 1ms;
        fired += wheel->advance(now, [&](std::uint64_t payload, core::Tick) { (void)wheel->schedule(now + lifetime, payload); });
    }
    state.counters["each"] = benchmark::Counter(static_cast<double>(fired), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(timer_advance)->Apply(pending);

constexpr std::size_t letters = 32;

// From worker to worker, and the way that a journal's entries go: posted and drained by bursts of 32 on one core ...
void mailbox_post_drain(benchmark::State& state) {
    const auto lane = std::make_unique<app::Switchboard::Lane>();
    std::array<app::Steered, letters> out{}, in;
    for ([[maybe_unused]] auto _ : state) {
        for (const auto& s : out) benchmark::DoNotOptimize(lane->try_post(s));
        benchmark::DoNotOptimize(lane->drain(in));
    }
    state.counters["each"] =
        benchmark::Counter(static_cast<double>(state.iterations() * letters), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(mailbox_post_drain);

// ... and between two.
void mailbox_between_cores(benchmark::State& state) {
    static app::Switchboard::Lane lane;
    std::array<app::Steered, letters> items{};
    for ([[maybe_unused]] auto _ : state) {
        for (std::size_t done = 0; done < letters;) {
            const std::span<app::Steered> rest{items.data() + done, letters - done};
            done += state.thread_index() == 0 ? lane.post(rest) : lane.drain(rest);
        }
    }
    state.counters["each"] =
        benchmark::Counter(static_cast<double>(state.iterations() * letters),
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert | benchmark::Counter::kAvgThreads);
}
BENCHMARK(mailbox_between_cores)->Threads(2)->UseRealTime();

const core::HashKey hash_key{core::SecretKey{1, 2}};

// Of a text of so many octets, each waiting for the one before, or not.
void digest_in_turn(benchmark::State& state) {
    const std::string text(static_cast<std::size_t>(state.range(0)), 'x');
    std::uint64_t hash = 0;
    for ([[maybe_unused]] auto _ : state) hash = core::digest(hash_key, text, hash);
    benchmark::DoNotOptimize(hash);
}
BENCHMARK(digest_in_turn)->Arg(8)->Arg(20)->Arg(40)->Arg(100)->Arg(300);

void digest_side_by_side(benchmark::State& state) {
    const std::string text(static_cast<std::size_t>(state.range(0)), 'x');
    std::uint64_t sum = 0, i = 0;
    for ([[maybe_unused]] auto _ : state) sum += core::digest(hash_key, text, ++i);
    benchmark::DoNotOptimize(sum);
}
BENCHMARK(digest_side_by_side)->Arg(8)->Arg(20)->Arg(40)->Arg(100)->Arg(300);

// As on a CPU without the instructions.
void digest_by_shuffles(benchmark::State& state) {
    const auto had = std::exchange(core::has_aes, false);
    digest_side_by_side(state);
    core::has_aes = had;
}
BENCHMARK(digest_by_shuffles)->Arg(40);

}  // namespace

BENCHMARK_MAIN();

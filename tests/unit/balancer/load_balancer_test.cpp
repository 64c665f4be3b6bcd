#include "balancer/load_balancer.hpp"

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <queue>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::balancer {
namespace {

constexpr ResourceId pstn{0};
constexpr ResourceId conf{1};

constexpr core::DestinationId id_of(std::size_t host) { return static_cast<core::DestinationId>(host + 10); }

ResourceSet only_pstn() {
    ResourceSet s;
    s.add(pstn);
    return s;
}
ResourceSet pstn_and_conf() {
    auto s = only_pstn();
    s.add(conf);
    return s;
}

// Hosts with the given capacities of "pstn", ids 10, 11, ...
class Hosts {
public:
    explicit Hosts(std::initializer_list<std::uint32_t> capacities) {
        for (const auto capacity : capacities) {
            auto& load = *loads_.emplace_back(std::make_unique<DestinationLoad>(std::size_t{4}));
            load[pstn].set_capacity(capacity);
            candidates_.push_back({&load, id_of(candidates_.size()), true, false});
        }
    }
    Choice choose(LbAlgorithm algorithm, std::uint64_t hash = 0) {
        return choose_for_call(candidates_, {only_pstn(), algorithm, hash, {}, {}});
    }
    Choice choose(const CallRequest& r) { return choose_for_call(candidates_, r); }
    void occupy(std::size_t host, std::uint32_t calls) {
        for (std::uint32_t i = 0; i < calls; ++i) load(host).adopt(only_pstn());
    }
    DestinationLoad& load(std::size_t host) { return *loads_[host]; }
    DestinationLoad& load(core::DestinationId id) { return *loads_[core::raw(id) - 10U]; }
    CallCandidate& operator[](std::size_t host) { return candidates_[host]; }
    std::uint32_t calls(std::size_t host) { return load(host)[pstn].read().load; }

private:
    std::vector<std::unique_ptr<DestinationLoad>> loads_;
    std::vector<CallCandidate> candidates_;
};

TEST(LoadBalancer, AbsoluteTakesTheMostFreeChannels) {
    Hosts hosts{10, 100, 50};
    hosts.occupy(1, 60);  // 10, 40, 50 free
    const auto c = hosts.choose(LbAlgorithm::absolute);
    EXPECT_EQ(c.answer, sip::Answer::selected);
    EXPECT_EQ(c.destination, id_of(2));
}

TEST(LoadBalancer, RelativeTakesTheLowestShareInUse) {
    Hosts hosts{10, 100, 50};
    hosts.occupy(0, 2);   // 20 %
    hosts.occupy(1, 30);  // 30 %
    hosts.occupy(2, 20);  // 40 %
    EXPECT_EQ(hosts.choose(LbAlgorithm::relative).destination, id_of(0));
}

// The peers compare whole percents: 1999/10000 and 1901/10000 are both 19 % there.
TEST(LoadBalancer, RelativeComparesExactFractions) {
    Hosts hosts{10'000, 10'000, 4'294'967'295};
    hosts.occupy(0, 1'999);
    hosts.occupy(1, 1'901);
    hosts[2].active = false;
    EXPECT_EQ(hosts.choose(LbAlgorithm::relative).destination, id_of(1));
    hosts[2].active = true;
    hosts.occupy(2, 1);
    EXPECT_EQ(hosts.choose(LbAlgorithm::relative).destination, id_of(2));
}

TEST(LoadBalancer, TheScarcestResourceCounts) {
    Hosts hosts{100, 100};
    hosts.load(0)[conf].set_capacity(10);
    hosts.load(1)[conf].set_capacity(10);
    hosts.occupy(1, 50);                                      // pstn: 0 % against 50 %
    for (int i = 0; i < 6; ++i) hosts.load(0)[conf].adopt();  // conf: 60 % against 0 %
    EXPECT_EQ(hosts.choose({pstn_and_conf(), LbAlgorithm::relative, 0, core::no_destination, {}}).destination, id_of(1));
    EXPECT_EQ(hosts.choose({only_pstn(), LbAlgorithm::relative, 0, core::no_destination, {}}).destination, id_of(0));
    // Free: min(99, 4) against min(49, 9).
    EXPECT_EQ(hosts.choose({pstn_and_conf(), LbAlgorithm::absolute, 0, core::no_destination, {}}).destination, id_of(1));
}

TEST(LoadBalancer, ReservesOneUnitOfEachNeededResource) {
    Hosts hosts{5};
    hosts.load(0)[conf].set_capacity(5);
    ASSERT_EQ(hosts.choose({pstn_and_conf(), LbAlgorithm::relative, 0, core::no_destination, {}}).answer, sip::Answer::selected);
    EXPECT_EQ(hosts.load(0)[pstn].read().load, 1U);
    EXPECT_EQ(hosts.load(0)[conf].read().load, 1U);
}

TEST(LoadBalancer, TellsFullFromUnavailable) {
    Hosts hosts{1, 1};
    EXPECT_EQ(hosts.choose(LbAlgorithm::relative).answer, sip::Answer::selected);
    EXPECT_EQ(hosts.choose(LbAlgorithm::relative).answer, sip::Answer::selected);
    EXPECT_EQ(hosts.choose(LbAlgorithm::relative).answer, sip::Answer::full);
    hosts[0].active = hosts[1].active = false;
    EXPECT_EQ(hosts.choose(LbAlgorithm::relative).answer, sip::Answer::unavailable);
    EXPECT_EQ(choose_for_call({}, {only_pstn(), LbAlgorithm::relative, 0, core::no_destination, {}}).answer, sip::Answer::unavailable);
}

TEST(LoadBalancer, AHostThatSaysItIsFullGetsNothing) {
    Hosts hosts{10, 10};
    hosts[0].full = true;
    for (int i = 0; i < 5; ++i) EXPECT_EQ(hosts.choose(LbAlgorithm::relative).destination, id_of(1));
    hosts[1].full = true;
    EXPECT_EQ(hosts.choose(LbAlgorithm::relative).answer, sip::Answer::full);
    EXPECT_EQ(hosts.calls(0), 0U);
}

TEST(LoadBalancer, LeavesOutWhatWasTried) {
    Hosts hosts{10, 10, 10};
    hosts.occupy(2, 9);
    const std::array tried{id_of(0), id_of(1)};
    CallRequest request{only_pstn(), LbAlgorithm::relative, 0, core::no_destination, tried};
    EXPECT_EQ(hosts.choose(request).destination, id_of(2));
    EXPECT_EQ(hosts.choose(request).answer, sip::Answer::full);
    const std::array all{id_of(0), id_of(1), id_of(2)};
    request.tried = all;
    EXPECT_EQ(hosts.choose(request).answer, sip::Answer::unavailable);
}

TEST(LoadBalancer, AsksThePreferredHostFirst) {
    Hosts hosts{10, 10};
    hosts.occupy(1, 9);
    CallRequest request{only_pstn(), LbAlgorithm::relative, 0, id_of(1), {}};
    EXPECT_EQ(hosts.choose(request).destination, id_of(1));
    EXPECT_EQ(hosts.choose(request).destination, id_of(0)) << "the preferred one is full now";
    EXPECT_TRUE(hosts.load(1).release(only_pstn()));
    hosts[1].active = false;
    EXPECT_EQ(hosts.choose(request).destination, id_of(0)) << "the preferred one is out of service";
    hosts[1].active = true;
    const std::array tried{id_of(1)};
    request.tried = tried;
    EXPECT_EQ(hosts.choose(request).destination, id_of(0)) << "the preferred one was tried";
    request.preferred = core::DestinationId{999};
    EXPECT_EQ(hosts.choose(request).destination, id_of(0)) << "nobody knows the preferred one";
}

TEST(LoadBalancer, EqualHostsTakeTurns) {
    Hosts hosts{10, 10, 10, 10};
    std::array<int, 4> picks{};
    std::uint64_t hash = 1;
    for (int call = 0; call < 400; ++call) {
        const auto c = hosts.choose(LbAlgorithm::relative, hash++);
        ++picks[core::raw(c.destination) - 10U];
        ASSERT_TRUE(hosts.load(c.destination).release(only_pstn()));  // ends before the next begins: always a tie
    }
    for (const auto p : picks) EXPECT_EQ(p, 100);
}

TEST(LoadBalancer, ANewHostDoesNotTakeEveryTieUntilItHasCaughtUp) {
    Hosts hosts{10, 10};
    hosts[1].active = false;
    const auto call = [&] {
        const auto c = hosts.choose(LbAlgorithm::relative);
        EXPECT_TRUE(hosts.load(c.destination).release(only_pstn()));
        return c.destination;
    };
    for (int i = 0; i < 1'000; ++i) ASSERT_EQ(call(), id_of(0));
    hosts[1].active = true;
    int picked_new = 0;
    for (int i = 0; i < 100; ++i) picked_new += call() == id_of(1) ? 1 : 0;
    EXPECT_EQ(picked_new, 50);
}

TEST(LoadBalancer, TwentyThousandCallsSpreadEvenlyToTwoPercent) {
    for (const auto algorithm : {LbAlgorithm::relative, LbAlgorithm::absolute}) {
        Hosts hosts{1'000, 1'000, 1'000, 1'000};
        std::mt19937_64 random{20'240'601};
        std::uniform_int_distribution<int> hold{1, 400};  // in arrivals of other calls
        using Ending = std::pair<int, core::DestinationId>;
        std::priority_queue<Ending, std::vector<Ending>, std::greater<>> endings;
        std::array<int, 4> picks{};
        for (int now = 0; now < 20'000; ++now) {
            for (; !endings.empty() && endings.top().first <= now; endings.pop())
                ASSERT_TRUE(hosts.load(endings.top().second).release(only_pstn()));
            const auto c = hosts.choose(algorithm, random());
            ASSERT_EQ(c.answer, sip::Answer::selected);
            ++picks[core::raw(c.destination) - 10U];
            endings.emplace(now + hold(random), c.destination);
        }
        for (const auto p : picks) EXPECT_NEAR(p, 5'000, 100);
    }
}

TEST(LoadBalancer, RelativeFillsUnequalHostsToEqualShares) {
    Hosts hosts{10, 20, 40};
    for (std::uint64_t call = 0; call < 35; ++call) ASSERT_EQ(hosts.choose(LbAlgorithm::relative, call).answer, sip::Answer::selected);
    EXPECT_EQ(hosts.calls(0), 5U);
    EXPECT_EQ(hosts.calls(1), 10U);
    EXPECT_EQ(hosts.calls(2), 20U);
}

TEST(LoadBalancer, FourWorkersFillEveryHostExactly) {
    Hosts hosts{300, 500, 700};
    std::atomic<int> selected{0};
    std::atomic<int> full{0};
    std::vector<std::thread> workers;
    for (std::uint64_t w = 0; w < 4; ++w) {
        workers.emplace_back([&, w] {
            for (std::uint64_t i = 0; i < 500; ++i) {
                const auto c = hosts.choose(LbAlgorithm::relative, w * 1'000 + i);
                (c.answer == sip::Answer::selected ? selected : full).fetch_add(1);
            }
        });
    }
    for (auto& w : workers) w.join();
    EXPECT_EQ(selected.load(), 1'500);
    EXPECT_EQ(full.load(), 500);
    EXPECT_EQ(hosts.calls(0), 300U);
    EXPECT_EQ(hosts.calls(1), 500U);
    EXPECT_EQ(hosts.calls(2), 700U);
}

TEST(LoadBalancer, CanTakeACallWhileAnyHostHasAUnitFree) {
    Hosts hosts{1, 1};
    std::vector<CallCandidate> both{hosts[0], hosts[1]};
    EXPECT_TRUE(can_take_call(both, only_pstn()));
    both[0].active = false;
    both[1].full = true;
    EXPECT_FALSE(can_take_call(both, only_pstn()));
    both[1].full = false;
    EXPECT_TRUE(can_take_call(both, only_pstn()));
    EXPECT_FALSE(can_take_call(both, pstn_and_conf()));
    hosts.occupy(1, 1);
    EXPECT_FALSE(can_take_call(both, only_pstn()));
}

}  // namespace
}  // namespace sipfront::balancer

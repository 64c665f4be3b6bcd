// The control against a model of a worker: a receive ring of 1,024, polls of 64, calls of six messages with a hold time.
#include "balancer/overload.hpp"

#include <queue>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::balancer {
namespace {

using namespace std::chrono_literals;
using core::Duration;
using core::Tick;

// What the messages of one call cost, and a refusal.
struct Costs {
    Duration invite = 15us, other = 7us, refusal = 1us, refusal_ack = 500ns;
    friend Costs operator/(Costs c, int n) { return {c.invite / n, c.other / n, c.refusal / n, c.refusal_ack / n}; }
    [[nodiscard]] double capacity() const { return 1e9 / static_cast<double>((invite + 5 * other).count()); }
};

class Model {
public:
    explicit Model(const Costs& costs = {}, const OverloadConfig& config = {}) : costs_{costs}, policy_{config} {}

    // Offers `rate` calls a second for `time`.
    void run(double rate, Duration time) {
        const auto end = now_ + time;
        const auto gap = Duration{static_cast<std::int64_t>(1e9 / rate)};
        if (next_call_ < now_) next_call_ = now_;
        while (now_ < end) {
            for (; next_call_ <= now_ && next_call_ < end; next_call_ += gap) arrive({Kind::invite, ++calls_});
            for (; !later_.empty() && later_.top().at <= now_; later_.pop()) arrive(later_.top().message);
            poll();
        }
    }
    // A pause of the core: the queue fills meanwhile.
    void sleep(Duration d) { now_ += d; }

    struct Counts {
        std::uint64_t completed = 0, refused = 0, lost_new = 0, lost_in_dialog = 0;
    } counts;
    OverloadControl control{7, Tick{1h}};

private:
    enum class Kind : std::uint8_t { invite, ringing, answer, ack, bye, bye_answer, refusal_ack };
    struct Message {
        Kind kind;
        std::uint64_t call;
    };
    struct Later {
        Tick at;
        Message message;
        bool operator<(const Later& o) const { return at > o.at; }
    };

    void arrive(const Message& m) {
        if (ring_.size() < 1024) return ring_.push(m);
        ++(m.kind == Kind::invite || m.kind == Kind::refusal_ack ? counts.lost_new : counts.lost_in_dialog);
        if (m.kind != Kind::refusal_ack) later_.push({now_ + 500ms, m});  // T1
    }
    void poll() {
        control.begin(now_, policy_);
        std::size_t taken = 0;
        for (; taken < 64 && !ring_.empty(); ++taken) {
            const auto m = ring_.front();
            ring_.pop();
            handle(m);
        }
        control.end(taken == 64, policy_);
        now_ += 300ns;
    }
    void handle(const Message& m) {
        const auto soon = now_ + 100us;
        switch (m.kind) {
            case Kind::invite:
                if (control.share() != admit_all && !control.admits(m.call * 0x9e3779b97f4a7c15, control.share())) {
                    ++counts.refused;
                    now_ += costs_.refusal;
                    return later_.push({soon, {Kind::refusal_ack, m.call}});
                }
                now_ += costs_.invite;
                later_.push({soon, {Kind::ringing, m.call}});
                return later_.push({soon, {Kind::answer, m.call}});
            case Kind::refusal_ack:
                now_ += costs_.refusal_ack;
                return;
            case Kind::answer:
                later_.push({soon, {Kind::ack, m.call}});
                break;
            case Kind::ack:
                later_.push({now_ + 300ms, {Kind::bye, m.call}});
                break;
            case Kind::bye:
                later_.push({soon, {Kind::bye_answer, m.call}});
                break;
            case Kind::bye_answer:
                ++counts.completed;
                break;
            case Kind::ringing:
                break;
        }
        now_ += costs_.other;
    }

    Costs costs_;
    OverloadPolicy policy_;
    Tick now_{1h}, next_call_{1h};
    std::uint64_t calls_ = 0;
    std::queue<Message> ring_;
    std::priority_queue<Later> later_;
};

TEST(OverloadControl, RefusesNothingWhileTheWorkerKeepsUp) {
    const Costs costs;
    Model m{costs};
    m.run(0.9 * costs.capacity(), 3s);
    EXPECT_EQ(m.counts.refused, 0U);
    EXPECT_EQ(m.control.episodes(), 0U);
    EXPECT_EQ(m.control.share(), admit_all);
}

TEST(OverloadControl, TakesAPauseOfTheCoreForNoOverload) {
    const Costs costs;
    Model m{costs};
    for (int i = 0; i < 20; ++i) {
        m.run(0.5 * costs.capacity(), 50ms);
        m.sleep(15ms);
    }
    m.run(0.5 * costs.capacity(), 100ms);
    EXPECT_EQ(m.counts.refused, 0U);

    // Neither do pauses hold an overload up that has ended.
    m.run(3 * costs.capacity(), 1s);
    const auto slices = [&] {
        for (int i = 0; i < 40; ++i) {
            m.run(0.5 * costs.capacity(), 50ms);
            m.sleep(8ms);
        }
    };
    slices();
    const auto refused = m.counts.refused;
    slices();
    EXPECT_EQ(m.counts.refused, refused);
    EXPECT_FALSE(m.control.engaged());
}

// Times the capacity; times the speed of the slow core of the other tests, whose ring is as long.
class OverloadAt : public ::testing::TestWithParam<std::tuple<double, int>> {};

TEST_P(OverloadAt, KeepsGoodputAndLosesNothingInDialogs) {
    const auto& [load, speed] = GetParam();
    const auto costs = Costs{} / speed;
    Model m{costs};
    const auto offered = load * costs.capacity();
    m.run(0.8 * costs.capacity(), 1s);
    m.run(offered, 1500ms);  // finds its share, and what was admitted before has left
    const auto before = m.counts;
    m.run(offered, 3s);
    // Refusals cost a little of what is there to be had.
    const double r = 1.5 / 50, best = (1 - load * r) / (1 - r);
    const auto goodput = static_cast<double>(m.counts.completed - before.completed) / 3 / costs.capacity();
    EXPECT_GT(goodput, 0.93 * std::min(best, 1.0)) << "of " << best;
    // Beyond that, what the first moments lost is still being repeated.
    const auto tolerated = load > 3 ? m.counts.completed / 100 : 0;
    EXPECT_LE(m.counts.lost_in_dialog - before.lost_in_dialog, tolerated);
    EXPECT_LE(m.counts.lost_new - before.lost_new, tolerated) << "every refusal is said";
    EXPECT_TRUE(m.control.engaged());
}
INSTANTIATE_TEST_SUITE_P(Loads, OverloadAt,
                         ::testing::Values(std::tuple{1.1, 1}, std::tuple{1.5, 1}, std::tuple{3.0, 1}, std::tuple{8.0, 1},
                                           std::tuple{1.1, 10}, std::tuple{3.0, 10}));

TEST(OverloadControl, CutsTheShareWithinTenthsOfASecond) {
    const Costs costs;
    Model m{costs};
    m.run(0.5 * costs.capacity(), 500ms);
    m.run(3 * costs.capacity(), 300ms);
    EXPECT_LT(m.control.share(), admit_all / 2);
    EXPECT_EQ(m.control.episodes(), 1U);
}

TEST(OverloadControl, AdmitsEverythingSoonAfterTheEnd) {
    const Costs costs;
    Model m{costs};
    m.run(5 * costs.capacity(), 2s);
    m.run(0.5 * costs.capacity(), 1500ms);
    EXPECT_EQ(m.control.share(), admit_all);
    const auto refused = m.counts.refused;
    m.run(0.8 * costs.capacity(), 2s);
    EXPECT_EQ(m.counts.refused, refused);
    EXPECT_FALSE(m.control.engaged());
}

TEST(OverloadControl, NeverClosesTheDoorAltogether) {
    // In-dialog messages alone fill the core: nothing that is refused would help.
    OverloadControl c{7, Tick{1h}};
    const OverloadPolicy policy;
    auto now = Tick{1h};
    for (int i = 0; i < 5000; ++i, now += 1ms) {
        c.begin(now, policy);
        c.end(true, policy);
    }
    EXPECT_GT(c.share(), 0U);
    EXPECT_LE(c.share(), admit_all / 100);
    EXPECT_NEAR(c.standing(), 1.0, 1e-6);
    EXPECT_GT(c.stood(), 4900ms);
}

TEST(OverloadControl, DoesNothingWhenItIsOff) {
    const Costs costs;
    Model m{costs, {.enabled = false}};
    m.run(3 * costs.capacity(), 1s);
    EXPECT_EQ(m.counts.refused, 0U);
    EXPECT_GT(m.control.stood(), 500ms) << "and yet it shows how the queues stand";
}

TEST(OverloadControl, MeasuresACallByTheSameRuleForAnEpoch) {
    OverloadControl c{7, Tick{1h}};
    const OverloadPolicy policy;
    auto now = Tick{1h};
    const auto verdicts = [&] {
        std::vector<bool> v;
        for (std::uint64_t i = 1; i <= 1000; ++i) v.push_back(c.admits(i * 0x2545f4914f6cdd1d, admit_all / 2));
        return v;
    };
    const auto go = [&](Duration d) {
        for (const auto end = now + d; now < end; now += 1ms) {
            c.begin(now, policy);
            c.end(true, policy);
        }
    };
    go(100ms);
    const auto first = verdicts();
    EXPECT_NEAR(static_cast<double>(std::count(first.begin(), first.end(), true)), 500, 60);
    go(3s);
    EXPECT_EQ(verdicts(), first);
    go(1s);
    const auto second = verdicts();
    int both = 0;
    for (std::size_t i = 0; i < first.size(); ++i) both += first[i] && second[i] ? 1 : 0;
    EXPECT_NEAR(both, 250, 60) << "others have their turn";
}

TEST(OverloadPolicy, SpreadsRetryAfterOverItsRange) {
    const OverloadPolicy p{{.retry_after_min = std::chrono::seconds{3}, .retry_after_max = std::chrono::seconds{5}}};
    EXPECT_EQ(p.retry_after(0), "Retry-After: 3\r\n");
    EXPECT_EQ(p.retry_after(1), "Retry-After: 4\r\n");
    EXPECT_EQ(p.retry_after(5), "Retry-After: 5\r\n");
}

TEST(OverloadPolicy, KnowsEmergencyCallsAndVouchedPriorities) {
    using enum core::Zone;
    const OverloadPolicy p{{.emergency = {"112", "urn:service:sos"}, .resource_priority = {"ets.0"}}};
    EXPECT_TRUE(p.has_priority("sip:112@10.77.0.100", "", outside));
    EXPECT_TRUE(p.has_priority("sips:112;phone-context=x@a", "", outside));
    EXPECT_TRUE(p.has_priority("tel:112", "", outside));
    EXPECT_TRUE(p.has_priority("URN:service:SOS.fire", "", outside));
    EXPECT_FALSE(p.has_priority("sip:1123@10.77.0.100", "", outside));
    EXPECT_FALSE(p.has_priority("sip:112", "", outside)) << "a host";
    EXPECT_FALSE(p.has_priority("", "", outside));
    EXPECT_TRUE(p.has_priority("sip:1@a", "dsn.flash, ETS.0", carrier));
    EXPECT_FALSE(p.has_priority("sip:1@a", "ets.0", outside));
    EXPECT_FALSE(p.has_priority("sip:1@a", "ets.01,,", carrier));
}

}  // namespace
}  // namespace sipfront::balancer

// The generator of the benchmarks around a whole worker: what it holds against a proxy, the worker keeps.
#include <gtest/gtest.h>

#include "bench/traffic/engine.hpp"
#include "tests/sim/world.hpp"

namespace sipfront::sim {
namespace {

// Carries datagrams between the engine and the world, a millisecond at a time.
class TrafficLoop {
public:
    explicit TrafficLoop(const traffic::Config& config, Setup setup = {})
        : engine{config}, config_{config}, world_{std::move(setup)}, out_{&TrafficLoop::flush, this} {
        lend();
    }

    void run(double rate, core::Duration time) {
        engine.set_rate(rate, world_.now());
        for (const auto end = world_.now() + time; world_.now() < end;) {
            take(world_.advance(1ms));
            engine.place(world_.now(), out_);
            engine.advance(world_.now(), out_);
            for (out_.flush(); on_the_way_; out_.flush()) {
                on_the_way_ = false;
                take(world_.run());
            }
        }
        engine.set_rate(0, world_.now());
    }
    [[nodiscard]] World& world() { return world_; }

    traffic::Engine engine;

private:
    [[nodiscard]] const core::Endpoint& endpoint(traffic::Party p) const {
        return p < config_.clients.size() ? config_.clients[p] : config_.hosts[p - config_.clients.size()];
    }
    static void flush(void* self, traffic::Outgoing& out) {
        auto& loop = *static_cast<TrafficLoop*>(self);
        for (const auto& o : out.filled()) {
            loop.on_the_way_ = true;
            loop.world_.put({o.data, o.length}, loop.endpoint(o.from));
        }
        loop.lend();
    }
    void lend() {
        std::array<traffic::Out, traffic::Outgoing::burst> rooms;
        for (std::size_t i = 0; i < rooms.size(); ++i) rooms[i] = {memory_[i].data(), static_cast<std::uint32_t>(memory_[i].size())};
        out_.lend(rooms);
    }
    void take(const std::vector<Sent>& sent) {
        const traffic::Party parties = static_cast<traffic::Party>(config_.clients.size() + config_.hosts.size());
        for (const auto& s : sent) {
            for (traffic::Party p = 0; p < parties; ++p) {
                if (endpoint(p) != s.flow.remote) continue;
                const traffic::In in{s.text.data(), static_cast<std::uint32_t>(s.text.size()), p, 0};
                engine.receive({&in, 1}, world_.now(), out_);
            }
        }
    }

    traffic::Config config_;
    World world_;
    bool on_the_way_ = false;
    std::array<std::array<char, 2048>, traffic::Outgoing::burst> memory_{};
    traffic::Outgoing out_;
};

traffic::Config lab() {
    traffic::Config c;
    c.clients = {client_a, client_b};
    for (std::size_t i = 0; i < 4; ++i) c.hosts.push_back(World::host(i));
    c.target = vip;
    c.hold = 50ms;
    c.max_calls = 4096;
    c.run = 7;
    return c;
}

std::string first_sample(const traffic::Engine& engine) { return engine.samples().empty() ? "" : engine.samples().front(); }

TEST(Traffic, FindsNothingWrongWithTheWorker) {
    for (const auto bytes : {0U, 1300U}) {
        auto config = lab();
        config.register_weight = 1;
        config.invite_bytes = bytes;
        TrafficLoop loop{config, {.capacity = 1000}};
        loop.run(2000, 500ms);
        loop.run(0, 200ms);
        const auto& stats = loop.engine.stats();
        EXPECT_EQ(stats.placed(), 1000U);
        EXPECT_EQ(stats.completed(), 1000U) << first_sample(loop.engine);
        EXPECT_EQ(stats.wrong(), 0U) << first_sample(loop.engine);
        EXPECT_EQ(stats.answer.count(), 500U);
        EXPECT_EQ(loop.world().dialogs(), 0U);
    }
}

TEST(Traffic, IsRefusedWhereNoHostHasRoom) {
    TrafficLoop loop{lab(), {.capacity = 5}};
    loop.run(2000, 30ms);
    loop.run(0, 200ms);
    const auto& stats = loop.engine.stats();
    EXPECT_GT(stats.outcomes[traffic::Outcome::rejected].get(), 0U);
    EXPECT_EQ(stats.completed() + stats.outcomes[traffic::Outcome::rejected].get(), stats.placed()) << first_sample(loop.engine);
    EXPECT_EQ(stats.events[traffic::Event::slow_checks].get(), 0U);
    EXPECT_EQ(loop.world().total_load(), 0U);
}

}  // namespace
}  // namespace sipfront::sim

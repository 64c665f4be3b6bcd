// A bad network between everybody: messages are lost, doubled and overtaken. Calls still come to an end, nothing leaks, and no
// load stays behind.
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

struct Weather {
    double loss = 0.0, doubled = 0.0;
    core::Duration delay_min{0}, delay_max{0};
};

// Clients and hosts with the timers that RFC 3261 gives them, on the world's clock.
class Chaos {
public:
    Chaos(Setup setup, Weather weather, std::uint32_t seed)
        : world_{std::move(setup)}, weather_{weather}, random_{seed}, workers_{setup.workers} {}

    void place(int calls) {
        for (int i = 0; i < calls; ++i) {
            auto& c = clients_["chaos-" + std::to_string(i)];
            c.id = "chaos-" + std::to_string(i);
            c.start = world_.now() + std::chrono::milliseconds{i * 7};
        }
    }

    void run(core::Duration d) {
        for (const auto end = world_.now() + d; world_.now() < end;) {
            step();
            for (auto& s : world_.advance(1ms)) post(std::move(s), true);
        }
    }

    World& world() { return world_; }
    struct Client {
        std::string id;
        core::Tick start{};
        core::Tick next_send = core::Tick::max();
        core::Duration interval{500ms};
        core::Tick give_up = core::Tick::max();
        core::Tick hang_up = core::Tick::max();
        enum { idle, inviting, ringing, up, leaving, done, failed } state = idle;
        std::vector<std::string> routes;
        std::string last;
        std::string ack;
    };
    std::map<std::string, Client>& clients() { return clients_; }

private:
    struct Flying {
        Sent sent;
        bool from_proxy;
        core::Endpoint source;
    };

    // Into the network, with its weather.
    void post(const Sent& s, bool from_proxy, core::Endpoint source = {}) {
        std::uniform_real_distribution<double> dice{0.0, 1.0};
        const int copies = dice(random_) < weather_.loss ? 0 : dice(random_) < weather_.doubled ? 2 : 1;
        for (int i = 0; i < copies; ++i) {
            const auto spread = (weather_.delay_max - weather_.delay_min).count();
            const auto delay = weather_.delay_min +
                               core::Duration{spread == 0 ? 0 : static_cast<std::int64_t>(dice(random_) * static_cast<double>(spread))};
            flying_.emplace(world_.now() + delay, Flying{s, from_proxy, source});
        }
    }
    void to_proxy(const std::string& text, const core::Endpoint& source) { post({text, {}}, false, source); }

    void step() {
        while (!flying_.empty() && flying_.begin()->first <= world_.now()) {
            auto f = std::move(flying_.begin()->second);
            flying_.erase(flying_.begin());
            if (!f.from_proxy) {
                world_.put(f.sent.text, f.source, vip, queue_++ % workers_);
            } else if (f.sent.flow.remote == client_a) {
                at_client(f.sent.text);
            } else {
                at_host(f.sent.text, f.sent.flow.remote);
            }
        }
        for (auto& [id, c] : clients_) tick(c);
        for (auto& [key, h] : hosts_)
            if (h.next <= world_.now() && h.repeats-- > 0) {
                to_proxy(h.ok, h.at);
                h.interval = std::min<core::Duration>(2 * h.interval, 4s);
                h.next = world_.now() + h.interval;
            }
    }

    void tick(Client& c) {
        const auto now = world_.now();
        if (c.state == Client::idle && now >= c.start) {
            c.state = Client::inviting;
            c.last = request({.call_id = c.id, .branch = "z9hG4bK" + c.id});
            send(c);
        }
        if (c.state == Client::up && now >= c.hang_up) {
            c.state = Client::leaving;
            c.last = request(
                {.method = "BYE", .call_id = c.id, .to_tag = "callee", .cseq = 2, .branch = "z9hG4bKbye" + c.id, .headers = c.routes});
            c.interval = 500ms;
            c.give_up = now + 32s;
            send(c);
        }
        if (now >= c.next_send) {
            c.interval = std::min<core::Duration>(2 * c.interval, 4s);
            send(c);
        }
        if ((c.state == Client::inviting || c.state == Client::leaving) && now >= c.give_up) {
            c.state = Client::failed;
            c.next_send = core::Tick::max();
        }
    }
    void send(Client& c) {
        if (c.give_up == core::Tick::max()) c.give_up = world_.now() + 32s;
        to_proxy(c.last, client_a);
        c.next_send = world_.now() + c.interval;
    }

    void at_client(const std::string& text) {
        const Text t{text};
        auto& c = clients_[t.value("Call-ID")];
        const auto status = t.status();
        const bool invite = t.value("CSeq") == "1 INVITE";
        if (status >= 200) c.next_send = core::Tick::max();
        if (invite && status == 100 && c.state == Client::inviting) c.next_send = core::Tick::max();
        if (invite && status >= 200 && status < 300) {
            if (c.state == Client::inviting) {
                c.state = Client::up;
                c.hang_up = world_.now() + 3s;
                for (const auto& rr : t.values("Record-Route")) c.routes.push_back("Route: " + rr);
                c.ack = request({.method = "ACK", .call_id = c.id, .to_tag = "callee", .branch = "z9hG4bKack" + c.id, .headers = c.routes});
            }
            to_proxy(c.ack, client_a);
        } else if (invite && status >= 300) {
            to_proxy(request({.method = "ACK", .call_id = c.id, .to_tag = t.tag("To"), .branch = "z9hG4bK" + c.id}), client_a);
            if (c.state == Client::inviting) c.state = Client::failed;
        } else if (!invite && status >= 200) {
            c.state = Client::done;
        }
    }

    void at_host(const std::string& text, const core::Endpoint& host) {
        const Text t{text};
        const auto key = t.value("Call-ID") + host.to_string();
        if (t.method() == "INVITE") {
            auto& h = hosts_[key];
            if (h.ok.empty()) {
                h.at = host;
                h.ok = response(text, 200, "OK", "callee", {"Contact: <sip:h@" + host.to_string() + ">"});
                to_proxy(response(text, 180, "Ringing"), host);
                h.next = world_.now() + 100ms;
                h.interval = 500ms;
                h.repeats = 11;
            }
        } else if (t.method() == "ACK") {
            hosts_[key].repeats = 0;
        } else if (t.method() == "BYE") {
            hosts_[key].repeats = 0;
            to_proxy(response(text, 200, "OK"), host);
        }
    }

    struct Host {
        core::Endpoint at;
        std::string ok;
        core::Tick next = core::Tick::max();
        core::Duration interval{500ms};
        int repeats = 0;
    };

    World world_;
    Weather weather_;
    std::mt19937 random_;
    std::uint32_t workers_;
    std::uint32_t queue_ = 0;
    std::multimap<core::Tick, Flying> flying_;
    std::map<std::string, Client> clients_;
    std::map<std::string, Host> hosts_;
};

void expect_no_leftovers(Chaos& chaos) {
    auto& world = chaos.world();
    EXPECT_EQ(world.total_load(), 0U);
    EXPECT_EQ(world.dialogs(), 0U);
    EXPECT_EQ(world.transactions(), 0U);
    long live = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        live += world.io(i).live();
        world.worker(i).proxy().publish_gauges();
        EXPECT_EQ(world.stats(i).proxy.image_bytes.get(), 0U) << "worker " << i;
        EXPECT_EQ(world.stats(i).proxy.early_dialogs.get(), 0U) << "worker " << i;
        EXPECT_EQ(world.worker(i).proxy().transactions().timers(), 0U) << "worker " << i;
    }
    EXPECT_EQ(live, 0);
}

Setup chaos_setup() {
    Setup s{.workers = 4, .hosts = 4, .capacity = 1000};
    s.proxy.timers.dialog_timeout = 120s;
    return s;
}

TEST(Chaos, FairWeatherCompletesEveryCall) {
    Chaos chaos{chaos_setup(), {.delay_min = 1ms, .delay_max = 20ms}, 1};
    chaos.place(200);
    chaos.run(80s);
    for (const auto& [id, c] : chaos.clients()) EXPECT_EQ(c.state, Chaos::Client::done) << id;
    expect_no_leftovers(chaos);
}

TEST(Chaos, LossDuplicationAndReorderingLeakNothing) {
    for (std::uint32_t seed = 1; seed <= 3; ++seed) {
        Chaos chaos{chaos_setup(), {.loss = 0.15, .doubled = 0.15, .delay_min = 0ms, .delay_max = 300ms}, seed};
        chaos.place(120);
        chaos.run(260s);
        int done = 0;
        for (const auto& [id, c] : chaos.clients()) {
            done += c.state == Chaos::Client::done;
            EXPECT_TRUE(c.state == Chaos::Client::done || c.state == Chaos::Client::failed) << id;
        }
        EXPECT_GE(done, 110) << "retransmission gets nearly all through, seed " << seed;
        expect_no_leftovers(chaos);
    }
}

TEST(Chaos, ADeafNetworkLeaksNothing) {
    Chaos chaos{chaos_setup(), {.loss = 0.9}, 5};
    chaos.place(60);
    chaos.run(260s);
    expect_no_leftovers(chaos);
}

}  // namespace
}  // namespace sipfront::sim

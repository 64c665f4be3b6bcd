// A worker that gets more than it can carry: what is refused, how, and what never is.
#include <charconv>

#include <gtest/gtest.h>

#include "bench/traffic/engine.hpp"
#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

std::string numbered(std::string_view text, int n) { return std::string{text} + std::to_string(n); }

// New calls, each with a Call-ID of its own.
RequestSpec fresh(int n, std::string method = "INVITE") {
    return {.method = std::move(method), .call_id = numbered("fresh-", n) + "@x", .branch = numbered("z9hG4bKfresh-", n)};
}

// Until the share is at its least: one new call of a hundred.
void drown(World& world, std::size_t worker = 0) {
    world.io(worker).flood(true);
    world.advance(2s);
}

// The first number from `from` on whose call is refused.
int refused_from(World& world, int from) {
    for (int n = from; n < from + 20; ++n)
        if (how_many(world.receive(request(fresh(n)), client_a), "SIP/2.0 503") == 1) return n;
    throw std::runtime_error("nothing is refused");
}

TEST(Overload, RefusesNewWorkAtOnceAndKeepsNothingOfIt) {
    World world;
    drown(world);
    int refused = 0;
    std::set<std::string> tags, waits;
    for (int n = 0; n < 200; ++n) {
        auto spec = fresh(n, n % 2 == 0 ? "INVITE" : "REGISTER");
        spec.via_params = ";rport";
        const auto sent = world.receive(request(spec), client_b);
        if (how_many(sent, "SIP/2.0 503") == 0) continue;
        ++refused;
        ASSERT_EQ(sent.size(), 1U);
        EXPECT_EQ(sent[0].flow.remote, client_b);
        const Text t{sent[0].text};
        EXPECT_EQ(t.start_line(), "SIP/2.0 503 Service Unavailable");
        EXPECT_EQ(t.values("Via"),
                  std::vector<std::string>{"SIP/2.0/UDP 10.77.0.2:5060;branch=" + spec.branch + ";rport=5060;received=10.77.0.3"});
        EXPECT_EQ(t.value("From"), "\"Alice\" <sip:alice@example.com>;tag=caller");
        EXPECT_EQ(t.value("To"), "<sip:service@10.77.0.100>;tag=" + t.tag("To"));
        EXPECT_EQ(t.value("Call-ID"), spec.call_id);
        EXPECT_EQ(t.value("CSeq"), "1 " + spec.method);
        EXPECT_EQ(t.value("Content-Length"), "0");
        tags.insert(t.tag("To"));
        waits.insert(t.value("Retry-After"));
        EXPECT_EQ(world.receive(request(spec), client_b).at(0).text, sent[0].text) << "a repetition meets the same answer";
    }
    EXPECT_GT(refused, 190);
    EXPECT_EQ(tags.size(), static_cast<std::size_t>(refused));
    EXPECT_EQ(waits.size(), 10U) << "spread over 1 to 10 s";
    EXPECT_EQ(world.count(sip::LocalReply::overload_rejected), 2U * static_cast<unsigned>(refused));
    EXPECT_EQ(world.transactions(), 200U - static_cast<unsigned>(refused));
    const auto& o = world.stats().overload;
    EXPECT_EQ(o.rejected[sip::Method::invite].get() + o.rejected[sip::Method::register_].get(), 2U * static_cast<unsigned>(refused));
    EXPECT_EQ(o.episodes.get(), 1U);
    EXPECT_EQ(o.engaged.get(), 1U);
}

TEST(Overload, AbsorbsTheAckToARefusal) {
    World world;
    drown(world);
    const auto n = refused_from(world, 0);
    auto ack = fresh(n, "ACK");
    ack.to_tag = Text{only(world.receive(request(fresh(n)), client_a), "SIP/2.0 503").text}.tag("To");
    EXPECT_TRUE(world.receive(request(ack), client_a).empty());
    EXPECT_EQ(world.count(sip::ProxyDrop::rejection_ack), 1U);
    ack.to_tag = "another";
    EXPECT_TRUE(world.receive(request(ack), client_a).empty());
    EXPECT_EQ(world.count(sip::ProxyDrop::stray_ack), 1U);
}

TEST(Overload, RefusesWhatIsWrittenUnusuallyToo) {
    World world;
    drown(world);
    const auto refused = [&](std::string text, std::string_view from, std::string_view to) {
        const auto at = text.find(from);
        text.replace(at, from.size(), to);
        return how_many(world.receive(text, client_a), "SIP/2.0 503") == 1;
    };
    for (const auto& [from, to] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
             {"To: <sip:service@10.77.0.100>", "To: sip:service@10.77.0.100"},
             {"To: <", "To :\r\n <"},
             {"Via: SIP/2.0/UDP 10.77.0.2:5060", "v: SIP / 2.0 / UDP 10.77.0.2:5060 "},
             {"Max-Forwards: 70", "Via: SIP/2.0/UDP a;branch=1\r\nVia: SIP/2.0/UDP b;branch=1, SIP/2.0/TCP c"}}) {
        int times = 0;
        for (int n = 0; n < 20; ++n) times += refused(request(fresh(n)), from, to) ? 1 : 0;
        EXPECT_GT(times, 15) << to;
    }
    EXPECT_EQ(world.count(sip::ProxyDrop::unanswerable), 0U);
}

TEST(Overload, ServesWhatIsInProgress) {
    World world;
    const auto call = establish(world);
    // Rings while the flood comes.
    const auto ringing = RequestSpec{.call_id = "ringing", .branch = "z9hG4bKringing"};
    const auto forked = only(world.receive(request(ringing), client_a), "INVITE");
    world.receive(response(forked.text, 180, "Ringing"), forked.flow.remote);
    drown(world);
    refused_from(world, 0);

    EXPECT_EQ(how_many(world.receive(request(ringing), client_a), "SIP/2.0 180"), 1U) << "no new call, but a repetition";
    const auto invite = only(world.receive(call.in_dialog("INVITE", 2, "z9hG4bKre"), client_a), "INVITE");
    EXPECT_EQ(how_many(world.receive(response(invite.text, 200, "OK"), call.host), "SIP/2.0 200"), 1U);
    EXPECT_EQ(how_many(world.receive(call.in_dialog("ACK", 2, "z9hG4bKack2"), client_a), "ACK"), 1U);
    EXPECT_EQ(how_many(world.receive(call.from_host("INFO", 7, "z9hG4bKinfo"), call.host), "INFO"), 1U);

    auto cancel = ringing;
    cancel.method = "CANCEL";
    const auto cancelled = world.receive(request(cancel), client_a);
    EXPECT_EQ(how_many(cancelled, "SIP/2.0 200"), 1U);
    EXPECT_EQ(how_many(cancelled, "CANCEL"), 1U);
    EXPECT_EQ(how_many(hang_up(world, call), "SIP/2.0 200"), 1U);
}

TEST(Overload, AdmitsTheAnswerToAChallenge) {
    World world;
    std::vector<Sent> challenged;
    for (int n = 0; n < 20; ++n) {
        const auto at_host = only(world.receive(request(fresh(n)), client_a), "INVITE");
        world.receive(response(at_host.text, 407, "Proxy Authentication Required"), at_host.flow.remote);
        challenged.push_back(at_host);
    }
    drown(world);
    refused_from(world, 100);
    for (int n = 0; n < 20; ++n) {
        auto again = fresh(n);
        again.cseq = 2;
        again.branch += "-2";
        const auto at_host = only(world.receive(request(again), client_a), "INVITE");
        EXPECT_EQ(at_host.flow.remote, challenged[static_cast<std::size_t>(n)].flow.remote);
    }
}

TEST(Overload, AdmitsEmergencyCallsAndTheClustersOwn) {
    World world;
    drown(world);
    refused_from(world, 100);
    for (int n = 0; n < 10; ++n) {
        auto emergency = fresh(n);
        emergency.uri = "sip:112@10.77.0.100";
        EXPECT_EQ(how_many(world.receive(request(emergency), client_a), "INVITE"), 1U);
        auto outbound = fresh(n + 50);
        outbound.uri = "sip:bob@10.77.0.3";
        outbound.via = World::host(0);
        EXPECT_EQ(how_many(world.receive(request(outbound), World::host(0)), "INVITE"), 1U);
    }
}

TEST(Overload, HonoursResourcePriorityOfCarriersAlone) {
    sim::Setup setup;
    setup.balancer.carrier_prefixes = {*core::Prefix::parse("10.77.0.3/32")};
    setup.balancer.overload.resource_priority = {"ets.0"};
    World world{std::move(setup)};
    drown(world);
    refused_from(world, 100);
    int from_outside = 0;
    for (int n = 0; n < 10; ++n) {
        auto spec = fresh(n);
        spec.headers = {"Resource-Priority: ets.0"};
        from_outside += how_many(world.receive(request(spec), client_a), "INVITE") == 1 ? 1 : 0;
        spec.call_id += "carrier";
        spec.branch += "carrier";
        EXPECT_EQ(how_many(world.receive(request(spec), client_b), "INVITE"), 1U);
    }
    EXPECT_LT(from_outside, 5);
}

TEST(Overload, RefusesNothingWhereItIsSwitchedOff) {
    sim::Setup setup{.capacity = 1000};
    setup.balancer.overload.enabled = false;
    World world{std::move(setup)};
    drown(world);
    for (int n = 0; n < 100; ++n) EXPECT_EQ(how_many(world.receive(request(fresh(n)), client_a), "INVITE"), 1U);
}

TEST(Overload, APeerThatCannotKeepUpWithReceivingIsHelped) {
    World world{{.workers = 4, .capacity = 1000}};
    drown(world, 0);
    int by_flooded = 0, by_other = 0;
    for (int n = 0; n < 200; ++n) {
        const auto queue = static_cast<std::uint32_t>(n % 2);
        const auto spec = fresh(n);
        if (world.owner_of(spec.call_id) == 0) continue;
        world.put(request(spec), client_a, vip, queue);
        const auto refused = static_cast<int>(how_many(world.run(), "SIP/2.0 503"));
        (queue == 0 ? by_flooded : by_other) += refused;
    }
    EXPECT_GT(by_flooded, 60);
    EXPECT_EQ(by_other, 0) << "its owner is idle and so is its receiver";
}

// A worker whose messages take time, and the call engine around it.
class BusyLoop {
public:
    static constexpr core::Duration full = 25us, cheap = 1us;  // a message; a refusal or its ACK
    static constexpr double capacity = 1e9 / (6 * 25'000.0);   // calls a second
    static constexpr std::size_t ring = 1024;
    static constexpr std::chrono::milliseconds t1{50};

    BusyLoop() : engine{lab()}, out_{&BusyLoop::flush, this}, world_{setup()} { lend(); }

    void run(double rate, core::Duration time) {
        engine.set_rate(rate, world_.now());
        for (const auto end = world_.now() + time; world_.now() < end;) {
            const auto before = handled();
            take(world_.turn(last_));
            last_ = std::max<core::Duration>(cost(before), 20us);
            engine.place(world_.now(), out_, 1000);
            engine.advance(world_.now(), out_);
            out_.flush();
        }
        engine.set_rate(0, world_.now());
    }
    [[nodiscard]] World& world() { return world_; }
    [[nodiscard]] std::uint64_t refused() { return world_.count(sip::LocalReply::overload_rejected); }
    std::uint64_t lost = 0;
    traffic::Engine engine;

private:
    struct Handled {
        std::uint64_t all, cheap;
    };
    Handled handled() { return {world_.count(app::WorkerCount::handled), refused() + world_.count(sip::ProxyDrop::rejection_ack)}; }
    core::Duration cost(const Handled& before) {
        const auto now = handled();
        const auto easy = now.cheap - before.cheap;
        return full * (now.all - before.all - easy) + cheap * easy;
    }
    static traffic::Config lab() {
        traffic::Config c;
        c.clients = {client_a, client_b};
        for (std::size_t i = 0; i < 4; ++i) c.hosts.push_back(World::host(i));
        c.target = vip;
        c.hold = 200ms;
        c.max_calls = 1 << 17;
        c.t1 = t1;
        c.run = 7;
        return c;
    }
    static Setup setup() {
        Setup s{.capacity = 100'000, .probe_mode = 2};
        s.balancer.probe.interval = 200ms;
        s.balancer.probe.timeout = 150ms;
        s.balancer.probe.probing_threshold = 1;
        s.proxy.timers.t1 = t1;  // a small world has no room for 32 s of answered transactions
        return s;
    }
    static void flush(void* self, traffic::Outgoing& out) {
        auto& loop = *static_cast<BusyLoop*>(self);
        for (const auto& o : out.filled()) {
            if (loop.world_.io().waiting() >= ring) {
                ++loop.lost;
                continue;
            }
            loop.world_.put({o.data, o.length}, loop.endpoint(o.from), o.to == 0 ? vip : own_address);
        }
        loop.lend();
    }
    void lend() {
        std::array<traffic::Out, traffic::Outgoing::burst> rooms;
        for (std::size_t i = 0; i < rooms.size(); ++i) rooms[i] = {memory_[i].data(), static_cast<std::uint32_t>(memory_[i].size())};
        out_.lend(rooms);
    }
    [[nodiscard]] static core::Endpoint endpoint(traffic::Party p) { return p == 0 ? client_a : p == 1 ? client_b : World::host(p - 2U); }
    void take(const std::vector<Sent>& sent) {
        for (const auto& s : sent) {
            traffic::Party to = 0;
            while (endpoint(to) != s.flow.remote) ++to;
            const traffic::Peer from = s.flow.local == own_address ? 1 : 0;
            const traffic::In in{s.text.data(), static_cast<std::uint32_t>(s.text.size()), to, from};
            engine.receive({&in, 1}, world_.now(), out_);
        }
    }

    std::array<std::array<char, 2048>, traffic::Outgoing::burst> memory_{};
    traffic::Outgoing out_;
    World world_;
    core::Duration last_ = 1us;
};

TEST(Overload, AtThreeTimesTheCapacityGoodputStandsAndHostsStayHealthy) {
    BusyLoop loop;
    const auto c = BusyLoop::capacity;
    loop.run(0.8 * c, 1s);
    EXPECT_EQ(loop.refused(), 0U) << "nothing is refused while the worker keeps up";

    loop.run(3 * c, 1s);  // finds its share
    loop.engine.set_phase(1);
    const auto before = loop.lost;
    loop.run(3 * c, 2s);
    loop.engine.set_phase(2);
    EXPECT_EQ(loop.lost, before) << "no message of a call in progress is lost, and every refusal is said";

    loop.run(0.5 * c, 1s);
    const auto refused = loop.refused();
    loop.run(0.8 * c, 1s);
    EXPECT_EQ(loop.refused(), refused) << "all is admitted soon after the end";
    EXPECT_EQ(loop.world().stats().overload.share.get(), balancer::admit_all);
    loop.run(0.001, 4s);  // 64*T1: the first moments lost messages

    const auto& measured = loop.engine.stats(1);
    using traffic::Outcome;
    EXPECT_EQ(measured.completed() + measured.outcomes[Outcome::rejected].get(), measured.placed());
    EXPECT_EQ(measured.events[traffic::Event::client_retransmissions].get(), 0U);
    EXPECT_EQ(measured.wrong(), 0U);
    EXPECT_GT(static_cast<double>(measured.completed()) / 2, 0.9 * c);
    for (std::size_t h = 0; h < 4; ++h) {
        EXPECT_EQ(loop.world().state(h), balancer::State::active);
        EXPECT_EQ(loop.world().evidence_against(h), 0U) << "no probe went unanswered";
    }
    EXPECT_GT(loop.engine.stats(1).events[traffic::Event::probes].get(), 40U) << "and none was held back";
    // Before the control had noticed, the ring overflowed: repeated requests mend that, but for an ACK whose BYE was quicker.
    const auto& first = loop.engine.stats(0);
    EXPECT_GE(first.completed() + first.outcomes[Outcome::rejected].get() + 10, first.placed());
    const auto& last = loop.engine.stats(2);
    EXPECT_EQ(last.completed() + last.outcomes[Outcome::rejected].get(), last.placed());
    EXPECT_EQ(loop.world().total_load(), 0U);
    EXPECT_EQ(loop.world().dialogs(), 0U);
}

}  // namespace
}  // namespace sipfront::sim

// Several workers: the same decisions for the same arrival order, whichever core receives; streams and datagrams alike.
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

// A run of calls with messages put into the queues of all workers in turn; returns what each end saw, without branch and
// cookie values, which name slab entries.
std::string neutral(const Sent& s) {
    std::string t = s.text;
    for (const std::string_view mark : {"branch=z9hG4bK", "sf="}) {
        for (auto at = t.find(mark); at != std::string::npos; at = t.find(mark, at + mark.size())) {
            const auto from = at + mark.size();
            const auto to = t.find_first_of(";>\r", from);
            if (mark[0] == 'b' && t.compare(from, 6, "client") == 0) continue;
            t.replace(from, to - from, "*");
        }
    }
    return s.flow.local.to_string() + " > " + s.flow.remote.to_string() + "\n" + t;
}

std::vector<std::string> transcript(std::uint32_t workers) {
    World world{{.workers = workers, .hosts = 4}};
    std::vector<std::string> all;
    const auto note = [&](const std::vector<Sent>& sent) {
        for (const auto& s : sent) all.push_back(neutral(s));
        return sent;
    };
    std::uint32_t queue = 0;
    const auto arrive = [&](const std::string& text, const core::Endpoint& from) {
        world.put(text, from, vip, queue++ % workers);
        return note(world.run());
    };
    for (int i = 0; i < 60; ++i) {
        const auto n = std::to_string(i);
        RequestSpec spec{.call_id = "same-" + n + "@x", .branch = "z9hG4bKclient-" + n};
        const auto invite = only(arrive(request(spec), client_a), "INVITE");
        const auto host = invite.flow.remote;
        arrive(response(invite.text, 180, "Ringing"), host);
        if (i % 5 == 0) {
            arrive(response(invite.text, 486, "Busy Here"), host);
            continue;
        }
        const auto ok =
            only(arrive(response(invite.text, 200, "OK", "callee", {"Contact: <sip:h@" + host.to_string() + ">"}), host), "SIP/2.0 200");
        Call call{.spec = spec,
                  .client = client_a,
                  .host = host,
                  .invite = invite,
                  .routes = {"Route: " + Text{ok.text}.value("Record-Route")},
                  .ok = ok.text};
        arrive(call.in_dialog("ACK", 1, "z9hG4bKclient-ack" + n), client_a);
        if (i % 3 == 0) {
            const auto bye = only(arrive(call.in_dialog("BYE", 2, "z9hG4bKclient-bye" + n), client_a), "BYE");
            arrive(response(bye.text, 200, "OK"), host);
        }
    }
    EXPECT_EQ(world.total_load(), 32U);
    EXPECT_EQ(world.dialogs(), 32U);
    EXPECT_EQ(world.count(app::WorkerCount::steer_drop), 0U);
    if (workers > 1) {
        EXPECT_GT(world.count(app::WorkerCount::steered_away), 100U);
        EXPECT_EQ(world.count(app::WorkerCount::steered_away), world.count(app::WorkerCount::steered_here));
    }
    long live = 0;
    for (std::uint32_t i = 0; i < workers; ++i) live += world.io(i).live();
    EXPECT_EQ(live, 0) << "every received buffer was released";
    return all;
}

TEST(Workers, FourDecideAsOneDoes) {
    const auto one = transcript(1);
    const auto four = transcript(4);
    ASSERT_EQ(one.size(), four.size());
    for (std::size_t i = 0; i < one.size(); ++i) ASSERT_EQ(one[i], four[i]) << "message " << i;
}

TEST(Workers, AdmissionIsExactOverAllOfThem) {
    World world{{.workers = 4, .hosts = 2, .capacity = 5}};
    int taken = 0, refused = 0;
    for (int i = 0; i < 40; ++i) {
        const auto n = std::to_string(i);
        world.put(request({.call_id = "adm" + n, .branch = "z9hG4bKadm" + n}), client_a, vip, static_cast<std::uint32_t>(i) % 4);
        for (const auto& s : world.run()) {
            taken += s.text.starts_with("INVITE");
            refused += s.text.starts_with("SIP/2.0 503");
        }
    }
    EXPECT_EQ(taken, 10);
    EXPECT_EQ(refused, 30);
}

TEST(Workers, FullMailboxDropsAndCounts) {
    World world{{.workers = 2, .hosts = 1, .capacity = 100'000}};
    // Worker 0 receives what worker 1 owns, and worker 1 does not run.
    std::size_t put = 0;
    for (int i = 0; put < 3000; ++i) {
        const auto id = "mb" + std::to_string(i);
        if (world.owner_of(id) != 1) continue;
        world.put(request({.method = "OPTIONS", .uri = "sip:10.77.0.100", .call_id = id, .branch = "z9hG4bK" + id}), client_a, vip, 0);
        ++put;
    }
    while (world.io(0).has_waiting()) world.worker(0).poll(world.now());
    EXPECT_EQ(world.count(app::WorkerCount::steer_drop), put - app::Switchboard::Lane::capacity());
    EXPECT_EQ(how_many(world.run(), "SIP/2.0 200"), app::Switchboard::Lane::capacity());
}

TEST(Stream, AMessageFromAConnectionIsAnsweredOnIt_Rfc3261_18_2_2) {
    World world;
    const core::ConnectionId connection{77};
    const core::Endpoint source{client_a.address, 50'123};
    const auto sent = world.receive(request({.transport = "TCP"}), source, vip, core::Transport::tcp, connection);
    const auto trying = only(sent, "SIP/2.0 100");
    EXPECT_EQ(trying.flow.connection, connection);
    EXPECT_EQ(trying.flow.remote, source);
    const auto invite = only(sent, "INVITE");
    EXPECT_EQ(invite.flow.transport, core::Transport::udp);
    // Two Record-Routes where the transport changes, the outgoing side's on top (RFC 5658).
    const auto rr = Text{invite.text}.values("Record-Route");
    ASSERT_EQ(rr.size(), 2U);
    EXPECT_EQ(rr[0].find("transport"), std::string::npos);
    EXPECT_NE(rr[1].find(";transport=tcp;lr;"), std::string::npos);

    const auto ok = only(world.receive(response(invite.text, 200, "OK", "callee", {"Contact: <sip:h@10.77.0.103>"}), invite.flow.remote),
                         "SIP/2.0 200");
    EXPECT_EQ(ok.flow.connection, connection);
    // The host's BYE finds the connection by the cookie.
    Call call{.spec = {}, .client = source, .host = invite.flow.remote, .invite = invite};
    const auto bye = only(world.receive(call.from_host("BYE", 1, "z9hG4bKb"), invite.flow.remote), "BYE");
    EXPECT_EQ(bye.flow.connection, connection);
    EXPECT_EQ(bye.flow.transport, core::Transport::tcp);
    EXPECT_EQ(Text{bye.text}.value("Via").substr(0, 11), "SIP/2.0/TCP");
    EXPECT_TRUE(Text{bye.text}.values("Route").empty()) << "both of ours are removed";
}

TEST(Stream, FinalsAreNotRetransmittedAndLingerNot_Rfc3261_17_2) {
    World world;
    const auto invite =
        only(world.receive(request({.transport = "TCP"}), client_a, vip, core::Transport::tcp, core::ConnectionId{1}), "INVITE");
    world.receive(response(invite.text, 486, "Busy Here"), invite.flow.remote);
    EXPECT_EQ(how_many(world.advance(31s), "SIP/2.0 486"), 0U) << "no Timer G";
    world.receive(request({.method = "ACK", .to_tag = "callee", .transport = "TCP"}), client_a, vip, core::Transport::tcp,
                  core::ConnectionId{1});
    world.advance(2s);
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(Probes, AreSentByTheirOwnersFromTheNodesOwnAddress) {
    World world{{.workers = 4, .hosts = 4, .probe_mode = 2}};
    std::map<std::string, int> probed;
    for (int i = 0; i < 600; ++i)
        for (const auto& s : world.advance(10ms)) {
            ASSERT_TRUE(s.text.starts_with("OPTIONS "));
            EXPECT_EQ(s.flow.local, own_address);
            ++probed[s.flow.remote.to_string()];
            world.put(response(s.text, 200, "OK"), s.flow.remote, own_address, static_cast<std::uint32_t>(i) % 4);
            world.run();
        }
    EXPECT_EQ(probed.size(), 4U);
    for (const auto& [host, n] : probed) {
        EXPECT_GE(n, 2) << host << ": both tables probe";
        EXPECT_LE(n, 4) << host;
    }
    for (std::size_t h = 0; h < 4; ++h) EXPECT_EQ(world.state(h), balancer::State::active);
}

TEST(Probes, SilentHostGoesOutAndComesBack) {
    World world{{.hosts = 2, .probe_mode = 2}};
    const auto run_for = [&](core::Duration d, bool host0_answers) {
        for (const auto end = world.now() + d; world.now() < end;)
            for (const auto& s : world.advance(10ms))
                if (s.text.starts_with("OPTIONS ") && (host0_answers || s.flow.remote != World::host(0))) {
                    world.put(response(s.text, 200, "OK"), s.flow.remote, own_address);
                    world.run();
                }
    };
    run_for(6s, true);
    EXPECT_EQ(world.state(0), balancer::State::active);
    run_for(15s, false);
    EXPECT_EQ(world.state(0), balancer::State::probing);
    EXPECT_EQ(world.state(1), balancer::State::active);
    for (int i = 0; i < 4; ++i) {
        const auto n = std::to_string(i);
        EXPECT_EQ(only(world.receive(request({.call_id = "p" + n, .branch = "z9hG4bKp" + n}), client_a), "INVITE").flow.remote,
                  World::host(1));
    }
    run_for(6s, true);
    EXPECT_EQ(world.state(0), balancer::State::active);
}

TEST(Probes, SilenceOfSomeSaysNothingAboutTheOthers) {
    World world{{.hosts = 4, .probe_mode = 2}};
    for (int i = 0; i < 3000; ++i)
        for (const auto& s : world.advance(10ms))
            if (s.text.starts_with("OPTIONS ") && s.flow.remote == World::host(0)) {
                world.put(response(s.text, 200, "OK"), s.flow.remote, own_address);
                world.run();
                EXPECT_EQ(world.state(0), balancer::State::active);
            }
    EXPECT_EQ(world.state(0), balancer::State::active);
    for (std::size_t h = 1; h < 4; ++h) EXPECT_EQ(world.state(h), balancer::State::probing);
    EXPECT_EQ(world.evidence_against(0), 0U);
}

TEST(FormerLife, AResponseToAnotherProcessOfThisNodeReachesNobody) {
    // Both have the same keys and node id, and give their first call the same handle.
    World before, after;
    const auto old = only(before.receive(request({.call_id = "old"}), client_a), "INVITE");
    const auto fresh = only(after.receive(request({.call_id = "new"}), client_a), "INVITE");
    EXPECT_TRUE(after.receive(response(old.text, 200, "OK"), old.flow.remote).empty());
    EXPECT_EQ(after.count(sip::ProxyDrop::stray_response), 1U);
    EXPECT_EQ(how_many(after.receive(response(fresh.text, 486, "Busy Here"), fresh.flow.remote), "SIP/2.0 486"), 1U);
}

TEST(Probes, ABusyHostIsFullNotDead) {
    World world{{.hosts = 2, .probe_mode = 2}};
    for (int i = 0; i < 700; ++i)
        for (const auto& s : world.advance(10ms))
            if (s.text.starts_with("OPTIONS ")) {
                const bool busy = s.flow.remote == World::host(0);
                world.put(response(s.text, busy ? 503 : 200, busy ? "Maximum Calls In Progress" : "OK"), s.flow.remote, own_address);
                world.run();
            }
    EXPECT_EQ(world.state(0), balancer::State::active);
    for (int i = 0; i < 4; ++i) {
        const auto n = std::to_string(i);
        EXPECT_EQ(only(world.receive(request({.call_id = "f" + n, .branch = "z9hG4bKf" + n}), client_a), "INVITE").flow.remote,
                  World::host(1));
    }
}

}  // namespace
}  // namespace sipfront::sim

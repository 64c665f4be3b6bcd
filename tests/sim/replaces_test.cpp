// INVITEs that name another dialog go to the host that holds it (RFC 3891, RFC 3911, RFC 4538), whichever worker owns that one.
#include <gtest/gtest.h>

#include "sip/named_dialog.hpp"
#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

// A call of its own on some host; hosts are as many as needed for another one to be elsewhere.
Call held(World& world, const std::string& call_id) {
    return establish(world, {.call_id = call_id, .from_tag = "caller-" + call_id, .branch = "z9hG4bK" + call_id});
}

std::string naming(std::string header, const std::string& call_id, const std::string& to_tag, const std::string& from_tag) {
    return header + ": " + call_id + ";to-tag=" + to_tag + ";from-tag=" + from_tag;
}

class Replaces : public testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Workers, Replaces, testing::Values(1U, 4U));

TEST_P(Replaces, AHostsInviteGoesToTheHostThatHoldsTheDialog) {
    World world{{.workers = GetParam()}};
    for (int i = 0; i < 8; ++i) {
        const auto id = "held" + std::to_string(i);
        const auto call = held(world, id);
        const auto other = World::host(call.host == World::host(0) ? 1 : 0);
        const auto load = world.total_load();
        const auto sent = world.receive(request({.uri = "sip:x@10.77.0.100",
                                                 .call_id = "new" + std::to_string(i),
                                                 .branch = "z9hG4bKnew" + std::to_string(i),
                                                 .via = other,
                                                 .headers = {naming("Replaces", id, "callee", "caller-" + id)}}),
                                        other);
        EXPECT_EQ(only(sent, "INVITE").flow.remote, call.host) << i;
        EXPECT_EQ(world.total_load(), load) << "a call between hosts is nobody's load";
    }
    EXPECT_EQ(world.count(sip::ProxyEvent::holder_followed), 8U);
    long live = 0;  // released by whoever handled them
    for (std::uint32_t w = 0; w < GetParam(); ++w) live += world.io(w).live();
    EXPECT_EQ(live, 0);
}

TEST_P(Replaces, AClientsInviteGoesThereTooAndCounts) {
    World world{{.workers = GetParam(), .capacity = 1}};  // full: no reason to send it to a host that knows nothing of it
    std::vector<Call> calls;
    for (int i = 0; i < 4; ++i) calls.push_back(held(world, "held" + std::to_string(i)));
    EXPECT_EQ(world.total_load(), 4U);
    for (int i = 0; i < 4; ++i) {
        const auto id = "held" + std::to_string(i);
        const auto sent = world.receive(request({.call_id = "new" + std::to_string(i),
                                                 .branch = "z9hG4bKnew" + std::to_string(i),
                                                 .via = client_b,
                                                 .headers = {naming("Replaces", id, "callee", "caller-" + id)}}),
                                        client_b);
        const auto invite = only(sent, "INVITE");
        EXPECT_EQ(invite.flow.remote, calls[static_cast<std::size_t>(i)].host);
        world.receive(response(invite.text, 200, "OK", "c2", {"Contact: <sip:h@10.77.0.103>"}), invite.flow.remote);
    }
    EXPECT_EQ(world.total_load(), 8U);
    for (int i = 0; i < 4; ++i) hang_up(world, calls[static_cast<std::size_t>(i)], "z9hG4bKbye" + std::to_string(i));
    EXPECT_EQ(world.total_load(), 4U);
}

TEST_P(Replaces, JoinAndTargetDialogLeadThereAsWell) {
    World world{{.workers = GetParam()}};
    const auto call = held(world, "held");
    const auto ask = [&](std::string header, int n) {
        const auto id = std::to_string(n);
        return only(
                   world.receive(request({.call_id = "n" + id, .branch = "z9hG4bKn" + id, .via = client_b, .headers = {std::move(header)}}),
                                 client_b),
                   "INVITE")
            .flow.remote;
    };
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(ask(naming("Join", "held", "callee", "caller-held"), 10 * i), call.host);
        EXPECT_EQ(ask("Target-Dialog: held;local-tag=caller-held;remote-tag=callee", 10 * i + 1), call.host);
        EXPECT_EQ(ask("Target-Dialog: held;local-tag=callee;remote-tag=caller-held", 10 * i + 2), call.host);
    }
}

TEST_P(Replaces, WhenTheClientIsMeantTheRequestGoesItsWay) {
    World world{{.workers = GetParam()}};
    held(world, "held");
    // The recipient's tag is the client's: the host asks the client to give its own leg up.
    const auto sent = world.receive(request({.uri = "sip:alice@10.77.0.2:5060",
                                             .call_id = "new",
                                             .branch = "z9hG4bKnew",
                                             .via = World::host(1),
                                             .headers = {naming("Replaces", "held", "caller-held", "callee")}}),
                                    World::host(1));
    EXPECT_EQ(only(sent, "INVITE").flow.remote, client_a);
    EXPECT_EQ(world.count(sip::ProxyEvent::holder_followed), 0U);
}

TEST_P(Replaces, OfACallThatRingsAndOfOneThatTheHostMade) {
    World world{{.workers = GetParam()}};
    const auto ringing = only(world.receive(request({.call_id = "early", .from_tag = "e"}), client_a), "INVITE");
    world.receive(response(ringing.text, 180, "Ringing", "r"), ringing.flow.remote);
    const auto pick_up = request(
        {.call_id = "pickup", .branch = "z9hG4bKp", .via = client_b, .headers = {naming("Replaces", "early", "r", "e") + ";early-only"}});
    EXPECT_EQ(only(world.receive(pick_up, client_b), "INVITE").flow.remote, ringing.flow.remote);

    const auto host = World::host(2);
    const auto out = only(world.receive(request({.uri = "sip:bob@10.77.0.3",
                                                 .call_id = "out",
                                                 .from_tag = "hosts",
                                                 .branch = "z9hG4bKout",
                                                 .via = host,
                                                 .contact = "<sip:fs@10.77.0.105>"}),
                                        host),
                          "INVITE");
    world.receive(response(out.text, 200, "OK", "bobs", {"Contact: <sip:bob@10.77.0.3>"}), client_b);
    const auto instead = request({.call_id = "instead", .branch = "z9hG4bKi", .headers = {naming("Replaces", "out", "hosts", "bobs")}});
    EXPECT_EQ(only(world.receive(instead, client_a), "INVITE").flow.remote, host);
}

TEST_P(Replaces, OfAnUnknownDialogIs481FromUsOrTheHostsAffair) {
    World world{{.workers = GetParam()}};
    held(world, "held");
    std::uint32_t n = 0;
    for (const auto& header : {naming("Replaces", "nobody", "a", "b"), naming("Replaces", "held", "callee", "wrong"),
                               naming("Replaces", "held", "wrong", "caller-held"), std::string{"Replaces: held"}}) {
        const auto id = "u" + std::to_string(++n);
        const auto balanced =
            world.receive(request({.call_id = id, .branch = "z9hG4bK" + id, .via = client_b, .headers = {header}}), client_b);
        EXPECT_EQ(how_many(balanced, "INVITE"), 1U) << header;
        if (header == "Replaces: held") continue;
        const auto refused = world.receive(
            request({.uri = "sip:x@10.77.0.100", .call_id = id, .branch = "z9hG4bKh" + id, .via = World::host(3), .headers = {header}}),
            World::host(3));
        EXPECT_EQ(how_many(refused, "SIP/2.0 481"), 1U) << header;
    }
    EXPECT_EQ(world.count(sip::ProxyEvent::holder_followed), 0U);
}

TEST_P(Replaces, ARepetitionIsAbsorbed) {
    World world{{.workers = GetParam()}};
    const auto call = held(world, "held");
    const auto text = request(
        {.call_id = "new", .branch = "z9hG4bKnew", .via = client_b, .headers = {naming("Replaces", "held", "callee", "caller-held")}});
    EXPECT_EQ(how_many(world.receive(text, client_b), "INVITE"), 1U);
    EXPECT_EQ(how_many(world.receive(text, client_b), "INVITE"), 0U);
}

}  // namespace
}  // namespace sipfront::sim

// Which requests belong to which transaction (RFC 3261 §17.2.3, §9.2, RFC 6026 §7.1).
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

sim::Setup open_to_all() {
    sim::Setup s;
    s.proxy.methods.fill(sip::MethodPolicy::dispatch);
    s.proxy.methods[static_cast<std::size_t>(sip::Method::invite)] = sip::MethodPolicy::balance;
    return s;
}

TEST(Matching, SentByAndMethodTellTransactionsOfOneBranchApart_Rfc3261_17_2_3) {
    World world{open_to_all()};
    const RequestSpec spec{.branch = "z9hG4bKshared"};
    auto other_host = spec, other_port = spec, other_method = spec;
    other_host.via = client_b;
    other_port.via = core::Endpoint{client_a.address, 5070};
    other_method.method = "MESSAGE";
    EXPECT_EQ(how_many(world.receive(request(spec), client_a), "INVITE"), 1U);
    EXPECT_EQ(how_many(world.receive(request(other_host), client_b), "INVITE"), 1U);
    EXPECT_EQ(how_many(world.receive(request(other_port), client_a), "INVITE"), 1U);
    EXPECT_EQ(how_many(world.receive(request(other_method), client_a), "MESSAGE"), 1U);
    EXPECT_EQ(world.transactions(), 4U);
    for (const auto& [text, from] : {std::pair{request(spec), client_a}, {request(other_host), client_b}, {request(other_port), client_a}})
        EXPECT_EQ(status_of(world.receive(text, from)), 100) << "a repetition";
    EXPECT_TRUE(world.receive(request(other_method), client_a).empty());
    EXPECT_EQ(world.transactions(), 4U);
}

TEST(Matching, ARepetitionMayComeFromAnotherPort_Rfc3261_17_2_3) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    const core::Endpoint other{client_a.address, 5099};
    EXPECT_EQ(status_of(world.receive(request({}), other)), 180);
    const auto cancelled = world.receive(request({.method = "CANCEL"}), other);
    EXPECT_EQ(how_many(cancelled, "SIP/2.0 200"), 1U);
    EXPECT_EQ(how_many(cancelled, "CANCEL"), 1U);
}

TEST(Matching, WithoutTheMagicCookieByTheRequestItself_Rfc3261_17_2_3) {
    for (const auto* branch : {"1", "old-branch", "z9hG4b"}) {
        World world;
        const RequestSpec spec{.branch = branch};
        const auto invite = only(world.receive(request(spec), client_a), "INVITE");
        EXPECT_EQ(status_of(world.receive(request(spec), client_a)), 100) << branch;
        auto another = spec;
        another.call_id = "another";
        EXPECT_EQ(how_many(world.receive(request(another), client_a), "INVITE"), 1U)
            << "the same branch in every request, as such clients do";
        auto cancel = spec;
        cancel.method = "CANCEL";
        world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
        EXPECT_EQ(how_many(world.receive(request(cancel), client_a), "CANCEL"), 1U);
        const auto ended = world.receive(response(invite.text, 487, "Request Terminated", "tag"), invite.flow.remote);
        EXPECT_EQ(how_many(ended, "SIP/2.0 487"), 1U);
        auto ack = spec;
        ack.method = "ACK";
        ack.to_tag = "tag";
        EXPECT_TRUE(world.receive(request(ack), client_a).empty());
        EXPECT_EQ(how_many(world.advance(5s), "SIP/2.0 487"), 0U) << "the ACK was ours and ended Timer G";
    }
}

TEST(Matching, WithoutAnyBranchToo_Rfc3261_17_2_3) {
    World world;
    auto text = request({});
    text.erase(text.find(";branch=z9hG4bKclient-1"), 23);
    const auto invite = only(world.receive(text, client_a), "INVITE");
    EXPECT_EQ(status_of(world.receive(text, client_a)), 100);
    EXPECT_EQ(only(world.receive(response(invite.text, 200, "OK"), invite.flow.remote), "SIP/2.0 200").flow.remote, client_a);
}

TEST(Matching, AnAckToASuccessIsForwardedWhateverItsBranch_Rfc6026_7_1) {
    World world;
    const auto call = establish(world, {}, client_a, false);
    // The branch of the INVITE: wrong, and seen.
    EXPECT_EQ(only(world.receive(call.in_dialog("ACK", 1, call.spec.branch), client_a), "ACK").flow.remote, call.host);
    EXPECT_EQ(only(world.receive(call.in_dialog("ACK", 1, "z9hG4bKnew"), client_a), "ACK").flow.remote, call.host);
}

TEST(Matching, AnAckToAFailureIsAbsorbedAndAStrayOneDropped_Rfc3261_17_2_1) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 404, "Not Found", "t"), invite.flow.remote);
    EXPECT_TRUE(world.receive(request({.method = "ACK", .to_tag = "t"}), client_a).empty());
    EXPECT_EQ(how_many(world.advance(4s), "SIP/2.0 404"), 0U);
    EXPECT_TRUE(world.receive(request({.method = "ACK", .call_id = "nobody", .to_tag = "t", .branch = "z9hG4bKstray"}), client_a).empty());
    EXPECT_TRUE(world.receive(request({.method = "ACK", .call_id = "nobody", .branch = "z9hG4bKstray2"}), client_a).empty());
    EXPECT_EQ(world.count(sip::ProxyDrop::stray_ack), 2U);
}

TEST(Matching, MergedRequestsAreBothForwarded_Rfc3261_8_2_2_2) {
    World world;
    const auto one = only(world.receive(request({.branch = "z9hG4bKone"}), client_a), "INVITE");
    const auto two = only(world.receive(request({.branch = "z9hG4bKtwo"}), client_a), "INVITE");
    EXPECT_EQ(world.total_load(), 2U);
    EXPECT_EQ(how_many(world.receive(response(two.text, 482, "Loop Detected"), two.flow.remote), "SIP/2.0 482"), 1U);
    EXPECT_EQ(how_many(world.receive(response(one.text, 200, "OK"), one.flow.remote), "SIP/2.0 200"), 1U);
    EXPECT_EQ(world.total_load(), 1U);
}

TEST(Matching, AnAnsweredInviteAbsorbsItsRepetitions_Rfc6026_7_1) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 200, "OK"), invite.flow.remote);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(world.receive(request({}), client_a).empty());
        world.jump(10s);
    }
    EXPECT_EQ(world.total_load(), 1U);
}

TEST(Matching, ACancelBelongsToItsInviteAlone_Rfc3261_9_2) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    EXPECT_EQ(status_of(world.receive(request({.method = "CANCEL", .branch = "z9hG4bKother"}), client_a)), 481);
    EXPECT_EQ(status_of(world.receive(request({.method = "CANCEL", .via = client_b}), client_b)), 481);
    EXPECT_EQ(world.count(sip::LocalReply::cancel_no_transaction), 2U);
    EXPECT_EQ(world.picks(0) + world.picks(1) + world.picks(2) + world.picks(3), 1U) << "a CANCEL is never balanced";
}

TEST(Matching, TheCaseOfTheMagicCookieDoesNotMatter_Rfc3261_7_3_1) {
    World world;
    const auto invite = only(world.receive(request({.branch = "z9hG4bKone"}), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    EXPECT_EQ(status_of(world.receive(request({.branch = "Z9HG4BKone"}), client_a)), 180) << "a repetition";
    EXPECT_EQ(status_of(world.receive(request({.method = "CANCEL", .branch = "z9hg4bkONE"}), client_a)), 481)
        << "behind it each letter counts";
    const auto cancelled = world.receive(request({.method = "CANCEL", .branch = "z9HG4bkone"}), client_a);
    EXPECT_EQ(how_many(cancelled, "SIP/2.0 200"), 1U);
    EXPECT_EQ(how_many(cancelled, "CANCEL"), 1U);
    world.receive(response(invite.text, 487, "Request Terminated"), invite.flow.remote);
    world.receive(request({.method = "ACK", .to_tag = "callee", .branch = "Z9hg4bKone"}), client_a);
    EXPECT_EQ(how_many(world.advance(4s), "SIP/2.0 487"), 0U) << "the ACK has been found";
}

TEST(Matching, TheCancelOfAReinviteFollowsItsRouteSet_Rfc3261_16_10) {
    World world;
    const auto call = establish(world);
    auto re = call.from_host("INVITE", 7, "z9hG4bKhostre");
    re.insert(re.find("From:"), "Route: <sip:203.0.113.9;lr>\r\n");
    const auto invite = only(world.receive(re, call.host), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    auto cancel = call.from_host("CANCEL", 7, "z9hG4bKhostre");
    const auto sent = only(world.receive(cancel, call.host), "CANCEL");
    const Text text{sent.text}, was{invite.text};
    EXPECT_EQ(sent.flow, invite.flow);
    EXPECT_EQ(text.request_uri(), was.request_uri());
    EXPECT_EQ(text.values("Route"), was.values("Route"));
    EXPECT_EQ(text.values("Via"), std::vector<std::string>{was.value("Via")});
    EXPECT_EQ(text.value("CSeq"), "7 CANCEL");
    EXPECT_EQ(text.value("To"), was.value("To"));
    EXPECT_EQ(text.value("From"), was.value("From"));
}

TEST(Matching, OfARaceBetweenCancelAndFailureEachHopAcknowledges_Rfc3261_9_2) {
    World world;
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    world.receive(response(invite.text, 180, "Ringing"), invite.flow.remote);
    const auto cancel = only(world.receive(request({.method = "CANCEL"}), client_a), "CANCEL");
    // The host was busy already, and then finds nothing to cancel.
    const auto busy = world.receive(response(invite.text, 486, "Busy Here"), invite.flow.remote);
    EXPECT_EQ(how_many(busy, "SIP/2.0 486"), 1U);
    EXPECT_EQ(how_many(busy, "ACK"), 1U);
    EXPECT_TRUE(world.receive(response(cancel.text, 481, "Call/Transaction Does Not Exist"), cancel.flow.remote).empty());
    world.receive(request({.method = "ACK", .to_tag = "callee"}), client_a);
    world.jump(40s);
    EXPECT_EQ(world.transactions(), 0U);
    EXPECT_EQ(world.total_load(), 0U);
}

}  // namespace
}  // namespace sipfront::sim

// What is left of a transaction after its final response: it answers repetitions as before, out of a few octets.
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::Test;

// All header lines and the body of a message, sorted: the order between different header fields says nothing.
std::vector<std::string> pieces(const std::string& text) {
    sip::Message m;
    EXPECT_EQ(m.parse(text), sip::ParseError::none) << text;
    std::vector<std::string> all{text.substr(0, m.headers_begin()), std::string{m.body()}};
    for (const auto& h : m.headers()) all.emplace_back(m.at(h.line));
    std::sort(all.begin() + 2, all.end());
    return all;
}

const sip::TransactionTable& table(World& w) { return w.worker().proxy().transactions(); }

TEST(Linger, ARepeatedRequestGetsTheSameFinal) {
    World world;
    const auto text = request({.method = "REGISTER", .via_params = ";rport"});
    const auto reg = only(world.receive(text, client_a), "REGISTER");
    auto answer =
        response(reg.text, 200, "Fine", "host-tag", {"Contact: <sip:alice@10.77.0.2>;expires=60", "Date: Sun", "X-AUTH-IP: 6.6.6.6"});
    answer.replace(answer.find("Content-Length: 0\r\n\r\n"), std::string::npos, "Content-Length: 4\r\n\r\nbody");
    const auto first = only(world.receive(answer, reg.flow.remote), "SIP/2.0 200");
    EXPECT_EQ(table(world).lingering(), 1U);
    EXPECT_EQ(world.stats().proxy.image_bytes.get() > 0, true) << "its residue";
    for (int i = 0; i < 3; ++i) {
        const auto again = only(world.receive(text, client_a), "SIP/2.0 200");
        EXPECT_EQ(again.flow.remote, first.flow.remote);
        EXPECT_EQ(pieces(again.text), pieces(first.text));
        EXPECT_EQ(again.text.find("X-AUTH-IP"), std::string::npos);
    }
    EXPECT_EQ(world.count(sip::ProxyEvent::response_retransmitted), 3U);
    world.jump(33s);
    EXPECT_EQ(world.transactions(), 0U);
    world.run();
    EXPECT_EQ(world.stats().proxy.image_bytes.get(), 0U);
}

TEST(Linger, EqualAnswersAreKeptOnce) {
    World world;
    const auto call = establish(world);
    const auto before = world.stats().proxy.image_bytes.get();
    EXPECT_GT(before, 0U);
    std::vector<std::string> requests;
    for (std::uint32_t i = 0; i < 20; ++i) {
        requests.push_back(call.in_dialog("INFO", i + 10, "z9hG4bKinfo-" + std::to_string(i)));
        const auto info = only(world.receive(requests.back(), client_a), "INFO");
        world.receive(response(info.text, 200, "OK", "callee", {"Server: host"}), info.flow.remote);
    }
    EXPECT_EQ(world.worker().proxy().transactions().lingering(), 21U) << "the INVITE's too";
    EXPECT_EQ(world.worker().proxy().residues(), 1U);
    for (const auto& text : requests)
        EXPECT_NE(only(world.receive(text, client_a), "SIP/2.0 200").text.find("Server: host"), std::string::npos);
}

TEST(Linger, ATranslated503StaysTranslated) {
    World world{{.hosts = 1}};
    const auto text = request({.method = "REGISTER"});
    const auto reg = only(world.receive(text, client_a), "REGISTER");
    const auto first = only(world.receive(response(reg.text, 500, "No", "t", {"Retry-After: 9"}), reg.flow.remote), "SIP/2.0 500");
    EXPECT_EQ(first.text.find("Retry-After"), std::string::npos);
    EXPECT_EQ(pieces(only(world.receive(text, client_a), "SIP/2.0 500").text), pieces(first.text));
}

TEST(Linger, AnAnswerTooLargeToTakeApartIsKeptWhole) {
    for (const std::size_t size : {9'000U, 17'000U}) {
        World world;
        const auto text = request({.method = "REGISTER"});
        const auto reg = only(world.receive(text, client_a), "REGISTER");
        const std::string body(size, 'b');
        auto answer = response(reg.text, 200, "OK", "t");
        answer.replace(answer.find("Content-Length: 0\r\n\r\n"), std::string::npos,
                       "Content-Length: " + std::to_string(size) + "\r\n\r\n" + body);
        const auto first = only(world.receive(answer, reg.flow.remote), "SIP/2.0 200");
        EXPECT_EQ(table(world).lingering(), 0U);
        EXPECT_EQ(only(world.receive(text, client_a), "SIP/2.0 200").text, first.text);
    }
}

TEST(Linger, ARepeatedSuccessReachesTheCallerOnly) {
    World world;
    const auto invite = only(world.receive(request({.via_params = ";rport"}), client_a), "INVITE");
    const auto ok = response(invite.text, 200, "OK");
    const auto first = only(world.receive(ok, invite.flow.remote), "SIP/2.0 200");
    ASSERT_EQ(table(world).lingering(), 1U);
    const auto again = only(world.receive(ok, invite.flow.remote), "SIP/2.0 200");
    EXPECT_EQ(again.text, first.text);
    EXPECT_EQ(again.flow, first.flow);
    // The branch binds the Via below it and the Call-ID: nobody steers a success elsewhere.
    auto forged = ok;
    forged.replace(forged.find("Call-ID: call-1"), 15, "Call-ID: call-2");
    EXPECT_TRUE(world.receive(forged, invite.flow.remote).empty());
    forged = ok;
    forged.replace(forged.find("CSeq: 1 "), 8, "CSeq: 2 ");
    EXPECT_TRUE(world.receive(forged, invite.flow.remote).empty());
    EXPECT_EQ(world.count(sip::ProxyDrop::forged_response), 2U);
}

TEST(Linger, ARepeatedInviteAndALateCancelChangeNothing) {
    World world;
    const auto text = request({});
    const auto invite = only(world.receive(text, client_a), "INVITE");
    world.receive(response(invite.text, 200, "OK"), invite.flow.remote);
    EXPECT_TRUE(world.receive(text, client_a).empty());
    const auto answer = world.receive(request({.method = "CANCEL"}), client_a);
    EXPECT_EQ(how_many(answer, "SIP/2.0 200"), 1U);
    EXPECT_EQ(answer.size(), 1U);
    EXPECT_EQ(world.dialogs(), 1U);
}

TEST(Linger, BranchesOfRfc2543KeepTheWholeTransaction) {
    World world;
    const auto invite = only(world.receive(request({.branch = "1"}), client_a), "INVITE");
    const auto ok = response(invite.text, 200, "OK");
    world.receive(ok, invite.flow.remote);
    EXPECT_EQ(table(world).lingering(), 0U);
    EXPECT_EQ(how_many(world.receive(ok, invite.flow.remote), "SIP/2.0 200"), 1U);
}

}  // namespace
}  // namespace sipfront::sim

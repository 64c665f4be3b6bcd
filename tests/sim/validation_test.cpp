// What a request must show before it is forwarded, and what is none of a proxy's business (RFC 3261 §16.3, §8.2.6, §18.3).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using Lines = std::vector<std::string>;

std::string without(std::string text, std::string_view header) {
    const auto at = text.find("\r\n" + std::string{header} + ":") + 2;
    return text.erase(at, text.find("\r\n", at) + 2 - at);
}

// All methods go somewhere.
Setup open_to_all() {
    Setup s;
    s.proxy.methods.fill(sip::MethodPolicy::dispatch);
    s.proxy.methods[static_cast<std::size_t>(sip::Method::invite)] = sip::MethodPolicy::balance;
    return s;
}

TEST(Validation, AHeaderFieldThatForwardingNeedsIs400WhenMissing_Rfc3261_16_3) {
    World world;
    for (const auto* header : {"From", "To", "Call-ID", "CSeq"})
        EXPECT_EQ(status_of(world.receive(without(request({}), header), client_a)), 400) << header;
    EXPECT_TRUE(world.receive(without(request({}), "Via"), client_a).empty()) << "there is no way back";
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(Validation, DuplicatesThatDifferAre400_Rfc3261_7_3_1) {
    World world;
    for (const auto* line : {"CSeq: 2 INVITE", "Call-ID: other", "From: <sip:b@x>;tag=2", "To: <sip:c@x>", "Max-Forwards: 3", "l: 7"})
        EXPECT_EQ(status_of(world.receive(request({.headers = {line}}), client_a)), 400) << line;
}

TEST(Validation, WhatIsNoneOfOursPassesUnchanged_Rfc3261_16_3) {
    World world;
    const Lines odd{"Date: Friday, the 13th at noon EST",
                    "Contact: <<bad;;>>,",
                    "X-Odd:\t;;,,<<\"",
                    "Expires: a long while",
                    "Supported: ,,,",
                    "Subject: \xff\xfe\x80",
                    "Content-Disposition: (((",
                    "Warning: 999999 nonsense",
                    "sUbJeCt2  :   two  blanks"};
    const auto sent = only(world.receive(request({.contact = {}, .headers = odd}), client_a), "INVITE");
    std::size_t at = 0;
    for (const auto& line : odd) {
        at = sent.text.find("\r\n" + line + "\r\n", at);
        ASSERT_NE(at, std::string::npos) << line;
    }
}

TEST(Validation, CompactFoldedAndMixedCaseSayTheSame_Rfc3261_7_3) {
    World world;
    const std::string invite =
        "INVITE sip:service@10.77.0.100 SIP/2.0\r\nv: SIP/2.0/UDP 10.77.0.2:5060\r\n ;branch=z9hG4bKfold\r\n\t;rport\r\n"
        "mAx-FoRwArDs: 9\r\nf:\r\n <sip:alice@example.com>\r\n ;tag=caller\r\nT: <sip:service@10.77.0.100>\r\n"
        "I: folded@client\r\ncSEQ: 1\r\n INVITE\r\nm: <sip:alice@10.77.0.2>\r\nL:\r\n 4\r\nc: text/plain\r\n\r\nbody";
    const auto sent = only(world.receive(invite, client_a), "INVITE");
    const Text text{sent.text};
    EXPECT_EQ(text.value("Max-Forwards"), "8");
    EXPECT_EQ(text.values("Via").size(), 2U);
    EXPECT_THAT(text.values("Via")[1], HasSubstr("received=10.77.0.2"));
    EXPECT_EQ(text.body(), "body");
    EXPECT_THAT(sent.text, HasSubstr("f:\r\n <sip:alice@example.com>\r\n ;tag=caller\r\n")) << "as it came";
    // Its response's Via list comes in one folded, compact line.
    auto busy = response(sent.text, 486, "Busy Here");
    const auto vias = text.values("Via");
    busy = without(without(busy, "Via"), "v");
    busy.insert(busy.find("\r\n") + 2, "v: " + vias[0] + " ,\r\n " + vias[1] + "\r\n");
    EXPECT_EQ(Text{only(world.receive(busy, sent.flow.remote), "SIP/2.0 486").text}.values("Via"), Lines{vias[1]});
}

TEST(Validation, MethodsAndHeaderFieldsThatNobodyKnowsAreForwarded_Rfc3261_16_3) {
    World world{open_to_all()};
    const auto sent = only(world.receive(request({.method = "LEVITATE", .headers = {"X-Altitude: 3 m"}}), client_a), "LEVITATE");
    EXPECT_EQ(Text{sent.text}.value("X-Altitude"), "3 m");
    EXPECT_EQ(status_of(world.receive(response(sent.text, 299, "Airborne"), sent.flow.remote)), 299);
}

TEST(Validation, AckAndCancelAreNeverAskedForExtensions_Rfc3261_16_3) {
    World world;
    const auto call = establish(world, {}, client_a, false);
    const auto ack = world.receive(call.in_dialog("ACK", 1, "z9hG4bKack", {"Proxy-Require: nothing-we-know"}), client_a);
    EXPECT_EQ(how_many(ack, "ACK"), 1U);
    const auto other = only(world.receive(request({.call_id = "c2", .branch = "z9hG4bKc2"}), client_a), "INVITE");
    world.receive(response(other.text, 180, "Ringing"), other.flow.remote);
    const auto cancelled = world.receive(
        request({.method = "CANCEL", .call_id = "c2", .branch = "z9hG4bKc2", .headers = {"Proxy-Require: nothing-we-know"}}), client_a);
    EXPECT_EQ(how_many(cancelled, "SIP/2.0 200"), 1U);
    EXPECT_EQ(how_many(cancelled, "CANCEL"), 1U);
}

TEST(Validation, RequireIsTheHostsBusiness_Rfc3261_16_3) {
    World world;
    const auto sent = only(world.receive(request({.headers = {"Require: foo, bar"}}), client_a), "INVITE");
    EXPECT_EQ(Text{sent.text}.values("Require"), (Lines{"foo", "bar"}));
}

TEST(Validation, CredentialsPassUnchangedAndInOrder_Rfc3261_22_3) {
    World world;
    const Lines credentials{"Proxy-Authorization: Digest username=\"a, b\", realm=\"one\", nonce=\"1\", uri=\"sip:x\", response=\"0\"",
                            "Authorization: Odd  scheme,,",
                            "Proxy-Authorization: Digest realm=\"two\", username=\"c\", nonce=\"2\", uri=\"sip:x\", response=\"1\""};
    const auto sent = only(world.receive(request({.headers = credentials}), client_a), "INVITE");
    EXPECT_THAT(sent.text, HasSubstr(credentials[0] + "\r\n" + credentials[1] + "\r\n" + credentials[2] + "\r\n"));
}

TEST(Validation, EmptyLinesBeforeTheStartLineAreSkipped_Rfc3261_7_5) {
    World world;
    EXPECT_THAT(only(world.receive("\r\n\r\n" + request({}), client_a), "INVITE").text, StartsWith("INVITE sip:"));
}

TEST(Validation, OurRepliesCopyWhatTheyMust_Rfc3261_8_2_6) {
    World world;
    auto text = request({.uri = "foo:bar",
                         .via_params = ";rport;x=\"y\"",
                         .headers = {"v: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKup, SIP/2.0/UDP 192.0.2.2"}});
    const auto source = core::Endpoint{client_a.address, 33'000};
    const auto sent = world.receive(text, source);
    ASSERT_EQ(status_of(sent), 416);
    EXPECT_EQ(sent[0].flow.remote, source);
    EXPECT_EQ(sent[0].flow.local, vip);
    const Text reply{sent[0].text};
    EXPECT_EQ(reply.values("Via"), (Lines{"SIP/2.0/UDP 10.77.0.2:5060;branch=z9hG4bKclient-1;rport=33000;x=\"y\";received=10.77.0.2",
                                          "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKup", "SIP/2.0/UDP 192.0.2.2"}));
    EXPECT_EQ(reply.value("From"), "\"Alice\" <sip:alice@example.com>;tag=caller");
    EXPECT_THAT(reply.value("To"), StartsWith("<sip:service@10.77.0.100>;tag="));
    EXPECT_EQ(reply.value("Call-ID"), "call-1@client");
    EXPECT_EQ(reply.value("CSeq"), "1 INVITE");
    EXPECT_EQ(reply.value("Content-Length"), "0");
    // A repetition gets the same tag (§16.7, §8.2.6.2).
    EXPECT_EQ(Text{world.receive(text, source).at(0).text}.tag("To"), reply.tag("To"));
    EXPECT_NE(Text{world.receive(request({.uri = "foo:bar", .call_id = "another"}), source).at(0).text}.tag("To"), reply.tag("To"));
}

TEST(Validation, A100HasNoTagOfOurs_Rfc3261_8_2_6_2) {
    World world;
    EXPECT_EQ(Text{only(world.receive(request({}), client_a), "SIP/2.0 100").text}.tag("To"), "");
}

TEST(Validation, A100AndNothingElseOfOursRepeatsTheTimestamp_Rfc3261_8_2_6_1) {
    World world;
    const auto trying = only(world.receive(request({.headers = {"timestamp : 54.2"}}), client_a), "SIP/2.0 100").text;
    EXPECT_THAT(trying, HasSubstr("\r\ntimestamp : 54.2\r\n"));
    const auto refused = world.receive(
        request({.uri = "foo:bar", .call_id = "refused", .branch = "z9hG4bKrefused", .headers = {"Timestamp: 54.2"}}), client_a);
    EXPECT_THAT(only(refused, "SIP/2.0 416").text, Not(HasSubstr("Timestamp")));
}

TEST(Validation, OctetsBehindTheBodyAreNotForwarded_Rfc3261_18_3) {
    World world;
    const auto sent = only(world.receive(request({.body = "four"}) + "INVITE sip:trailing SIP/2.0\r\n", client_a), "INVITE");
    EXPECT_EQ(Text{sent.text}.body(), "four");
}

TEST(Validation, AShortDatagramIs400AndAShortResponseIsDropped_Rfc3261_18_3) {
    World world;
    auto text = request({.call_id = "short", .branch = "z9hG4bKshort", .body = "four"});
    text.pop_back();
    EXPECT_EQ(status_of(world.receive(text, client_a)), 400);
    const auto invite = only(world.receive(request({}), client_a), "INVITE");
    auto ok = response(invite.text, 200, "OK");
    ok.replace(ok.find("Content-Length: 0"), 17, "Content-Length: 9");
    EXPECT_TRUE(world.receive(ok, invite.flow.remote).empty());
    EXPECT_EQ(world.stats().proxy.parse_errors[sip::ParseError::bad_content_length].get(), 2U);
}

TEST(Validation, WithoutContentLengthTheBodyIsTheRestOfTheDatagram_Rfc3261_18_3) {
    World world;
    const std::string body{"bin\0\xff\r\n\r\nary", 12};
    const auto sent = only(world.receive(without(request({.body = body}), "Content-Length"), client_a), "INVITE");
    EXPECT_EQ(Text{sent.text}.body(), body);
    EXPECT_THAT(sent.text, Not(HasSubstr("Content-Length")));
}

TEST(Validation, NoiseOnThePortIsSwallowedInSilence) {
    World world;
    const std::string stun{
        "\x00\x01\x00\x00\x21\x12\xa4\x42"
        "abcdefghijkl",
        20};
    const std::string stun_with_an_attribute{
        "\x00\x01\x00\x08\x21\x12\xa4\x42"
        "abcdefghijkl\x80\x22\x00\x04sipp",
        28};
    for (const auto& text : {stun, stun_with_an_attribute, std::string{"jaK"}, std::string{"\0", 1}, std::string{"x"}, std::string{"\r"}})
        EXPECT_TRUE(world.receive(text, client_a).empty());
    EXPECT_EQ(world.transactions(), 0U);
}

TEST(Validation, ABodyOfAnyOctetsPassesByteForByte_Rfc3261_16_6) {
    World world;
    std::string body;
    for (int i = 0; i < 512; ++i) body += static_cast<char>(i);
    const auto sent =
        only(world.receive(request({.headers = {"Content-Type: application/octet-stream"}, .body = body}), client_a), "INVITE");
    EXPECT_EQ(Text{sent.text}.body(), body);
    std::string large(40'000, '\0');
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7);
    const auto big = only(world.receive(request({.call_id = "big", .branch = "z9hG4bKbig", .body = large}), client_a), "INVITE");
    EXPECT_EQ(Text{big.text}.body(), large);
}

}  // namespace
}  // namespace sipfront::sim

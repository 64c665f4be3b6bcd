#include "sip/via.hpp"

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "guard_page.hpp"
#include "messages.hpp"

namespace sipfront::sip {
namespace {

using namespace std::literals;

struct Expected {
    std::string_view text;
    std::string_view transport = "UDP", host = "h.example", port{}, branch{}, received{}, maddr{}, rport{};
    std::string_view value{};  // when it is not the whole text
};

std::string_view at(std::string_view text, Slice s) { return text.substr(s.off, s.len); }

void expect(std::string_view text, const TopVia& via, const Expected& e) {
    EXPECT_EQ(at(text, via.transport), e.transport) << text;
    EXPECT_EQ(at(text, via.host), e.host) << text;
    EXPECT_EQ(at(text, via.port_text), e.port) << text;
    EXPECT_EQ(via.port, e.port.empty() ? 0 : std::stoi(std::string{e.port})) << text;
    EXPECT_EQ(at(text, via.branch), e.branch) << text;
    EXPECT_EQ(at(text, via.received), e.received) << text;
    EXPECT_EQ(at(text, via.maddr), e.maddr) << text;
    EXPECT_EQ(at(text, via.rport), e.rport) << text;
    EXPECT_EQ(via.has_rport, !e.rport.empty()) << text;
    EXPECT_EQ(at(text, via.value), e.value.empty() ? e.text : e.value) << text;
}

const Expected good[] = {
    {.text = "SIP/2.0/UDP h.example"},
    {.text = "SIP/2.0/UDP h.example:5061;branch=z9hG4bKa", .port = "5061", .branch = "z9hG4bKa"},
    {.text = "SIP/2.0/TCP 10.0.0.1;branch=b;rport;x", .transport = "TCP", .host = "10.0.0.1", .branch = "b", .rport = "rport"},
    {.text = "SIP/2.0/UDP h.example;rport=5060;received=10.0.0.9", .received = "10.0.0.9", .rport = "rport=5060"},
    {.text = "SIP/2.0/UDP h.example;rport=;maddr=224.2.0.1;ttl=16", .maddr = "224.2.0.1", .rport = "rport="},
    {.text = "SIP/2.0/UDP h.example;BRANCH=b;Received=[2001:db8::9]", .branch = "b", .received = "[2001:db8::9]"},
    {.text = "SIP/2.0/UDP h.example;received=2001:db8::9;branch=b", .branch = "b", .received = "2001:db8::9"},
    {.text = "SIP/2.0/UDP [2001:db8::1]:5062;branch=b", .host = "[2001:db8::1]", .port = "5062", .branch = "b"},
    {.text = "SIP/2.0/UDP [::ffff:192.0.2.1]", .host = "[::ffff:192.0.2.1]"},
    {.text = "sip/2.0/udp h.example;branch=b", .transport = "udp", .branch = "b"},
    {.text = "SIP/2.0/UNKNOWN h.example;branch=b", .transport = "UNKNOWN", .branch = "b"},
    {.text = "SIP/2.0/TLS-SCTP h_x-1.example.", .transport = "TLS-SCTP", .host = "h_x-1.example."},
    {.text = "SIP / 2.0 / UDP h.example : 5060 ; branch = z9hG4bK1", .port = "5060", .branch = "z9hG4bK1"},
    {.text = "SIP  /\r\n 2.0\t/ UDP\r\n   h.example\r\n :\t5060\r\n\t;\r\n rport\r\n ; branch\r\n =\r\n b",
     .port = "5060",
     .branch = "b",
     .rport = "rport"},
    {.text = "SIP/2.0/UDP h.example (say; \"why) ;branch=b (a (nested) \\) one) ;rport (x)", .branch = "b", .rport = "rport"},
    {.text = "SIP/2.0/UDP h.example;x=\"q;branch=no,\\\"\";branch=b", .branch = "b"},
    {.text = "SIP/2.0/UDP h.example;branch=b==", .branch = "b=="},
    {.text = "SIP/2.0/UDP h.example;branch=b, SIP/2.0/UDP i;branch=c", .branch = "b", .value = "SIP/2.0/UDP h.example;branch=b"},
    {.text = "SIP/2.0/UDP h.example ,SIP/2.0/UDP i", .value = "SIP/2.0/UDP h.example"},
    {.text = "SIP/2.0/UDP h.example;x=\"a,b\" ,c", .value = "SIP/2.0/UDP h.example;x=\"a,b\""},
    {.text = "SIP/2.0/UDP h.example;branch=first;branch=second", .branch = "first"},
};

const std::string_view bad[] = {
    "",
    "SIP/2.0/UDP",
    "SIP/2.0/UDP ",
    "SIP/2.0 UDP h",
    "SIP/2.0/ h",
    "/2.0/UDP h",
    "UDP h",
    "SIP/2.0/UDP ;branch=b",
    "SIP/2.0/UDP h:",
    "SIP/2.0/UDP h:0",
    "SIP/2.0/UDP h:65536",
    "SIP/2.0/UDP h:99999999999",
    "SIP/2.0/UDP h:5060x",
    "SIP/2.0/UDP h:-1",
    "SIP/2.0/UDP h i",
    "SIP/2.0/UDP 2001:db8::1",
    "SIP/2.0/UDP [2001:db8::1",
    "SIP/2.0/UDP []",
    "SIP/2.0/UDP [h]",
    "SIP/2.0/UDP h;;branch=b",
    "SIP/2.0/UDP h;;,;,,",
    "SIP/2.0/UDP h;",
    "SIP/2.0/UDP h;branch=b;",
    "SIP/2.0/UDP h;=b",
    "SIP/2.0/UDP h;branch=a b",
    "SIP/2.0/UDP h;a b=c",
    "SIP/2.0/UDP h;x=\"open",
    "SIP/2.0/UDP h;x=(open",
    "SIP/2.0/UDP h (open",
    "SIP/2.0/UDP h;\"q\"",
};

TEST(Via, ReadsWhatIsLegal_Rfc3261_20_42) {
    for (const auto& e : good) {
        TopVia via;
        ASSERT_TRUE(parse_via(e.text, via)) << e.text;
        expect(e.text, via, e);
    }
}

TEST(Via, RefusesWhatIsNot) {
    for (const auto text : bad) {
        TopVia via;
        EXPECT_FALSE(parse_via(text, via)) << text;
    }
}

TEST(Via, WhiteSpaceAroundIsNoPartOfIt) {
    TopVia via;
    const auto text = "\r\n  SIP/2.0/UDP h.example;branch=b \t"sv;
    ASSERT_TRUE(parse_via(text, via));
    EXPECT_EQ(at(text, via.value), "SIP/2.0/UDP h.example;branch=b");
}

TEST(Via, InAMessageIsReadAsOnItsOwn) {
    Message m;
    for (const auto& e : good) {
        test::Draft d;
        d.via = "v: " + std::string{e.text};
        const auto text = d.text();
        ASSERT_EQ(m.parse(text), ParseError::none) << e.text;
        expect(m.wire(), m.top_via(), e);
    }
    for (const auto via : bad) {
        test::Draft d;
        d.via = "Via: " + std::string{via};
        const auto text = d.text();
        EXPECT_EQ(m.parse(text), ParseError::bad_via) << via;
    }
}

TEST(Via, SecondOneOfAResponseIsReachable) {
    Message m;
    ASSERT_EQ(m.parse(test::response), ParseError::none);
    const auto value = m.at(m.first(HeaderId::via)->value);
    TopVia second;
    const auto below = value.substr(m.top_via().value.len + 1);
    ASSERT_TRUE(parse_via(below, second));
    EXPECT_EQ(at(below, second.branch), "z9hG4bK-a1");
}

TEST(Via, NeverReadsOutsideTheText) {
    for (const auto& e : good)
        for (std::size_t n = 0; n <= e.text.size(); ++n) {
            const test::GuardPage cut{e.text.substr(0, n)};
            TopVia via;
            (void)parse_via(cut.text(), via);
        }
}

}  // namespace
}  // namespace sipfront::sip

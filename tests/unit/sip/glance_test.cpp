#include "sip/glance.hpp"

#include <gtest/gtest.h>

#include "guard_page.hpp"
#include "messages.hpp"
#include "mutate.hpp"
#include "sip/scan.hpp"

namespace sipfront::sip {
namespace {

using test::Draft;

std::string whole(const Message& m, HeaderId id) { return std::string{m.at(m.first(id)->line)}; }

// What a glance says must be what the parser says. False: it left the message to the parser.
bool agrees(std::string_view text) {
    const auto method = glance_method(text);
    Glance g;
    if (method == Method::count_ || !glance(text, method, g)) return false;
    Message m;
    if (m.parse(text) != ParseError::none) return true;
    EXPECT_TRUE(m.is_request());
    EXPECT_EQ(m.method(), method);
    EXPECT_EQ(m.method_name(), g.method_name);
    EXPECT_EQ(m.request_uri(), g.request_uri);
    EXPECT_EQ(m.to_tag(), "");
    EXPECT_EQ(m.call_id(), g.call_id);
    EXPECT_EQ(m.top_via().value, g.via.value);
    EXPECT_EQ(m.top_via().branch, g.via.branch);
    EXPECT_EQ(m.top_via().host, g.via.host);
    EXPECT_EQ(m.top_via().port, g.via.port);
    EXPECT_EQ(m.top_via().rport, g.via.rport);
    EXPECT_EQ(m.top_via().received, g.via.received);
    EXPECT_EQ(whole(m, HeaderId::from), g.from);
    EXPECT_EQ(whole(m, HeaderId::call_id), g.call_id_line);
    EXPECT_EQ(whole(m, HeaderId::cseq), g.cseq);
    EXPECT_TRUE(whole(m, HeaderId::to).starts_with(g.to));
    const auto* via = m.first(HeaderId::via);
    EXPECT_EQ(m.at(via->line).substr(m.top_via().value.end() - via->line.off), g.via_more);
    for (std::size_t i = 0; i < g.via_count; ++i) EXPECT_EQ(m.at((via = m.next(via))->line), g.vias[i]);
    EXPECT_EQ(m.next(via), nullptr);
    const auto* priority = m.find("Resource-Priority");
    EXPECT_EQ(priority != nullptr ? m.at(priority->value) : "", g.resource_priority);
    return true;
}

class GlanceTest : public testing::TestWithParam<scan::Isa> {
protected:
    void SetUp() override {
        if (!scan::supported(GetParam())) GTEST_SKIP();
        scan::force(GetParam());
    }
    void TearDown() override { scan::force(scan::best()); }
};

TEST_P(GlanceTest, SeesWhatTheParserSees) {
    EXPECT_TRUE(agrees(Draft{}.text()));
    EXPECT_TRUE(agrees(test::invite_with_body()));
    EXPECT_TRUE(
        agrees(Draft{.via = "v: SIP/2.0/UDP a:5070;branch=z9hG4bKx, SIP/2.0/TCP b;branch=z9hG4bKy\r\nVIA: SIP/2.0/TLS c;branch=1"}.text()));
    EXPECT_TRUE(agrees(Draft{.from = "f:<sip:a@b>;tag=1", .to = "t: \"x\" <tel:112> ", .call_id = "I:  x@y  "}.text()));
    EXPECT_TRUE(agrees(Draft{.more = "Resource-Priority: ets.0, dsn.flash\r\nTimestamp: 1\r\nTo-Do: x\r\nViaduct: x\r\nc: a/b"}.text()));
    EXPECT_TRUE(agrees(Draft{.start = "REGISTER sip:a SIP/2.0", .cseq = "CSeq: 1 REGISTER"}.text()));
    EXPECT_TRUE(agrees(Draft{.start = "FROB sip:a SIP/2.0", .cseq = "CSeq: 1 FROB"}.text()));
}

TEST_P(GlanceTest, LeavesTheUnusualToTheParser) {
    for (const auto& d : {
             Draft{.to = "To: <sip:a@b>;tag=1"},
             Draft{.to = "To: sip:a@b"},
             Draft{.to = "To : <sip:a@b>"},
             Draft{.to = "To: <sip:a@b>\r\nTo: <sip:a@b>"},
             Draft{.from = "From: <sip:a@b>;tag=1\r\n ;x=y"},
             Draft{.via = "Via: SIP/2.0/TCP a;branch=z9hG4bKx"},
             Draft{.via = "Via: SIP/2.0/UDP a;branch=old"},
             Draft{.via = "Via: SIP/2.0/UDP [::1];branch=z9hG4bKx"},
             Draft{.via = ""},
             Draft{.call_id = ""},
             Draft{.cseq = ""},
             Draft{.start = "INVITE sip:a"},
             Draft{.start = "INVITE  sip:a SIP/2.0"},
             Draft{.start = "INVITE sip:a SIP/3.0"},
             Draft{.line_end = "\n"},
         })
        EXPECT_FALSE(agrees(d.text())) << d.text();
    EXPECT_FALSE(agrees("\r\n" + Draft{}.text()));
    EXPECT_FALSE(agrees(test::response));
    EXPECT_FALSE(agrees(test::odd_but_legal));
    std::string vias = "Via: SIP/2.0/UDP a;branch=z9hG4bKx";
    for (std::size_t i = 0; i < Glance::most_vias; ++i) vias += "\r\nVia: SIP/2.0/UDP b;branch=z9hG4bKy";
    EXPECT_TRUE(agrees(Draft{.via = vias}.text()));
    EXPECT_FALSE(agrees(Draft{.via = vias + "\r\nVia: SIP/2.0/UDP c"}.text()));
}

TEST_P(GlanceTest, AgreesOnDamagedMessagesAndReadsNothingBeyondThem) {
    test::Mutator mutator{7};
    int seen = 0;
    for (int i = 0; i < 20'000; ++i) {
        const auto text = mutator.mutated(i % 2 == 0 ? test::invite_with_body() : Draft{.more = "r: a@b", .length = ""}.text());
        const test::GuardPage page{text};
        seen += agrees(page.text()) ? 1 : 0;
        glance_ack_tag(page.text(), 16);
    }
    EXPECT_GT(seen, 5'000);
}

TEST_P(GlanceTest, StopsAnywhere) {
    for (const auto* message : {&test::invite_with_body(), &test::odd_but_legal}) {
        const test::GuardPage page{*message, test::Flush::end};
        for (std::size_t n = 0; n <= message->size(); ++n) {
            const test::GuardPage cut{message->substr(0, n)};
            agrees(cut.text());
            agrees(page.last(n));
            glance_ack_tag(cut.text(), 4);
        }
    }
}

TEST_P(GlanceTest, FindsTheTagOfAnAck) {
    const auto ack = [](const char* to) { return Draft{.start = "ACK sip:a SIP/2.0", .to = to, .cseq = "CSeq: 1 ACK"}.text(); };
    EXPECT_EQ(glance_ack_tag(ack("To: <sip:a@b>;tag=0123456789"), 10), "0123456789");
    EXPECT_EQ(glance_ack_tag(ack("t:x;tag=01"), 2), "01");
    EXPECT_EQ(glance_ack_tag(ack("To: <sip:a@b>;tag=0123456789"), 9), "");
    EXPECT_EQ(glance_ack_tag(ack("To: <sip:a@b>"), 4), "");
    EXPECT_EQ(glance_ack_tag(ack("X: <sip:a@b>;tag=01"), 2), "");
}

TEST(GlanceMethod, IsTheRequestLines) {
    EXPECT_EQ(glance_method("INVITE sip:a SIP/2.0\r\n"), Method::invite);
    EXPECT_EQ(glance_method("ACK sip:a SIP/2.0\r\n"), Method::ack);
    EXPECT_EQ(glance_method("invite sip:a SIP/2.0\r\n"), Method::unknown);
    for (const auto* text : {"SIP/2.0 200 OK\r\n", "", " ", "INVITE", "\r\n\r\n"}) EXPECT_EQ(glance_method(text), Method::count_) << text;
}

INSTANTIATE_TEST_SUITE_P(Isas, GlanceTest, testing::Values(scan::Isa::scalar, scan::Isa::sse, scan::Isa::avx2));

}  // namespace
}  // namespace sipfront::sip

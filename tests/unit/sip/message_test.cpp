#include "sip/message.hpp"

#include <string>

#include <gtest/gtest.h>

#include "guard_page.hpp"
#include "messages.hpp"

namespace sipfront::sip {
namespace {

using test::Draft;
using namespace std::literals;

class MessageTest : public testing::Test {
protected:
    ParseError parse(std::string text) {
        text_ = std::move(text);
        return m_.parse(text_);
    }
    std::string text_;
    Message m_;
};

TEST_F(MessageTest, IndexesARequest) {
    ASSERT_EQ(parse(test::invite_with_body()), ParseError::none);
    EXPECT_TRUE(m_.is_request());
    EXPECT_EQ(m_.method(), Method::invite);
    EXPECT_EQ(m_.method_name(), "INVITE");
    EXPECT_EQ(m_.request_uri(), "sip:2000@10.77.0.100");
    EXPECT_EQ(m_.status(), 0);
    EXPECT_EQ(m_.at(m_.top_via().branch), "z9hG4bK-a1");
    EXPECT_EQ(m_.at(m_.from().uri), "sip:ann@example.net");
    EXPECT_EQ(m_.from_tag(), "f1");
    EXPECT_EQ(m_.at(m_.to().uri), "sip:2000@10.77.0.100");
    EXPECT_EQ(m_.to_tag(), "");
    EXPECT_EQ(m_.call_id(), "c1@10.77.0.7");
    EXPECT_EQ(m_.cseq().number, 7U);
    EXPECT_EQ(m_.cseq().method, Method::invite);
    EXPECT_EQ(m_.max_forwards(), 70);
    EXPECT_EQ(m_.headers().size(), 12U);
    EXPECT_EQ(m_.body().substr(0, 3), "v=0");
    EXPECT_EQ(m_.body().size(), static_cast<std::size_t>(m_.content_length()));
    EXPECT_EQ(m_.wire().substr(m_.headers_end(), 2), "\r\n");
    EXPECT_EQ(m_.wire().substr(m_.headers_begin(), 4), "Via:");
}

TEST_F(MessageTest, HeaderSlicesTileTheHeaderBlock) {
    for (const auto text : test::sample_messages()) {
        ASSERT_EQ(parse(std::string{text}), ParseError::none);
        std::size_t at = m_.headers_begin();
        for (const auto& h : m_.headers()) {
            EXPECT_EQ(h.line.off, at);
            EXPECT_EQ(m_.at(h.line).back(), '\n');
            EXPECT_EQ(h.name().off, at);
            EXPECT_GT(h.value.off, h.name().end());
            EXPECT_LE(h.value.end(), h.line.end());
            EXPECT_EQ(h.id, parse_header_name(m_.at(h.name())));
            at = h.line.end();
        }
        EXPECT_EQ(at, m_.headers_end());
    }
}

TEST_F(MessageTest, ReadsOddButLegalSpellings_Rfc3261_7_3) {
    ASSERT_EQ(parse(test::odd_but_legal), ParseError::none);
    EXPECT_EQ(m_.method(), Method::options);
    EXPECT_EQ(m_.at(m_.to().uri), "sip:desk@example.net");
    EXPECT_EQ(m_.to_tag(), "98");
    EXPECT_EQ(m_.at(m_.from().uri), "sip:jr@example.net");
    EXPECT_EQ(m_.from_tag(), "54");
    EXPECT_EQ(m_.max_forwards(), 68);
    EXPECT_EQ(m_.call_id(), "odd.7:8\"x@host");
    EXPECT_EQ(m_.cseq().number, 9U);
    EXPECT_EQ(m_.cseq().method, Method::options);
    EXPECT_EQ(m_.at(m_.top_via().transport), "UDP");
    EXPECT_EQ(m_.at(m_.top_via().host), "192.0.2.2");
    EXPECT_EQ(m_.top_via().port, 5071);
    EXPECT_EQ(m_.at(m_.top_via().branch), "z9hG4bKodd");
    EXPECT_EQ(m_.content_length(), 0);
    const auto* unknown = m_.find("UNHEARD-OF");
    ASSERT_NE(unknown, nullptr);
    EXPECT_EQ(m_.at(unknown->value), "a, \"b\\\r,c\",\r\n\td");
    ASSERT_NE(m_.first(HeaderId::subject), nullptr);
    EXPECT_EQ(m_.at(m_.first(HeaderId::subject)->value), "");
}

TEST_F(MessageTest, IndexesAResponse) {
    ASSERT_EQ(parse(test::response), ParseError::none);
    EXPECT_FALSE(m_.is_request());
    EXPECT_EQ(m_.status(), 180);
    EXPECT_EQ(m_.reason_phrase(), "R\xc3\xa9pondre");
    EXPECT_EQ(m_.method(), Method::invite);
    EXPECT_EQ(m_.method_name(), "INVITE");
    EXPECT_EQ(m_.at(m_.top_via().value), "SIP/2.0/UDP 10.77.0.100;branch=z9hG4bK-p;received=10.77.0.101");
    EXPECT_EQ(m_.to_tag(), "t1");
    EXPECT_EQ(m_.max_forwards(), -1);
    EXPECT_EQ(m_.request_uri(), "");
}

TEST_F(MessageTest, ReasonPhraseMayBeMissing_Rfc4475_3_1_1_13) {
    Draft d;
    d.start = "SIP/2.0 100 ";
    ASSERT_EQ(parse(d.text()), ParseError::none);
    EXPECT_EQ(m_.reason_phrase(), "");
    d.start = "SIP/2.0 100";
    ASSERT_EQ(parse(d.text()), ParseError::none);
    EXPECT_EQ(m_.status(), 100);
}

TEST_F(MessageTest, BareLineFeedsEndLines) {
    Draft d;
    d.line_end = "\n";
    ASSERT_EQ(parse(d.text()), ParseError::none);
    EXPECT_EQ(m_.call_id(), "c1@10.77.0.7");
    EXPECT_EQ(m_.wire()[m_.headers_end()], '\n');
    EXPECT_EQ(m_.body(), "");
}

TEST_F(MessageTest, LeadingEmptyLinesAreSkipped_Rfc3261_7_5) {
    ASSERT_EQ(parse("\r\n\r\n" + Draft{}.text()), ParseError::none);
    EXPECT_EQ(m_.wire(), Draft{}.text());
    EXPECT_EQ(m_.call_id(), "c1@10.77.0.7");
}

TEST_F(MessageTest, OctetsBeyondContentLengthAreCutOff_Rfc3261_18_3) {
    Draft d;
    d.length = "Content-Length: 3";
    d.body = "abcINVITE sip:x SIP/2.0\r\n";
    ASSERT_EQ(parse(d.text()), ParseError::none);
    EXPECT_EQ(m_.body(), "abc");
    EXPECT_TRUE(m_.wire().ends_with("\r\n\r\nabc"));
}

TEST_F(MessageTest, WithoutContentLengthTheBodyGoesToTheEnd) {
    Draft d;
    d.length = "";
    d.body = "abc\r\n\r\n"s + '\0' + "x";
    ASSERT_EQ(parse(d.text()), ParseError::none);
    EXPECT_EQ(m_.content_length(), -1);
    EXPECT_EQ(m_.body(), d.body);
}

TEST_F(MessageTest, UnknownMethodsAreTokens_Rfc4475_3_1_1_2) {
    Draft d;
    d.start = "!in.Vi%te*_+`'~ sip:a SIP/2.0";
    d.cseq = "CSeq: 1 !in.Vi%te*_+`'~";
    ASSERT_EQ(parse(d.text()), ParseError::none);
    EXPECT_EQ(m_.method(), Method::unknown);
    EXPECT_EQ(m_.method_name(), "!in.Vi%te*_+`'~");
    d.start = "RE%47IST%45R sip:a SIP/2.0";
    d.cseq = "CSeq: 1 RE%47IST%45R";
    ASSERT_EQ(parse(d.text()), ParseError::none);
    EXPECT_EQ(m_.method(), Method::unknown);
}

TEST_F(MessageTest, MethodsAreCaseSensitiveAndVersionIsNot_Rfc3261_7_1) {
    EXPECT_EQ(parse_method("invite"), Method::unknown);
    for (int i = 0; i < static_cast<int>(Method::unknown); ++i) {
        const auto method = static_cast<Method>(i);
        EXPECT_EQ(parse_method(name(method)), method);
        EXPECT_EQ(parse_method(std::string{name(method)} + "X"), Method::unknown);
        EXPECT_EQ(parse_method(name(method).substr(1)), Method::unknown);
    }
    Draft d;
    d.start = "INVITE sip:a sip/2.0";
    EXPECT_EQ(parse(d.text()), ParseError::none);
    d.start = "sIp/2.0 200 OK";
    EXPECT_EQ(parse(d.text()), ParseError::none);
    EXPECT_EQ(m_.status(), 200);
}

TEST_F(MessageTest, HeaderNamesInAnyCaseAndCompact_Rfc3261_7_3_3) {
    EXPECT_EQ(parse_header_name("cAlL-iD"), HeaderId::call_id);
    EXPECT_EQ(parse_header_name("PROXY-AUTHORIZATION"), HeaderId::proxy_authorization);
    EXPECT_EQ(parse_header_name("Request-Disposition"), HeaderId::request_disposition);
    EXPECT_EQ(parse_header_name("call\rid"), HeaderId::other);
    EXPECT_EQ(parse_header_name("call_id"), HeaderId::other);
    EXPECT_EQ(parse_header_name("Viaa"), HeaderId::other);
    EXPECT_EQ(parse_header_name(""), HeaderId::other);
    EXPECT_EQ(parse_header_name(std::string(70, 'v')), HeaderId::other);
    const std::pair<char, HeaderId> compact[] = {{'v', HeaderId::via},
                                                 {'f', HeaderId::from},
                                                 {'t', HeaderId::to},
                                                 {'i', HeaderId::call_id},
                                                 {'m', HeaderId::contact},
                                                 {'l', HeaderId::content_length},
                                                 {'c', HeaderId::content_type},
                                                 {'e', HeaderId::content_encoding},
                                                 {'k', HeaderId::supported},
                                                 {'o', HeaderId::event},
                                                 {'s', HeaderId::subject},
                                                 {'u', HeaderId::allow_events},
                                                 {'r', HeaderId::refer_to},
                                                 {'x', HeaderId::session_expires},
                                                 {'b', HeaderId::referred_by},
                                                 {'a', HeaderId::accept_contact},
                                                 {'j', HeaderId::reject_contact},
                                                 {'d', HeaderId::request_disposition},
                                                 {'y', HeaderId::identity}};
    for (const auto& [letter, id] : compact) {
        EXPECT_EQ(parse_header_name({&letter, 1}), id) << letter;
        const char upper = static_cast<char>(letter - 32);
        EXPECT_EQ(parse_header_name({&upper, 1}), id) << upper;
    }
    EXPECT_EQ(parse_header_name("z"), HeaderId::other);
    EXPECT_EQ(parse_header_name("6"), HeaderId::other);
}

TEST_F(MessageTest, WalksRepeatedHeadersInOrder) {
    Draft d;
    d.more = "Route: <sip:a;lr>\r\nX-Auth-IP: 1\r\nroute: <sip:b;lr>, <sip:c>\r\nx-AUTH-ip: 2\r\nX-Auth-IPs: 3";
    ASSERT_EQ(parse(d.text()), ParseError::none);
    const auto* route = m_.first(HeaderId::route);
    ASSERT_NE(route, nullptr);
    EXPECT_EQ(m_.at(route->value), "<sip:a;lr>");
    route = m_.next(route);
    ASSERT_NE(route, nullptr);
    EXPECT_EQ(m_.at(route->value), "<sip:b;lr>, <sip:c>");
    EXPECT_EQ(m_.next(route), nullptr);
    EXPECT_EQ(m_.first(HeaderId::path), nullptr);
    const auto* auth = m_.find("X-AUTH-IP");
    ASSERT_NE(auth, nullptr);
    EXPECT_EQ(m_.at(auth->value), "1");
    auth = m_.find("X-AUTH-IP", auth);
    ASSERT_NE(auth, nullptr);
    EXPECT_EQ(m_.at(auth->value), "2");
    EXPECT_EQ(m_.find("X-AUTH-IP", auth), nullptr);
    EXPECT_EQ(m_.find("route"), m_.first(HeaderId::route));
}

TEST_F(MessageTest, FindsCompactFormsByTheLongName) {
    ASSERT_EQ(parse(test::odd_but_legal), ParseError::none);
    EXPECT_EQ(m_.find("Call-ID"), m_.first(HeaderId::call_id));
    EXPECT_EQ(m_.find("Supported"), m_.first(HeaderId::supported));
    EXPECT_EQ(m_.find("Contact"), nullptr);
}

TEST_F(MessageTest, PartiesInEveryForm_Rfc3261_20_20) {
    const struct {
        std::string_view value, uri, tag;
    } cases[] = {
        {"<sip:a@b>", "sip:a@b", ""},
        {"<sip:a@b>;tag=1", "sip:a@b", "1"},
        {"sip:a@b", "sip:a@b", ""},
        {"sip:a@b;tag=1", "sip:a@b", "1"},
        {"sip:a@b ; x=y;TaG = 1 ", "sip:a@b", "1"},
        {"Ann <sip:a@b;tag=no>;tag=1", "sip:a@b;tag=no", "1"},
        {"caller<sip:a@b>;tag=1", "sip:a@b", "1"},
        {"\"<sip:x@y>;tag=2\" <sip:a@b>;tag=1", "sip:a@b", "1"},
        {"\"a\\\"<\\\\\" <sip:a@b>;p=\";tag=2\";tag=1;q", "sip:a@b", "1"},
        {"\"Q: A, B\"\r\n <sip:a@b>\r\n ;tag=1", "sip:a@b", "1"},
        {"<tel:+1;phone-context=x>;tag=1", "tel:+1;phone-context=x", "1"},
        {"isbn:2983792873", "isbn:2983792873", ""},
        {"<sip:a%00@b>;tag", "sip:a%00@b", ""},
        {"<sip:a@b>;tag=", "sip:a@b", ""},
        {"\"N\0L\" <sip:a@b>;tag=1"sv, "sip:a@b", "1"},
    };
    for (const auto& c : cases) {
        Draft d;
        d.from = "From: " + std::string{c.value};
        d.to = "To: " + std::string{c.value};
        ASSERT_EQ(parse(d.text()), ParseError::none) << c.value;
        EXPECT_EQ(m_.at(m_.from().uri), c.uri);
        EXPECT_EQ(m_.from_tag(), c.tag);
        EXPECT_EQ(m_.at(m_.to().uri), c.uri);
        EXPECT_EQ(m_.to_tag(), c.tag);
    }
}

TEST_F(MessageTest, AMessageObjectKeepsNothingOfTheOneBefore) {
    ASSERT_EQ(parse(test::odd_but_legal), ParseError::none);
    ASSERT_EQ(parse(test::response), ParseError::none);
    Message fresh;
    ASSERT_EQ(fresh.parse(text_), ParseError::none);
    EXPECT_EQ(m_.top_via().port, 0);
    EXPECT_EQ(m_.headers().size(), fresh.headers().size());
    EXPECT_EQ(m_.first(HeaderId::max_forwards), nullptr);
    EXPECT_EQ(parse("\r\n"), ParseError::empty);
    EXPECT_EQ(m_.headers().size(), 0U);
    EXPECT_EQ(m_.call_id(), "");
}

TEST_F(MessageTest, NeverReadsOutsideTheMessage) {
    for (const auto text : test::sample_messages()) {
        const test::GuardPage whole{text, test::Flush::start};
        for (std::size_t n = 0; n <= text.size(); ++n) {
            const test::GuardPage cut{text.substr(0, n)};
            const auto error = m_.parse(cut.text());
            EXPECT_EQ(error == ParseError::none, n == text.size()) << n << ' ' << name(error);
            EXPECT_EQ(m_.parse(whole.first(n)), error);
            const test::GuardPage tail{text.substr(n)};
            (void)m_.parse(tail.text());
        }
    }
}

TEST_F(MessageTest, NeverReadsBehindALastLineOfAnyShape) {
    const auto start = Draft{}.start + "\r\n";
    for (std::size_t n = 0; n < 150; ++n)
        for (const std::string_view end : {"", "\n", "\r\n", ":", ":\n", ": \n", ":\r\n", " \n", " :\n", ": x\n", "\r", "\r\n\r", "\n\n"}) {
            const test::GuardPage page{start + std::string(n, 'x') + std::string{end}};
            (void)m_.parse(page.text());
            const test::GuardPage known{start + "Content-Length" + std::string(n % 9, ' ') + std::string{end}};
            (void)m_.parse(known.text());
        }
}

// What is read in blocks behind a value that ends early, however near the message's end.
TEST_F(MessageTest, NeverReadsBehindValuesThatEndEarly) {
    for (const std::string_view value :
         {"SIP/2.0/UDP ", "SIP/2.0/UDP a", "SIP/2.0/UDP a: ", "SIP/2.0/UDP a:5060;", "SIP/2.0/UDP a;branch= "}) {
        for (const std::string_view other : {"<sip:", "\"a", "\"a\" <sip:a>;tag=", "1 ", "12345678 ", "1 INVITE "}) {
            for (std::size_t n = 0; n < 80; ++n) {
                Draft d;
                d.from = "From: " + std::string{other};
                d.to = "To: " + std::string{other};
                d.more = "CSeq: " + std::string{other};
                d.cseq = "Call-ID: a";
                d.call_id = d.via = d.length = "";
                auto text = d.text();
                text.resize(text.size() - 2);
                const test::GuardPage page{text + "Via: " + std::string{value} + "\r\n\r\n" + std::string(n, 'x')};
                EXPECT_EQ(m_.parse(page.text()), m_.parse(page.text()));
                const test::GuardPage last{Draft{.via = "Via: " + std::string{value}, .more = "CSeq: " + std::string{other}}.text() +
                                           std::string(n, 'x')};
                (void)m_.parse(last.text());
            }
        }
    }
}

TEST_F(MessageTest, NeverReadsBeforeTheShortestMessages) {
    for (const std::string_view text : {"a SIP/\nl:1\n\n", "a SIP/\nl:\n\n", "SIP/2.0\nl:0\n\n", "a SIP/\n:\n", "a SIP/\nv:a/b/c d:1\n\n",
                                        "a SIP/\nt:<\n", "a SIP/\n\n", "SIP/2.0\n", "SIP/", "a", "l:1\n"}) {
        const test::GuardPage at_start{text, test::Flush::start};
        const test::GuardPage at_end{text};
        EXPECT_NE(m_.parse(at_start.text()), ParseError::none);
        EXPECT_NE(m_.parse(at_end.text()), ParseError::none);
    }
}

}  // namespace
}  // namespace sipfront::sip

// What is not well-formed, and what stays readable of it so that a 400 can be built.
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "messages.hpp"
#include "sip/message.hpp"

namespace sipfront::sip {
namespace {

using test::Draft;
using namespace std::literals;

ParseError parse(const std::string& text) {
    Message m;
    return m.parse(text);
}
ParseError with(std::string Draft::*line, std::string_view text) {
    Draft d;
    d.*line = text;
    return parse(d.text());
}

TEST(ParseErrors, EveryOneHasItsOwnName) {
    std::set<std::string_view> names;
    for (int i = 0; i < static_cast<int>(ParseError::count_); ++i) names.insert(name(static_cast<ParseError>(i)));
    EXPECT_EQ(names.size(), static_cast<std::size_t>(ParseError::count_));
    EXPECT_EQ(name(ParseError::cseq_method_mismatch), "cseq_method_mismatch");
    EXPECT_EQ(name(ParseError::too_long), "too_long");
}

TEST(ParseErrors, KeepAlivesAreEmpty) {
    for (const auto text : {""sv, "\r\n"sv, "\r\n\r\n"sv, "\0"sv, "\0\0\0\0"sv, "\n"sv})
        EXPECT_EQ(parse(std::string{text}), ParseError::empty);
}

TEST(ParseErrors, WhatIsNotSip) {
    for (const auto start : {"GET / HTTP/1.1", "hello", "INVITE", "INVITE sip:a", "SIP/x.y 200 OK", "\x16\x03\x01 a b", ":"})
        EXPECT_EQ(with(&Draft::start, start), ParseError::not_sip) << start;
}

TEST(ParseErrors, StartLine_Rfc4475_3_1_2) {
    for (const auto start :
         {"INVITE  sip:a SIP/2.0", "INVITE sip:a  SIP/2.0", "INVITE sip:a b SIP/2.0", "INVITE <sip:a> SIP/2.0", "INVITE sip:a SIP/2.0 ",
          "INVITE sip:a SIP/2.0\t", "INVITE\tsip:a SIP/2.0", "INVITE sip:a;\"x\" SIP/2.0", " INVITE sip:a SIP/2.0", "INVITE SIP/2.0",
          "INV(ITE sip:a SIP/2.0", "INVITE  SIP/2.0", "SIP/2.0  200 OK", "SIP/2.0", "INVITE sip:a\tb SIP/2.0",
          "IN\xc3\xa9VITE sip:a SIP/2.0", "INVITE sip:a SIP/2.0x", "INVITE sip:a SIP/2.0 SIP/2"})
        EXPECT_EQ(with(&Draft::start, start), ParseError::bad_start_line) << start;
    for (const auto start : {"INVITE sip:a SIP/7.0", "INVITE sip:a SIP/2.1", "INVITE sip:a SIP/20.0", "SIP/3.0 200 OK"})
        EXPECT_EQ(with(&Draft::start, start), ParseError::bad_version) << start;
    for (const auto start : {"INVITE a SIP/2.0", "INVITE : SIP/2.0", "INVITE sip: SIP/2.0", "INVITE 1ip:a SIP/2.0", "INVITE s;p:a SIP/2.0",
                             "INVITE s@p:a SIP/2.0"})
        EXPECT_EQ(with(&Draft::start, start), ParseError::bad_request_uri) << start;
    for (const auto start : {"INVITE nobody:x SIP/2.0", "INVITE soap.beep://a/b SIP/2.0", "INVITE urn:service:sos SIP/2.0"})
        EXPECT_EQ(with(&Draft::start, start), ParseError::none) << start;
}

TEST(ParseErrors, StatusCodes) {
    for (const auto start : {"SIP/2.0 099 x", "SIP/2.0 700 x", "SIP/2.0 20 x", "SIP/2.0 2000 x", "SIP/2.0 4294967301 x", "SIP/2.0 2x0 x"})
        EXPECT_EQ(with(&Draft::start, start), ParseError::bad_status_code) << start;
    for (const auto start : {"SIP/2.0 100 x", "SIP/2.0 699 x"}) EXPECT_EQ(with(&Draft::start, start), ParseError::none) << start;
}

TEST(ParseErrors, HeaderLines) {
    for (const auto line : {"No colon here", "Bad Name: x", ": x", "N(me: x", "\"q\": x", "N\x01: x"})
        EXPECT_EQ(with(&Draft::more, line), ParseError::bad_header_line) << line;
    for (const auto line : {"X:", "X-a.b!%*_+`'~: y", "X \t : y", "X: \xff\xfe", "X: a\r\n ", "X: a\r\n\t\r\n b"})
        EXPECT_EQ(with(&Draft::more, line), ParseError::none) << line;
    EXPECT_EQ(parse(Draft{}.start + "\r\n folded start\r\n\r\n"), ParseError::bad_header_line);
}

TEST(ParseErrors, TooManyHeaders) {
    Draft d;
    d.more = "X: y";
    for (std::size_t i = 0; i < Message::max_headers - 7; ++i) d.more += "\r\nX: y";
    EXPECT_EQ(parse(d.text()), ParseError::none);
    d.more += "\r\nX: y";
    Message m;
    const auto text = d.text();
    EXPECT_EQ(m.parse(text), ParseError::too_many_headers);
    EXPECT_EQ(m.headers().size(), Message::max_headers);
    EXPECT_EQ(m.wire().substr(m.headers_end()), "\r\n");
}

TEST(ParseErrors, NoEndOfHeaders) {
    auto text = Draft{}.text();
    text.resize(text.size() - 2);
    Message m;
    EXPECT_EQ(m.parse(text), ParseError::no_end_of_headers);
    EXPECT_EQ(m.call_id(), "c1@10.77.0.7");
    EXPECT_EQ(m.body(), "");
    EXPECT_EQ(parse(Draft{}.start), ParseError::no_end_of_headers);
}

TEST(ParseErrors, MissingMandatoryHeaders_Rfc4475_3_3_1) {
    EXPECT_EQ(with(&Draft::via, ""), ParseError::missing_via);
    EXPECT_EQ(with(&Draft::from, ""), ParseError::missing_from);
    EXPECT_EQ(with(&Draft::to, ""), ParseError::missing_to);
    EXPECT_EQ(with(&Draft::call_id, ""), ParseError::missing_call_id);
    EXPECT_EQ(with(&Draft::cseq, ""), ParseError::missing_cseq);
}

TEST(ParseErrors, DuplicatesThatDiffer_Rfc4475_3_3_8) {
    for (const auto line : {"From: <sip:x@y>", "t: <sip:x@y>", "Call-ID: c2", "CSeq: 8 INVITE", "Max-Forwards: 3", "l: 1"})
        EXPECT_EQ(with(&Draft::more, "Max-Forwards: 70\r\n"s + line), ParseError::duplicate_header) << line;
    for (const auto line : {"From: \"Ann Lee\" <sip:ann@example.net>;tag=f1", "i: c1@10.77.0.7", "CSeq:7 INVITE", "Max-Forwards: 070",
                            "Content-Length: 00", "Via: SIP/2.0/UDP b", "Route: <sip:a>\r\nRoute: <sip:b>"})
        EXPECT_EQ(with(&Draft::more, "Max-Forwards: 70\r\n"s + line), ParseError::none) << line;
}

TEST(ParseErrors, Parties_Rfc4475_3_1_2_6) {
    for (const auto value : {"",
                             "\"Mr. J. User <sip:a@b>",
                             "\"a\\\" <sip:a@b>",
                             "<sip:a@b",
                             "<sip:a@b;tag=x",
                             "sip",
                             "<>",
                             "<sip:>",
                             "sip:",
                             "<a@b>",
                             "< sip:a@b>",
                             "<sip:a@b >",
                             "<sip:a b@c>",
                             "<sip:a@b> x",
                             "<sip:a@b>x;tag=1",
                             "<sip:a@b>;tag=a b",
                             "<sip:a@b>;;tag=1",
                             "<sip:a@b>;",
                             "<sip:a@b>;=x",
                             "<sip:a@b>;tag=1;tag=2",
                             "<sip:a@b>, <sip:c@d>",
                             "sip:a@b, sip:c@d",
                             "<sip:a@b>;tag=1,x",
                             "a b c",
                             ";tag=1",
                             "<sip:<sip:a>>",
                             "sip:a b",
                             "<sip:a@b>;x=\"y"}) {
        EXPECT_EQ(with(&Draft::from, "From: "s + value), ParseError::bad_from) << value;
        EXPECT_EQ(with(&Draft::to, "To: "s + value), ParseError::bad_to) << value;
    }
}

TEST(ParseErrors, CallId) {
    for (const auto value : {"", "a b", "a\tb", "a\r\n b", "a\x01z"})
        EXPECT_EQ(with(&Draft::call_id, "Call-ID: "s + value), ParseError::bad_call_id) << value;
    EXPECT_EQ(with(&Draft::call_id, "Call-ID:\r\n\tw%w<>\"(){}[]?/\\:@x\xff"), ParseError::none);
}

TEST(ParseErrors, CSeq_Rfc3261_8_1_1_5) {
    for (const auto value : {"", "INVITE", "1", "1INVITE", "-1 INVITE", "1 ", "2147483648 INVITE", "36893488147419103232 INVITE",
                             "1 IN VITE", "1 INVITE x", "0x1 INVITE", "1 IN(VITE"})
        EXPECT_EQ(with(&Draft::cseq, "CSeq: "s + value), ParseError::bad_cseq) << value;
    for (const auto value : {"2147483647 INVITE", "0 INVITE", "00000000000001\r\n\t INVITE"})
        EXPECT_EQ(with(&Draft::cseq, "CSeq: "s + value), ParseError::none) << value;
    for (const auto value : {"1 OPTIONS", "1 invite", "1 INVITEE", "1 INVIT", "1 NEWMETHOD"})
        EXPECT_EQ(with(&Draft::cseq, "CSeq: "s + value), ParseError::cseq_method_mismatch) << value;
}

TEST(ParseErrors, MaxForwards) {
    for (const auto value : {"", "256", "300", "-1", "7x", "1 2", "4294967366"})
        EXPECT_EQ(with(&Draft::more, "Max-Forwards: "s + value), ParseError::bad_max_forwards) << value;
    for (const auto value : {"0", "255", "0000255"}) EXPECT_EQ(with(&Draft::more, "Max-Forwards: "s + value), ParseError::none) << value;
}

TEST(ParseErrors, ContentLength_Rfc4475_3_1_2_2) {
    for (const auto value : {"", "-999", "x", "1", "9999", "99999999999999999999", "0 0", "+0"})
        EXPECT_EQ(with(&Draft::length, "Content-Length: "s + value), ParseError::bad_content_length) << value;
}

TEST(ParseErrors, TooLong) {
    Draft d;
    d.length = "";
    d.body.assign(65507 - d.text().size(), 'x');
    EXPECT_EQ(parse(d.text()), ParseError::none);
    d.body += 'x';
    EXPECT_EQ(parse(d.text()), ParseError::too_long);
}

TEST(ParseErrors, LargestHeaderBlockIsIndexedToItsEnd) {
    Draft d;
    d.length = "";
    d.more = "Subject: ";
    d.more.append(65507 - d.text().size(), 's');
    Message m;
    const auto text = d.text();
    ASSERT_EQ(text.size(), 65507U);
    EXPECT_EQ(m.parse(text), ParseError::none);
    EXPECT_EQ(m.headers_end(), 65505);
    EXPECT_EQ(m.body(), "");
}

TEST(ParseErrors, WhatA400NeedsStaysReadable) {
    Draft d;
    d.start = "INVITE sip:a b SIP/2.0";
    d.more = "no colon\r\nMax-Forwards: 999\r\nRecord-Route: <sip:x;lr>";
    d.cseq = "CSeq: 7 BYE";
    Message m;
    const auto text = d.text();
    EXPECT_EQ(m.parse(text), ParseError::bad_start_line);
    EXPECT_EQ(m.method(), Method::invite);
    EXPECT_EQ(m.call_id(), "c1@10.77.0.7");
    EXPECT_EQ(m.at(m.top_via().host), "10.77.0.7");
    EXPECT_EQ(m.from_tag(), "f1");
    EXPECT_EQ(m.cseq().number, 7U);
    ASSERT_NE(m.first(HeaderId::record_route), nullptr);
    EXPECT_EQ(m.at(m.first(HeaderId::record_route)->value), "<sip:x;lr>");
    EXPECT_EQ(m.headers().size(), 8U);

    d = {};
    d.start = "OPTIONS sip:a SIP/7.0";
    const auto other = d.text();
    EXPECT_EQ(m.parse(other), ParseError::bad_version);
    EXPECT_EQ(m.method(), Method::options);
    EXPECT_EQ(m.request_uri(), "sip:a");
    EXPECT_EQ(m.call_id(), "c1@10.77.0.7");
}

}  // namespace
}  // namespace sipfront::sip

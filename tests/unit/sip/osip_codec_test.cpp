#include "sip/osip_codec.hpp"

#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "sip/message.hpp"

namespace sipfront::sip {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

RequestSpec probe() {
    return {.method = "OPTIONS",
            .request_uri = "sip:10.77.0.103:5060;transport=udp",
            .from_uri = "sip:probe@10.77.0.101",
            .to_uri = "sip:10.77.0.103",
            .contact = "sip:10.77.0.101:5060",
            .user_agent = "sipfront",
            .headers = {{"Accept", "application/sdp"}, {"Allow", "INVITE, ACK, BYE"}}};
}

std::string with_per_sending_headers(std::string text, const std::string& method) {
    text.insert(text.find("\r\n") + 2,
                "Via: SIP/2.0/UDP 10.77.0.101:5060;branch=z9hG4bKabc;rport\r\nFrom: <sip:probe@10.77.0.101>;tag=77\r\n"
                "Call-ID: 4711@10.77.0.101\r\nCSeq: 5 " +
                    method + "\r\n");
    return text;
}

std::string what(const core::Status& s) { return s ? std::string{} : s.error().what; }

TEST(RequestTemplate, BecomesAWholeRequestOnceTheWorkerHasAddedItsFields_Rfc3261_8_1_1) {
    const auto text = make_request_template(probe());
    ASSERT_TRUE(text) << text.error().what;
    EXPECT_THAT(*text, StartsWith("OPTIONS sip:10.77.0.103:5060;transport=udp SIP/2.0\r\n"));
    for (const auto* absent : {"\r\nVia:", "\r\nFrom:", "\r\nCall-ID:", "\r\nCSeq:"}) EXPECT_THAT(*text, Not(HasSubstr(absent)));

    const auto request = with_per_sending_headers(*text, "OPTIONS");
    Message m;
    ASSERT_EQ(m.parse(request), ParseError::none);
    EXPECT_EQ(m.method(), Method::options);
    EXPECT_EQ(m.call_id(), "4711@10.77.0.101");
    EXPECT_EQ(m.at(m.to().uri), "sip:10.77.0.103");
    EXPECT_EQ(m.max_forwards(), 70);
    EXPECT_EQ(m.content_length(), 0);
    ASSERT_NE(m.first(HeaderId::contact), nullptr);
    EXPECT_EQ(m.at(m.first(HeaderId::contact)->value), "<sip:10.77.0.101:5060>");
    ASSERT_NE(m.first(HeaderId::allow), nullptr);
    EXPECT_EQ(m.at(m.first(HeaderId::allow)->value), "INVITE, ACK, BYE");
}

TEST(RequestTemplate, CarriesBodyTagAndMaxForwards) {
    auto spec = probe();
    spec.method = "INFO";
    spec.to_tag = "remote-1";
    spec.max_forwards = 10;
    spec.content_type = "application/dtmf-relay";
    spec.body = "Signal=5\r\nDuration=160\r\n";
    const auto text = make_request_template(spec);
    ASSERT_TRUE(text) << text.error().what;
    const auto request = with_per_sending_headers(*text, "INFO");
    Message m;
    ASSERT_EQ(m.parse(request), ParseError::none);
    EXPECT_EQ(m.to_tag(), "remote-1");
    EXPECT_EQ(m.max_forwards(), 10);
    EXPECT_EQ(m.body(), spec.body);
    EXPECT_EQ(m.content_length(), static_cast<long>(spec.body.size()));
}

TEST(RequestTemplate, RefusesWhatWouldSmuggleAHeaderField) {
    const auto refused_for = [](auto&& change) {
        auto spec = probe();
        change(spec);
        const auto text = make_request_template(spec);
        return text ? std::string{} : text.error().what;
    };
    EXPECT_THAT(refused_for([](auto& s) { s.headers.emplace_back("Reason", "SIP\r\nRoute: <sip:evil>"); }), HasSubstr("Reason"));
    EXPECT_THAT(refused_for([](auto& s) { s.headers.emplace_back("X-A: b\r\nX", "1"); }), HasSubstr("token"));
    EXPECT_THAT(refused_for([](auto& s) { s.user_agent = "a\r\nb"; }), HasSubstr("line end"));
    EXPECT_THAT(refused_for([](auto& s) { s.to_uri = "sip:a@b>\r\nX: <sip:c@d"; }), HasSubstr("To: URI"));
    EXPECT_THAT(refused_for([](auto& s) { s.to_tag = "a;b"; }), HasSubstr("tag"));
    EXPECT_THAT(refused_for([](auto& s) { s.method = "OPT IONS"; }), HasSubstr("method"));
    EXPECT_THAT(refused_for([](auto& s) { s.request_uri = "sip:10.0.0.1?Route=%3Csip:x%3E"; }), HasSubstr("headers part"));
}

TEST(RequestTemplate, RefusesFieldsThatAreWrittenElsewhere) {
    for (const auto* name : {"Via", "v", "FROM", "t", "Call-ID", "i", "CSeq", "Max-Forwards", "l", "m", "User-Agent", "c"}) {
        auto spec = probe();
        spec.headers.emplace_back(name, "x");
        const auto text = make_request_template(spec);
        ASSERT_FALSE(text) << name;
        EXPECT_THAT(text.error().what, HasSubstr("field of its own"));
    }
}

TEST(RequestTemplate, RefusesABodyWithoutTypeAndNumbersOutOfRange) {
    auto spec = probe();
    spec.body = "x";
    EXPECT_FALSE(make_request_template(spec));
    spec = probe();
    spec.max_forwards = 256;
    EXPECT_FALSE(make_request_template(spec));
}

TEST(CheckUri, TakesWhatDestinationsAndRoutesLookLike_Rfc3261_19_1_3) {
    for (const auto* uri : {"sip:10.77.0.103", "sip:10.77.0.103:5080;transport=tcp", "SIP:alice@example.com", "sips:alice@example.com:5061",
                            "sip:[2001:db8::10]:5070", "sip:a%40b:pw@example.com;lr", "sip:+1-212-555-1212:1234@gw.example.com;user=phone",
                            "sip:alice;day=tuesday@atlanta.example.com", "sip:h.example.com.;maddr=239.255.255.1;ttl=15",
                            "sip:x@example.com?Subject=a%20b", "tel:+44-20-7946(0)123", "tel:7042;phone-context=example.com"})
        EXPECT_EQ(what(check_uri(uri)), "") << uri;
}

TEST(CheckUri, SaysWhatIsWrong) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "empty"},
        {"10.77.0.103", "no scheme"},
        {"10.77.0.103:5060", "none of sip, sips, tel"},
        {"http://example.com", "none of sip, sips, tel"},
        {"sipx:a@b", "none of sip, sips, tel"},
        {"sip:", "libosip2"},
        {"sip:a@", "libosip2"},
        {"sip:a b@example.com", "white space"},
        {"<sip:a@example.com>", "must be escaped"},
        {"sip:a@example.com:0", "port '0'"},
        {"sip:a@example.com:65536", "port '65536'"},
        {"sip:a@example.com:50x", "port '50x'"},
        {"sip:2001:db8::10", "IPv6"},
        {"sip:[2001:db8::zz]", "not an IPv6 address"},
        {"sip:10.77.0.1030", "not an IPv4 address"},
        {"sip:a@exa!mple.com", "neither a host name nor an address"},
        {"sip:a@.example.com", "neither a host name nor an address"},
        {"sip:a@-x.example.com", "neither a host name nor an address"},
        {"sip:a%4@example.com", "hexadecimal"},
        {"tel:", "no digits"},
        {"tel:+", "no digits"},
        {"tel:7042", "phone-context"},
        {"tel:+12#3", "not a telephone number"},
    };
    for (const auto& [uri, word] : cases) {
        const auto verdict = check_uri(uri);
        ASSERT_FALSE(verdict) << uri;
        EXPECT_THAT(verdict.error().what, HasSubstr(word)) << uri;
        EXPECT_THAT(verdict.error().what, HasSubstr(uri));
    }
    EXPECT_FALSE(check_uri(std::string_view{"sip:a\0@b", 8}));
}

TEST(ReferenceParse, ReadsEveryFieldThatTheParserIndexes) {
    const auto m = reference_parse(
        "INVITE sip:b%6fb@host.example.com:5070;lr SIP/2.0\r\n"
        "v: SIP/2.0/TCP [2001:db8::9]:5080;branch=z9hG4bK.1, SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK.2\r\n"
        "f: \"Al, \\\"ice\\\"\" <sip:alice@a.example.com>;tag=ft\r\nt: sip:bob@b.example.com;tag=tt\r\n"
        "i: id1@host\r\nCSEQ: 0009 INVITE\r\nm: <sip:alice@192.0.2.7:5062>\r\n"
        "Route: <sip:p1;lr>, <sip:p2;lr>\r\nRecord-Route: <sip:p3;lr>\r\nc: text/plain\r\nl: 4\r\n\r\nbody");
    ASSERT_TRUE(m);
    EXPECT_EQ(m->method, "INVITE");
    EXPECT_EQ(m->status, 0);
    EXPECT_EQ(m->version, "SIP/2.0");
    EXPECT_EQ(m->request_uri, (ReferenceUri{"sip", "bob", "", "host.example.com", "5070", ""}));
    EXPECT_EQ(m->via_transport, "TCP");
    EXPECT_EQ(m->via_host, "2001:db8::9");
    EXPECT_EQ(m->via_port, "5080");
    EXPECT_EQ(m->via_branch, "z9hG4bK.1");
    EXPECT_EQ(m->vias, 2U);
    EXPECT_EQ(m->routes, 2U);
    EXPECT_EQ(m->record_routes, 1U);
    EXPECT_EQ(m->from, (ReferenceParty{{"sip", "alice", "", "a.example.com", "", ""}, "ft"}));
    EXPECT_EQ(m->to, (ReferenceParty{{"sip", "bob", "", "b.example.com", "", ""}, "tt"}));
    EXPECT_EQ(m->call_id, "id1@host");
    EXPECT_EQ(m->cseq_number, "0009");
    EXPECT_EQ(m->cseq_method, "INVITE");
    EXPECT_EQ(m->contact, (ReferenceUri{"sip", "alice", "", "192.0.2.7", "5062", ""}));
    EXPECT_EQ(m->content_length, "4");
    EXPECT_EQ(m->body, "body");
}

TEST(ReferenceParse, ReadsResponsesAndRefusesFragments) {
    const auto m = reference_parse(
        "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>;tag=2\r\n"
        "Call-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
    ASSERT_TRUE(m);
    EXPECT_EQ(m->method, "");
    EXPECT_EQ(m->status, 180);
    EXPECT_EQ(m->cseq_method, "INVITE");
    EXPECT_FALSE(m->contact);
    EXPECT_FALSE(reference_parse("SIP/2.0 180 Ringing\r\n\r\n"));
    EXPECT_FALSE(reference_parse("hello"));
    EXPECT_FALSE(reference_parse(""));
}

TEST(OsipCodec, IsSafeFromSeveralThreadsAtOnce) {
    std::vector<std::thread> threads;
    std::vector<int> made(4);
    for (std::size_t i = 0; i < made.size(); ++i)
        threads.emplace_back([&made, i] {
            for (int n = 0; n < 50; ++n) made[i] += make_request_template(probe()).has_value() ? 1 : 0;
        });
    for (auto& t : threads) t.join();
    EXPECT_THAT(made, ::testing::Each(50));
}

}  // namespace
}  // namespace sipfront::sip

// The parser's part of what is owed to the torture messages of RFC 4475 and RFC 5118 (tests/corpus).
#include "tests/corpus/corpus.hpp"

#include <set>

#include <gmock/gmock.h>

#include "sip/message.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

const std::vector<corpus::Case>& all() {
    static const auto cases = corpus::load();
    return cases;
}

const std::string& bytes_of(std::string_view name) { return std::ranges::find(all(), name, &corpus::Case::name)->bytes; }

std::string_view verdict_of(ParseError e) { return e == ParseError::none ? "parse" : name(e); }

class Corpus : public ::testing::TestWithParam<corpus::Case> {};

TEST_P(Corpus, ParserSaysWhatIsOwed) {
    Message m;
    EXPECT_THAT(GetParam().parser, ::testing::Contains(verdict_of(m.parse(GetParam().bytes)))) << GetParam().note;
}

// What steering relies on: a message that is handled finds its worker without being parsed.
TEST_P(Corpus, FindCallIdAgreesWithTheParser) {
    Message m;
    if (m.parse(GetParam().bytes) == ParseError::none) {
        EXPECT_EQ(find_call_id(GetParam().bytes), m.call_id());
    }
}

// A 400 can be built only from what was found before and behind the fault.
TEST_P(Corpus, WhatA400NeedsStaysReadable_Rfc3261_8_2_6) {
    const auto& owes = GetParam().owes;
    if (std::ranges::find(owes, "400") == owes.end() || GetParam().name.starts_with("insuf") || GetParam().name == "test") return;
    Message m;
    m.parse(GetParam().bytes);
    EXPECT_TRUE(m.is_request());
    for (const auto id : {HeaderId::via, HeaderId::from, HeaderId::to, HeaderId::call_id, HeaderId::cseq}) {
        ASSERT_NE(m.first(id), nullptr) << static_cast<int>(id);
        EXPECT_FALSE(m.at(m.first(id)->value).empty());
    }
}

INSTANTIATE_TEST_SUITE_P(TortureMessages, Corpus, ::testing::ValuesIn(all()), [](const auto& one) {
    auto name = one.param.name;
    std::ranges::replace_if(
        name, [](char c) { return c == '.' || c == '-'; }, '_');
    return name;
});

TEST(CorpusFolder, HasAVerdictForEveryFileAndAFileForEveryCaseOfTheRfcs) {
    std::set<std::string> files, judged, bases;
    for (const auto& entry : std::filesystem::directory_iterator{SIPFRONT_CORPUS_DIR})
        if (entry.path().extension() == ".sip") files.insert(entry.path().stem().string());
    for (const auto& c : all()) {
        EXPECT_TRUE(judged.insert(c.name).second) << c.name << " is listed twice";
        EXPECT_THAT(c.owes, ::testing::Not(IsEmpty())) << c.name;
        EXPECT_THAT(c.parser, ::testing::Not(IsEmpty())) << c.name;
        bases.insert(c.name.substr(0, c.name.find('.')));
    }
    EXPECT_EQ(files, judged);
    EXPECT_THAT(bases, IsSupersetOf({"wsinv",    "intmeth",    "esc01",      "escnull",  "esc02",     "lwsdisp",  "longreq",
                                     "dblreq",   "semiuri",    "transports", "mpart01",  "unreason",  "noreason", "badinv01",
                                     "clerr",    "ncl",        "scalar02",   "scalarlg", "quotbal",   "ltgtruri", "lwsruri",
                                     "lwsstart", "trws",       "escruri",    "baddate",  "regbadct",  "badaspec", "baddn",
                                     "badvers",  "mismatch01", "mismatch02", "bigcode",  "badbranch", "insuf",    "unkscm",
                                     "novelsc",  "unksm2",     "bext01",     "invut",    "regaut01",  "multi01",  "mcl01",
                                     "bcast",    "zeromf",     "cparam01",   "cparam02", "regescrt",  "sdp01",    "inv2543"}));
    EXPECT_THAT(bases, IsSupersetOf({"ipv6-good", "ipv6-bad", "port-ambiguous", "port-unambiguous", "via-received-param-with-delim",
                                     "via-received-param-no-delim", "ipv6-in-sdp", "mult-ip-in-header", "mult-ip-in-sdp",
                                     "ipv4-mapped-ipv6", "ipv6-bug-abnf-3-colons", "ipv6-correct-abnf-2-colons"}));
}

TEST(CorpusMessage, WsinvIsReadThroughItsFoldsAndBlanks) {
    Message m;
    ASSERT_EQ(m.parse(bytes_of("wsinv")), ParseError::none);
    EXPECT_EQ(m.method(), Method::invite);
    EXPECT_EQ(m.to_tag(), "77aa12");
    EXPECT_EQ(m.from_tag(), "q12");
    EXPECT_EQ(m.at(m.from().uri), "sip:qr@example.net");
    EXPECT_EQ(m.max_forwards(), 42);
    EXPECT_EQ(m.cseq().number, 31U);
    EXPECT_EQ(m.at(m.top_via().transport), "UDP");
    EXPECT_EQ(m.at(m.top_via().host), "192.0.2.61");
    EXPECT_EQ(m.at(m.top_via().branch), "z9hG4bK17x");
    ASSERT_NE(m.first(HeaderId::subject), nullptr);
    EXPECT_EQ(m.at(m.first(HeaderId::subject)->value), "");
    EXPECT_EQ(m.body().size(), static_cast<std::size_t>(m.content_length()));
    const auto* second_via = m.next(m.first(HeaderId::via));
    ASSERT_NE(second_via, nullptr);
    std::string_view rest = m.at(second_via->value), one;
    int values = 0;
    while (next_value(rest, one)) ++values;
    EXPECT_EQ(values, 2) << "the comma inside the quoted weight is none";
}

TEST(CorpusMessage, IntmethKeepsEveryOddCharacter) {
    Message m;
    ASSERT_EQ(m.parse(bytes_of("intmeth")), ParseError::none);
    EXPECT_EQ(m.method(), Method::unknown);
    EXPECT_EQ(m.method_name(), "!Odd-Verb0123456789_*+`.%truly'~");
    const auto uri = parse_uri(m.request_uri());
    ASSERT_TRUE(uri);
    EXPECT_EQ(uri->host, "plant.example.org");
    EXPECT_EQ(uri->user, "1_strange.User~(so-be!it)&isn't+it$/wild?,/;;*");
    EXPECT_EQ(m.call_id(), "odd%Call!-_*()<>\\:\"/[]?{}+`'~@one.example.net");
    EXPECT_EQ(m.from_tag(), "_tok'en~1+`*%!-.");
    EXPECT_EQ(m.at(m.to().uri), "sip:1_strange.User~(so-be!it)&isn't+it$/wild?,/;;*@plant.example.org");
}

TEST(CorpusMessage, DblreqEndsWithItsOwnBody_Rfc3261_18_3) {
    Message m;
    ASSERT_EQ(m.parse(bytes_of("dblreq")), ParseError::none);
    EXPECT_EQ(m.method(), Method::register_);
    EXPECT_TRUE(m.body().empty());
    EXPECT_EQ(m.wire().find("INVITE"), std::string_view::npos);
}

TEST(CorpusMessage, Mpart01BodyIsKeptOctetByOctet) {
    const auto& bytes = bytes_of("mpart01");
    Message m;
    ASSERT_EQ(m.parse(bytes), ParseError::none);
    EXPECT_EQ(m.body(), std::string_view{bytes}.substr(bytes.find("\r\n\r\n") + 4));
}

TEST(CorpusMessage, Esc02IsNoRegister) {
    Message m;
    ASSERT_EQ(m.parse(bytes_of("esc02")), ParseError::none);
    EXPECT_EQ(m.method(), Method::unknown);
    EXPECT_EQ(m.first(HeaderId::via), m.headers().data()) << "Unknown-%56ia is no Via";
    EXPECT_EQ(m.next(m.first(HeaderId::via)), nullptr);
}

TEST(CorpusMessage, LongreqHas34Vias) {
    Message m;
    ASSERT_EQ(m.parse(bytes_of("longreq")), ParseError::none);
    EXPECT_EQ(std::ranges::count(m.headers(), HeaderId::via, &Header::id), 34);
}

TEST(CorpusMessage, Inv2543HasNeitherBranchNorTagNorMaxForwards) {
    Message m;
    ASSERT_EQ(m.parse(bytes_of("inv2543")), ParseError::none);
    EXPECT_FALSE(m.top_via().branch);
    EXPECT_EQ(m.from_tag(), "");
    EXPECT_EQ(m.max_forwards(), -1);
    EXPECT_EQ(m.content_length(), -1);
    EXPECT_THAT(std::string{m.body()}, HasSubstr("m=audio"));
}

TEST(CorpusMessage, BracketsDecideBetweenAddressAndPort_Rfc5118_4_3) {
    Message m;
    ASSERT_EQ(m.parse(bytes_of("port-ambiguous")), ParseError::none);
    EXPECT_EQ(parse_uri(m.request_uri())->host, "[2001:db8:7::10:5070]");
    EXPECT_EQ(parse_uri(m.request_uri())->port, 0);
    ASSERT_EQ(m.parse(bytes_of("port-unambiguous")), ParseError::none);
    EXPECT_EQ(parse_uri(m.request_uri())->host, "[2001:db8:7::10]");
    EXPECT_EQ(parse_uri(m.request_uri())->port, 5070);
}

TEST(CorpusMessage, ReceivedMayComeWithoutBrackets_Rfc5118_4_5) {
    Message m;
    ASSERT_EQ(m.parse(bytes_of("via-received-param-with-delim")), ParseError::none);
    EXPECT_EQ(m.at(m.top_via().received), "[2001:db8:7::9:255]");
    ASSERT_EQ(m.parse(bytes_of("via-received-param-no-delim")), ParseError::none);
    EXPECT_EQ(m.at(m.top_via().received), "2001:db8:7::9:255");
    EXPECT_EQ(m.top_via().port, 6050);
}

}  // namespace
}  // namespace sipfront::sip

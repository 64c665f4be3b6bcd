// What the columns of the tables may hold.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "balancer/destination_uri.hpp"
#include "balancer/resources.hpp"

namespace sipfront::balancer {
namespace {

using ::testing::HasSubstr;

TEST(Resources, ReadsNamesAndCapacities) {
    const auto r = parse_resources("pstn=32;conf=4");
    ASSERT_TRUE(r);
    EXPECT_EQ(*r, (std::vector<ResourceSpec>{{"pstn", 32}, {"conf", 4}}));
    EXPECT_EQ(format_resources(*r), "pstn=32;conf=4");
}

TEST(Resources, AllowsWhiteSpaceAndAClosingSemicolon) {
    const auto r = parse_resources("  pstn = 32 ;\tconf=4 ; ");
    ASSERT_TRUE(r);
    EXPECT_EQ(*r, (std::vector<ResourceSpec>{{"pstn", 32}, {"conf", 4}}));
}

TEST(Resources, NamesTheBadItem) {
    const auto error = [](std::string_view text) {
        const auto r = parse_resources(text);
        return r ? std::string{"accepted"} : r.error().what;
    };
    EXPECT_THAT(error(""), HasSubstr("no resource"));
    EXPECT_THAT(error(" ; "), HasSubstr("no resource"));
    EXPECT_THAT(error("pstn=1;conf"), HasSubstr("\"conf\": no capacity"));
    EXPECT_THAT(error("=4"), HasSubstr("no name"));
    EXPECT_THAT(error("pstn=x"), HasSubstr("not a whole number"));
    EXPECT_THAT(error("pstn=-1"), HasSubstr("not a whole number"));
    EXPECT_THAT(error("pstn=3.5"), HasSubstr("not a whole number"));
    EXPECT_THAT(error("pstn="), HasSubstr("not a whole number"));
    EXPECT_THAT(error("pstn=4294967296"), HasSubstr("above 4294967295"));
    EXPECT_THAT(error("pstn=1;pstn=2"), HasSubstr("twice"));
    EXPECT_THAT(error("pstn=fs://:pass@10.0.0.1:8021"), HasSubstr("not supported"));
}

TEST(Resources, ReadsTheNamesThatACallUses) {
    EXPECT_EQ(parse_resource_names("pstn"), (std::vector<std::string>{"pstn"}));
    EXPECT_EQ(parse_resource_names(" pstn ; conf;;pstn"), (std::vector<std::string>{"pstn", "conf"}));
    EXPECT_TRUE(parse_resource_names(" ").empty());
}

TEST(DestinationUri, EqualUrisHaveOneSpelling) {
    const auto spelt = [](std::string_view text) {
        const auto u = parse_destination_uri(text);
        return u ? canonical_uri(u->remote, u->transport) : u.error().what;
    };
    EXPECT_EQ(spelt("sip:10.77.0.103"), "sip:10.77.0.103:5060");
    EXPECT_EQ(spelt("sip:10.77.0.103:5060;transport=UDP"), "sip:10.77.0.103:5060");
    EXPECT_EQ(spelt("SIP:10.77.0.103:5070;transport=tcp"), "sip:10.77.0.103:5070;transport=tcp");
    EXPECT_EQ(spelt("sip:[fd77::103]"), "sip:[fd77::103]:5060");
    EXPECT_EQ(spelt("sip:[fd77::103]:5080;Transport=TLS"), "sip:[fd77::103]:5080;transport=tls");
    EXPECT_EQ(spelt("sip:10.77.0.103;transport=tls"), "sip:10.77.0.103:5061;transport=tls");
    EXPECT_EQ(spelt("sips:10.77.0.103"), "sip:10.77.0.103:5061;transport=tls");
}

TEST(DestinationUri, SaysHowToMendABadOne) {
    const auto error = [](std::string_view text) {
        const auto u = parse_destination_uri(text);
        return u ? std::string{"accepted"} : u.error().what;
    };
    EXPECT_THAT(error("10.77.0.103"), HasSubstr("not a SIP URI"));
    EXPECT_THAT(error(""), HasSubstr("not a SIP URI"));
    EXPECT_THAT(error("tel:123"), HasSubstr("not a SIP URI"));
    EXPECT_THAT(error("sip:10.77.0.103:99999"), HasSubstr("not a SIP URI"));
    EXPECT_THAT(error("sip:fs1.example.org"), HasSubstr("numeric"));
    EXPECT_THAT(error("sip:alice@10.77.0.103"), HasSubstr("no user part"));
    EXPECT_THAT(error("sip:10.77.0.103?Subject=x"), HasSubstr("no header part"));
    EXPECT_THAT(error("sip:224.0.1.75"), HasSubstr("multicast"));
    EXPECT_THAT(error("sip:10.77.0.103;transport=sctp"), HasSubstr("\"sctp\" is not supported"));
    EXPECT_THAT(error("sip:10.77.0.103;lr"), HasSubstr("\"lr\" is not understood"));
    EXPECT_THAT(error("sips:10.77.0.103;transport=udp"), HasSubstr("TLS"));
}

}  // namespace
}  // namespace sipfront::balancer

#include "sip/uri.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "guard_page.hpp"

namespace sipfront::sip {
namespace {

using namespace std::literals;

TEST(Uri, SplitsSipUris_Rfc3261_19_1) {
    const struct {
        std::string_view text, user, password, host;
        int port;
        std::string_view params, headers;
    } cases[] = {
        {"sip:h", "", "", "h", 0, "", ""},
        {"sip:a@h.example:5070", "a", "", "h.example", 5070, "", ""},
        {"sips:a:pw@10.0.0.1;transport=tcp;lr", "a", "pw", "10.0.0.1", 0, "transport=tcp;lr", ""},
        {"SIP:a@h;x?Subject=y&z=w", "a", "", "h", 0, "x", "Subject=y&z=w"},
        {"sip:h?a=b;c", "", "", "h", 0, "", "a=b;c"},
        {"sip:user;par=u%40example.net@example.com", "user;par=u%40example.net", "", "example.com", 0, "", ""},
        {"sip:a?b/c=d&e+f$g,h!~*'(x)-_.@h", "a?b/c=d&e+f$g,h!~*'(x)-_.", "", "h", 0, "", ""},
        {"sip:a:@h", "a", "", "h", 0, "", ""},
        {"sip:a:p:q@h", "a", "p:q", "h", 0, "", ""},
        {"sip:%00@h", "%00", "", "h", 0, "", ""},
        {"sip:a@[2001:db8::10]:5070;lr", "a", "", "[2001:db8::10]", 5070, "lr", ""},
        {"sip:[2001:db8::10:5070]", "", "", "[2001:db8::10:5070]", 0, "", ""},
        {"sip:a@[2001:db8:::192.0.2.1]", "a", "", "[2001:db8:::192.0.2.1]", 0, "", ""},
        {"sip:a@h_1-x.example.:1", "a", "", "h_1-x.example.", 1, "", ""},
        {"sip:h:65535;", "", "", "h", 65535, "", ""},
    };
    for (const auto& c : cases) {
        const auto uri = parse_uri(c.text);
        ASSERT_TRUE(uri) << c.text;
        EXPECT_EQ(uri->user, c.user) << c.text;
        EXPECT_EQ(uri->password, c.password) << c.text;
        EXPECT_EQ(uri->host, c.host) << c.text;
        EXPECT_EQ(uri->port, c.port) << c.text;
        EXPECT_EQ(uri->params, c.params) << c.text;
        EXPECT_EQ(uri->headers, c.headers) << c.text;
    }
    EXPECT_EQ(parse_uri("SIPS:h")->scheme, Scheme::sips);
    EXPECT_EQ(parse_uri("sIp:h")->scheme, Scheme::sip);
    EXPECT_EQ(parse_uri("sIp:h")->scheme_name, "sIp");
}

TEST(Uri, OtherSchemesKeepTheirTextAsHost) {
    const auto tel = parse_uri("tel:+44-20;phone-context=example.net");
    ASSERT_TRUE(tel);
    EXPECT_EQ(tel->scheme, Scheme::tel);
    EXPECT_EQ(tel->host, "+44-20;phone-context=example.net");
    const auto urn = parse_uri("urn:service:sos");
    ASSERT_TRUE(urn);
    EXPECT_EQ(urn->scheme, Scheme::other);
    EXPECT_EQ(urn->host, "service:sos");
    EXPECT_EQ(parse_uri("soap.beep://h/x")->scheme_name, "soap.beep");
}

TEST(Uri, RefusesWhatIsNoUri) {
    for (const auto text : {"",
                            ":",
                            "sip",
                            "sip:",
                            ":a@h",
                            "1sip:h",
                            "s p:h",
                            "sip:a b@h",
                            "sip:<h>",
                            "<sip:h>",
                            "sip:a@h ",
                            " sip:h",
                            "sip:\"a\"@h",
                            "sip:a@",
                            "sip:@h",
                            "sip:a@h:",
                            "sip:a@h:0",
                            "sip:a@h:65536",
                            "sip:a@h:5060x",
                            "sip:h:506 0",
                            "sip:user@2001:db8::10",
                            "sip:2001:db8::10",
                            "sip:a@[2001:db8::1",
                            "sip:a@2001:db8::1]",
                            "sip:a@[]",
                            "sip:a@[h]",
                            "sip:a@[::1]x",
                            "sip:a@b@h",
                            "sip:;lr",
                            "sip:?a=b",
                            "sip:a@h/x",
                            "sip:a@h\r\n",
                            "tel:1 2",
                            "sip:a@h\x01",
                            "sip:a@h;p=\x7f"})
        EXPECT_FALSE(parse_uri(text)) << text;
    EXPECT_FALSE(parse_uri("sip:a\0@h"sv));
}

TEST(Uri, Parameters) {
    const auto uri = parse_uri("sip:a@h;lr;Transport=TCP;x=;y=a=b;lrx=1");
    ASSERT_TRUE(uri);
    ASSERT_TRUE(uri->param("LR"));
    EXPECT_EQ(*uri->param("lr"), "");
    EXPECT_NE(uri->param("lr")->data(), nullptr);
    EXPECT_EQ(uri->param("transport"), "TCP");
    EXPECT_EQ(uri->param("x"), "");
    EXPECT_EQ(uri->param("y"), "a=b");
    EXPECT_FALSE(uri->param("l"));
    EXPECT_FALSE(uri->param(""));
    EXPECT_FALSE(parse_uri("sip:h")->param("lr"));
}

TEST(Uri, TransportThatItNames) {
    using core::Transport;
    EXPECT_EQ(parse_uri("sip:h")->transport(), std::nullopt);
    EXPECT_EQ(parse_uri("sip:h;transport=TCP")->transport(), Transport::tcp);
    EXPECT_EQ(parse_uri("sip:h;transport=sctp")->transport(), std::nullopt);
    EXPECT_EQ(parse_uri("sips:h")->transport(), Transport::tls);
    EXPECT_EQ(parse_uri("sips:h;transport=tcp")->transport(), Transport::tls);
    EXPECT_EQ(parse_uri("sips:h;transport=udp")->transport(), std::nullopt);
}

TEST(Uri, AddressWhenTheHostIsOne) {
    EXPECT_EQ(parse_uri("sip:a@10.0.0.1:5070")->address(), core::IpAddress::v4(0x0a000001));
    EXPECT_TRUE(parse_uri("sip:a@[::1]")->address()->is_v6());
    EXPECT_FALSE(parse_uri("sip:a@h.example")->address());
}

TEST(NameAddr, BothForms_Rfc3261_20_10) {
    const struct {
        std::string_view text, display, uri, params;
        bool angled;
    } cases[] = {
        {"<sip:a@b>", "", "sip:a@b", "", true},
        {"\"Ann, <x>\" <sip:a@b;lr>;tag=1 ", "\"Ann, <x>\"", "sip:a@b;lr", "tag=1", true},
        {"Ann B<sip:a@b?x=y,z> ; q=0.5;r", "Ann B", "sip:a@b?x=y,z", "q=0.5;r", true},
        {"sip:a@b;tag=1", "", "sip:a@b", "tag=1", false},
        {" sip:a@b", "", "sip:a@b", "", false},
        {"tel:+1", "", "tel:+1", "", false},
    };
    for (const auto& c : cases) {
        const auto parsed = parse_name_addr(c.text);
        ASSERT_TRUE(parsed) << c.text;
        EXPECT_EQ(parsed->display, c.display) << c.text;
        EXPECT_EQ(parsed->uri, c.uri) << c.text;
        EXPECT_EQ(parsed->params, c.params) << c.text;
        EXPECT_EQ(parsed->angled, c.angled) << c.text;
    }
    EXPECT_EQ(parse_name_addr("<sip:a@b> ; q=0.5;r")->param("Q"), "0.5");
    for (const auto text : {"", "*", "<>", "<sip:a", "\"a <sip:a@b>", "a", "<sip:a b>", "<sip:a> b"})
        EXPECT_FALSE(parse_name_addr(text)) << text;
}

TEST(Params, FindsThemOutsideOfQuotes) {
    constexpr auto list = "a=1; B = \"x;c=2\\\";d=3\" ;c;e= 4 ;e=5"sv;
    EXPECT_EQ(find_param(list, "a"), "1");
    EXPECT_EQ(find_param(list, "b"), "\"x;c=2\\\";d=3\"");
    EXPECT_EQ(find_param(list, "c"), "");
    EXPECT_FALSE(find_param(list, "d"));
    EXPECT_EQ(find_param(list, "E"), "4");
    EXPECT_FALSE(find_param("", "a"));
    EXPECT_EQ(find_param(";;a", "a"), "");
    EXPECT_EQ(find_param("b=\"open;a=1", "a"), std::nullopt);
}

std::vector<std::string_view> values(std::string_view list) {
    std::vector<std::string_view> all;
    for (std::string_view rest = list, one; next_value(rest, one);) all.push_back(one);
    return all;
}

TEST(NextValue, SplitsAtTopLevelCommas) {
    using List = std::vector<std::string_view>;
    EXPECT_EQ(values(""), List{});
    EXPECT_EQ(values("a"), List{"a"});
    EXPECT_EQ(values(" a\r\n ,\tb , c "), (List{"a", "b", "c"}));
    EXPECT_EQ(values(",,a,,b,"), (List{"a", "b"}));
    EXPECT_EQ(values("\"x,\\\",y\" <sip:a,b>;p=\"q,r\",<sip:c>"), (List{"\"x,\\\",y\" <sip:a,b>;p=\"q,r\"", "<sip:c>"}));
    EXPECT_EQ(values("a (b, (c,) \\),) d,e"), (List{"a (b, (c,) \\),) d", "e"}));
    EXPECT_EQ(values("a\"b,c"), (List{"a\"b", "c"}));
    EXPECT_EQ(values("<sip:a,b"), (List{"<sip:a", "b"}));
    EXPECT_EQ(values("sip:a(b@h,c"), (List{"sip:a(b@h", "c"}));
}

TEST(Text, ComparesInAnyCaseAndTrims) {
    EXPECT_TRUE(iequals("aBc-1", "AbC-1"));
    EXPECT_FALSE(iequals("a", "ab"));
    EXPECT_FALSE(iequals("@", "`"));
    EXPECT_FALSE(iequals("[", "{"));
    EXPECT_EQ(trim(" \t\r\n a b\r\n\t "), "a b");
    EXPECT_EQ(trim(" \r\n"), "");
}

TEST(Uri, NeverReadsOutsideTheText) {
    for (const auto text :
         {"sips:a;b:pw@[2001:db8::1]:5061;transport=tcp;lr?x=y"sv, "\"A \\\" B\" <sip:a@h:1;lr>;tag=\"x\\\",y\" (c), <sip:b>"sv})
        for (std::size_t n = 0; n <= text.size(); ++n) {
            const test::GuardPage cut{text.substr(0, n)};
            (void)parse_uri(cut.text());
            (void)parse_name_addr(cut.text());
            (void)find_param(cut.text(), "tag");
            (void)values(cut.text());
        }
}

}  // namespace
}  // namespace sipfront::sip

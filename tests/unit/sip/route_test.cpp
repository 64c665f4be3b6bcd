// What is read of a message's way without reading all of it, compared with reading all of it.
#include "sip/route.hpp"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "sip/uri.hpp"

namespace sipfront::sip {
namespace {

std::string message_with(const std::string& line) {
    return "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n"
           "Call-ID: x\r\nCSeq: 1 INVITE\r\n" +
           line + "Content-Length: 0\r\n\r\n";
}

std::string_view first_of_all(const Message& m) {
    const auto* h = m.first(HeaderId::contact);
    if (h == nullptr) return {};
    auto rest = m.at(h->value);
    std::string_view one;
    next_value(rest, one);
    const auto name_addr = parse_name_addr(one);
    return name_addr ? name_addr->uri : std::string_view{};
}

TEST(Route, TheFirstContactIsTheSameWhateverFollows) {
    const std::vector<std::string> pieces{"<sip:a,b@h;x=\">\">",
                                          "<sip:a@h>",
                                          "sip:a@h",
                                          "\"A, B\" <sip:q@h>",
                                          "*",
                                          "<",
                                          ">",
                                          ",",
                                          ";",
                                          ";expires=60",
                                          ";q=\"0,5\"",
                                          " ",
                                          "\r\n ",
                                          "<>",
                                          "\"",
                                          "\\",
                                          "<tel:+1>",
                                          "x"};
    std::mt19937 random{11};
    std::size_t found = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::string value;
        for (auto n = 1 + random() % 5; n > 0; --n) value += pieces[random() % pieces.size()];
        const auto text = message_with("Contact: " + value + "\r\n");
        Message m;
        if (m.parse(text) != ParseError::none) continue;
        EXPECT_EQ(first_contact(m), first_of_all(m)) << value;
        found += first_contact(m).empty() ? 0U : 1U;
    }
    EXPECT_GT(found, 1'000U);
    Message none;
    const auto text = message_with("");
    ASSERT_EQ(none.parse(text), ParseError::none);
    EXPECT_TRUE(first_contact(none).empty());
}

}  // namespace
}  // namespace sipfront::sip

#include "sip/digits.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "guard_page.hpp"
#include "sip/grammar.hpp"

namespace sipfront::sip {
namespace {

// Numbers of every length, with leading zeros too.
std::vector<std::string> numbers() {
    std::vector<std::string> all;
    for (std::size_t length = 1; length <= digits::most; ++length) {
        for (const char c : {'0', '1', '5', '9'}) all.emplace_back(length, c);
        all.push_back(std::string{"12345678"}.substr(0, length));
        all.push_back(std::string{"00907060"}.substr(0, length));
    }
    return all;
}

TEST(Digits, LeadingOnesUpToAnyOtherOctet) {
    for (const auto& text : numbers()) {
        for (int c = 0; c < 256; ++c) {
            const auto behind = static_cast<char>(c);
            if (grammar::is(behind, grammar::digit)) continue;
            const test::GuardPage page{text + std::string(digits::most, behind), test::Flush::start};
            const auto found = digits::leading(page.text().data());
            EXPECT_EQ(found.count, text.size()) << text << c;
            EXPECT_EQ(found.number, std::stoul(text)) << text << c;
        }
    }
    EXPECT_EQ(digits::leading("x2345678").count, 0);
    EXPECT_EQ(digits::leading("x2345678").number, 0);
    EXPECT_EQ(digits::leading("123456789").count, digits::most);
}

TEST(Digits, LeadingOnesAreReadFromEightOctets) {
    const test::GuardPage page{"4711;tag", test::Flush::end};
    EXPECT_EQ(digits::leading(page.text().data()).number, 4711);
}

TEST(Digits, TrailingOnesBehindAnything) {
    for (const auto& text : numbers()) {
        for (const char before : {' ', '9', '\0', '\xff'}) {
            const auto whole = std::string(digits::most - text.size(), before) + text;
            const test::GuardPage page{whole, test::Flush::end};
            EXPECT_EQ(digits::trailing(page.text().data() + whole.size(), text.size()), std::stol(text)) << whole;
        }
    }
}

TEST(Digits, TrailingOnesAreAllDigitsOrNone) {
    for (std::size_t at = 0; at < digits::most; ++at) {
        for (int c = 0; c < 256; ++c) {
            std::string text = "12345678";
            text[at] = static_cast<char>(c);
            for (std::size_t count = 1; count <= digits::most; ++count) {
                const auto want = grammar::decimal(std::string_view{text}.substr(digits::most - count), 99'999'999);
                EXPECT_EQ(digits::trailing(text.data() + digits::most, count), want ? std::int64_t{*want} : -1) << text << count;
            }
        }
    }
}

}  // namespace
}  // namespace sipfront::sip

#include "sip/copy.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::sip {
namespace {

std::string counting(std::size_t n) {
    std::string s(n, ' ');
    for (std::size_t i = 0; i < n; ++i) s[i] = static_cast<char>('!' + i % 90);
    return s;
}

TEST(CopyOctets, CopiesAnyLengthAndNothingElse) {
    for (std::size_t n = 0; n < 100; ++n) {
        const auto text = counting(n);
        const std::vector<char> from(text.begin(), text.end());  // of exactly that size, for the sanitizer
        std::string to(n + 2, '#');
        copy_octets(to.data() + 1, from.data(), n);
        EXPECT_EQ(to, "#" + text + "#") << n;
    }
}

TEST(CopyBlocks, TouchesNoMoreThanItsSlack) {
    for (std::size_t n = 1; n < 70; ++n) {
        const auto text = counting(n);
        std::vector<char> from(text.begin(), text.end());
        from.resize(n + copy_slack);
        std::vector<char> to(n + copy_slack, '#');
        EXPECT_EQ(copy_blocks(to.data(), from.data(), n), to.data() + n);
        EXPECT_EQ((std::string_view{to.data(), n}), text);
    }
}

TEST(SameOctets, TellsAnyDifferenceAtAnyLength) {
    for (std::size_t n = 0; n < 80; ++n) {
        const auto text = counting(n);
        std::vector<char> other(text.begin(), text.end());
        const std::string_view view{other.data(), other.size()};
        EXPECT_TRUE(same_octets(text, view)) << n;
        EXPECT_FALSE(same_octets(text + "x", view)) << n;
        for (auto& c : other) {
            c = static_cast<char>(c ^ 0x80);
            EXPECT_FALSE(same_octets(text, view)) << n;
            c = static_cast<char>(c ^ 0x80);
        }
    }
}

}  // namespace
}  // namespace sipfront::sip

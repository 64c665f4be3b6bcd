#include "sip/octet_class.hpp"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "guard_page.hpp"
#include "sip/scan.hpp"

namespace sipfront::sip {
namespace {

template <class Octets>
constexpr scan::Isa isa_of = scan::Isa::scalar;
template <>
constexpr scan::Isa isa_of<Sse> = scan::Isa::sse;
template <>
constexpr scan::Isa isa_of<Avx2> = scan::Isa::avx2;

template <class Octets>
class OctetClassTest : public testing::Test {
protected:
    void SetUp() override {
        if (!scan::supported(isa_of<Octets>)) GTEST_SKIP();
    }
};
using All = testing::Types<Scalar, Sse, Avx2>;
TYPED_TEST_SUITE(OctetClassTest, All);

template <class Octets, int Class>
void check_every_octet() {
    for (int c = 0; c < 256; ++c) {
        for (std::size_t at = 0; at < Octets::step; ++at) {
            std::string text(Octets::step, '@');  // of none of them
            text[at] = static_cast<char>(c);
            const test::GuardPage page{text};
            EXPECT_EQ(Octets::template octets_of<Class>(page.text().data()), grammar::is(text[at], Class) ? 1U << at : 0) << c;
        }
    }
}

TYPED_TEST(OctetClassTest, SaysOfEveryOctetWhatTheGrammarSays) {
    check_every_octet<TypeParam, grammar::delimiter>();
    check_every_octet<TypeParam, grammar::no_uri>();
    check_every_octet<TypeParam, grammar::param_end>();
    check_every_octet<TypeParam, grammar::hostname>();
}

TEST(OctetClass, WhatTheGrammarSaysOfDelimitersAndParameters_Rfc3261_25_1) {
    for (int c = 0; c < 256; ++c) {
        const auto octet = static_cast<char>(c);
        const auto is = [octet, c](std::string_view some) { return c < 0x20 || some.find(octet) != std::string_view::npos; };
        EXPECT_EQ(grammar::is(octet, grammar::delimiter), is(" \"(,:;<=>")) << c;
        EXPECT_EQ(grammar::is(octet, grammar::param_end), is(" \"(,;=")) << c;
        EXPECT_EQ(grammar::is(octet, grammar::no_uri), is(" \"<>\x7f")) << c;
    }
}

TYPED_TEST(OctetClassTest, AssignsWholeObjects) {
    struct Octets {
        std::array<std::uint8_t, 240> all;
    };
    Octets from, to{};
    for (std::size_t i = 0; i < from.all.size(); ++i) from.all[i] = static_cast<std::uint8_t>(i + 1);
    TypeParam::assign(to, from);
    EXPECT_EQ(to.all, from.all);
}

TYPED_TEST(OctetClassTest, FindsTheNextOneHoweverFarItIs) {
    for (std::size_t far = 0; far < 200; ++far) {
        const auto text = std::string(far, 'x') + '>' + std::string(TypeParam::step, 'x');
        const test::GuardPage page{text};
        EXPECT_EQ((Stops<TypeParam, grammar::no_uri>{page.text().data()}.next(0)), far);
    }
}

TYPED_TEST(OctetClassTest, WalksTheLineFeedsOfTextsOfAnyLengthAndStaysInside) {
    for (std::size_t size = TypeParam::shortest; size < 300; ++size) {
        for (const std::size_t every : {1U, 7U, 64U, 65U, 1000U}) {
            std::string text(size, 'x');
            std::vector<std::size_t> want;
            for (std::size_t at = every - 1; at < size; at += every) {
                text[at] = '\n';
                want.push_back(at);
            }
            for (const auto flush : {test::Flush::start, test::Flush::end}) {
                const test::GuardPage page{text, flush};
                LineFeeds<TypeParam> walk{page.text().data(), size};
                std::vector<std::size_t> found;
                while (walk.more()) {
                    EXPECT_TRUE(walk.more());
                    found.push_back(walk.next());
                }
                ASSERT_EQ(found, want) << size;
            }
        }
    }
}

}  // namespace
}  // namespace sipfront::sip

#include "sip/octet_class.hpp"

#include <string>
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
    check_every_octet<TypeParam, grammar::hostname>();
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
                const char* const begin = page.text().data();
                LineFeeds<TypeParam> walk{begin, begin + size};
                std::vector<std::size_t> found;
                for (const char* seen = walk.peek(); seen < begin + size; seen = walk.peek()) {
                    EXPECT_EQ(walk.next(), seen);
                    found.push_back(static_cast<std::size_t>(seen - begin));
                }
                ASSERT_EQ(found, want) << size;
            }
        }
    }
}

}  // namespace
}  // namespace sipfront::sip

#include <string>

#include <gtest/gtest.h>

#include "guard_page.hpp"
#include "messages.hpp"
#include "mutate.hpp"
#include "sip/message.hpp"
#include "sip/scan.hpp"

namespace sipfront::sip {
namespace {

using test::Draft;

class FindCallId : public testing::TestWithParam<scan::Isa> {
protected:
    void SetUp() override {
        if (!scan::supported(GetParam())) GTEST_SKIP();
        scan::force(GetParam());
    }
    void TearDown() override { scan::force(scan::best()); }
};

TEST_P(FindCallId, InEverySpelling) {
    for (const auto line :
         {"Call-ID: x@y", "i: x@y", "I:x@y", "CALL-ID \t:\t x@y \t", "call-id:\r\n x@y", "i :\r\n\tx@y\r\n \r\n ", "cAlL-iD: x@y\r"}) {
        Draft d;
        d.call_id = line;
        EXPECT_EQ(find_call_id(d.text()), "x@y") << line;
        EXPECT_EQ(find_call_id("\r\n\r\n" + d.text()), "x@y") << line;
        d.line_end = "\n";
        EXPECT_EQ(find_call_id(d.text()), "x@y") << line;
    }
}

TEST_P(FindCallId, NotInValuesFoldsNamesOrBodies) {
    for (const auto line : {"", "X: Call-ID: a", "X: y\r\n Call-ID: a", "X: y\r\n\ti: a", "Call-IDs: a", "Call-ID", "ix: a", "i",
                            "XCall-ID: a", "Call-I: a", "Call_ID: a", "Call\rID: a"}) {
        Draft d;
        d.call_id = line;
        d.length = "";
        d.body = "\r\nCall-ID: a\r\ni: b\r\n\r\n";
        EXPECT_EQ(find_call_id(d.text()), "") << line;
    }
    EXPECT_EQ(find_call_id("Call-ID: a\r\nX: y\r\n\r\n"), "");
    EXPECT_EQ(find_call_id({}), "");
    EXPECT_EQ(find_call_id("\r\n"), "");
}

TEST_P(FindCallId, TakesTheFirstOne) {
    Draft d;
    d.more = "Call-ID: second";
    EXPECT_EQ(find_call_id(d.text()), "c1@10.77.0.7");
}

TEST_P(FindCallId, WhereverTheLineStands) {
    for (std::size_t pad = 0; pad < 200; ++pad) {
        Draft d;
        d.via += std::string(pad, 'x');
        const auto text = d.text();
        const test::GuardPage page{text};
        EXPECT_EQ(find_call_id(page.text()), "c1@10.77.0.7");
    }
}

TEST_P(FindCallId, NeverReadsOutsideTheMessage) {
    for (const auto text : test::sample_messages())
        for (std::size_t n = 0; n <= text.size(); ++n) {
            const test::GuardPage cut{text.substr(0, n)};
            (void)find_call_id(cut.text());
        }
}

TEST_P(FindCallId, AgreesWithParseWheneverThatAccepts) {
    test::Mutator mutator{3};
    Message m;
    int accepted = 0;
    for (int round = 0; round < 20000; ++round) {
        const auto samples = test::sample_messages();
        const auto text = mutator.mutated(std::string{samples[mutator.below(samples.size())]});
        if (m.parse(text) != ParseError::none) continue;
        ++accepted;
        ASSERT_EQ(find_call_id(text), m.call_id()) << text;
    }
    EXPECT_GT(accepted, 1000);
}

INSTANTIATE_TEST_SUITE_P(EveryMachine, FindCallId, testing::Values(scan::Isa::scalar, scan::Isa::sse, scan::Isa::avx2), [](const auto& i) {
    return std::string{i.param == scan::Isa::avx2 ? "avx2" : i.param == scan::Isa::sse ? "sse" : "scalar"};
});

}  // namespace
}  // namespace sipfront::sip

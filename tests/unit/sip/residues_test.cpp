#include "sip/residues.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::sip {
namespace {

class ResiduesTest : public testing::Test {
protected:
    core::ByteSlab bytes{1 << 20};
    Residues residues{4, bytes, 42};
};

TEST_F(ResiduesTest, EqualTextsShareOneAndTheLastUserEndsIt) {
    const auto a = residues.hold("SIP/2.0 200 OK");
    const auto b = residues.hold(std::string{"SIP/2.0 200"} + " OK");
    const auto c = residues.hold("SIP/2.0 401 Unauthorized");
    EXPECT_EQ(a, b);
    EXPECT_NE(a, c);
    EXPECT_EQ(residues.size(), 2U);
    EXPECT_EQ(residues.text(a), "SIP/2.0 200 OK");
    residues.release(a);
    EXPECT_EQ(residues.text(b), "SIP/2.0 200 OK");
    residues.release(b);
    EXPECT_EQ(residues.size(), 1U);
    EXPECT_EQ(residues.text(c), "SIP/2.0 401 Unauthorized");
    residues.release(c);
    EXPECT_EQ(bytes.used(), 0U);
}

TEST_F(ResiduesTest, RefusesWhatHasNoRoomAndGoesOn) {
    std::vector<Residues::Id> held;
    for (const auto* text : {"a", "b", "c", "d"}) held.push_back(residues.hold(text));
    for (const auto id : held) EXPECT_NE(id, Residues::none);
    EXPECT_EQ(residues.hold("e"), Residues::none);
    EXPECT_EQ(residues.hold("d"), held[3]) << "a known text needs no room";
    residues.release(held[0]);
    EXPECT_NE(residues.hold("e"), Residues::none);
    EXPECT_EQ(residues.hold(std::string(core::ByteSlab::largest + 1, 'x')), Residues::none);
}

TEST_F(ResiduesTest, GiveEverythingBackAtTheEnd) {
    {
        Residues some{4, bytes, 7};
        static_cast<void>(some.hold("a"));
        static_cast<void>(some.hold("b"));
        EXPECT_GT(bytes.used(), 0U);
    }
    EXPECT_EQ(bytes.used(), 0U);
}

}  // namespace
}  // namespace sipfront::sip

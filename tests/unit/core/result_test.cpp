#include "core/result.hpp"

#include <memory>

#include <gtest/gtest.h>

#include "core/types.hpp"

namespace sipfront::core {
namespace {

Result<std::unique_ptr<int>> make(bool good) {
    if (!good) return Error{"no"};
    return std::make_unique<int>(3);
}

Status check(bool good) {
    if (!good) return Error{"no"};
    return Done{};
}

TEST(Result, HoldsAValueOrAnError) {
    auto good = make(true);
    ASSERT_TRUE(good);
    EXPECT_EQ(**good, 3);
    const auto taken = std::move(good).value();
    EXPECT_EQ(*taken, 3);
    const auto bad = make(false);
    ASSERT_FALSE(bad.has_value());
    EXPECT_EQ(bad.error().what, "no");
    EXPECT_TRUE(check(true));
    EXPECT_EQ(check(false).error().what, "no");
}

TEST(Handle, TheDefaultNamesNothing) {
    EXPECT_FALSE(Handle<int>{});
    EXPECT_TRUE((Handle<int>{0, 1}));
    EXPECT_NE((Handle<int>{0, 1}), (Handle<int>{0, 3}));
}

}  // namespace
}  // namespace sipfront::core

#include "core/reservation.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

TEST(Reservation, IsZeroedAndAlignedForHugePages) {
    constexpr std::size_t huge = std::size_t{2} << 20;
    for (const auto bytes : {std::size_t{1}, std::size_t{5000}, huge, 3 * huge + 1}) {
        const Reservation r{bytes};
        ASSERT_GE(r.size(), bytes);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(r.data()) % (bytes < huge ? 4096 : huge), 0U);
        auto* const octets = static_cast<char*>(r.data());
        EXPECT_EQ(std::count(octets, octets + bytes, 0), static_cast<std::ptrdiff_t>(bytes));
        octets[bytes - 1] = 1;
    }
}

TEST(Reservation, MovesItsMapping) {
    Reservation a{8192};
    auto* const where = a.data();
    Reservation b{std::move(a)};
    EXPECT_EQ(b.data(), where);
    a = std::move(b);
    EXPECT_EQ(a.data(), where);
    EXPECT_EQ(b.data(), nullptr);  // NOLINT(bugprone-use-after-move,clang-analyzer-cplusplus.Move): what the header promises
}

TEST(Reservation, NamesTheKernelsPolicyForHugePages) { EXPECT_THAT(huge_page_policy(), testing::AnyOf("", "always", "madvise", "never")); }

}  // namespace
}  // namespace sipfront::core

#include "core/reservation.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

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

// Pages of it that the kernel has committed.
std::ptrdiff_t committed(const Reservation& r) {
    std::vector<unsigned char> pages(r.size() / 4096);
    EXPECT_EQ(::mincore(r.data(), r.size(), pages.data()), 0);
    return std::ranges::count_if(pages, [](unsigned char p) { return (p & 1) != 0; });
}

constexpr std::size_t some_pages = std::size_t{6} << 20;

TEST(Reservation, IsCommittedWhenItIsTouched) {
    const Reservation r{some_pages};
    EXPECT_EQ(committed(r), 0);
}

TEST(Reservation, IsCommittedAtOnceWhereThatIsWanted) {
    const CommitAtOnce scope{true};
    for (const auto bytes : {std::size_t{1}, std::size_t{5000}, some_pages}) {
        const Reservation r{bytes};
        EXPECT_EQ(committed(r), static_cast<std::ptrdiff_t>(r.size() / 4096));
        EXPECT_EQ(std::count(static_cast<char*>(r.data()), static_cast<char*>(r.data()) + bytes, 0), static_cast<std::ptrdiff_t>(bytes));
    }
    {
        const CommitAtOnce inner{false};
        EXPECT_EQ(committed(Reservation{some_pages}), 0);
    }
    EXPECT_NE(committed(Reservation{some_pages}), 0);
    std::thread{[] { EXPECT_EQ(committed(Reservation{some_pages}), 0) << "of this thread alone"; }}.join();
}

TEST(Reservation, IsRefusedWhereTheMachineHasNotSoMuch) {
    constexpr std::size_t absurd = std::size_t{1} << 45;
    EXPECT_NO_THROW(Reservation{absurd});
    const CommitAtOnce scope{true};
    try {
        const Reservation r{absurd};
        FAIL() << "32 TiB were committed";
    } catch (const MemoryShortage& e) {
        EXPECT_THAT(e.what(), testing::HasSubstr("33554432 MiB is to be committed"));
    }
    EXPECT_NO_THROW(Reservation{some_pages});
}

TEST(Reservation, NamesTheKernelsPolicyForHugePages) { EXPECT_THAT(huge_page_policy(), testing::AnyOf("", "always", "madvise", "never")); }

}  // namespace
}  // namespace sipfront::core

#include "core/byte_slab.hpp"

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

constexpr std::uint64_t piece = 65536;

TEST(ByteSlab, CountsTheClassOfWhatIsInUse) {
    ByteSlab slab{1 << 20};
    auto a = slab.allocate(100);
    ASSERT_TRUE(a);
    EXPECT_EQ(a.size, 100U);
    EXPECT_EQ(slab.used(), 128U);
    auto b = slab.allocate(600);
    EXPECT_EQ(slab.used(), 128U + 640U);
    slab.release(a);
    EXPECT_FALSE(a);
    EXPECT_EQ(slab.used(), 640U);
    slab.release(b);
    slab.release(b);
    EXPECT_EQ(slab.used(), 0U);
}

TEST(ByteSlab, EachSizeGetsTheSmallestClassThatHoldsIt) {
    ByteSlab slab{1 << 22};
    const std::vector<std::pair<std::uint32_t, std::uint32_t>> cases{
        {0, 32},        {1, 32},        {32, 32},       {33, 64},       {64, 64},       {65, 96},      {292, 320},
        {480, 480},     {481, 512},     {512, 512},     {513, 640},     {640, 640},     {641, 768},    {769, 896},
        {897, 1024},    {1024, 1024},   {1025, 1280},   {2048, 2048},   {2049, 2560},   {4096, 4096},  {4097, 5120},
        {16384, 16384}, {16385, 20480}, {32769, 40960}, {57344, 57344}, {57345, 65536}, {65536, 65536}};
    for (const auto& [size, block] : cases) {
        auto b = slab.allocate(size);
        ASSERT_TRUE(b) << size;
        EXPECT_EQ(slab.used(), block) << size;
        std::memset(b.data, 'x', size);
        slab.release(b);
    }
}

TEST(ByteSlab, RefusesWhatNoClassHolds) {
    ByteSlab slab{1 << 20};
    EXPECT_FALSE(slab.allocate(65537));
    EXPECT_FALSE(slab.allocate(0xffffffff));
    EXPECT_EQ(slab.used(), 0U);
}

TEST(ByteSlab, NullWhenExhaustedAndRoomComesBack) {
    ByteSlab slab{2 * piece};
    auto a = slab.allocate(65536);
    auto b = slab.allocate(40000);
    EXPECT_TRUE(a && b);
    EXPECT_FALSE(slab.allocate(65536));
    EXPECT_FALSE(slab.allocate(10));
    slab.release(a);
    EXPECT_TRUE(slab.allocate(65536));
}

TEST(ByteSlab, ALargerFreeBlockServesWhenNoPieceIsLeft) {
    ByteSlab slab{piece};
    auto big = slab.allocate(4096);
    auto small = slab.allocate(64);
    ASSERT_TRUE(big && small);
    EXPECT_EQ(slab.used(), 2 * 4096U);
    slab.release(small);
    slab.release(big);
    EXPECT_EQ(slab.used(), 0U);
}

TEST(ByteSlab, CommitsPiecesOnlyAsNeeded) {
    ByteSlab slab{std::uint64_t{64} << 30};
    EXPECT_EQ(slab.carved(), 0U);
    std::vector<Bytes> blocks;
    for (int i = 0; i < 1024; ++i) blocks.push_back(slab.allocate(64));
    EXPECT_EQ(slab.carved(), piece);
    blocks.push_back(slab.allocate(64));
    EXPECT_EQ(slab.carved(), 2 * piece);
    for (auto& b : blocks) slab.release(b);
    for (auto& b : blocks) b = slab.allocate(64);
    EXPECT_EQ(slab.carved(), 2 * piece);
}

#ifndef NDEBUG
TEST(ByteSlabDeathTest, ASecondFreeOfTheSameBlockIsCaught) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    ByteSlab slab{piece};
    auto b = slab.allocate(64);
    auto copy = b;
    slab.release(b);
    EXPECT_DEATH(slab.release(copy), "released twice");
}
#endif

TEST(ByteSlab, BlocksNeverOverlapOverRandomOperations) {
    ByteSlab slab{4 << 20};
    std::vector<std::pair<Bytes, std::string>> live;
    std::mt19937 random{2};
    std::size_t refused = 0;
    for (int i = 0; i < 40000; ++i) {
        if (random() % 5 < 3) {
            const auto size = static_cast<std::uint32_t>(random() % 20 == 0 ? random() % 65537 : random() % 1500);
            const auto b = slab.allocate(size);
            if (!b) {
                ++refused;
                continue;
            }
            ASSERT_EQ(reinterpret_cast<std::uintptr_t>(b.data) % 16, 0U);
            std::string content(size, static_cast<char>(random()));
            std::memcpy(b.data, content.data(), size);
            live.emplace_back(b, std::move(content));
        } else if (!live.empty()) {
            auto& [b, content] = live[random() % live.size()];
            ASSERT_EQ(b.view(), content);
            slab.release(b);
            std::swap(live.back().first, b);
            std::swap(live.back().second, content);
            live.pop_back();
        }
    }
    EXPECT_GT(refused, 0U);
    for (auto& [b, content] : live) {
        ASSERT_EQ(b.view(), content);
        slab.release(b);
    }
    EXPECT_EQ(slab.used(), 0U);
}

}  // namespace
}  // namespace sipfront::core

#include "core/slab.hpp"

#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

struct Call {
    std::string id;
    int state = 0;
};

TEST(Slab, CreatesFindsAndDestroys) {
    Slab<Call> slab{4};
    const auto [handle, call] = slab.create("a", 7);
    ASSERT_NE(call, nullptr);
    EXPECT_TRUE(handle);
    EXPECT_EQ(slab.get(handle), call);
    EXPECT_EQ(call->id, "a");
    EXPECT_EQ(slab.handle_of(call), handle);
    EXPECT_EQ(slab.size(), 1U);
    slab.destroy(handle);
    EXPECT_EQ(slab.size(), 0U);
    EXPECT_EQ(slab.get(handle), nullptr);
}

TEST(Slab, AStaleHandleMissesTheNextTenant) {
    Slab<Call> slab{1};
    const auto first = slab.create("first").first;
    slab.destroy(first);
    const auto second = slab.create("second").first;
    EXPECT_EQ(first.index, second.index);
    EXPECT_EQ(slab.get(first), nullptr);
    slab.destroy(first);
    ASSERT_NE(slab.get(second), nullptr);
    EXPECT_EQ(slab.get(second)->id, "second");
}

TEST(Slab, MadeUpHandlesMiss) {
    Slab<Call> slab{8};
    const auto handle = slab.create("a").first;
    slab.destroy(slab.create("b").first);
    EXPECT_EQ(slab.get({}), nullptr);
    EXPECT_EQ(slab.get({7, 0}), nullptr);
    EXPECT_EQ(slab.get({7, 1}), nullptr);
    EXPECT_EQ(slab.get({8, 1}), nullptr);
    EXPECT_EQ(slab.get({handle.index, handle.generation + 2}), nullptr);
    // A free entry's own generation is even and names nothing.
    for (std::uint32_t g = 0; g < 5; ++g) EXPECT_EQ(slab.get({1, g}), nullptr);
    slab.prefetch({1000, 1});
}

TEST(Slab, FullGivesNullAndRoomComesBack) {
    Slab<int> slab{2};
    const auto a = slab.create(1).first;
    const auto b = slab.create(2).first;
    const auto [none, pointer] = slab.create(3);
    EXPECT_FALSE(none);
    EXPECT_EQ(pointer, nullptr);
    slab.destroy(a);
    EXPECT_TRUE(slab.create(4).first);
    EXPECT_EQ(*slab.get(b), 2);
    EXPECT_EQ(slab.capacity(), 2U);
}

TEST(Slab, DestroysWhatIsAliveAtItsEnd) {
    const auto witness = std::make_shared<int>(0);
    {
        Slab<std::shared_ptr<int>> slab{8};
        const auto gone = slab.create(witness).first;
        slab.create(witness);
        slab.create(witness);
        EXPECT_EQ(witness.use_count(), 4);
        slab.destroy(gone);
        EXPECT_EQ(witness.use_count(), 3);
    }
    EXPECT_EQ(witness.use_count(), 1);
}

TEST(Slab, ForEachMayDestroyWhatItVisits) {
    Slab<int> slab{16};
    for (int i = 0; i < 10; ++i) slab.create(i);
    slab.for_each([&](Handle<int> h, int& n) {
        if (n % 2 == 0) slab.destroy(h);
    });
    std::vector<int> left;
    slab.for_each([&](int& n) { left.push_back(n); });
    EXPECT_EQ(left, (std::vector<int>{1, 3, 5, 7, 9}));
}

TEST(Slab, ReservesMillionsWithoutTouchingThem) {
    Slab<std::array<char, 200>> slab{100'000'000};
    EXPECT_EQ(slab.touched_bytes(), 0U);
    EXPECT_TRUE(slab.create().first);
    EXPECT_LE(slab.touched_bytes(), 256U);
}

TEST(Slab, RespectsAlignment) {
    struct alignas(64) Line {
        char c = 'x';
    };
    Slab<Line> lines{4};
    Slab<char> chars{4};
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(lines.create().second) % 64, 0U);
        const auto [h, c] = chars.create('a');
        EXPECT_EQ(chars.handle_of(c), h);
    }
}

TEST(Slab, AgreesWithAModelOverRandomOperations) {
    Slab<std::string> slab{200};
    std::vector<std::pair<Handle<std::string>, std::string>> alive;
    std::vector<Handle<std::string>> dead;
    std::mt19937 random{1};
    for (int i = 0; i < 50000; ++i) {
        if (random() % 2 == 0) {
            const auto text = std::to_string(random());
            const auto h = slab.create(text).first;
            ASSERT_EQ(static_cast<bool>(h), alive.size() < 200);
            if (h) alive.emplace_back(h, text);
        } else if (!alive.empty()) {
            const auto at = random() % alive.size();
            slab.destroy(alive[at].first);
            dead.push_back(alive[at].first);
            alive[at] = alive.back();
            alive.pop_back();
        }
        ASSERT_EQ(slab.size(), alive.size());
        if (!alive.empty()) {
            const auto& [h, text] = alive[random() % alive.size()];
            ASSERT_NE(slab.get(h), nullptr);
            ASSERT_EQ(*slab.get(h), text);
        }
        if (!dead.empty()) {
            ASSERT_EQ(slab.get(dead[random() % dead.size()]), nullptr);
        }
    }
}

}  // namespace
}  // namespace sipfront::core

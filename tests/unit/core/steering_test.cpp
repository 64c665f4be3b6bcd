#include "core/steering.hpp"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

const HashKey key{SecretKey{1, 2}};

TEST(Steering, SpreadsCallIdsEvenlyOverAnyNumberOfWorkers) {
    for (std::uint32_t workers = 1; workers <= 9; ++workers) {
        const Steering steering{key, workers};
        std::array<int, max_workers> calls{};
        constexpr int total = 20000;
        for (int i = 0; i < total; ++i) ++calls[raw(steering.owner_of(std::to_string(i) + "-4711@10.77.0.2"))];
        for (std::uint32_t w = 0; w < max_workers; ++w) {
            if (w < workers) {
                EXPECT_NEAR(calls[w], total / static_cast<int>(workers), total / static_cast<int>(workers) / 10);
            } else {
                EXPECT_EQ(calls[w], 0);
            }
        }
    }
}

TEST(Steering, OwnerIsBelowTheNumberOfWorkersForExtremeHashes) {
    const Steering steering{key, max_workers};
    EXPECT_EQ(steering.owner(0), WorkerId{0});
    EXPECT_EQ(steering.owner(~std::uint64_t{0}), WorkerId{max_workers - 1});
    EXPECT_EQ((Steering{key, 1}.owner(~std::uint64_t{0})), WorkerId{0});
}

TEST(Steering, AnAttackerWithoutTheKeyCannotPredictTheOwner) {
    const Steering ours{key, 64};
    const Steering guessed{HashKey{SecretKey{1, 3}}, 64};
    int same = 0;
    for (int i = 0; i < 6400; ++i) same += ours.owner_of(std::to_string(i)) == guessed.owner_of(std::to_string(i)) ? 1 : 0;
    EXPECT_NEAR(same, 100, 50);
}

}  // namespace
}  // namespace sipfront::core

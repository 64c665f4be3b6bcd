#include "core/outbox.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

// A port that lends rooms of 100 and 1000 octets and remembers what it transmitted.
struct Port {
    static constexpr std::uint32_t small = 100;
    static constexpr std::uint32_t large = 1000;

    static void refill(void* context, Outbox& out) {
        auto& self = *static_cast<Port*>(context);
        ++self.refills;
        for (const auto& d : out.filled()) self.sent.emplace_back(d.room.data, d.length);
        out.clear_filled();
        while (out.small_missing() > 0 && self.small_left > 0) out.lend_small(self.make(small, self.small_left));
        while (out.large_missing() > 0 && self.large_left > 0) out.lend_large(self.make(large, self.large_left));
    }
    OutBuffer make(std::uint32_t capacity, int& left) {
        --left;
        auto& memory = memories.emplace_back(capacity);
        return {memory.data(), capacity, nullptr};
    }

    int small_left = 1'000'000;
    int large_left = 1'000'000;
    int refills = 0;
    std::vector<std::vector<char>> memories;
    std::vector<std::string> sent;
};

bool put(Outbox& out, std::string_view text, std::size_t size) {
    const auto room = out.reserve(size);
    if (room.empty()) return false;
    std::copy(text.begin(), text.end(), room.begin());
    out.commit(text.size(), Flow{});
    return true;
}

TEST(Outbox, HandsOverWhatWasCommittedInOrder) {
    Port port;
    Outbox out;
    out.on_exhausted(&Port::refill, &port);
    Flow flow;
    flow.remote.port = 5060;
    ASSERT_GE(out.reserve(50).size(), 50U);
    out.commit(0, flow);
    ASSERT_TRUE(put(out, "two", 50));
    ASSERT_EQ(out.filled().size(), 2U);
    EXPECT_EQ(out.filled()[0].flow, flow);
    EXPECT_EQ(out.filled()[1].length, 3U);
    EXPECT_EQ(std::string_view(out.filled()[1].room.data, 3), "two");
}

TEST(Outbox, ARoomReservedAndNotCommittedIsLentAgain) {
    Port port;
    Outbox out;
    out.on_exhausted(&Port::refill, &port);
    const auto* const first = out.reserve(10).data();
    EXPECT_EQ(out.reserve(10).data(), first);
    EXPECT_TRUE(out.filled().empty());
}

TEST(Outbox, ALongMessageTakesALargeRoom) {
    Port port;
    Outbox out;
    out.on_exhausted(&Port::refill, &port);
    EXPECT_EQ(out.reserve(Port::small).size(), Port::small);
    EXPECT_EQ(out.reserve(Port::small + 1).size(), Port::large);
    out.commit(500, Flow{});
    EXPECT_EQ(out.large_missing(), 1U);
    EXPECT_EQ(out.small_missing(), 0U);
    EXPECT_TRUE(out.reserve(Port::large + 1).empty());
}

TEST(Outbox, ALargeRoomServesWhenTheSmallOnesAreGone) {
    Port port;
    port.small_left = 0;
    Outbox out;
    out.on_exhausted(&Port::refill, &port);
    ASSERT_TRUE(put(out, "x", 10));
    EXPECT_EQ(out.filled()[0].room.capacity, Port::large);
    EXPECT_EQ(out.large_missing(), 1U);
    EXPECT_EQ(out.small_missing(), Outbox::burst);
}

TEST(Outbox, AFullBurstIsTransmittedBeforeTheNextMessage) {
    Port port;
    Outbox out;
    out.on_exhausted(&Port::refill, &port);
    for (std::size_t i = 0; i < Outbox::burst; ++i) ASSERT_TRUE(put(out, std::to_string(i), 10));
    EXPECT_TRUE(port.sent.empty());
    ASSERT_TRUE(put(out, "last", 10));
    ASSERT_EQ(port.sent.size(), Outbox::burst);
    EXPECT_EQ(port.sent[63], "63");
    EXPECT_EQ(out.filled().size(), 1U);
}

TEST(Outbox, WithoutBuffersThereIsNoRoom) {
    Outbox lonely;
    EXPECT_TRUE(lonely.reserve(10).empty());
    Port port;
    port.small_left = 2;
    port.large_left = 0;
    Outbox out;
    out.on_exhausted(&Port::refill, &port);
    EXPECT_TRUE(put(out, "a", 10));
    EXPECT_TRUE(put(out, "b", 10));
    EXPECT_FALSE(put(out, "c", 10));
    EXPECT_EQ(port.sent.size(), 2U);
}

TEST(Outbox, GivesItsFreeBuffersBackAtShutDown) {
    Port port;
    Outbox out;
    out.on_exhausted(&Port::refill, &port);
    ASSERT_TRUE(put(out, "a", 10));
    OutBuffer b;
    std::size_t returned = 0;
    while (out.take_back(b)) ++returned;
    EXPECT_EQ(returned + out.filled().size(), port.memories.size());
}

}  // namespace
}  // namespace sipfront::core

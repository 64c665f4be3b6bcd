#include "dpdk/reassembly.hpp"

#include <map>
#include <numeric>

#include <gtest/gtest.h>

#include "dpdk/fragment_lanes.hpp"
#include "fragments.hpp"

namespace sipfront::dpdk {
namespace {

using namespace test;
using namespace std::chrono_literals;

using Frames = std::vector<Frame>;

// Frames by handle, and what became of them.
class Bench final : public Reassembler::Sink {
public:
    explicit Bench(const ReassemblyLimits& limits = {})
        : reassembler{limits, {3, 4}, *this, counters},
          listeners{{{endpoint("10.77.0.100:5060"), core::ListenerId{4}}, {endpoint("[fd77::100]:5060"), core::ListenerId{6}}}} {}
    ~Bench() {
        reassembler.clear();
        EXPECT_EQ(reassembler.held(), 0U);
        EXPECT_EQ(reassembler.contexts(), 0U);
        for (const auto& [handle, frame] : alive) ADD_FAILURE() << "frame " << handle << " was lost";
    }

    // Empty until a datagram is whole, then its UDP header and payload.
    Frame add(const Frame& frame, std::optional<std::uint64_t> hash = {}) {
        const auto handle = ++last;
        alive.emplace(handle, std::make_unique<Guarded>(frame));
        const auto bytes = alive.at(handle)->bytes();
        const auto d = decode(bytes, {});
        EXPECT_EQ(d.verdict, Decoded::Verdict::fragment);
        const auto f = read_fragment(bytes, d);
        const auto whole = reassembler.add(f, hash.value_or(lanes.hash(f)), as_frame(handle), listeners, now);
        if (!whole) return {};
        Frame out(whole->length);
        EXPECT_EQ(whole->source, d.source.address);
        EXPECT_EQ(whole->listener, core::ListenerId{whole->source.is_v4() ? std::uint8_t{4} : std::uint8_t{6}});
        EXPECT_TRUE(alive.contains(as_handle(whole->first)));
        reassembler.take(*whole, out);
        return out;
    }
    // Whatever came whole out of them.
    Frames add_all(const Frames& frames) {
        Frames wholes;
        for (const auto& f : frames)
            if (auto out = add(f); !out.empty()) wholes.push_back(std::move(out));
        return wholes;
    }

    void to_kernel(rte_mbuf* frame) noexcept override {
        const auto bytes = alive.at(as_handle(frame))->bytes();
        kernel.emplace_back(bytes.begin(), bytes.end());
        forget(frame);
    }
    void drop(rte_mbuf* frame, Drop why) noexcept override {
        ++dropped[why];
        forget(frame);
    }
    void done(rte_mbuf* frame) noexcept override {
        ++taken;
        forget(frame);
    }

    PortCounters counters;
    Reassembler reassembler;
    ListenerTable listeners;
    FragmentLanes lanes{{1, 2}, 1};
    core::Tick now{};
    Frames kernel;
    std::map<Drop, int> dropped;
    int taken = 0;

private:
    static rte_mbuf* as_frame(std::uintptr_t handle) { return reinterpret_cast<rte_mbuf*>(handle); }
    static std::uintptr_t as_handle(rte_mbuf* frame) { return reinterpret_cast<std::uintptr_t>(frame); }
    void forget(rte_mbuf* frame) { EXPECT_EQ(alive.erase(as_handle(frame)), 1U) << "a frame was named twice"; }

    std::map<std::uintptr_t, std::unique_ptr<Guarded>> alive;
    std::uintptr_t last = 0;
};

Fragmented message(std::size_t length, std::string_view source = "10.77.0.2:5060", std::uint32_t id = 0x1234) {
    Fragmented m;
    m.u.source = endpoint(source);
    m.u.destination = endpoint(m.u.source.address.is_v4() ? "10.77.0.100:5060" : "[fd77::100]:5060");
    m.u.payload = pattern(length);
    m.id = id;
    return m;
}

Frame datagram(const Fragmented& m) { return m.u.udp(); }

Frames in_order(const Frames& frames, const std::vector<std::size_t>& order) {
    Frames all;
    for (const auto i : order) all.push_back(frames[i]);
    return all;
}

class EveryOrder : public testing::TestWithParam<std::size_t> {};

TEST_P(EveryOrder, MakesTheSameDatagram_Rfc791_3_2_Rfc8200_4_5) {
    const auto count = GetParam();
    for (const auto* source : {"10.77.0.2:5060", "[fd77::2]:5060"}) {
        const auto m = message(count * 64 - 8 - 3, source);  // the last one shorter and of an odd length
        const auto frames = m.parts(64);
        ASSERT_EQ(frames.size(), count);
        std::vector<std::size_t> order(count);
        std::iota(order.begin(), order.end(), 0U);
        Bench bench;
        std::uint64_t wholes = 0;
        do {
            const auto out = bench.add_all(in_order(frames, order));
            ASSERT_EQ(out, Frames{datagram(m)});
            ++wholes;
        } while (std::ranges::next_permutation(order).found);
        EXPECT_EQ(bench.taken, static_cast<int>(wholes * count));
        EXPECT_EQ(bench.reassembler.contexts(), 0U);
        EXPECT_TRUE(bench.dropped.empty());
        EXPECT_TRUE(bench.kernel.empty());
    }
}
INSTANTIATE_TEST_SUITE_P(Fragments, EveryOrder, testing::Values(2U, 3U, 4U, 5U));

TEST(Reassembler, ARepeatedFragmentIsDroppedAndHarmsNothing) {
    const auto m = message(300);
    const auto f = m.parts(104);
    ASSERT_EQ(f.size(), 3U);
    // Every one twice, the repetition before and after the first fragment is known.
    for (const auto& order : std::vector<std::vector<std::size_t>>{{0, 0, 1, 1, 2}, {2, 2, 1, 1, 0}, {1, 2, 1, 0}, {0, 2, 2, 0, 1}}) {
        Bench bench;
        EXPECT_EQ(bench.add_all(in_order(f, order)), Frames{datagram(m)});
        EXPECT_EQ(bench.dropped, (std::map<Drop, int>{{Drop::fragment_duplicate, static_cast<int>(order.size()) - 3}}));
        EXPECT_EQ(bench.counters.reassembly_overlaps.get(), 0U);
    }
}

// What contradicts the parts at 0..103, 104..207, 208..307 of a datagram of 308 octets.
struct Contradiction {
    const char* what;
    Cut cut;
    bool altered = false;
};

class Overlap : public testing::TestWithParam<Contradiction> {};

TEST_P(Overlap, DiscardsTheWholeDatagramAndWhatFollows_Rfc5722) {
    const auto& p = GetParam();
    for (const auto* source : {"10.77.0.2:5060", "[fd77::2]:5060"}) {
        const auto m = message(300, source);
        const auto f = m.parts(104);
        auto bad = m.part(p.cut);
        if (p.altered) bad.back() ^= 1;
        // The bad one third or second, the first fragment before or behind it; the rest of the datagram follows. What takes the place of
        // another shows only when that has come.
        std::vector<Frames> orders{{f[2], f[1], bad, f[0]}, {f[1], bad, f[0], f[2]}, {f[0], f[1], bad, f[2]}};
        if (!p.altered) orders.insert(orders.end(), {{f[0], f[2], bad, f[1]}, {f[2], bad, f[1], f[0]}});
        for (const auto& frames : orders) {
            Bench bench;
            EXPECT_TRUE(bench.add_all(frames).empty()) << p.what;
            EXPECT_EQ(bench.counters.reassembly_overlaps.get(), 1U) << p.what;
            EXPECT_EQ(bench.dropped, (std::map<Drop, int>{{Drop::fragment_overlap, 4}})) << p.what;
            EXPECT_TRUE(bench.kernel.empty());
            EXPECT_EQ(bench.reassembler.held(), 0U);
            // Remembered until the datagram's time is over, then the identification is free again.
            EXPECT_TRUE(bench.add(f[0]).empty());
            EXPECT_EQ(bench.dropped[Drop::fragment_overlap], 5);
            bench.now += 2s;
            bench.reassembler.expire(bench.now);
            EXPECT_EQ(bench.add_all(f), Frames{datagram(m)}) << p.what;
            EXPECT_EQ(bench.counters.reassembly_timeouts.get(), 0U);
        }
    }
}
INSTANTIATE_TEST_SUITE_P(Fragments, Overlap,
                         testing::Values(Contradiction{"begins inside another", {96, 16, true}},
                                         Contradiction{"around all", {0, 304, true}},
                                         Contradiction{"an end that differs", {296, 16, false}},
                                         Contradiction{"one that repeats a place with other octets", {104, 104, true}, true},
                                         Contradiction{"a second first fragment that is shorter", {0, 8, true}},
                                         Contradiction{"the end inside", {112, 8, false}}));

TEST(Reassembler, AFragmentBeyondTheEndContradictsIt) {
    const auto m = message(300);
    const auto f = m.parts(104);
    for (const bool last : {false, true}) {
        Bench bench;
        const auto beyond = m.part({400, 8, !last});
        EXPECT_TRUE(bench.add_all({f[0], f[2], beyond, f[1]}).empty());
        EXPECT_EQ(bench.counters.reassembly_overlaps.get(), 1U);
        Bench reversed;
        EXPECT_TRUE(reversed.add_all({f[0], beyond, f[2], f[1]}).empty());
        EXPECT_EQ(reversed.counters.reassembly_overlaps.get(), 1U);
    }
}

TEST(Reassembler, AGapIsNotFilledAndEndsWithTheTimeout) {
    const auto f = message(600).parts(104);
    Bench bench;
    EXPECT_TRUE(bench.add_all({f[0], f[1], f[3], f[4], f[5]}).empty());
    bench.now += 2s - 1ns;
    bench.reassembler.expire(bench.now);
    EXPECT_EQ(bench.reassembler.held(), 5U);
    bench.now += 1ns;
    bench.reassembler.expire(bench.now);
    EXPECT_EQ(bench.dropped, (std::map<Drop, int>{{Drop::fragment_timeout, 5}}));
    EXPECT_EQ(bench.counters.reassembly_timeouts.get(), 1U);
    EXPECT_TRUE(bench.kernel.empty());
    // What comes later begins anew.
    EXPECT_TRUE(bench.add(f[2]).empty());
    EXPECT_EQ(bench.reassembler.contexts(), 1U);
}

TEST(Reassembler, ALateFragmentDoesNotJoinWhatIsOver) {
    const auto f = message(200).parts(104);
    Bench bench;
    EXPECT_TRUE(bench.add(f[0]).empty());
    bench.now += 3s;
    EXPECT_TRUE(bench.add(f[1]).empty());
    EXPECT_EQ(bench.dropped, (std::map<Drop, int>{{Drop::fragment_timeout, 1}}));
}

TEST(Reassembler, ForeignFragmentsReachTheKernelInTheOrderOfTheirArrival) {
    for (const auto* source : {"10.77.0.2:5060", "[fd77::2]:5060"}) {
        auto m = message(600, source);
        m.u.destination.port = 5061;
        const auto f = m.parts(104);
        Bench bench;
        const Frames first{f[3], f[1], f[1]};
        EXPECT_TRUE(bench.add_all(first).empty());
        EXPECT_TRUE(bench.kernel.empty());
        EXPECT_TRUE(bench.add_all({f[0], f[5], f[2]}).empty());
        EXPECT_EQ(bench.kernel, (Frames{f[3], f[1], f[1], f[0], f[5], f[2]}));
        EXPECT_EQ(bench.counters.fragments_to_kernel.get(), 6U);
        EXPECT_TRUE(bench.dropped.empty());
        EXPECT_EQ(bench.reassembler.held(), 0U);
    }
}

TEST(Reassembler, AForeignDatagramThatHasPassedLeavesNothingBehind) {
    auto m = message(600);
    m.u.destination.port = 9;
    Bench bench;
    bench.add_all(m.parts(104));
    EXPECT_EQ(bench.kernel.size(), 6U);
    EXPECT_EQ(bench.reassembler.contexts(), 0U);
    auto reversed = m.parts(104);
    std::ranges::reverse(reversed);
    bench.add_all(reversed);
    EXPECT_EQ(bench.reassembler.contexts(), 0U);
}

TEST(Reassembler, TheKernelJudgesTheOverlapsOfItsOwnDatagrams) {
    auto m = message(300);
    m.u.destination.port = 9;
    const auto f = m.parts(104);
    const Frames frames{f[1], m.part({96, 16, true}), f[0], f[2]};
    Bench bench;
    bench.add_all(frames);
    EXPECT_EQ(bench.kernel, frames);
    EXPECT_EQ(bench.counters.reassembly_overlaps.get(), 0U);
}

TEST(Reassembler, WithoutTheFirstFragmentAnExpiredDatagramIsTheKernels) {
    const auto f = message(300).parts(104);
    Bench bench;
    bench.add_all({f[2], f[1]});
    bench.now += 2s;
    bench.reassembler.expire(bench.now);
    EXPECT_EQ(bench.kernel, (Frames{f[2], f[1]}));
    EXPECT_EQ(bench.counters.reassembly_timeouts.get(), 1U);
}

TEST(Reassembler, ProtocolsOtherThanUdpAreTheKernels) {
    auto tcp = message(300, "[fd77::2]:5060");
    tcp.behind_header = 6;
    Bench bench;
    bench.add_all(tcp.parts(104));
    EXPECT_EQ(bench.kernel.size(), 3U);
    // Of IPv6 the first fragment alone says what the packet is (RFC 8200 4.5).
    auto udp = message(300, "[fd77::2]:5060");
    auto f = udp.parts(104);
    f[1][54] = 6;
    f[2][54] = 59;
    EXPECT_EQ(bench.add_all({f[2], f[0], f[1]}), Frames{datagram(udp)});
}

TEST(Reassembler, HeadersInFrontOfUdpAreLeftBehind) {
    auto m = message(300, "[fd77::2]:5060");
    m.u.extensions = {44, 0, 1, 4, 0, 0, 0, 0};  // hop by hop, in each fragment
    m.u.first_header = 0;
    m.behind = {17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};  // destination options, fragmented with the rest
    m.behind_header = 60;
    for (const std::size_t step : {24U, 104U}) {
        auto f = m.parts(step);
        Bench bench;
        EXPECT_EQ(bench.add_all(f), Frames{datagram(m)});
        std::ranges::reverse(f);
        EXPECT_EQ(bench.add_all(f), Frames{datagram(m)});
    }
}

TEST(Reassembler, AFirstFragmentWithoutAllHeadersIsTheKernels_Rfc7112) {
    auto m = message(300, "[fd77::2]:5060");
    m.behind = {17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    m.behind_header = 60;
    for (const std::size_t step : {8U, 16U}) {
        Bench bench;
        EXPECT_TRUE(bench.add_all(m.parts(step)).empty());
        EXPECT_EQ(bench.kernel, m.parts(step));
    }
}

TEST(Reassembler, Ipv4OptionsDoNoHarm) {
    auto m = message(300);
    m.u.ipv4_options = {7, 7, 4, 0, 0, 0, 0, 0};  // record route
    Bench bench;
    EXPECT_EQ(bench.add_all(m.parts(104)), Frames{datagram(m)});
}

TEST(Reassembler, DatagramsOfOneIdentificationAreToldApart) {
    // By source, by destination, by identification; interleaved.
    auto a = message(200, "10.77.0.2:5060", 7), b = message(210, "10.77.0.3:5060", 7), c = message(220, "10.77.0.2:5060", 8);
    auto d = message(230, "[fd77::2]:5060", 7), e = message(240, "[fd77::2]:5060", 0x10007);
    Bench bench;
    Frames frames;
    for (const std::size_t i : {1U, 0U})
        for (const auto* m : {&a, &b, &c, &d, &e}) frames.push_back(m->parts(160)[i]);
    EXPECT_EQ(bench.add_all(frames), (Frames{datagram(a), datagram(b), datagram(c), datagram(d), datagram(e)}));
}

TEST(Reassembler, PacketsOfOneHashAreNotMixed) {
    const auto a = message(200, "10.77.0.2:5060", 1), b = message(200, "10.77.0.3:5060", 1);
    Bench bench;
    EXPECT_TRUE(bench.add(a.parts(160)[0], 77).empty());
    EXPECT_TRUE(bench.add(b.parts(160)[1], 77).empty());
    EXPECT_EQ(bench.kernel, Frames{b.parts(160)[1]});
    EXPECT_EQ(bench.add(a.parts(160)[1], 77), datagram(a));
}

TEST(Reassembler, TheLongestDatagramComesWhole) {
    for (const auto* source : {"10.77.0.2:5060", "[fd77::2]:5060"}) {
        const auto m = message(65'507, source);
        for (const std::size_t step : {552U, 1232U, 1480U, 8952U}) {
            auto f = m.parts(step);
            ASSERT_LE(f.size(), Reassembler::most_pieces);
            Bench bench;
            EXPECT_EQ(bench.add_all(f), Frames{datagram(m)});
            std::ranges::reverse(f);
            EXPECT_EQ(bench.add_all(f), Frames{datagram(m)});
        }
    }
}

TEST(Reassembler, AFragmentBeyondTheLongestPacketIsDropped) {
    const auto m = message(100);
    const auto v6 = message(100, "[fd77::2]:5060");
    Bench bench;
    bench.add(m.part({65'512, 8, false}));  // with the header 65,540
    EXPECT_EQ(bench.dropped[Drop::fragment_too_big], 1);
    bench.add(m.part({65'512, 3, false}));  // 65,535: allowed
    EXPECT_EQ(bench.dropped[Drop::fragment_too_big], 1);
    auto options = m;
    options.u.ipv4_options = Frame(4, 1);
    bench.add(options.part({65'512, 3, false}));
    EXPECT_EQ(bench.dropped[Drop::fragment_too_big], 2);
    bench.add(v6.part({65'528, 8, false}));
    EXPECT_EQ(bench.dropped[Drop::fragment_too_big], 3);
    bench.add(v6.part({65'528, 7, false}));
    EXPECT_EQ(bench.dropped[Drop::fragment_too_big], 3);
    auto hop_by_hop = v6;
    hop_by_hop.u.extensions = {44, 0, 1, 4, 0, 0, 0, 0};
    hop_by_hop.u.first_header = 0;
    bench.add(hop_by_hop.part({65'528, 7, false}));
    EXPECT_EQ(bench.dropped[Drop::fragment_too_big], 4);
    EXPECT_EQ(bench.reassembler.held(), 2U);
}

TEST(Reassembler, FragmentsThatNoSenderMakesAreDropped) {
    const auto m = message(100);
    Bench bench;
    bench.add(m.part({0, 0, true}));
    bench.add(m.part({0, 12, true}));
    bench.add(m.part({16, 0, false}));
    EXPECT_EQ(bench.dropped, (std::map<Drop, int>{{Drop::fragment_malformed, 3}}));
    EXPECT_EQ(bench.reassembler.contexts(), 0U);
}

TEST(Reassembler, TooManyTinyFragmentsEndTheirDatagram) {
    const auto m = message(2000);
    const auto f = m.parts(8);
    Bench bench;
    EXPECT_TRUE(bench.add_all(f).empty());
    EXPECT_EQ(bench.dropped, (std::map<Drop, int>{{Drop::fragment_count, static_cast<int>(f.size())}}));
    // Nobody knows whose they are without the first one: they are the kernel's.
    const auto other = message(2000, "10.77.0.2:5060", 99).parts(8);
    EXPECT_TRUE(bench.add_all({other.begin() + 1, other.end()}).empty());
    EXPECT_EQ(bench.kernel, Frames(other.begin() + 1, other.end()));
}

TEST(Reassembler, TheOldestGivesWayToANewOne) {
    Bench bench{{.contexts = 4, .buffers = 256}};
    const auto parts = [](int i) { return message(200, "10.77." + std::to_string(i) + ".2:5060").parts(160); };
    for (int i = 1; i <= 4; ++i) bench.add(parts(i)[i % 2 == 0 ? 1 : 0]);
    EXPECT_EQ(bench.reassembler.contexts(), 4U);
    bench.add(parts(5)[0]);
    EXPECT_EQ(bench.reassembler.contexts(), 4U);
    EXPECT_EQ(bench.counters.reassembly_evictions.get(), 1U);
    EXPECT_EQ(bench.dropped, (std::map<Drop, int>{{Drop::fragment_evicted, 1}}));
    bench.add(parts(6)[0]);
    EXPECT_EQ(bench.kernel, Frames{parts(2)[1]}) << "of which nobody knew whose it was";
    for (int i = 3; i <= 6; ++i) EXPECT_EQ(bench.add(parts(i)[i == 4 ? 0 : 1]).size(), 208U);
}

TEST(Reassembler, OneSourceTakesTheRoomOfNoOther) {
    Bench bench{{.contexts = 64, .buffers = 1024}};
    std::vector<Fragmented> others;
    for (int i = 0; i < 48; ++i) others.push_back(message(200, "10.77.1." + std::to_string(i + 1) + ":5060"));
    for (const auto& m : others) bench.add(m.parts(160)[0]);
    // A flood from one address, and one from a whole IPv6 network, which counts as one.
    for (std::uint32_t i = 0; i < 500; ++i) bench.add(message(200, "10.77.0.66:5060", i).parts(160)[1]);
    EXPECT_EQ(bench.reassembler.contexts(), 48U + 16U);
    EXPECT_EQ(bench.counters.reassembly_evictions.get(), 500U - 16U);
    for (const auto& m : others) EXPECT_EQ(bench.add(m.parts(160)[1]), datagram(m));
    for (std::uint32_t i = 1; i < 500; ++i) bench.add(message(200, "[fd77:0:0:9::" + std::to_string(i) + "]:5060", i).parts(160)[1]);
    EXPECT_EQ(bench.reassembler.contexts(), 16U + 16U);
}

TEST(Reassembler, OneSourceHoldsAPartOfTheBuffersAlone) {
    Bench bench{{.contexts = 256, .buffers = 1024}};
    const auto mine = message(65'000, "10.77.0.9:5060");
    const auto f = mine.parts(1480);
    bench.add_all({f.begin(), f.end() - 1});
    for (std::uint32_t id = 0; id < 40; ++id) {
        const auto flood = message(900, "10.77.0.66:5060", id).parts(16);
        bench.add_all({flood.begin() + 1, flood.end() - 1});
        EXPECT_LE(bench.reassembler.held(), f.size() - 1 + 256U);
    }
    EXPECT_GT(bench.counters.reassembly_evictions.get(), 30U);
    EXPECT_EQ(bench.add(f.back()), datagram(mine));
}

TEST(Reassembler, BuffersAreBoundedOverAllSources) {
    Bench bench{{.contexts = 64, .buffers = 256}};
    for (int i = 1; i < 60; ++i) {
        const auto f = message(900, "10.77.2." + std::to_string(i) + ":5060").parts(16);
        bench.add_all({f.begin(), f.end() - 1});
        EXPECT_LE(bench.reassembler.held(), 256U);
    }
    EXPECT_GT(bench.counters.reassembly_evictions.get(), 50U);
    const auto last = message(900, "10.77.2.59:5060");
    EXPECT_EQ(bench.add(last.parts(16).back()), datagram(last));
}

TEST(FragmentLanes, OwnersAreSpreadAndEqualForAllPartsOfAPacket) {
    const FragmentLanes lanes{{1, 2}, 4};
    std::array<int, 4> owned{};
    for (std::uint32_t id = 0; id < 400; ++id) {
        const auto m = message(300, id % 2 == 0 ? "10.77.0.2:5060" : "[fd77::2]:5060", id);
        std::vector<std::uint64_t> hashes;
        for (const auto& frame : m.parts(104)) hashes.push_back(lanes.hash(read_fragment(frame, decode(frame, {}))));
        EXPECT_EQ(hashes[1], hashes[0]);
        EXPECT_EQ(hashes[2], hashes[0]);
        ++owned[core::raw(lanes.owner(hashes[0]))];
    }
    for (const auto n : owned) EXPECT_GT(n, 50);
    const FragmentLanes other{{1, 3}, 4};
    const auto f = message(300).parts(104)[0];
    const auto part = read_fragment(f, decode(f, {}));
    EXPECT_NE(lanes.hash(part), other.hash(part)) << "nobody without the key can aim";
}

}  // namespace
}  // namespace sipfront::dpdk

#include <map>

#include <gtest/gtest.h>

#include "dpdk/checksum.hpp"
#include "dpdk/headers.hpp"
#include "frames.hpp"

namespace sipfront::dpdk {
namespace {

using namespace test;

FrameAddresses addresses(std::string_view source, std::string_view destination) {
    return {our_mac, peer_mac, endpoint(source), endpoint(destination)};
}

Frame encoded(const std::string& payload, const FrameAddresses& a, const EncodeOptions& options) {
    Frame buffer(longest_headers, 0);
    buffer.insert(buffer.end(), payload.begin(), payload.end());
    const auto n = encode_headers(std::span{buffer}.subspan(longest_headers), a, options);
    return {buffer.begin() + static_cast<std::ptrdiff_t>(longest_headers - n), buffer.end()};
}

TEST(Checksum, OfTheExampleInRfc1071_3) {
    const Frame bytes{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    EXPECT_EQ(ones_sum(bytes), 0xddf2);
}

TEST(Checksum, OfAKnownIpv4Header) {
    // A packet captured from the wire: the checksum is b861.
    const Frame header{0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7};
    EXPECT_EQ(ip_checksum(ones_sum(header)), 0xb861);
}

TEST(Checksum, AgreesWithTheWordByWordSumAtEveryLength) {
    Frame bytes;
    for (unsigned n = 0; n < 300; ++n) {
        EXPECT_EQ(ip_checksum(ones_sum(bytes)), reference_checksum(bytes)) << n;
        bytes.push_back(static_cast<std::uint8_t>(n * 167 + 255));
    }
    EXPECT_EQ(ones_sum(Frame(4096, 0xff)), 0xffff);
}

TEST(Checksum, SendsAComputedZeroAsAllOnes_Rfc768) {
    EXPECT_EQ(udp_checksum(0xffff), 0xffff);
    EXPECT_EQ(udp_checksum(0x1234), 0xedcb);
}

TEST(Encode, WritesWhatAnIndependentWriterWrites) {
    UdpFrame expected;
    expected.to = peer_mac;
    expected.from = our_mac;
    expected.source = endpoint("10.77.0.100:5060");
    expected.destination = endpoint("10.77.0.2:40000");
    expected.payload = "SIP/2.0 200 OK\r\n\r\n";
    EXPECT_EQ(encoded(expected.payload, addresses("10.77.0.100:5060", "10.77.0.2:40000"), {.ip_id = 0x1234}), expected.build());

    expected.source = endpoint("[fd77::100]:5060");
    expected.destination = endpoint("[fd77::2]:40000");
    expected.payload += "x";  // odd length
    EXPECT_EQ(encoded(expected.payload, addresses("[fd77::100]:5060", "[fd77::2]:40000"), {}), expected.build());
}

TEST(Encode, SetsDontFragmentAndHopsAsAsked) {
    const auto f = encoded("x", addresses("10.0.0.1:1", "10.0.0.2:2"), {.dont_fragment = true, .hops = 7, .ip_id = 0xbeef});
    EXPECT_EQ(f[18], 0xbe);
    EXPECT_EQ(f[20], 0x40);
    EXPECT_EQ(f[22], 7);
    EXPECT_EQ(decode(f, {}).verdict, Decoded::Verdict::udp);
}

TEST(Encode, LeavesChecksumsToTheDevice) {
    const auto f = encoded("hello", addresses("10.0.0.1:1", "10.0.0.2:2"), {.checksum_offload = true});
    EXPECT_EQ(f[24], 0);
    EXPECT_EQ(f[25], 0);
    const auto pseudo = pseudo_header_sum(ip("10.0.0.1"), ip("10.0.0.2"), 13);
    EXPECT_EQ((f[40] << 8) | f[41], pseudo);
}

struct Reassembled {
    Frame ip_payload;
    std::size_t pieces = 0;
    std::size_t longest = 0;
};

// Cuts and writes a datagram as the port does, then puts it together by the offsets in the written headers.
Reassembled through_fragments(const std::string& payload, const FrameAddresses& a, std::uint16_t mtu) {
    Frame whole(8, 0);
    whole.insert(whole.end(), payload.begin(), payload.end());
    encode_udp(std::span{whole}.subspan(8), a.source, a.destination);
    Fragmenter cut{a.source.address.family(), static_cast<std::uint32_t>(whole.size()), mtu};
    Reassembled r;
    r.ip_payload.resize(whole.size(), 0xee);
    Piece piece;
    bool last_seen = false;
    while (cut.next(piece)) {
        Frame room(longest_headers, 0);
        room.insert(room.end(), whole.begin() + piece.offset, whole.begin() + piece.offset + piece.length);
        const auto n = encode_fragment(std::span{room}.subspan(longest_headers), piece, a, 0xabcd1234);
        const std::span frame = std::span{room}.subspan(longest_headers - n);
        const auto d = decode(frame, {});
        EXPECT_EQ(d.verdict, Decoded::Verdict::fragment);
        EXPECT_EQ(d.destination.address, a.destination.address);
        EXPECT_LE(frame.size() - 14, mtu);
        EXPECT_FALSE(last_seen);
        const bool v4 = a.source.address.is_v4();
        const auto word = v4 ? (frame[20] << 8) | frame[21] : (frame[56] << 8) | frame[57];
        const auto offset = static_cast<std::size_t>(v4 ? (word & 0x1fff) * 8 : word & 0xfff8);
        last_seen = (word & (v4 ? 0x2000 : 1)) == 0;
        std::copy(frame.begin() + static_cast<std::ptrdiff_t>(n), frame.end(), r.ip_payload.begin() + static_cast<std::ptrdiff_t>(offset));
        r.longest = std::max(r.longest, frame.size() - 14);
        ++r.pieces;
    }
    EXPECT_TRUE(last_seen);
    EXPECT_EQ(r.ip_payload, whole);
    return r;
}

std::string pattern(std::size_t n) {
    std::string s;
    for (std::size_t i = 0; i < n; ++i) s += static_cast<char>('a' + i * i % 23);
    return s;
}

TEST(Fragmenter, Ipv4PiecesMakeUpTheDatagram_Rfc791_3_2) {
    const auto a = addresses("10.0.0.1:5060", "10.0.0.2:5060");
    EXPECT_EQ(through_fragments(pattern(1473), a, 1500).pieces, 2U);
    EXPECT_EQ(through_fragments(pattern(4000), a, 1500).longest, 1500U);
    EXPECT_EQ(through_fragments(pattern(65'507), a, 1500).pieces, 45U);
    EXPECT_LE(through_fragments(pattern(65'507), a, 1280).pieces, 64U);
}

TEST(Fragmenter, Ipv6PiecesMakeUpTheDatagram_Rfc8200_4_5) {
    const auto a = addresses("[fd77::1]:5060", "[fd77::2]:5060");
    EXPECT_EQ(through_fragments(pattern(1453), a, 1500).pieces, 2U);
    EXPECT_EQ(through_fragments(pattern(4000), a, 1500).pieces, 3U);
    EXPECT_LE(through_fragments(pattern(65'507), a, 1280).pieces, 64U);
}

TEST(Fragmenter, ReassembledDatagramHasAValidChecksum) {
    const auto a = addresses("10.0.0.1:5060", "10.0.0.2:5061");
    const auto r = through_fragments(pattern(3001), a, 1500);
    Frame pseudo;
    put(pseudo, a.source.address.bytes());
    put(pseudo, a.destination.address.bytes());
    put16(pseudo, 17);
    put16(pseudo, r.ip_payload.size());
    put(pseudo, r.ip_payload);
    EXPECT_EQ(reference_checksum(pseudo), 0);
}

}  // namespace
}  // namespace sipfront::dpdk

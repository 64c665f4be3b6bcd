#include "dpdk/icmp_error.hpp"

#include <random>

#include <gtest/gtest.h>

#include "fragments.hpp"
#include "icmp.hpp"

namespace sipfront::dpdk {
namespace {

using namespace test;
using Kind = IcmpError::Kind;

struct Read {
    Frame frame;
    Decoded decoded;
    std::optional<IcmpError> error;

    explicit Read(const IcmpFrame& f) : frame{f.build()}, decoded{decode(frame, {})} {
        EXPECT_EQ(decoded.verdict, Decoded::Verdict::icmp);
        error = read_icmp_error(frame, decoded);
    }
    [[nodiscard]] std::string text() const { return {error->text.begin(), error->text.end()}; }
};

TEST(IcmpError, ShowsTheDatagramThatDidNotArrive) {
    for (const bool v6 : {false, true}) {
        const auto u = our_datagram("INVITE sip:a SIP/2.0\r\nVia: x\r\n\r\n", v6);
        const Read r{error_about(u)};
        ASSERT_TRUE(r.error);
        EXPECT_EQ(r.error->kind, Kind::unreachable);
        EXPECT_EQ(r.error->source, u.source);
        EXPECT_EQ(r.error->destination, u.destination);
        EXPECT_EQ(r.text(), u.payload);
        EXPECT_EQ(r.error->length, u.build().size() - 14);
        EXPECT_TRUE(icmp_checksum_ok(r.frame, r.decoded));
        EXPECT_TRUE(plausible(*r.error, r.decoded));
    }
}

TEST(IcmpError, WhatIsATransportErrorRfc3261Says_18_4) {
    const auto kind = [](int type, int code, bool v6 = false) {
        auto f = error_about(our_datagram("x", v6));
        f.type = static_cast<std::uint8_t>(type);
        f.code = static_cast<std::uint8_t>(code);
        const Read r{f};
        return r.error ? std::optional{r.error->kind} : std::nullopt;
    };
    for (int code = 0; code < 16; ++code) EXPECT_EQ(kind(3, code), code == 4 ? Kind::too_big : Kind::unreachable) << code;
    EXPECT_EQ(kind(12, 0), Kind::unreachable) << "parameter problem";
    for (int code = 0; code < 8; ++code) EXPECT_EQ(kind(1, code, true), Kind::unreachable) << code;
    EXPECT_EQ(kind(2, 0, true), Kind::too_big);
    EXPECT_EQ(kind(4, 1, true), Kind::unreachable);
    for (const int type : {0, 4, 5, 8, 9, 11, 13, 255}) EXPECT_FALSE(kind(type, 0)) << type << ": source quench, time exceeded";
    for (const int type : {0, 3, 100, 128, 129, 135, 255}) EXPECT_FALSE(kind(type, 0, true)) << type;
}

TEST(IcmpError, TellsTheMtuOfTheNextLink) {
    const Read v4{too_big(our_datagram(pattern(1400)), 1400)};
    EXPECT_EQ(v4.error->mtu, 1400U);
    EXPECT_EQ(v4.error->length, 1428U) << "as the quoted header says, though the quote is shorter";
    EXPECT_EQ(v4.text(), pattern(1400).substr(0, 520));
    EXPECT_TRUE(plausible(*v4.error, v4.decoded));
    const Read v6{too_big(our_datagram(pattern(1400), true), 1300)};
    EXPECT_EQ(v6.error->mtu, 1300U);
    EXPECT_TRUE(plausible(*v6.error, v6.decoded));
}

TEST(IcmpError, TheFirstFragmentShowsTheMessageAndALaterOneNothing) {
    for (const bool v6 : {false, true}) {
        Fragmented m;
        m.u = our_datagram(pattern(3000), v6);
        const auto parts = m.parts(1400);
        auto f = error_about(m.u);
        f.quote = quote_of(parts[0]);
        const Read first{f};
        ASSERT_TRUE(first.error);
        EXPECT_EQ(first.error->destination, m.u.destination);
        EXPECT_EQ(first.text(), pattern(3000).substr(0, v6 ? 492 : 520));
        f.quote = quote_of(parts[1]);
        EXPECT_FALSE(Read{f}.error);
    }
}

TEST(IcmpError, LeavesOutExtensionStructures_Rfc4884) {
    const auto u = our_datagram(pattern(600));
    auto f = error_about(u);
    f.quote = quote_of(u.build(), 128);
    f.rest = 32U << 16;  // in words
    f.extension = Frame(64, 0xee);
    EXPECT_EQ(Read{f}.text(), pattern(600).substr(0, 100));
    f.rest = 255U << 16;  // beyond the message
    EXPECT_EQ(Read{f}.text().size(), 164U);

    const auto six = our_datagram(pattern(600), true);
    auto g = error_about(six);
    g.quote = quote_of(six.build(), 128);
    g.rest = 16U << 24;
    g.extension = Frame(64, 0xee);
    EXPECT_EQ(Read{g}.text(), pattern(600).substr(0, 80));
}

TEST(IcmpError, PaddingBehindAShortDatagramIsNoText) {
    auto f = error_about(our_datagram("\r\n\r\n"));
    f.quote.resize(128);
    EXPECT_EQ(Read{f}.text(), "\r\n\r\n");
}

TEST(IcmpError, EightOctetsOfUdpAreEnough_Rfc792) {
    const auto u = our_datagram();
    auto f = error_about(u);
    f.quote.resize(28);
    const Read r{f};
    ASSERT_TRUE(r.error);
    EXPECT_EQ(r.error->destination, u.destination);
    EXPECT_TRUE(r.text().empty());
    f.quote.resize(27);
    EXPECT_FALSE(Read{f}.error);
}

TEST(IcmpError, QuotesOfOtherThingsAreNotRead) {
    const auto with = [](std::size_t at, std::uint8_t value) {
        auto f = error_about(our_datagram());
        f.quote[at] = value;
        return Read{f}.error.has_value();
    };
    EXPECT_TRUE(with(8, 1)) << "the TTL may be any";
    EXPECT_FALSE(with(0, 0x65));
    EXPECT_FALSE(with(0, 0x44));
    EXPECT_FALSE(with(0, 0x4f)) << "a header beyond the packet";
    EXPECT_FALSE(with(9, 6));
    EXPECT_FALSE(with(3, 27)) << "a packet without room for UDP";
    EXPECT_FALSE(with(25, 7)) << "a UDP length below the header's";
    auto f = error_about(our_datagram("x", true));
    f.quote[6] = 60;
    EXPECT_FALSE(Read{f}.error) << "nothing of ours has destination options";
}

TEST(IcmpError, NeverReadsBeyondTheFrame) {
    std::vector<Frame> frames;
    for (const bool v6 : {false, true}) {
        frames.push_back(error_about(our_datagram(pattern(200), v6)).build());
        Fragmented m;
        m.u = our_datagram(pattern(200), v6);
        auto f = error_about(m.u);
        f.quote = quote_of(m.parts(104)[0]);
        f.rest = 0x2020U << 16;
        frames.push_back(f.build());
    }
    std::mt19937 random{7};
    const auto look = [](const Frame& f) {
        const Guarded g{f};
        const auto d = decode(g.bytes(), {.verify_ip_checksum = false});
        if (d.verdict != Decoded::Verdict::icmp) return;
        (void)icmp_checksum_ok(g.bytes(), d);
        const auto e = read_icmp_error(g.bytes(), d);
        if (!e) return;
        (void)plausible(*e, d);
        std::uint8_t all = 0;
        for (const auto o : e->text) all = static_cast<std::uint8_t>(all ^ o);
        EXPECT_LE(e->text.size(), f.size());
        EXPECT_GE(e->text.data(), g.bytes().data());
    };
    for (const auto& whole : frames) {
        const std::size_t ip_length = whole[12] == 0x08 ? 16 : 18, fixed = whole[12] == 0x08 ? 0 : 40;
        for (std::size_t n = 0; n <= whole.size(); ++n) {
            Frame cut{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)};
            look(cut);
            if (n < 14 + 20 + fixed) continue;
            // And with a length that agrees with the cut.
            const auto length = n - 14 - fixed;
            cut[ip_length] = static_cast<std::uint8_t>(length >> 8);
            cut[ip_length + 1] = static_cast<std::uint8_t>(length);
            look(cut);
            for (int i = 0; i < 20; ++i) {
                auto bent = cut;
                for (int flips = 0; flips < 3; ++flips) bent[random() % bent.size()] = static_cast<std::uint8_t>(random());
                look(bent);
            }
        }
    }
}

TEST(IcmpError, TheChecksumCoversEveryOctet) {
    for (const bool v6 : {false, true}) {
        auto f = error_about(our_datagram("INVITE sip:a SIP/2.0", v6));
        const Read good{f};
        ASSERT_TRUE(icmp_checksum_ok(good.frame, good.decoded));
        for (std::size_t at = good.decoded.payload_offset; at < good.frame.size(); ++at) {
            auto bad = good.frame;
            bad[at] ^= 1;
            EXPECT_FALSE(icmp_checksum_ok(bad, good.decoded)) << at;
        }
        f.spoilt = true;
        const Read spoilt{f};
        EXPECT_FALSE(icmp_checksum_ok(spoilt.frame, spoilt.decoded));
    }
}

TEST(IcmpError, OneThatContradictsItselfIsNotPlausible) {
    const auto fits = [](const IcmpFrame& f) {
        const Read r{f};
        return r.error && plausible(*r.error, r.decoded);
    };
    auto u = our_datagram();
    auto elsewhere = error_about(u);
    elsewhere.receiver = ip("10.77.0.101");
    EXPECT_FALSE(fits(elsewhere)) << "errors go to the source of what they quote";
    for (const auto* target : {"224.0.1.75:5060", "127.0.0.1:5060", "10.77.0.103:0", "10.77.0.100:5061"}) {
        u.destination = endpoint(target);
        EXPECT_FALSE(fits(error_about(u))) << target;
    }
    const auto long_one = our_datagram(pattern(1400)), short_one = our_datagram(pattern(500));
    EXPECT_TRUE(fits(too_big(long_one, 0))) << "a router older than RFC 1191";
    EXPECT_TRUE(fits(too_big(long_one, 1427)));
    EXPECT_FALSE(fits(too_big(long_one, 1428))) << "it would have fitted";
    EXPECT_FALSE(fits(too_big(short_one, 100))) << "every path takes that";
    const auto six = our_datagram(pattern(1400), true);
    EXPECT_TRUE(fits(too_big(six, 1280)));
    EXPECT_FALSE(fits(too_big(six, 1279))) << "RFC 8201 section 4";
    EXPECT_FALSE(fits(too_big(six, 1448)));
    EXPECT_FALSE(fits(too_big(six, 70'000)));
}

}  // namespace
}  // namespace sipfront::dpdk

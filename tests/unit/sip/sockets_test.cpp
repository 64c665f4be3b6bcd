#include "sip/sockets.hpp"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace sipfront::sip {
namespace {

core::Endpoint at(std::string_view text) { return core::Endpoint::parse(text, 5060).value(); }

class SocketsTest : public testing::Test {
protected:
    const std::array<Listener, 3> listeners{{{core::ListenerId{0}, at("10.77.0.100"), core::Transport::udp, true},
                                             {core::ListenerId{1}, at("10.77.0.100"), core::Transport::tcp, true},
                                             {core::ListenerId{2}, at("[fd77::100]:5070"), core::Transport::udp, true}}};
    const Sockets sockets{listeners};

    [[nodiscard]] int named_by(std::string_view uri) const {
        const auto parsed = parse_uri(uri).value();
        const auto* s = sockets.named_by(parsed);
        const auto address = parsed.address();
        const core::Endpoint shown{address.value_or(core::IpAddress{}), parsed.port != 0 ? parsed.port : std::uint16_t{5060}};
        EXPECT_EQ(sockets.named_by(parsed, address ? &shown : nullptr) == nullptr, s == nullptr) << uri;
        return s == nullptr ? -1 : core::raw(s->listener.id);
    }
};

TEST_F(SocketsTest, ShowThemselvesOnTheWire) {
    EXPECT_EQ(sockets.all()[0].via, "Via: SIP/2.0/UDP 10.77.0.100:5060;branch=");
    EXPECT_EQ(sockets.all()[1].record_route, "Record-Route: <sip:10.77.0.100:5060;transport=tcp;lr;sf=");
    EXPECT_EQ(sockets.all()[2].route(), "<sip:[fd77::100]:5070;lr;sf=");
    EXPECT_EQ(sockets.all()[2].host(), "[fd77::100]");
}

TEST_F(SocketsTest, AreNamedInEverySpelling) {
    EXPECT_EQ(named_by("sip:10.77.0.100"), 0);
    EXPECT_EQ(named_by("sip:x@10.77.0.100:5060"), 0);
    EXPECT_EQ(named_by("sip:10.77.0.100;transport=TCP"), 1);
    EXPECT_EQ(named_by("sip:[fd77:0:0::100]:5070"), 2);
    EXPECT_EQ(named_by("sip:other.example;maddr=10.77.0.100"), 0);
    EXPECT_EQ(named_by("sip:10.77.0.100:5061"), -1);
    EXPECT_EQ(named_by("sip:10.77.0.100;maddr=10.77.0.9"), -1);
    EXPECT_EQ(named_by("sip:10.77.0.10"), -1);
    EXPECT_EQ(named_by("tel:+10.77.0.100"), -1);
}

TEST_F(SocketsTest, KnowTheirRouteExactlyAsTheyWroteIt) {
    const auto own = [&](std::string_view value) { return sockets.read_own_route(value); };
    const auto plain = own("<sip:10.77.0.100:5060;lr;sf=AbC-_9>");
    ASSERT_EQ(plain.socket, &sockets.all()[0]);
    EXPECT_EQ(plain.cookie, "AbC-_9");
    const auto tagged = own("<sip:10.77.0.100:5060;transport=tcp;lr;sf=AbC;ftag=x.y~z>");
    ASSERT_EQ(tagged.socket, &sockets.all()[1]);
    EXPECT_EQ(tagged.cookie, "AbC");
    // Who opens a cookie says what can be one.
    EXPECT_EQ(own("<sip:10.77.0.100:5060;lr;sf=Ab\"C>").cookie, "Ab\"C");
    // Whatever else stands there is for the one who reads all of it.
    for (const std::string_view other :
         {"<sip:10.77.0.100:5060;lr;sf=AbC>;x=y", "<sip:10.77.0.100:5060;lr;sf=AbC;ftag=1;more>", "<sip:10.77.0.100:5060;lr;sf=AbC", "",
          "<sip:10.77.0.100:5060;lr;sf=AbC>, <sip:10.9.9.9;lr>", "<sip:10.77.0.101:5060;lr;sf=AbC>", "<SIP:10.77.0.100:5060;lr;sf=AbC>",
          "<sip:10.77.0.100:5060;lr;sf=AbC;ftag=1?x=y>>"})
        EXPECT_EQ(own(other).socket, nullptr) << other;
}

TEST_F(SocketsTest, KnowTheirRouteAtAnyLength) {
    const std::string head = "<sip:10.77.0.100:5060;lr;sf=";
    for (std::size_t cookie = 1; cookie < 70; ++cookie) {
        for (const std::size_t tag : {0, 1, 9, 10, 16, 25, 26, 27, 42}) {
            const auto value = head + std::string(cookie, 'c') + (tag == 0 ? "" : ";ftag=") + std::string(tag, 't') + ">";
            const auto own = sockets.read_own_route(value);
            ASSERT_NE(own.socket, nullptr) << value;
            EXPECT_EQ(own.cookie.size(), cookie) << value;
            EXPECT_EQ(sockets.read_own_route(value.substr(0, value.size() - 1)).socket, nullptr) << value;
            EXPECT_EQ(sockets.read_own_route(value + ">").socket, nullptr) << value;
            for (auto at = head.size(); tag != 0 && at + 1 < value.size(); ++at) {
                auto cut = value;
                cut[at] = '>';
                EXPECT_EQ(sockets.read_own_route(cut).socket, nullptr) << cut;
            }
        }
    }
}

TEST_F(SocketsTest, GiveAFlowItsLocalEndBack) {
    core::Flow f;
    f.local = at("[fd77::100]:5070");
    f.remote = at("[fd77::2]:4444");
    f.listener = core::ListenerId{2};
    f.zone = core::Zone::carrier;
    EXPECT_EQ(sockets.flow(core::FarEnd{f}), f);
    EXPECT_EQ(sockets.of(f), &sockets.all()[2]);
    f.listener = core::ListenerId{9};
    EXPECT_EQ(sockets.of(f), &sockets.all()[2]) << "by its address, when the number is no guide";
    EXPECT_EQ(sockets.of(core::FarEnd{f}), nullptr);
}

}  // namespace
}  // namespace sipfront::sip

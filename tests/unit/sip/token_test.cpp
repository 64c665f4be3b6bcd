#include "sip/token.hpp"

#include <array>
#include <random>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "sip/base64url.hpp"

namespace sipfront::sip {
namespace {

const auto keys = core::KeyRing::parse("7 000102030405060708090a0b0c0d0e0f sign\n8 ffeeddccbbaa99887766554433221100 accept\n").value();
const auto after_rollover =
    core::KeyRing::parse("7 000102030405060708090a0b0c0d0e0f retire\n8 ffeeddccbbaa99887766554433221100 sign\n").value();
const auto after_retirement = core::KeyRing::parse("8 ffeeddccbbaa99887766554433221100 sign\n").value();

Branch sample() {
    return {.node = core::NodeId{2},
            .kind = Branch::Kind::proxied,
            .attempt = 3,
            .worker = core::WorkerId{63},
            .transaction = {1234, 77},
            .loop = 0xdeadbeef};
}
const BranchBinding binding{"call@x", 42, 0x123456789abcdef0};

std::optional<RouteCookie> opened(std::string_view text, const CallIdentity& call, std::string_view caller_tag, const core::KeyRing& ring) {
    std::optional<RouteCookie> found = RouteCookie{};
    const bool good = open_cookie(text, call, caller_tag, ring, found);
    EXPECT_EQ(good, found.has_value());
    return found;
}

TEST(Branch, ComesBackAsItWasMade) {
    auto b = sample();
    const auto text = make_branch(b, binding, keys);
    EXPECT_TRUE(text.view().starts_with("z9hG4bK"));
    EXPECT_EQ(text.view().size(), 39U);
    const auto read = read_branch(text.view());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->node, b.node);
    EXPECT_EQ(read->attempt, 3);
    EXPECT_EQ(read->worker, core::WorkerId{63});
    EXPECT_EQ(read->transaction, b.transaction);
    EXPECT_EQ(read->loop, b.loop);
    EXPECT_EQ(read->mac, b.mac);
    EXPECT_TRUE(verify_branch(text.view(), binding, keys));
}

TEST(Branch, IsBoundToCallIdCseqAndTheViaBelow) {
    auto b = sample();
    const auto text = make_branch(b, binding, keys);
    EXPECT_FALSE(verify_branch(text.view(), {"call@y", 42, binding.client}, keys));
    EXPECT_FALSE(verify_branch(text.view(), {"call@x", 43, binding.client}, keys));
    EXPECT_FALSE(verify_branch(text.view(), {"call@x", 42, binding.client + 1}, keys));
    EXPECT_FALSE(verify_branch(text.view(), {"call@x", 42, binding.client << 8}, keys)) << "the border between the fields counts";
}

TEST(Branch, EveryFlippedCharacterIsCaught) {
    auto b = sample();
    const std::string text{make_branch(b, binding, keys).view()};
    for (std::size_t i = magic_cookie.size(); i < text.size(); ++i) {
        auto bad = text;
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(verify_branch(bad, binding, keys)) << i;
    }
}

TEST(Branch, ForeignOnesAreNotOurs) {
    for (const auto* text :
         {"", "z9hG4bK", "z9hG4bK-12345-1-0", "z9hG4bKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "z9hG4bK!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!"})
        EXPECT_FALSE(read_branch(text)) << text;
}

TEST(Branch, KeysRollOver) {
    auto b = sample();
    const auto text = make_branch(b, binding, keys);
    EXPECT_TRUE(verify_branch(text.view(), binding, after_rollover));
    EXPECT_FALSE(verify_branch(text.view(), binding, after_retirement));
    const auto fresh = make_branch(b, binding, after_rollover);
    EXPECT_TRUE(verify_branch(fresh.view(), binding, keys)) << "accepted everywhere before anyone signs with it";
}

core::Endpoint at(const char* text) { return *core::Endpoint::parse(text); }

TEST(Cookie, ComesBackAsItWasMade) {
    for (const auto& [host, client, transport] : {std::tuple{"10.77.0.103:5060", "10.77.0.2:40000", core::Transport::udp},
                                                  {"[fd77::103]:5080", "192.0.2.9:5060", core::Transport::tcp},
                                                  {"10.0.0.1:5060", "[2001:db8::1]:1024", core::Transport::tls}}) {
        const RouteCookie c{.node = core::NodeId{1},
                            .caller_in_cluster = true,
                            .symmetric = true,
                            .client_transport = transport,
                            .dialog = {5, 9},
                            .host = at(host),
                            .client = at(client),
                            .connection = core::ConnectionId{transport == core::Transport::udp ? 0U : 88U}};
        const auto text = make_cookie(c, "call@x", "tag", keys);
        const auto read = opened(text.view(), "call@x", "tag", keys);
        ASSERT_TRUE(read) << host;
        EXPECT_EQ(read->host, c.host);
        EXPECT_EQ(read->client, c.client);
        EXPECT_EQ(read->connection, c.connection);
        EXPECT_EQ(read->client_transport, transport);
        EXPECT_EQ(read->dialog, c.dialog);
        EXPECT_TRUE(read->caller_in_cluster && read->symmetric);
        EXPECT_FALSE(opened(text.view(), "call@y", "tag", keys));
        EXPECT_FALSE(opened(text.view(), "call@x", "gat", keys));
        EXPECT_FALSE(opened(text.view(), "call@xt", "ag", keys));
        EXPECT_TRUE(opened(text.view(), "call@x", "tag", after_rollover));
        EXPECT_FALSE(opened(text.view(), "call@x", "tag", after_retirement));
    }
}

// One node may have the instructions, the other not.
class WithoutAes {
public:
    ~WithoutAes() { core::has_aes = had_; }

private:
    bool had_ = std::exchange(core::has_aes, false);
};

core::Endpoint any_endpoint(bool v6, std::mt19937_64& random) {
    std::array<std::uint8_t, 16> octets;
    for (auto& o : octets) o = static_cast<std::uint8_t>(random());
    const auto address = v6 ? core::IpAddress::v6(octets) : core::IpAddress::v4(static_cast<std::uint32_t>(random()));
    return {address, static_cast<std::uint16_t>(random())};
}

std::string any_text(std::size_t n, std::mt19937_64& random) {
    std::string text(n, ' ');
    for (auto& c : text) c = static_cast<char>('!' + random() % 94);
    return text;
}

TEST(Cookie, OfAnyFieldsComesBackAndIsTheSameOnAnyCpu) {
    std::mt19937_64 random{7};
    for (int i = 0; i < 4000; ++i) {
        RouteCookie c{.node = core::NodeId{static_cast<std::uint8_t>(random())},
                      .caller_in_cluster = random() % 2 == 0,
                      .symmetric = random() % 2 == 0,
                      .host_transport = static_cast<core::Transport>(random() % 3),
                      .client_transport = static_cast<core::Transport>(i % 3 == 0 ? random() % 3 : 0),
                      .dialog = {static_cast<std::uint32_t>(random()), static_cast<std::uint32_t>(random())},
                      .host = any_endpoint(i % 5 == 0, random),
                      .client = any_endpoint(i % 7 == 0, random)};
        if (core::is_reliable(c.client_transport)) c.connection = core::ConnectionId{static_cast<std::uint32_t>(random())};
        const auto call = any_text(random() % 80, random), tag = any_text(random() % 80, random);
        const auto text = make_cookie(c, call, tag, keys);
        const auto read = opened(text.view(), call, tag, keys);
        ASSERT_TRUE(read) << i;
        EXPECT_EQ(read->node, c.node);
        EXPECT_EQ(read->caller_in_cluster, c.caller_in_cluster);
        EXPECT_EQ(read->symmetric, c.symmetric);
        EXPECT_EQ(read->host_transport, c.host_transport);
        EXPECT_EQ(read->client_transport, c.client_transport);
        EXPECT_EQ(read->dialog, c.dialog);
        EXPECT_EQ(read->host, c.host);
        EXPECT_EQ(read->client, c.client);
        EXPECT_EQ(read->connection, c.connection);
        EXPECT_FALSE(opened(text.view(), call, tag + "x", keys));
        EXPECT_FALSE(opened(text.view(), call + "x", tag, keys));
        if (i % 8 != 0) continue;
        const WithoutAes slow;
        EXPECT_EQ(make_cookie(c, call, tag, keys).view(), text.view());
        EXPECT_TRUE(opened(text.view(), call, tag, keys));
    }
}

TEST(Cookie, TheLengthOfTheTagCounts) {
    for (const auto* host : {"10.0.0.1:1", "[::1]:1"}) {
        const auto text = make_cookie({.host = at(host), .client = at("10.0.0.2:2")}, "c", std::string(20, 'a'), keys);
        for (std::size_t n = 0; n < 64; ++n) EXPECT_EQ(opened(text.view(), "c", std::string(n, 'a'), keys).has_value(), n == 20) << n;
    }
}

TEST(Tokens, AreTheSameOnAnyCpu) {
    std::mt19937_64 random{8};
    for (int i = 0; i < 200; ++i) {
        auto b = sample();
        b.transaction = {static_cast<std::uint32_t>(random()), static_cast<std::uint32_t>(random())};
        const auto call = any_text(random() % 80, random), tag = any_text(random() % 80, random);
        const BranchBinding bound{call, static_cast<std::uint32_t>(random()), random()};
        const auto branch = make_branch(b, bound, keys);
        const FlowToken f{any_endpoint(i % 2 == 0, random), core::Transport::udp, core::no_connection};
        const auto flow = make_flow_token(f, keys);
        const auto local = make_local_tag(call, tag, branch.view(), keys);
        const WithoutAes slow;
        EXPECT_EQ(make_branch(b, bound, keys).view(), branch.view());
        EXPECT_TRUE(verify_branch(branch.view(), bound, keys));
        EXPECT_EQ(make_flow_token(f, keys).view(), flow.view());
        EXPECT_TRUE(open_flow_token(flow.view(), keys));
        EXPECT_EQ(make_local_tag(call, tag, branch.view(), keys).view(), local.view());
    }
}

// Fields of one token are no token of another kind.
TEST(Tokens, OfOneKindAreNotOfAnother) {
    const auto cookie = make_cookie({.host = at("10.0.0.1:1"), .client = at("10.0.0.2:2")}, "c", "", keys);
    EXPECT_FALSE(open_flow_token(std::string{flow_mark} + std::string{cookie.view()}, keys));
    EXPECT_FALSE(read_branch(std::string{magic_cookie} + std::string{cookie.view()}));
}

TEST(Cookie, AnyOtherTextIsRefused) {
    const std::string good{make_cookie({.host = at("10.0.0.1:1"), .client = at("10.0.0.2:2")}, "c", "t", keys).view()};
    for (std::size_t i = 0; i < good.size(); ++i) {
        auto bad = good;
        bad[i] = bad[i] == 'x' ? 'y' : 'x';
        EXPECT_FALSE(opened(bad, "c", "t", keys)) << i;
        EXPECT_FALSE(opened(good.substr(0, i), "c", "t", keys)) << i;
        EXPECT_FALSE(opened(good + good.substr(0, i + 1), "c", "t", keys)) << i;
    }
    std::mt19937 random{3};
    for (int i = 0; i < 2000; ++i) {
        std::string noise(random() % 100, '\0');
        for (auto& ch : noise) ch = static_cast<char>(random());
        EXPECT_FALSE(opened(noise, "c", "t", keys));
    }
}

TEST(FlowToken, ComesBackAsItWasMade) {
    for (const FlowToken& f : {FlowToken{*core::Endpoint::parse("198.51.100.7:40123"), core::Transport::udp, core::no_connection},
                               FlowToken{*core::Endpoint::parse("[2001:db8::7]:5060"), core::Transport::udp, core::no_connection},
                               FlowToken{*core::Endpoint::parse("[2001:db8::7]:5061"), core::Transport::tls, core::ConnectionId{77}}}) {
        const auto text = make_flow_token(f, keys);
        EXPECT_TRUE(text.view().starts_with(flow_mark));
        const auto read = open_flow_token(text.view(), keys);
        ASSERT_TRUE(read) << text.view();
        EXPECT_EQ(read->client, f.client);
        EXPECT_EQ(read->transport, f.transport);
        EXPECT_EQ(read->connection, f.connection);
        EXPECT_TRUE(open_flow_token(text.view(), after_rollover));
        EXPECT_FALSE(open_flow_token(text.view(), after_retirement));
    }
    EXPECT_EQ(make_flow_token({.client = *core::Endpoint::parse("198.51.100.7:40123")}, keys).view().size(), 25U);
}

TEST(FlowToken, AnyOtherTextIsRefused) {
    const auto text = std::string{make_flow_token({.client = *core::Endpoint::parse("198.51.100.7:40123")}, keys).view()};
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto other = text;
        // The last character holds two bits only: another letter with the same ones says the same.
        other[i] = i + 1 == text.size() ? (text[i] < 'Q' ? 'w' : 'A') : text[i] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(open_flow_token(other, keys)) << i;
        EXPECT_FALSE(open_flow_token(text.substr(0, i), keys)) << i;
    }
    EXPECT_FALSE(open_flow_token(text + "A", keys));
    std::optional<RouteCookie> cookie;
    EXPECT_FALSE(open_cookie(text.substr(flow_mark.size()), "call@x", "tag", keys, cookie));
}

TEST(Base64Url, RoundTripsEveryLength) {
    std::mt19937 random{5};
    for (std::size_t n = 0; n < 64; ++n) {
        std::array<std::uint8_t, 64> in{}, out{};
        for (auto& b : in) b = static_cast<std::uint8_t>(random());
        std::array<char, 90> text{};
        const auto length = base64url_encode(in.data(), n, text.data());
        EXPECT_EQ(length, (n * 4 + 2) / 3);
        ASSERT_EQ(base64url_decode({text.data(), length}, out.data(), out.size()), n);
        EXPECT_TRUE(std::equal(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(n), out.begin()));
    }
}

TEST(Base64Url, EveryOctetIsACharacterOrForeign) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";  // RFC 4648 §5
    for (int c = 0; c < 256; ++c) {
        const auto value = alphabet.find(static_cast<char>(c));
        for (std::size_t at = 0; at < 20; ++at) {
            std::string text(20, 'A');
            text[at] = static_cast<char>(c);
            std::array<std::uint8_t, 64> out{};
            const auto n = base64url_decode(text, out.data(), out.size());
            ASSERT_EQ(n, value == std::string_view::npos ? 0U : 15U) << c << " at " << at;
            if (n == 0) continue;
            std::uint32_t triple = 0;
            for (std::size_t i = 0; i < 3; ++i) triple = triple << 8 | out[at / 4 * 3 + i];
            EXPECT_EQ(triple >> (18 - 6 * (at % 4)), value);
        }
    }
}

TEST(LocalTag, IsTheSameForTheSameRequestOnly) {
    const auto a = make_local_tag("c", "f", "b", keys);
    EXPECT_EQ(a.view(), make_local_tag("c", "f", "b", keys).view());
    EXPECT_NE(a.view(), make_local_tag("c", "f", "b2", keys).view());
    EXPECT_NE(a.view(), make_local_tag("cf", "", "b", keys).view());
}

}  // namespace
}  // namespace sipfront::sip

// Malformed messages by the thousand, of clients and of hosts, with well-formed calls beside them in the same world: these all complete,
// and what the others left behind is gone when the timers have run out.
#include <cstdio>
#include <functional>

#include <gtest/gtest.h>

#include "sip/stream_framer.hpp"
#include "tests/sim/malformed_cases.hpp"
#include "tests/sim/party.hpp"

namespace sipfront::sim {
namespace {

const std::string sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n";

// Always as long, so that the same case breaks the same place.
std::string numbered(std::uint32_t n) { return std::to_string(1'000'000 + n); }

std::string broken_invite(std::uint32_t n) {
    const auto id = numbered(n);
    return request({.uri = "sip:service;x=y@10.77.0.100:5060;transport=udp",
                    .call_id = "broken-" + id + "@client",
                    .branch = "z9hG4bKbroken" + id,
                    .via = client_b,
                    .via_params = ";rport;received=192.0.2.1",
                    .contact = "\"B, roken\" <sip:b@10.77.0.3:5060;ob>;q=0.5",
                    .headers = {"Record-Route: <sip:192.0.2.7;lr>", "Supported: 100rel", "Expires: 300"},
                    .body = sdp});
}
std::string broken_register(std::uint32_t n) {
    const auto id = numbered(n);
    return request(
        {.method = "REGISTER",
         .uri = "sip:example.com",
         .call_id = "broken-register-" + id,
         .branch = "z9hG4bKregister" + id,
         .via = client_b,
         .headers = {"Authorization: Digest username=\"a\", realm=\"b\", nonce=\"c\", uri=\"sip:x\", response=\"0\"", "Expires: 60"}});
}
// A new transaction for each case: else all but the first would pass for repetitions.
using Template = std::function<std::string(std::uint32_t)>;

class Siege {
public:
    World& world() { return world_; }
    [[nodiscard]] std::size_t cases() const { return cases_; }
    [[nodiscard]] std::size_t calls() const { return calls_; }

    // Every case of one message, from a client; hosts refuse whatever reaches them.
    void requests(const Template& base, const core::Endpoint& from) {
        const auto size = MalformedCases{base(0)}.size();
        for (std::size_t i = 0; i < size; ++i) {
            refuse(world_.receive(MalformedCases{base(next_++)}[i], from));
            beside();
        }
    }

    // Every case of the responses to an INVITE, from the host that got it; a fresh INVITE now and then, since some cases end it.
    void responses(int status, const std::vector<std::string>& headers) {
        for (std::size_t i = 0, size = 1; i < size; ++i) {
            const auto id = std::to_string(cases_);
            const auto invite =
                only(world_.receive(request({.call_id = "answered-" + id, .branch = "z9hG4bKanswered" + id}), client_a), "INVITE");
            const MalformedCases all{response(invite.text, status, "Reason", "callee", headers)};
            size = all.size();
            for (std::size_t of = 0; of < 40 && i < size; ++of, ++i) {
                world_.receive(all[i], invite.flow.remote);
                beside();
            }
            --i;
            world_.receive(response(invite.text, 486, "Busy Here"), invite.flow.remote);
        }
    }

    // Every case over streams of their own, or one behind the other until framing is lost.
    void streams(const Template& base, bool one_each) {
        const auto size = MalformedCases{base(0)}.size();
        std::uint32_t connection = 1;
        auto framer = std::make_unique<sip::StreamFramer>();
        for (std::size_t i = 0; i < size; ++i) {
            if (one_each) renew(framer, connection);
            const auto text = MalformedCases{base(next_++)}[i];
            bool lost = false;
            // In two segments, so that the second begins anywhere.
            const auto cut = text.size() * (i % 7) / 7;
            for (const auto part : {std::string_view{text}.substr(0, cut), std::string_view{text}.substr(cut)}) {
                if (lost) break;
                framer->feed(part);
                for (sip::Frame f; (f = framer->next()).kind != sip::Frame::Kind::need_more;) {
                    if (f.kind == sip::Frame::Kind::message)
                        refuse(world_.receive(std::string{f.bytes}, client_b, vip, core::Transport::tcp, core::ConnectionId{connection}));
                    if ((lost = f.kind == sip::Frame::Kind::bad_framing)) break;
                }
            }
            if (lost) renew(framer, connection);
            beside();
        }
    }

    void expect_nothing_left() {
        world_.jump(400s);
        auto& worker = world_.worker();
        worker.proxy().publish_gauges();
        EXPECT_EQ(world_.transactions(), 0U);
        EXPECT_EQ(world_.dialogs(), 0U);
        EXPECT_EQ(world_.total_load(), 0U);
        EXPECT_EQ(world_.stats().proxy.image_bytes.get(), 0U);
        EXPECT_EQ(world_.stats().proxy.early_dialogs.get(), 0U);
        EXPECT_EQ(worker.proxy().transactions().timers(), 0U);
        EXPECT_EQ(worker.proxy().residues(), 0U);
        EXPECT_EQ(world_.io().live(), 0);
        EXPECT_EQ(world_.io().lent(), lent_);
    }

private:
    static void renew(std::unique_ptr<sip::StreamFramer>& framer, std::uint32_t& connection) {
        framer = std::make_unique<sip::StreamFramer>();
        ++connection;
    }
    // One more case is through; a call of somebody else begins, goes on or ends.
    void beside() {
        ++cases_;
        world_.turn(1ms);
        if (cases_ % 20 != 0) return;
        const auto id = std::to_string(cases_);
        const auto call = establish(world_, {.call_id = "beside-" + id, .branch = "z9hG4bKbeside" + id});
        const auto ended = hang_up(world_, call, "z9hG4bKbesidebye" + id);
        if (how_many(ended, "SIP/2.0 200") == 1) ++calls_;
    }
    void refuse(const std::vector<Sent>& sent) {
        for (const auto& s : sent) {
            sip::Message m;
            if (m.parse(s.text) != sip::ParseError::none || !m.is_request() || m.method() == sip::Method::ack) continue;
            world_.receive(response(s.text, 404, "Not Found"), s.flow.remote);
        }
    }
    static sim::Setup setup() {
        sim::Setup s{.capacity = 1'000'000};
        s.proxy.timers.dialog_timeout = 120s;
        return s;
    }

    World world_{setup()};
    long lent_ = world_.io().lent();
    std::uint32_t next_ = 0;
    std::size_t cases_ = 0, calls_ = 0;
};

TEST(Malformed, ThousandsOfMessagesHurtNobody) {
    Siege siege;
    siege.requests(broken_invite, client_b);
    siege.requests(broken_register, client_b);
    const auto call = establish(siege.world(), {.call_id = "standing", .branch = "z9hG4bKstanding"});
    siege.requests([&](std::uint32_t n) { return call.in_dialog("INFO", 1'000'000 + n, "z9hG4bKinfo" + numbered(n)); }, client_a);
    siege.requests([&](std::uint32_t n) { return call.from_host("NOTIFY", 1'000'000 + n, "z9hG4bKhost" + numbered(n)); }, call.host);
    std::printf("malformed requests: %zu cases, %zu calls beside them\n", siege.cases(), siege.calls());
    EXPECT_GE(siege.cases(), 5'000U);
    EXPECT_EQ(siege.calls(), siege.cases() / 20);
    // Not all of it ended at the first door.
    const auto& counters = siege.world().stats().proxy;
    std::size_t kinds = 0;
    for (std::size_t e = 1; e < static_cast<std::size_t>(sip::ParseError::count_); ++e)
        kinds += counters.parse_errors[static_cast<sip::ParseError>(e)].get() > 0;
    EXPECT_GE(kinds, 15U);
    EXPECT_GE(counters.requests_out[sip::Method::register_].get(), 500U);
    EXPECT_GE(siege.world().count(sip::LocalReply::unsupported_scheme), 1U);
    EXPECT_GE(siege.world().count(sip::LocalReply::too_many_hops), 1U);
    siege.expect_nothing_left();
}

TEST(Malformed, ResponsesOfAHostHurtNobody) {
    Siege siege;
    const std::vector<std::string> headers{"Contact: <sip:h@10.77.0.103>", "Require: 100rel", "RSeq: 1", "Reason: Q.850;cause=16"};
    siege.responses(183, headers);
    siege.responses(200, headers);
    siege.responses(503, {"Retry-After: 10"});
    std::printf("malformed responses: %zu cases, %zu calls beside them\n", siege.cases(), siege.calls());
    EXPECT_GE(siege.cases(), 5'000U);
    EXPECT_EQ(siege.calls(), siege.cases() / 20);
    siege.expect_nothing_left();
}

TEST(Malformed, StreamsHurtNobody) {
    Siege siege;
    siege.streams(broken_invite, true);
    siege.streams(broken_invite, false);
    std::printf("malformed streams: %zu cases, %zu calls beside them\n", siege.cases(), siege.calls());
    EXPECT_EQ(siege.calls(), siege.cases() / 20);
    siege.expect_nothing_left();
}

TEST(Malformed, TenRoundsLeaveWhatOneDoes) {
    Siege siege;
    for (int round = 0; round < 10; ++round) {
        siege.requests(
            [](std::uint32_t n) {
                return request({.call_id = "round-" + numbered(n), .branch = "z9hG4bKround" + numbered(n), .via = client_b});
            },
            client_b);
        siege.expect_nothing_left();
    }
}

}  // namespace
}  // namespace sipfront::sim

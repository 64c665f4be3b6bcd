// Parsing, steering and editing of realistic messages, with libosip2 on the same bytes beside it.
#include <array>
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>
#include <osipparser2/osip_message.h>
#include <osipparser2/osip_parser.h>

#include "bench/traffic/messages.hpp"
#include "core/steering.hpp"
#include "sip/edit.hpp"
#include "sip/message.hpp"
#include "sip/scan.hpp"

namespace {

using namespace sipfront;
using namespace sipfront::sip;

const std::string invite =
    "INVITE sip:+441632960083@10.77.0.100;user=phone SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 10.77.0.7:5060;rport;branch=z9hG4bKPj9f3c1d72-5e0b-41a8\r\n"
    "From: \"Reception\" <sip:reception@pbx.example.net>;tag=4f1d60b92c7e\r\n"
    "To: <sip:+441632960083@10.77.0.100;user=phone>\r\n"
    "Call-ID: 7d0c4be2-96f1-4f53-8a17-c2e05ab91d3e\r\n"
    "CSeq: 20331 INVITE\r\n"
    "Contact: <sip:reception@10.77.0.7:5060;transport=udp>\r\n"
    "Max-Forwards: 70\r\n"
    "Supported: replaces, 100rel, timer\r\n"
    "User-Agent: Benchphone/3.1\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 131\r\n"
    "\r\n"
    "v=0\r\n"
    "o=- 81 81 IN IP4 10.77.0.7\r\n"
    "s=-\r\n"
    "c=IN IP4 10.77.0.7\r\n"
    "t=0 0\r\n"
    "m=audio 40012 RTP/AVP 8 0 101\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n";

const std::string bye =
    "BYE sip:host@10.77.0.103:5060 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 10.77.0.7:5060;rport;branch=z9hG4bKPj0a11f6b7-5e0b-41a8\r\n"
    "Max-Forwards: 70\r\n"
    "Route: <sip:10.77.0.100;lr;sf=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA;ftag=4f1d60b92c7e>\r\n"
    "From: \"Reception\" <sip:reception@pbx.example.net>;tag=4f1d60b92c7e\r\n"
    "To: <sip:+441632960083@10.77.0.100;user=phone>;tag=h0200f3\r\n"
    "Call-ID: 7d0c4be2-96f1-4f53-8a17-c2e05ab91d3e\r\n"
    "CSeq: 20332 BYE\r\n"
    "Content-Length: 0\r\n"
    "\r\n";

const std::string ok =
    "SIP/2.0 200 OK\r\n"
    "Via: SIP/2.0/UDP 10.77.0.100:5060;branch=z9hG4bKsfAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"
    "Via: SIP/2.0/UDP 10.77.0.7:5060;rport=5060;received=10.77.0.7;branch=z9hG4bKPj0a11f6b7-5e0b-41a8\r\n"
    "From: \"Reception\" <sip:reception@pbx.example.net>;tag=4f1d60b92c7e\r\n"
    "To: <sip:+441632960083@10.77.0.100;user=phone>;tag=h0200f3\r\n"
    "Call-ID: 7d0c4be2-96f1-4f53-8a17-c2e05ab91d3e\r\n"
    "CSeq: 20332 BYE\r\n"
    "Content-Length: 0\r\n"
    "\r\n";

// As sipgen sends it: with an Identity header field (RFC 8224) and the others that trunks add.
std::string long_invite(std::uint32_t bytes) {
    traffic::Config c;
    c.clients = {*core::Endpoint::parse("10.77.0.7:5060")};
    c.hosts = {*core::Endpoint::parse("10.77.0.103:5060")};
    c.target = *core::Endpoint::parse("10.77.0.100:5060");
    c.invite_bytes = bytes;
    return traffic::Messages{c}.whole(traffic::Request::invite, 0).text(traffic::to_text({4711, 1}));
}
const std::string invite_1300 = long_invite(1300);
const std::string invite_2400 = long_invite(2400);

void parse(benchmark::State& state, scan::Isa isa, const std::string& text) {
    if (!scan::supported(isa)) return state.SkipWithError("this machine lacks it");
    scan::force(isa);
    Message m;
    for ([[maybe_unused]] auto _ : state) {
        auto error = m.parse(text);
        benchmark::DoNotOptimize(error);
        benchmark::ClobberMemory();
    }
    if (m.parse(text) != ParseError::none) state.SkipWithError("does not parse");
    scan::force(scan::best());
    state.counters["octets"] = static_cast<double>(text.size());
}
BENCHMARK_CAPTURE(parse, avx2, scan::Isa::avx2, invite);
BENCHMARK_CAPTURE(parse, sse, scan::Isa::sse, invite);
BENCHMARK_CAPTURE(parse, scalar, scan::Isa::scalar, invite);
BENCHMARK_CAPTURE(parse, avx2_1300, scan::Isa::avx2, invite_1300);
BENCHMARK_CAPTURE(parse, avx2_2400, scan::Isa::avx2, invite_2400);
BENCHMARK_CAPTURE(parse, avx2_bye, scan::Isa::avx2, bye);
BENCHMARK_CAPTURE(parse, avx2_200, scan::Isa::avx2, ok);

void osip_parse(benchmark::State& state, const std::string& text) {
    parser_init();
    for ([[maybe_unused]] auto _ : state) {
        osip_message_t* sip = nullptr;
        osip_message_init(&sip);
        const int failed = osip_message_parse(sip, text.data(), text.size());
        if (failed != 0) state.SkipWithError("does not parse");
        osip_message_free(sip);
    }
    state.counters["octets"] = static_cast<double>(text.size());
}
BENCHMARK_CAPTURE(osip_parse, 636, invite);
BENCHMARK_CAPTURE(osip_parse, 1300, invite_1300);
BENCHMARK_CAPTURE(osip_parse, 2400, invite_2400);

void call_id(benchmark::State& state) {
    for ([[maybe_unused]] auto _ : state) {
        auto found = find_call_id(invite);
        benchmark::DoNotOptimize(found);
    }
}
BENCHMARK(call_id);

// What the receiving core does to a message that may be another one's: the Call-ID, its hash, its owner.
void steer(benchmark::State& state) {
    const core::Steering steering{core::HashKey{core::SecretKey{0x0706050403020100, 0x0f0e0d0c0b0a0908}}, 16};
    for ([[maybe_unused]] auto _ : state) {
        auto owner = steering.owner_of(find_call_id(invite));
        benchmark::DoNotOptimize(owner);
    }
}
BENCHMARK(steer);

constexpr std::string_view via = "Via: SIP/2.0/UDP 10.77.0.100:5060;branch=z9hG4bKsfAAAAAAAAAAAAAAAAAAAAAAAAAAAA;rport\r\n";
constexpr std::string_view auth = "X-AUTH-IP: 10.77.0.7\r\nX-AUTH-PORT: 5060\r\n";

template <class Edit>
void edit(benchmark::State& state, const std::string& text, Edit&& make) {
    Message m;
    if (m.parse(text) != ParseError::none) return state.SkipWithError("does not parse");
    std::array<char, 4096> out;
    for ([[maybe_unused]] auto _ : state) {
        EditList edits{m};
        make(edits, m);
        auto written = edits.write(out);
        benchmark::DoNotOptimize(written);
        benchmark::ClobberMemory();
    }
    EditList edits{m};
    make(edits, m);
    if (edits.overflowed()) state.SkipWithError("the edits do not fit");
    state.counters["octets"] = static_cast<double>(edits.size());
}

void common_edits(EditList& edits, const Message& m) {
    edits.replace(m.top_via().rport, "rport=5060");
    edits.insert(m.top_via().value.end(), ";received=10.77.0.7");
    edits.replace(m.first(HeaderId::max_forwards)->value, "69");
    edits.insert(m.headers_end(), auth);
}

// RFC 3261 16.6: Via and Record-Route on top, Max-Forwards down, received and rport filled in, and who it is from for the cluster.
void edit_invite(benchmark::State& state, const std::string& text) {
    constexpr std::string_view top =
        "Via: SIP/2.0/UDP 10.77.0.100:5060;branch=z9hG4bKsfAAAAAAAAAAAAAAAAAAAAAAAAAAAA;rport\r\n"
        "Record-Route: <sip:10.77.0.100;lr;sf=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA;ftag=4f1d60b92c7e>\r\n";
    edit(state, text, [&](EditList& edits, const Message& m) {
        edits.insert(m.headers_begin(), top);
        if (m.top_via().has_rport) return common_edits(edits, m);
        edits.replace(m.first(HeaderId::max_forwards)->value, "69");
        edits.insert(m.headers_end(), auth);
    });
}
BENCHMARK_CAPTURE(edit_invite, 636, invite);
BENCHMARK_CAPTURE(edit_invite, 1300, invite_1300);
BENCHMARK_CAPTURE(edit_invite, 2400, invite_2400);

// A request inside of a dialog: Via on top, our Route out.
void edit_bye(benchmark::State& state) {
    edit(state, bye, [](EditList& edits, const Message& m) {
        const auto& route = *m.first(HeaderId::route);
        edits.insert(m.headers_begin(), via);
        common_edits(edits, m);
        edits.erase_value(m, route, m.at(route.value));
    });
}
BENCHMARK(edit_bye);

// RFC 3261 16.7: our Via out.
void edit_response(benchmark::State& state) {
    edit(state, ok, [](EditList& edits, const Message& m) { edits.erase(m.first(HeaderId::via)->line); });
}
BENCHMARK(edit_response);

}  // namespace

BENCHMARK_MAIN();

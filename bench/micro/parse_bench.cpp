// Parsing and editing of one realistic INVITE, with libosip2 on the same bytes beside it.
#include <array>
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>
#include <osipparser2/osip_message.h>
#include <osipparser2/osip_parser.h>

#include "sip/edit.hpp"
#include "sip/message.hpp"
#include "sip/scan.hpp"

namespace {

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

void parse(benchmark::State& state, scan::Isa isa) {
    if (!scan::supported(isa)) return state.SkipWithError("this machine lacks it");
    scan::force(isa);
    Message m;
    for ([[maybe_unused]] auto _ : state) {
        auto error = m.parse(invite);
        benchmark::DoNotOptimize(error);
        benchmark::ClobberMemory();
    }
    if (m.parse(invite) != ParseError::none) state.SkipWithError("does not parse");
    scan::force(scan::best());
    state.counters["octets"] = static_cast<double>(invite.size());
}
BENCHMARK_CAPTURE(parse, avx2, scan::Isa::avx2);
BENCHMARK_CAPTURE(parse, sse, scan::Isa::sse);
BENCHMARK_CAPTURE(parse, scalar, scan::Isa::scalar);

void call_id(benchmark::State& state) {
    for ([[maybe_unused]] auto _ : state) {
        auto found = find_call_id(invite);
        benchmark::DoNotOptimize(found);
    }
}
BENCHMARK(call_id);

// What a proxy does to an INVITE that it forwards: Via and Record-Route on top, Max-Forwards down, received and rport filled in.
void edit_and_write(benchmark::State& state) {
    Message m;
    if (m.parse(invite) != ParseError::none) return state.SkipWithError("does not parse");
    constexpr std::string_view record_route = "Record-Route: <sip:10.77.0.100;lr;sf=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA>\r\n";
    constexpr std::string_view via = "Via: SIP/2.0/UDP 10.77.0.100:5060;branch=z9hG4bKsfAAAAAAAAAAAAAAAAAAAAAAAAAAAA;rport\r\n";
    std::array<char, 2048> out;
    for ([[maybe_unused]] auto _ : state) {
        EditList edits{m};
        edits.insert(m.headers_begin(), record_route);
        edits.insert(m.headers_begin(), via);
        edits.replace(m.top_via().rport, "rport=5060;received=10.77.0.7");
        edits.replace(m.first(HeaderId::max_forwards)->value, "69");
        auto written = edits.write(out);
        benchmark::DoNotOptimize(written);
        benchmark::ClobberMemory();
    }
}
BENCHMARK(edit_and_write);

void osip_parse(benchmark::State& state) {
    parser_init();
    for ([[maybe_unused]] auto _ : state) {
        osip_message_t* sip = nullptr;
        osip_message_init(&sip);
        const int failed = osip_message_parse(sip, invite.data(), invite.size());
        if (failed != 0) state.SkipWithError("does not parse");
        osip_message_free(sip);
    }
}
BENCHMARK(osip_parse);

}  // namespace

BENCHMARK_MAIN();

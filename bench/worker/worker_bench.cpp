// The whole worker on memory I/O: full calls (record-routed, balanced, dialog kept) at a given rate and hold time on a virtual
// clock, so that dialogs and lingering transactions hold their full population. Only the worker's polls are timed; making
// the traffic is not. Every message the worker sends is checked: one that is dropped, mangled or misrouted ends the run.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <valgrind/callgrind.h>

#include "app/worker.hpp"
#include "balancer/snapshot_builder.hpp"

namespace {

using namespace sipfront;
using namespace std::chrono_literals;

const auto vip = *core::Endpoint::parse("10.77.0.100:5060");
const auto client = *core::Endpoint::parse("10.77.0.2:5060");

// Received messages lie in a ring much larger than the caches, as a NIC's buffers do; sent ones are looked at and forgotten.
class MemoryIo {
public:
    MemoryIo() : ring_(slots * slot), out_(burst * 4 * slot) {
        for (std::size_t i = 0; i < burst * 4; ++i) free_.push_back(out_.data() + i * slot);
    }
    void put(std::string_view text, const core::Endpoint& from) {
        char* room = ring_.data() + (next_++ % slots) * slot;
        std::memcpy(room, text.data(), text.size());
        core::Inbound in;
        in.bytes = {room, text.size()};
        in.flow.local = vip;
        in.flow.remote = from;
        waiting_.push_back(in);
    }
    std::size_t receive(std::span<core::Inbound> in) {
        const auto n = std::min(in.size(), waiting_.size());
        std::copy_n(waiting_.begin(), n, in.begin());
        waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(n));
        return n;
    }
    void release(std::span<const core::Inbound>) {}
    void lend(core::Outbox& out) {
        while (out.small_missing() > 0 && !free_.empty()) {
            out.lend_small({free_.back(), slot, nullptr});
            free_.pop_back();
        }
    }
    void transmit(core::Outbox& out) {
        sent.insert(sent.end(), out.filled().begin(), out.filled().end());
        out.clear_filled();
    }
    void forget_sent() {
        for (const auto& d : sent) free_.push_back(d.room.data);
        sent.clear();
    }

    static constexpr std::size_t burst = core::Outbox::burst;
    static constexpr std::size_t slot = 2048;
    static constexpr std::size_t slots = 64 * 1024;  // 128 MiB
    std::vector<core::OutDatagram> sent;

private:
    std::vector<char> ring_, out_;
    std::vector<char*> free_;
    std::vector<core::Inbound> waiting_;
    std::size_t next_ = 0;
};

std::string_view header(std::string_view text, std::string_view name) {
    const auto at = text.find(name);
    if (at == std::string_view::npos) return {};
    return text.substr(at, text.find("\r\n", at) + 2 - at);
}

constexpr std::string_view sdp =
    "v=0\r\no=user1 53655765 2353687637 IN IP4 10.77.0.2\r\ns=-\r\nc=IN IP4 10.77.0.2\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0 8 "
    "101\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n";

class Traffic {
public:
    explicit Traffic(MemoryIo& io) : io_{io} {}

    void invite() {
        const auto n = number_++;
        char text[2048];
        const int len = std::snprintf(
            text, sizeof text,
            "INVITE sip:service@10.77.0.100:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.0.2:5060;branch=z9hG4bK-i-%zu\r\nFrom: \"sipfront\" "
            "<sip:bench@10.77.0.2:5060>;tag=%zu\r\n"
            "To: <sip:service@10.77.0.100:5060>\r\nCall-ID: %zu-bench-0123456789abcdef@10.77.0.2\r\nCSeq: 1 INVITE\r\nContact: "
            "<sip:bench@10.77.0.2:5060>\r\n"
            "Max-Forwards: 70\r\nSubject: Performance Test\r\nContent-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%.*s",
            n, n, n, sdp.size(), static_cast<int>(sdp.size()), sdp.data());
        io_.put({text, static_cast<std::size_t>(len)}, client);
    }

    // Answers what the worker sent, as hosts and clients would; returns false on anything unexpected.
    bool answer(core::Tick now, core::Duration hold) {
        for (const auto& d : io_.sent) {
            const std::string_view text{d.room.data, d.length};
            if (d.flow.remote == client ? !at_client(text, now, hold) : !at_host(text, d.flow.remote)) {
                std::fprintf(stderr, "unexpected message to %s:\n%.*s\n", d.flow.remote.to_string().c_str(), static_cast<int>(text.size()),
                             text.data());
                return false;
            }
        }
        io_.forget_sent();
        return true;
    }
    void hang_up(core::Tick now) {
        while (!up_.empty() && up_.front().first <= now) {
            io_.put(up_.front().second, client);
            up_.pop_front();
        }
    }

    std::size_t done = 0;
    [[nodiscard]] std::size_t placed() const { return number_; }
    [[nodiscard]] std::size_t up() const { return up_.size(); }

private:
    bool at_host(std::string_view text, const core::Endpoint& host) {
        std::string to{header(text, "To:")};
        const bool invite = text.starts_with("INVITE");
        if (text.starts_with("ACK")) return true;
        if (!invite && !text.starts_with("BYE")) return false;
        if (invite) to.insert(to.size() - 2, ";tag=host");
        std::string common;
        for (std::size_t at = text.find("Via:"); at != std::string_view::npos && at < text.find("From:"); at = text.find("Via:", at + 4))
            common += text.substr(at, text.find("\r\n", at) + 2 - at);
        common += header(text, "Record-Route:");
        common += header(text, "From:");
        common += to;
        common += header(text, "Call-ID:");
        common += header(text, "CSeq:");
        const auto contact = "Contact: <sip:host@" + host.to_string() + ">\r\n";
        if (invite) io_.put("SIP/2.0 180 Ringing\r\n" + common + contact + "Content-Length: 0\r\n\r\n", host);
        io_.put("SIP/2.0 200 OK\r\n" + common + (invite ? contact : "") + "Content-Length: 0\r\n\r\n", host);
        return true;
    }
    bool at_client(std::string_view text, core::Tick now, core::Duration hold) {
        if (text.starts_with("SIP/2.0 1")) return true;
        if (!text.starts_with("SIP/2.0 200")) return false;
        if (header(text, "CSeq:").find("BYE") != std::string_view::npos) return ++done, true;
        const auto rr = header(text, "Record-Route:");
        const auto from = header(text, "From:");
        const auto contact = header(text, "Contact:");
        const auto uri = contact.substr(10, contact.find('>') - 10);
        const auto tag = std::string{from.substr(from.find("tag=") + 4, from.size() - from.find("tag=") - 6)};
        const auto make = [&](std::string_view method, int cseq) {
            std::string t{method};
            t.append(" ")
                .append(uri)
                .append(" SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.0.2:5060;branch=z9hG4bK-")
                .append(method)
                .append(tag)
                .append("\r\nRoute:");
            t.append(rr.substr(13)).append(from).append(header(text, "To:")).append(header(text, "Call-ID:")).append("CSeq: ");
            t.append(std::to_string(cseq)).append(" ").append(method).append("\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n");
            return t;
        };
        io_.put(make("ACK", 1), client);
        up_.emplace_back(now + hold, make("BYE", 2));
        return true;
    }

    MemoryIo& io_;
    std::size_t number_ = 0;
    std::deque<std::pair<core::Tick, std::string>> up_;
};

}  // namespace

int main(int argc, char** argv) {
    double rate = 20'000, hold_s = 10, seconds = 60, warm_s = 45, calls_a_turn = 8;
    CLI::App app{"Full calls through one worker on memory I/O, on a virtual clock"};
    app.add_option("--rate", rate, "calls a second of virtual time")->check(CLI::Range(1.0, 1e6));
    app.add_option("--hold", hold_s, "seconds from answer to BYE")->check(CLI::Range(0.0, 1e4));
    app.add_option("--seconds", seconds, "virtual seconds measured")->check(CLI::Range(1.0, 1e4));
    app.add_option("--warm-up", warm_s, "virtual seconds before, until all timers hold their population")->check(CLI::Range(0.0, 1e4));
    app.add_option("--calls-a-turn", calls_a_turn, "new calls that arrive together: how full the bursts are")->check(CLI::Range(1.0, 32.0));
    CLI11_PARSE(app, argc, argv);

    sip::ProxyConfig proxy;
    proxy.listeners = {{core::ListenerId{0}, vip, core::Transport::udp, true}};
    proxy.max_transactions = static_cast<std::uint32_t>(rate * 80) + 65'536;
    proxy.max_dialogs = static_cast<std::uint32_t>(rate * (hold_s + 5)) + 65'536;
    proxy.image_bytes = 12ULL << 30;
    balancer::BalancerConfig hosts;
    for (std::uint32_t i = 0; i < 4; ++i) {
        const auto uri = "sip:10.77.0." + std::to_string(103 + i);
        hosts.load_balancer.push_back({.id = i + 1, .dst_uri = uri, .resources = {{"pstn", 100'000'000}}, .probe_mode = 0});
    }
    balancer::Registry registry{1};
    balancer::HealthBoard health;
    core::Published<balancer::Snapshot> snapshots{1};
    snapshots.publish(balancer::build_snapshot(hosts, registry, health).snapshot);
    app::Switchboard switchboard{1};
    const auto keys = core::KeyRing::ephemeral();
    app::WorkerShared shared{proxy,     keys,       core::Steering{keys.signing().digest, 1}, core::random_key(), core::random_key(), 1024,
                             snapshots, switchboard};
    core::Tick now{1h};
    MemoryIo io;
    auto stats = std::make_unique<app::WorkerStats>();
    auto worker = std::make_unique<app::Worker<MemoryIo>>(core::WorkerId{0}, shared, io, *stats, now);
    Traffic traffic{io};

    const auto turn = std::chrono::nanoseconds{static_cast<std::int64_t>(1e9 * calls_a_turn / rate)};
    const auto start = now;
    const auto hold = std::chrono::nanoseconds{static_cast<std::int64_t>(hold_s * 1e9)};
    const auto measured_from = start + std::chrono::nanoseconds{static_cast<std::int64_t>(warm_s * 1e9)};
    const auto end = measured_from + std::chrono::nanoseconds{static_cast<std::int64_t>(seconds * 1e9)};
    std::chrono::nanoseconds busy{0};
    std::uint64_t messages_at_start = 0;
    std::size_t done_at_start = 0;
    bool measuring = false;
    double owed = 0;
    while (now < end) {
        if (!measuring && now >= measured_from) {
            measuring = true;
            busy = {};
            messages_at_start = stats->counts[app::WorkerCount::handled].get();
            done_at_start = traffic.done;
        }
        owed += rate * std::chrono::duration<double>(turn).count();
        for (; owed >= 1; owed -= 1) traffic.invite();
        traffic.hang_up(now);
        std::size_t work = 0;
        do {
            const auto before = std::chrono::steady_clock::now();
            if (measuring) CALLGRIND_TOGGLE_COLLECT;
            work = worker->poll(now);
            if (measuring) CALLGRIND_TOGGLE_COLLECT;
            busy += std::chrono::steady_clock::now() - before;
            if (!traffic.answer(now, hold)) return 1;
        } while (work > 0);
        now += turn;
    }
    const auto messages = stats->counts[app::WorkerCount::handled].get() - messages_at_start;
    const auto calls = traffic.done - done_at_start;
    const auto ns = static_cast<double>(busy.count()) / static_cast<double>(messages);
    std::printf("%-44s %12.0f\n", "messages handled", static_cast<double>(messages));
    std::printf("%-44s %12.0f\n", "full calls completed", static_cast<double>(calls));
    std::printf("%-44s %12zu\n", "calls up", traffic.up());
    std::printf("%-44s %12zu\n", "transactions, lingering ones included", worker->proxy().transactions().size());
    std::printf("%-44s %12.1f\n", "ns per message", ns);
    std::printf("%-44s %12.0f\n", "full calls per second of one core",
                1e9 * static_cast<double>(calls) / static_cast<double>(busy.count()));
    const bool whole =
        stats->proxy.events[sip::ProxyEvent::request_retransmitted].get() == 0 && worker->proxy().dialogs().size() == traffic.up();
    if (!whole) std::printf("WRONG: retransmissions, or dialogs that do not match the calls up\n");
    worker->stop();
    return whole ? 0 : 1;
}

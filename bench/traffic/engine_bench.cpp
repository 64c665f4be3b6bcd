// What the generator's engine itself costs: both sides of full calls around a perfect proxy in memory, on a virtual clock. Only the
// engine's turns are timed; the proxy's are not. Callgrind counts the same run (--calls keeps it short).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/traffic/engine.hpp"

namespace {

using namespace sipfront;
using namespace std::chrono_literals;

core::Endpoint at(std::string_view text) { return *core::Endpoint::parse(text, 5060); }

// Messages on their way to the engine lie in a ring larger than the caches, as a port's do.
class Wire {
public:
    static constexpr std::size_t room = 2048, slots = 32 * 1024;

    Wire() : memory_(room * slots) {}
    char* next() { return memory_.data() + (next_++ % slots) * room; }

    std::vector<traffic::In> waiting;

private:
    std::vector<char> memory_;
    std::size_t next_ = 0;
};

class PerfectProxy {
public:
    explicit PerfectProxy(std::size_t clients, std::size_t hosts) : clients_{clients}, hosts_{hosts}, out_{&PerfectProxy::flush, this} {
        for (std::size_t i = 0; i < rooms_.size(); ++i) rooms_[i] = {sent_[i].data(), static_cast<std::uint32_t>(sent_[i].size())};
        out_.lend(rooms_);
    }
    traffic::Outgoing& out() { return out_; }

    Wire wire;
    std::size_t messages = 0;

private:
    static void flush(void* self, traffic::Outgoing& out) {
        auto& proxy = *static_cast<PerfectProxy*>(self);
        for (const auto& o : out.filled()) proxy.carry(o);
        out.lend(proxy.rooms_);
    }
    void carry(const traffic::Out& o) {
        ++messages;
        const std::string_view text{o.data, o.length};
        const auto first = text.find('\n') + 1;
        if (text.starts_with("SIP/2.0")) {
            // Our Via out; the sender of the rest is told by it: all clients differ in their last octet.
            const auto second = text.find('\n', first) + 1;
            deliver({text.substr(0, first), text.substr(second)}, client_of(text.substr(second)));
            return;
        }
        const bool invite = text.starts_with("INVITE");
        if (invite) trying(text, first, o.from);
        const auto via_end = text.find('\n', first) + 1;
        auto rest = text.substr(via_end + traffic::Messages::forwards_sent.size());
        if (rest.starts_with("Route:")) rest.remove_prefix(rest.find('\n') + 1);
        const auto number = text.substr(via_end - 26, 8 + 16);
        const auto host = clients_ + static_cast<std::size_t>(number[15]) % hosts_;
        constexpr std::string_view via = "Via: SIP/2.0/UDP 10.77.0.100:5060;branch=z9hG4bKAAEAAAAAAAABAAAA4MZlbbT012t5gLgq\r\n";
        constexpr std::string_view route =
            "Record-Route: <sip:10.77.0.100:5060;lr;sf=AAEAAAAAAAEAAAAKTQBoxBMKTQACxBOs43QkWTsUpw;ftag=0000000100000001>\r\n";
        deliver(
            {text.substr(0, first), via, invite ? route : "", text.substr(first, via_end - first), traffic::Messages::forwards_seen, rest},
            static_cast<traffic::Party>(host));
    }
    void trying(std::string_view text, std::size_t first, traffic::Party from) {
        const auto contact = text.find("Contact:");
        const auto via_end = text.find('\n', first) + 1;
        const auto head = text.find("From:");
        deliver(
            {"SIP/2.0 100 Trying\r\n", text.substr(first, via_end - first), text.substr(head, contact - head), "Content-Length: 0\r\n\r\n"},
            from);
    }
    [[nodiscard]] traffic::Party client_of(std::string_view text) const {
        constexpr std::size_t last_octet = std::string_view{"Via: SIP/2.0/UDP 10.77.0."}.size();
        return static_cast<traffic::Party>((text[last_octet] - '2') % static_cast<int>(clients_));
    }
    void deliver(std::initializer_list<std::string_view> parts, traffic::Party to) {
        auto* const room = wire.next();
        auto* end = room;
        for (const auto p : parts) end = std::copy(p.begin(), p.end(), end);
        wire.waiting.push_back({room, static_cast<std::uint32_t>(end - room), to, 0});
    }

    std::size_t clients_, hosts_;
    std::array<std::array<char, Wire::room>, traffic::Outgoing::burst> sent_{};
    std::array<traffic::Out, traffic::Outgoing::burst> rooms_;
    traffic::Outgoing out_;
};

}  // namespace

int main(int argc, char** argv) try {
    double rate = 300'000, hold = 1;
    std::uint64_t calls = 2'000'000;
    CLI::App app{"The engine of the generator around a perfect proxy in memory"};
    app.add_option("--rate", rate, "calls a second of virtual time")->capture_default_str();
    app.add_option("--hold", hold, "seconds")->capture_default_str();
    app.add_option("--calls", calls, "to complete")->capture_default_str();
    CLI11_PARSE(app, argc, argv);

    traffic::Config config;
    config.clients = {at("10.77.0.2"), at("10.77.0.3"), at("10.77.0.4"), at("10.77.0.5")};
    config.hosts = {at("10.77.0.103"), at("10.77.0.104"), at("10.77.0.105"), at("10.77.0.106")};
    config.target = at("10.77.0.100");
    config.hold = std::chrono::nanoseconds{static_cast<std::int64_t>(hold * 1e9)};
    config.max_calls = static_cast<std::uint32_t>(rate * (hold + 4)) + 65'536;
    auto engine = std::make_unique<traffic::Engine>(config);
    auto proxy = std::make_unique<PerfectProxy>(config.clients.size(), config.hosts.size());

    using Clock = std::chrono::steady_clock;
    Clock::duration busy{};
    const auto timed = [&](auto&& turn) {
        const auto before = Clock::now();
        turn();
        busy += Clock::now() - before;
    };
    core::Tick now{1h};
    engine->set_rate(rate, now);
    std::vector<traffic::In> batch;
    while (engine->stats().completed() < calls && engine->stats().failed() == 0) {
        now += 20us;
        timed([&] {
            engine->place(now, proxy->out());
            engine->advance(now, proxy->out());
        });
        for (proxy->out().flush(); !proxy->wire.waiting.empty(); proxy->out().flush()) {
            batch.swap(proxy->wire.waiting);
            proxy->wire.waiting.clear();
            for (std::size_t i = 0; i < batch.size(); i += 32) {
                const std::span<const traffic::In> in{batch.data() + i, std::min<std::size_t>(32, batch.size() - i)};
                timed([&] { engine->receive(in, now, proxy->out()); });
                proxy->out().flush();
            }
        }
    }
    const auto& stats = engine->stats();
    const auto ns = static_cast<double>(std::chrono::nanoseconds{busy}.count()) / static_cast<double>(stats.completed());
    std::printf("%-36s %12.0f\n", "calls completed", static_cast<double>(stats.completed()));
    std::printf("%-36s %12.0f\n", "calls failed", static_cast<double>(stats.failed()));
    std::printf("%-36s %12.0f\n", "messages read by the slow path", static_cast<double>(stats.events[traffic::Event::slow_checks].get()));
    std::printf("%-36s %12.0f\n", "calls open", static_cast<double>(engine->open()));
    std::printf("%-36s %12.1f\n", "ns per call, both sides", ns);
    std::printf("%-36s %12.0f\n", "calls a second of one core", 1e9 / ns);
    for (const auto& s : engine->samples()) std::printf("\n%s\n", s.c_str());
    return stats.failed() == 0 ? 0 : 1;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench_traffic: %s\n", e.what());
    return 1;
}

// The engine around a proxy made of strings, on a manual clock: a perfect one, whose messages a test may spoil.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bench/traffic/engine.hpp"

namespace sipfront::traffic {

using namespace std::chrono_literals;

inline core::Endpoint at(std::string_view text) { return core::Endpoint::parse(text, 5060).value(); }

inline Config small_config() {
    Config c;
    c.clients = {at("10.77.0.2"), at("10.77.0.3")};
    c.hosts = {at("10.77.0.103"), at("10.77.0.104"), at("10.77.0.105")};
    c.target = at("10.77.0.100");
    c.max_calls = 4096;
    c.run = 0xabcdef01;
    return c;
}

struct Parcel {
    std::string text;
    Party party = 0;  // whom it comes from, or goes to
};

class Loop {
public:
    // Sees every message on its way from the proxy; may change it, or return how many copies arrive instead of one.
    using Spoil = std::function<int(Parcel&)>;

    explicit Loop(const Config& c = small_config()) : config{c}, engine{c}, out_{&Loop::send, this} { lend(); }

    // Places `calls` and lets everything happen for `time`, a millisecond at a time.
    void run(std::size_t calls, core::Duration time) {
        if (calls > 0) engine.set_rate(static_cast<double>(calls) * 1000, now);
        for (const auto end = now + time; now < end;) {
            now += 1ms;
            engine.place(now, out_, calls);
            engine.set_rate(0, now);
            engine.advance(now, out_);
            settle();
        }
    }
    void settle() {
        for (out_.flush(); !from_engine.empty(); out_.flush()) {
            auto parcels = std::exchange(from_engine, {});
            for (auto& p : parcels) carry(p);
        }
    }
    // Hands a message to the engine as it is.
    void deliver(const Parcel& p) {
        const In in{p.text.data(), static_cast<std::uint32_t>(p.text.size()), p.party, 0};
        engine.receive({&in, 1}, now, out_);
    }

    [[nodiscard]] std::uint64_t count(Outcome o) const { return engine.stats().outcomes[o].get(); }
    [[nodiscard]] std::uint64_t count(Fault f) const { return engine.stats().faults[f].get(); }
    [[nodiscard]] std::uint64_t count(Event e) const { return engine.stats().events[e].get(); }

    Config config;
    Engine engine;
    core::Tick now{1h};
    Spoil spoil = [](Parcel&) { return 1; };
    // Instead of the proxy: what the engine's side sent is left in here.
    bool unplugged = false;
    std::vector<Parcel> from_engine, kept;
    std::string busy;  // status line with which the proxy refuses INVITEs

private:
    static void send(void* self, Outgoing& out) {
        auto& loop = *static_cast<Loop*>(self);
        for (const auto& o : out.filled()) loop.from_engine.push_back({std::string(o.data, o.length), o.from});
        loop.lend();
    }
    void lend() {
        std::array<Out, 8> rooms;
        for (std::size_t i = 0; i < rooms.size(); ++i) rooms[i] = {memory_[i].data(), static_cast<std::uint32_t>(memory_[i].size())};
        out_.lend(rooms);
    }

    static std::string header(std::string_view text, std::string_view name) {
        const auto from = text.find("\r\n" + std::string{name}) + 2;
        return std::string{text.substr(from, text.find("\r\n", from) + 2 - from)};
    }
    static std::string replaced(std::string text, std::string_view what, std::string_view by) {
        return text.replace(text.find(what), what.size(), by);
    }

    void carry(const Parcel& p) {
        if (unplugged) return kept.push_back(p);
        if (p.party >= config.clients.size()) return response(p);
        request(p);
    }
    void emit(Parcel p) {
        for (int n = spoil(p); n > 0; --n) deliver(p);
    }
    void response(const Parcel& p) {
        Parcel up = p;
        const auto via = up.text.find("Via: ");
        up.text.erase(via, up.text.find("\r\n", via) + 2 - via);
        const auto owner = header(up.text, "Via: ");
        for (Party c = 0; c < config.clients.size(); ++c)
            if (owner.find(config.clients[c].to_string()) != std::string::npos) up.party = c;
        emit(std::move(up));
    }
    void own_response(const Parcel& p, std::string status) {
        status +=
            header(p.text, "Via:") + header(p.text, "From:") + header(p.text, "To:") + header(p.text, "Call-ID:") + header(p.text, "CSeq:");
        emit({status + "Content-Length: 0\r\n\r\n", p.party});
    }
    void request(const Parcel& p) {
        const bool invite = p.text.starts_with("INVITE"), registration = p.text.starts_with("REGISTER");
        const auto id = header(p.text, "Call-ID:");
        if (p.text.starts_with("ACK") && p.text.find("Route:") == std::string::npos) return;
        if (invite && !busy.empty()) return own_response(p, busy);
        if (invite) own_response(p, "SIP/2.0 100 Trying\r\n");
        Parcel down = p;
        down.text = replaced(down.text, "Max-Forwards: 70", "Max-Forwards: 69");
        std::string top = "Via: SIP/2.0/UDP 10.77.0.100:5060;branch=z9hG4bKproxy" + std::to_string(next_) + "\r\n";
        if (invite) top += "Record-Route: <sip:10.77.0.100;lr;id=" + std::to_string(next_) + ">\r\n";
        ++next_;
        if (!invite && !registration) down.text = replaced(down.text, header(down.text, "Route:"), "");
        down.text.insert(down.text.find("\r\n") + 2, top);
        const auto body = down.text.find("\r\n\r\n") + 2;
        down.text.insert(body, "X-AUTH-IP: 10.77.0.2\r\n");
        const auto known = hosts_.try_emplace(id, static_cast<Party>(config.clients.size() + next_ % config.hosts.size())).first;
        down.party = known->second;
        emit(std::move(down));
    }

    Outgoing out_;
    std::array<std::array<char, 4096>, 8> memory_{};
    std::map<std::string, Party> hosts_;
    std::size_t next_ = 1;
};

}  // namespace sipfront::traffic

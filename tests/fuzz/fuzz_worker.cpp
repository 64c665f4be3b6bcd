// A whole worker between hostile clients and hostile hosts: the input is a script of well-formed requests, answers to what the
// worker sent, its own messages with octets changed, ICMP errors that quote them, raw octets, and time. Whatever happens, in the end
// nothing may be left: no transaction, no dialog, no load, no image, no received buffer.
#include <cstdint>
#include <string>
#include <vector>

#include "tests/fuzz/check.hpp"
#include "tests/sim/party.hpp"

namespace {

using namespace sipfront;
using namespace sipfront::sim;

class Script {
public:
    Script(const std::uint8_t* data, std::size_t size) : at_{data}, end_{data + size} {}
    [[nodiscard]] bool more() const { return at_ != end_; }
    std::uint8_t octet() { return at_ == end_ ? std::uint8_t{0} : *at_++; }
    std::string octets(std::size_t n) {
        n = std::min(n, static_cast<std::size_t>(end_ - at_));
        std::string s{reinterpret_cast<const char*>(at_), n};
        at_ += n;
        return s;
    }

private:
    const std::uint8_t* at_;
    const std::uint8_t* end_;
};

class Play {
public:
    explicit Play(Script script) : script_{script}, world_{setup()} {}

    void run() {
        for (int steps = 0; script_.more() && steps < 200; ++steps) step();
        sent_.clear();
        world_.jump(400s);
        CHECK(world_.transactions() == 0);
        CHECK(world_.dialogs() == 0);
        CHECK(world_.total_load() == 0);
        world_.worker().proxy().publish_gauges();
        CHECK(world_.stats().proxy.image_bytes.get() == 0);
        CHECK(world_.stats().proxy.early_dialogs.get() == 0);
        CHECK(world_.worker().proxy().transactions().timers() == 0);
        CHECK(world_.io().live() == 0);
    }

private:
    static Setup setup() {
        Setup s{.hosts = 2, .capacity = 4};
        s.proxy.timers.dialog_timeout = 60s;
        s.proxy.max_transactions = 256;
        s.proxy.max_dialogs = 64;
        s.proxy.image_bytes = 4U << 20;
        s.proxy.methods.fill(sip::MethodPolicy::dispatch);
        s.proxy.methods[0] = sip::MethodPolicy::balance;
        return s;
    }
    void note(std::vector<Sent> fresh) {
        for (auto& s : fresh) sent_.push_back(std::move(s));
        if (sent_.size() > 64) sent_.erase(sent_.begin(), sent_.end() - 64);
    }
    // One of the last messages sent.
    const Sent* pick() { return sent_.empty() ? nullptr : &sent_[sent_.size() - 1 - script_.octet() % sent_.size()]; }
    core::Endpoint source() {
        const auto n = script_.octet() % 4U;
        return n < 2 ? World::host(n) : n == 2 ? client_a : client_b;
    }

    void step() {
        switch (script_.octet() % 8) {
            case 0:
                return note(world_.jump(script_.octet() * 20ms, 20ms));
            case 1:
                return request_of_client();
            case 2:
                return answer();
            case 3:
                return mutated();
            case 4:
                return in_dialog();
            case 5: {
                const auto from = source();
                return note(world_.receive(script_.octets(script_.octet() * 4U), from));
            }
            case 6:
                return world_.set_state(script_.octet() % 2U, static_cast<balancer::State>(script_.octet() % 4));
            default: {
                const auto what = script_.octet();
                if (what >= 128) return bounced(what);
                world_.io().starve(what % 4 == 0);
                return;
            }
        }
    }

    void request_of_client() {
        static constexpr const char* methods[] = {"INVITE", "INVITE", "CANCEL", "ACK", "BYE", "REGISTER", "OPTIONS", "FUZZ"};
        const auto what = script_.octet();
        const auto id = std::to_string(script_.octet() % 4);
        RequestSpec s{.method = methods[what % 8],
                      .call_id = "fuzz" + id,
                      .to_tag = (what & 0x40) != 0 ? "callee" : "",
                      .cseq = 1U + (what >> 3) % 3,
                      .branch = "z9hG4bKf" + id + std::to_string((what >> 3) % 3)};
        if ((what & 0x80) != 0) s.headers.push_back(script_.octets(script_.octet() % 64));
        note(world_.receive(request(s), source()));
    }
    void answer() {
        const auto* s = pick();
        if (s == nullptr || s->text.starts_with("SIP/2.0") || s->text.starts_with("ACK")) return;
        static constexpr int statuses[] = {100, 180, 183, 200, 200, 302, 401, 404, 407, 486, 487, 500, 503, 603};
        const auto status = statuses[script_.octet() % std::size(statuses)];
        note(world_.receive(
            response(s->text, status, "Fuzz", "callee", {"Contact: <sip:h@" + s->flow.remote.to_string() + ">"}, script_.octet() % 4 != 0),
            s->flow.remote, s->flow.local));
    }
    void mutated() {
        const auto* s = pick();
        if (s == nullptr) return;
        const auto from = s->flow.remote;
        note(world_.receive(changed(s->text), from));
    }
    // An ICMP error quotes what was sent, or almost that.
    void bounced(std::uint8_t what) {
        const auto* s = pick();
        if (s == nullptr) return;
        auto quoted = *s;
        if ((what & 1) != 0) quoted.text = changed(std::move(quoted.text));
        if ((what & 2) != 0) quoted.flow.remote = source();
        note(world_.bounce(quoted, (what & 4) != 0 ? 4U * script_.octet() : 1232, 0, (what & 8) != 0 ? 1280 : 0));
    }
    std::string changed(std::string text) {
        for (auto n = script_.octet() % 4; n > 0 && !text.empty(); --n) {
            const auto at = (script_.octet() * 256U + script_.octet()) % text.size();
            const auto how = script_.octet();
            if (how < 64) {
                text.erase(at, how % 16);
            } else if (how < 128) {
                text.insert(at, script_.octets(how % 16));
            } else {
                text[at] = static_cast<char>(script_.octet());
            }
        }
        return text;
    }
    // A request along the Record-Route of an INVITE that was sent, from either side.
    void in_dialog() {
        const auto* s = pick();
        if (s == nullptr || !s->text.starts_with("INVITE")) return;
        static constexpr const char* methods[] = {"ACK", "BYE", "INVITE", "INFO", "UPDATE", "CANCEL"};
        Call call{.host = s->flow.remote, .invite = *s};
        call.spec.call_id = Text{s->text}.value("Call-ID");
        for (const auto& rr : Text{s->text}.values("Record-Route")) call.routes.push_back("Route: " + rr);
        const auto what = script_.octet();
        const auto branch = "z9hG4bKd" + std::to_string(what % 5);
        const std::string method = methods[what % std::size(methods)];
        const auto text = (what & 0x80) != 0 ? call.from_host(method, 1, branch) : call.in_dialog(method, 2, branch);
        note(world_.receive(text, source()));
    }

    Script script_;
    World world_;
    std::vector<Sent> sent_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Play{{data, size}}.run();
    return 0;
}

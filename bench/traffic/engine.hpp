// The call engine: callers and hosts of one run around a proxy, open loop. Bytes and time come in, datagrams go out; it knows no socket
// and no clock. Every message that comes back is held against what it must be. One thread's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/traffic/calls.hpp"
#include "bench/traffic/config.hpp"
#include "bench/traffic/datagrams.hpp"
#include "bench/traffic/messages.hpp"
#include "bench/traffic/stats.hpp"
#include "bench/traffic/timers.hpp"
#include "core/tick.hpp"

namespace sipfront::traffic {

class Engine {
public:
    static constexpr std::size_t burst = 64;
    static constexpr std::size_t phases = 4;

    // `config`: checked already (config_error).
    explicit Engine(const Config& config);
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Calls a second from `now` on, evenly spaced; 0: none. What is owed from before is forgotten.
    void set_rate(double rate, core::Tick now) noexcept;
    // Calls placed from here on count in stats(phase).
    void set_phase(std::uint8_t phase) noexcept { phase_ = phase; }

    void receive(std::span<const In> in, core::Tick now, Outgoing& out);
    // Places calls that are due, at most `most`. Returns how many.
    std::size_t place(core::Tick now, Outgoing& out, std::size_t most = 32);
    // Retransmissions, BYEs, timeouts. Returns how many entries were due.
    std::size_t advance(core::Tick now, Outgoing& out);

    [[nodiscard]] std::uint32_t open() const noexcept { return calls_.open(); }
    // Ends all open calls as unfinished.
    void abandon(core::Tick now);
    // How far placing lags behind the rate, in calls.
    [[nodiscard]] std::uint64_t behind(core::Tick now) const noexcept;
    // Of all phases together.
    [[nodiscard]] std::uint64_t placed() const noexcept { return all_placed_; }

    [[nodiscard]] const Stats& stats(std::uint8_t phase = 0) const noexcept { return *stats_[phase % phases]; }
    void clear(std::uint8_t phase) { stats_[phase % phases] = std::make_unique<Stats>(); }
    // The first message of each kind that was found wrong, as text.
    [[nodiscard]] const std::vector<std::string>& samples() const noexcept { return samples_; }
    [[nodiscard]] const Messages& messages() const noexcept { return messages_; }
    // Octets that the calls have taken so far: for telling our own memory from that of a proxy in the same process.
    [[nodiscard]] std::size_t memory() const noexcept {
        auto bytes = calls_.memory() + images_.memory() + routes_.memory() + holds_.memory();
        for (const auto& s : steps_) bytes += s.memory();
        return bytes;
    }

private:
    // Where a message's parts lie, found in passing its first lines; `exact` asks for the header-by-header reading.
    struct Located {
        enum class Path : std::uint8_t { fast, exact };
        Path path = Path::exact;
        bool numbered = false;  // `number` was read from our Via
        CallNumber number;
        std::uint16_t via = 0, via_end = 0;              // ours
        std::uint16_t proxy_via = 0, proxy_via_end = 0;  // requests: the one above
        std::uint16_t route = 0, route_end = 0;          // requests: the Record-Route line
        std::uint16_t line_end = 0;
    };
    // The proxy's lines that a host repeats in its responses, and the route set a caller will learn from them.
    struct Topmost {
        std::string_view lines;   // Vias, then Record-Routes
        std::string_view routes;  // values, separated by LF
    };

    [[nodiscard]] static std::uint64_t ns(core::Tick t) noexcept { return static_cast<std::uint64_t>(t.time_since_epoch().count()); }
    [[nodiscard]] bool at_client(Party p) const noexcept { return p < config_.clients.size(); }
    [[nodiscard]] Party host_party(std::size_t host) const noexcept { return static_cast<Party>(config_.clients.size() + host); }
    Stats& stats_of(const Call& call) noexcept { return *stats_[call.phase]; }

    // --- reading
    [[nodiscard]] Located locate(const In& in) const noexcept;
    [[nodiscard]] Located locate_response(const In& in) const noexcept;
    [[nodiscard]] Located locate_request(const In& in) const noexcept;
    void read_exactly(const In& in, Located& l) const;
    [[nodiscard]] bool run_line(const char* line, const char* end) const noexcept;

    // --- client side (client.cpp)
    void client_message(const In& in, const Located& l, Outgoing& out);
    void act_on_response(Call& call, CallNumber n, const In& in, const Located& l, Request r, int status, Outgoing& out);
    void invite_response(Call& call, CallNumber n, const In& in, const Located& l, int status, Outgoing& out);
    void invite_failed(Call& call, CallNumber n, const In& in, const Located& l, int status, Outgoing& out);
    // The To tag, ";tag=" included, of a proxy's own final response whose headers stand as it copied them; empty: they do not.
    [[nodiscard]] std::string_view refusal_tag(const Call& call, const NumberText& t, const In& in, const Located& l,
                                               Request r) const noexcept;
    void register_response(Call& call, CallNumber n, int status, Outgoing& out);
    void bye_response(Call& call, CallNumber n, int status);
    [[nodiscard]] Fault check_response(const Call& call, const NumberText& t, const In& in, const Located& l, Request r, int status);
    [[nodiscard]] Fault check_response_exactly(const Call& call, const NumberText& t, const In& in, Request r, int status);
    void send_whole(const Call& call, CallNumber n, Request r, Outgoing& out);
    void send_in_dialog(const Call& call, CallNumber n, Request r, Outgoing& out);
    void send_refusal_ack(const Call& call, CallNumber n, std::string_view tag, Outgoing& out);

    // --- host side (host.cpp)
    void host_message(const In& in, const Located& l, Outgoing& out);
    [[nodiscard]] Fault check_request(const Call& call, const NumberText& t, const In& in, const Located& l, Request r, std::size_t host,
                                      Topmost& top);
    [[nodiscard]] Fault check_request_exactly(const Call& call, const NumberText& t, const In& in, Request r, std::size_t host,
                                              Topmost& top);
    void invite_at_host(Call& call, CallNumber n, const In& in, const Topmost& top, Outgoing& out);
    // The first host's answers were lost, and the proxy tries another one: the call is that one's from here on.
    bool failed_over(Call& call, Request r);
    void register_at_host(Call& call, CallNumber n, const In& in, Request r, const Topmost& top, Outgoing& out);
    void ack_at_host(Call& call, CallNumber n);
    void bye_at_host(Call& call, CallNumber n, const In& in, const Topmost& top, Outgoing& out);
    void respond(Call& call, CallNumber n, Response r, std::string_view lines, Outgoing& out);
    bool answer_probe(const In& in, Outgoing& out);
    // Whether a repeated request is explained by somebody's timer; ends the call when it is not.
    bool explained(Call& call, CallNumber n, std::uint64_t since, unsigned seen, unsigned sent);

    // --- timers, ends
    void wake(std::size_t step, const TimerFifo::Entry& e, Outgoing& out);
    void wake_request(Call& call, CallNumber n, Wake what, std::size_t step, Outgoing& out);
    void wake_answer(Call& call, CallNumber n, std::size_t step, Outgoing& out);
    void arm(CallNumber n, Wake what, std::size_t step) { steps_[step].push(now_, n, what); }
    void end(Call& call, CallNumber n, Outcome outcome);
    void mangled(Call& call, CallNumber n, Fault fault, const In& in);
    void wrong(std::string_view why, const In& in);
    void late(Call& call, const In& in, const Located& l);
    [[nodiscard]] std::uint64_t longest_wait() const noexcept { return 64 * t1_; }

    static constexpr std::size_t backoffs = 6;  // T1 to 32*T1

    Config config_;
    Messages messages_;
    std::uint64_t t1_, t2_;
    Calls calls_;
    Images images_;
    Routes routes_;
    std::vector<TimerFifo> steps_;  // T1 << i
    TimerFifo holds_;
    std::array<std::unique_ptr<Stats>, phases> stats_;
    std::vector<std::string> samples_;
    std::string exact_text_;  // scratch of the exact reading
    std::array<char, 4096> scratch_{};
    std::uint64_t now_ = 0;
    std::uint64_t rate_from_ = 0, placed_at_rate_ = 0, all_placed_ = 0;
    double rate_ = 0;
    std::uint32_t next_client_ = 0, register_credit_ = 0;
    std::uint8_t phase_ = 0;
};

// Empty when the configuration can be played.
std::string config_error(const Config& config);

}  // namespace sipfront::traffic

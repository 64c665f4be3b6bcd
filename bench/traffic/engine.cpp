#include "bench/traffic/engine.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "bench/traffic/header_index.hpp"

namespace sipfront::traffic {
namespace {

constexpr std::uint32_t most_unacknowledged = 1U << 17;
constexpr std::size_t most_samples = 5;
constexpr std::size_t prefetch_ahead = 4, message_lines = 12;

const char* line_end(const char* from, const char* end) noexcept {
    const auto* lf = static_cast<const char*>(std::memchr(from, '\n', static_cast<std::size_t>(end - from)));
    return lf == nullptr ? nullptr : lf + 1;
}

std::uint16_t offset(const char* p, const char* from) noexcept { return static_cast<std::uint16_t>(p - from); }

}  // namespace

std::string config_error(const Config& config) {
    if (config.clients.empty()) return "no client address";
    if (config.hosts.empty() || config.hosts.size() > 99) return "1 to 99 hosts are needed";
    if (config.invite_weight + config.register_weight == 0) return "the mix is empty";
    if (config.t1 <= core::Duration{0} || config.t2 < config.t1) return "T1 and T2 are needed, T2 the larger";
    if (config.max_calls == 0) return "no calls are allowed";
    const auto least = least_invite_bytes(config);
    // A filling header needs at least its name and one octet.
    if (config.invite_bytes != 0 && config.invite_bytes != least && config.invite_bytes < least + 12) {
        return fmt::format("an INVITE has {} octets, or {} and more", least, least + 12);
    }
    return {};
}

Engine::Engine(const Config& config)
    : config_{config},
      messages_{config},
      t1_{static_cast<std::uint64_t>(config.t1.count())},
      t2_{static_cast<std::uint64_t>(config.t2.count())},
      calls_{config.max_calls},
      images_{most_unacknowledged},
      holds_{static_cast<std::uint64_t>(config.hold.count())} {
    for (std::size_t i = 0; i < backoffs; ++i) steps_.emplace_back(t1_ << i);
    for (auto& s : stats_) s = std::make_unique<Stats>();
}

void Engine::set_rate(double rate, core::Tick now) noexcept {
    rate_ = rate;
    rate_from_ = ns(now);
    placed_at_rate_ = 0;
}

std::uint64_t Engine::behind(core::Tick now) const noexcept {
    const auto due = static_cast<std::uint64_t>(static_cast<double>(ns(now) - rate_from_) * rate_ / 1e9);
    return due > placed_at_rate_ ? due - placed_at_rate_ : 0;
}

std::size_t Engine::place(core::Tick now, Outgoing& out, std::size_t most) {
    now_ = ns(now);
    const auto count = std::min<std::uint64_t>(behind(now), most);
    for (std::uint64_t i = 0; i < count; ++i) {
        ++placed_at_rate_;
        ++all_placed_;
        auto& stats = *stats_[phase_];
        stats.events[Event::placed].add();
        CallNumber n;
        if (!calls_.take(now_, n)) {
            stats.outcomes[Outcome::not_placed].add();
            continue;
        }
        auto& call = calls_[n.slot];
        call.placed = now_;
        call.phase = phase_;
        call.client = static_cast<std::uint16_t>(next_client_);
        next_client_ = next_client_ + 1 == config_.clients.size() ? 0 : next_client_ + 1;
        register_credit_ += config_.register_weight;
        const bool registration = register_credit_ >= config_.invite_weight + config_.register_weight;
        if (registration) register_credit_ -= config_.invite_weight + config_.register_weight;
        call.state = registration ? Call::State::registering : Call::State::inviting;
        call.left = now_;
        call.requests_sent = 1;
        send_whole(call, n, registration ? Request::registration : Request::invite, out);
        arm(n, registration ? Wake::registration : Wake::invite, 0);
    }
    return static_cast<std::size_t>(count);
}

void Engine::receive(std::span<const In> in, core::Tick now, Outgoing& out) {
    now_ = ns(now);
    for (; !in.empty(); in = in.subspan(std::min(burst, in.size()))) {
        const auto count = std::min(burst, in.size());
        std::array<Located, burst> located;
        const auto warm = [&](std::size_t i) {
            if (i >= count) return;
            const auto lines = std::min<std::size_t>(message_lines, (in[i].length + 63) / 64);
            for (std::size_t l = 0; l < lines; ++l) __builtin_prefetch(in[i].data + 64 * l);
        };
        for (std::size_t i = 0; i < prefetch_ahead; ++i) warm(i);
        for (std::size_t i = 0; i < count; ++i) {
            warm(i + prefetch_ahead);
            located[i] = locate(in[i]);
            if (located[i].numbered && calls_.exists(located[i].number)) calls_.prefetch(located[i].number.slot);
        }
        for (std::size_t i = 0; i < count; ++i) {
            if (located[i].path == Located::Path::exact) read_exactly(in[i], located[i]);
            if (at_client(in[i].to)) {
                client_message(in[i], located[i], out);
            } else {
                host_message(in[i], located[i], out);
            }
        }
    }
}

// A line that ends with our run's digits; the number stands in front of them.
bool Engine::run_line(const char* line, const char* end) const noexcept {
    const auto run = messages_.run();
    return end - line > 40 && std::memcmp(end - 2 - run.size(), run.data(), run.size()) == 0;
}

Engine::Located Engine::locate(const In& in) const noexcept {
    if (in.length > 0xffff || in.length < 20) return {};
    return at_client(in.to) ? locate_response(in) : locate_request(in);
}

Engine::Located Engine::locate_response(const In& in) const noexcept {
    Located l;
    const char* const end = in.data + in.length;
    if (std::memcmp(in.data, "SIP/2.0 ", 8) != 0) return l;
    const auto* via = line_end(in.data, end);
    const auto* after = via == nullptr ? nullptr : line_end(via, end);
    if (after == nullptr || std::memcmp(via, "Via: ", 5) != 0 || !run_line(via, after)) return l;
    l.numbered = from_text(after - 2 - messages_.run().size() - number_digits, l.number);
    l.line_end = offset(via, in.data);
    l.via = l.line_end;
    l.via_end = offset(after, in.data);
    if (l.numbered) l.path = Located::Path::fast;
    return l;
}

// Request line, then in any order one Via and at most one Record-Route of the proxy, then our Via.
Engine::Located Engine::locate_request(const In& in) const noexcept {
    Located l;
    const char* const end = in.data + in.length;
    const auto* line = line_end(in.data, end);
    if (line == nullptr) return l;
    l.line_end = offset(line, in.data);
    for (int i = 0; i < 3; ++i) {
        const auto* next = line_end(line, end);
        if (next == nullptr || next - line < 20) return l;
        const auto from = offset(line, in.data), to = offset(next, in.data);
        if (std::memcmp(line, "Via: ", 5) == 0) {
            if (run_line(line, next)) {
                l.numbered = from_text(next - 2 - messages_.run().size() - number_digits, l.number);
                l.via = from;
                l.via_end = to;
                if (l.numbered && l.proxy_via != 0) l.path = Located::Path::fast;
                return l;
            }
            if (l.proxy_via != 0) return l;
            l.proxy_via = from;
            l.proxy_via_end = to;
        } else if (std::memcmp(line, "Record-Route: ", 14) == 0 && l.route == 0 &&
                   std::memchr(line, ',', static_cast<std::size_t>(next - line)) == nullptr) {
            l.route = from;
            l.route_end = to;
        } else {
            return l;
        }
        line = next;
    }
    return l;
}

// The number by the Call-ID, whatever the rest looks like.
void Engine::read_exactly(const In& in, Located& l) const {
    if (l.numbered) return;
    const auto index = HeaderIndex::parse(in.text());
    if (!index) return;
    const auto id = index->first("call-id");
    if (id.size() < number_digits + 1 + messages_.run().size()) return;
    if (id.substr(number_digits + 1, messages_.run().size()) == messages_.run()) l.numbered = from_text(id.data(), l.number);
}

std::size_t Engine::advance(core::Tick now, Outgoing& out) {
    now_ = ns(now);
    std::size_t woken = 0;
    constexpr std::size_t ahead = 6;
    const auto run = [&](TimerFifo& fifo, std::size_t step) {
        // What is armed meanwhile waits for the next turn.
        for (auto left = fifo.size(); left > 0; --left) {
            const auto* first = fifo.peek();
            if (first->due > now_) return;
            const auto entry = *first;
            fifo.pop();
            if (const auto* later = fifo.peek(ahead); later != nullptr) calls_.prefetch(later->slot);
            wake(step, entry, out);
            ++woken;
        }
    };
    for (std::size_t step = 0; step < backoffs; ++step) run(steps_[step], step);
    run(holds_, 0);
    return woken;
}

void Engine::wake(std::size_t step, const TimerFifo::Entry& e, Outgoing& out) {
    auto& call = calls_[e.slot];
    if (!call.open() || !TimerFifo::names(e, call.generation)) return;
    const CallNumber n{e.slot, call.generation};
    const auto what = TimerFifo::what(e);
    if (what == Wake::answer) return wake_answer(call, n, step, out);
    if (what != Wake::hang_up) return wake_request(call, n, what, step, out);
    if (call.state != Call::State::up) return;
    call.state = Call::State::leaving;
    call.left = now_;
    call.byes_sent = 1;
    send_in_dialog(call, n, Request::bye, out);
    arm(n, Wake::bye, 0);
}

// Timers A and B, E and F (RFC 3261 17.1.1.2, 17.1.2.2); a call that rings is given up after 64*T1, too.
void Engine::wake_request(Call& call, CallNumber n, Wake what, std::size_t step, Outgoing& out) {
    using State = Call::State;
    const bool waits = what == Wake::bye            ? call.state == State::leaving
                       : what == Wake::registration ? call.state == State::registering
                                                    : call.state == State::inviting || call.state == State::proceeding;
    if (!waits) return;
    const auto since = now_ - (what == Wake::invite ? call.placed : call.left);
    if (since >= longest_wait()) {
        return end(call, n,
                   what == Wake::bye               ? Outcome::bye_timeout
                   : what == Wake::registration    ? Outcome::register_timeout
                   : call.state == State::inviting ? Outcome::invite_timeout
                                                   : Outcome::answer_timeout);
    }
    if (call.state != State::proceeding) {
        stats_of(call).events[Event::client_retransmissions].add();
        if (what == Wake::bye) {
            count_up(call.byes_sent);
            send_in_dialog(call, n, Request::bye, out);
        } else {
            count_up(call.requests_sent);
            send_whole(call, n,
                       what == Wake::invite ? Request::invite
                       : call.attempt == 0  ? Request::registration
                                            : Request::registration_auth,
                       out);
        }
    }
    auto next = std::min(step + 1, backoffs - 1);
    while (next > 0 && ((what != Wake::invite && steps_[next].duration() > t2_) || since + steps_[next].duration() > longest_wait()))
        --next;
    arm(n, what, next);
}

// Timer G of the host's 200 (RFC 3261 13.3.1.4).
void Engine::wake_answer(Call& call, CallNumber n, std::size_t step, Outgoing& out) {
    if (call.image == Call::no_image) return;
    const auto since = now_ - call.answered;
    if (since >= longest_wait()) return images_.release(call.image);
    stats_of(call).events[Event::host_retransmissions].add();
    respond(call, n, Response::answer, images_.view(call.image), out);
    auto next = std::min(step + 1, backoffs - 1);
    while (next > 0 && (steps_[next].duration() > t2_ || since + steps_[next].duration() > longest_wait())) --next;
    arm(n, Wake::answer, next);
}

void Engine::end(Call& call, CallNumber n, Outcome outcome) {
    stats_of(call).outcomes[outcome].add();
    images_.release(call.image);
    routes_.release(call);
    calls_.give_back(n.slot, now_);
}

void Engine::mangled(Call& call, CallNumber n, Fault fault, const In& in) {
    stats_of(call).faults[fault].add();
    wrong(fmt::format("mangled ({})", name(fault)), in);
    end(call, n, Outcome::mangled);
}

void Engine::wrong(std::string_view why, const In& in) {
    if (samples_.size() == most_samples) return;
    const auto head = fmt::format("{}, at {}:\n", why, at_client(in.to) ? "a client" : "a host");
    if (std::ranges::any_of(samples_, [&](const std::string& s) { return s.starts_with(head); })) return;
    samples_.push_back(head + std::string{in.text()});
}

void Engine::abandon(core::Tick now) {
    now_ = ns(now);
    for (std::uint32_t slot = 0; slot < calls_.used() && calls_.open() > 0; ++slot) {
        auto& call = calls_[slot];
        if (call.open()) end(call, {slot, call.generation}, Outcome::unfinished);
    }
    for (auto& s : steps_) s.clear();
    holds_.clear();
}

}  // namespace sipfront::traffic

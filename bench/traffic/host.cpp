// The hosts' side of the engine: requests checked and answered.
#include <algorithm>

#include <fmt/format.h>

#include "bench/traffic/engine.hpp"
#include "bench/traffic/header_index.hpp"

namespace sipfront::traffic {
namespace {

Request request_of(std::string_view text) noexcept {
    if (text.starts_with("INVITE ")) return Request::invite;
    if (text.starts_with("ACK ")) return Request::ack;
    if (text.starts_with("BYE ")) return Request::bye;
    return text.starts_with("REGISTER ") ? Request::registration : Request::count_;
}

// Lines that the proxy put behind the last of ours, up to the empty line: true when none of them is one that the exact reading
// must look at. `at` is left behind the empty line.
bool harmless_lines(std::string_view text, std::size_t& at) noexcept {
    constexpr std::string_view suspects = "VvRrFfTtCcMmIiLl \t";
    while (at + 2 <= text.size()) {
        if (text[at] == '\r' && text[at + 1] == '\n') {
            at += 2;
            return true;
        }
        if (suspects.find(text[at]) != std::string_view::npos) return false;
        const auto lf = text.find('\n', at);
        if (lf == std::string_view::npos) return false;
        at = lf + 1;
    }
    return false;
}

void put(char*& at, std::string_view s) noexcept {
    std::memcpy(at, s.data(), s.size());
    at += s.size();
}

}  // namespace

void Engine::host_message(const In& in, const Located& l, Outgoing& out) {
    if (!l.numbered || !calls_.exists(l.number)) {
        if (answer_probe(in, out)) return;
        stats_[phase_]->events[Event::foreign].add();
        return wrong("foreign", in);
    }
    auto& call = calls_[l.number.slot];
    const auto n = l.number;
    if (!call.open() || call.generation != n.generation) return stats_[phase_]->events[Event::late].add();
    auto r = request_of(in.text());
    const std::size_t host = in.to - config_.clients.size();
    if (r == Request::count_) {
        wrong("misrouted", in);
        return end(call, n, Outcome::misrouted);
    }
    if (r == Request::registration && call.attempt != 0) r = Request::registration_auth;
    const bool registration = r == Request::registration || r == Request::registration_auth;
    if (call.host != Call::no_host && call.host != host && !registration && !failed_over(call, r)) {
        wrong("misrouted", in);
        return end(call, n, Outcome::misrouted);
    }
    Topmost top;
    if (const auto fault = check_request(call, to_text(n), in, l, r, host, top); fault != Fault::none) return mangled(call, n, fault, in);
    switch (r) {
        case Request::invite:
            return invite_at_host(call, n, in, top, out);
        case Request::ack:
            return ack_at_host(call, n);
        case Request::bye:
            return bye_at_host(call, n, in, top, out);
        default:
            return register_at_host(call, n, in, r, top, out);
    }
}

Fault Engine::check_request(const Call& call, const NumberText& t, const In& in, const Located& l, Request r, std::size_t host,
                            Topmost& top) {
    const auto text = in.text();
    const auto& line = messages_.line(r, call.client, host);
    const auto& rest = messages_.rest(r, call.client, host);
    const std::size_t routes = r == Request::invite ? config_.record_routes : 0;
    const auto after = std::size_t{l.via_end} + Messages::forwards_seen.size();
    const std::size_t lines = l.proxy_via_end - l.proxy_via + l.via_end - l.via + l.route_end - l.route;
    if (l.path == Located::Path::fast && routes == (l.route != 0) && lines <= scratch_.size() && line.size() == l.line_end &&
        line.begins(text, t) && messages_.via(r, call.client).begins(text.substr(l.via), t) && text.size() > after &&
        std::memcmp(text.data() + l.via_end, Messages::forwards_seen.data(), Messages::forwards_seen.size()) == 0 &&
        rest.begins(text.substr(after), t)) {
        auto at = after + rest.size();
        if (harmless_lines(text, at) && text.substr(at) == messages_.body(r)) {
            auto* to = scratch_.data();
            put(to, text.substr(l.proxy_via, l.proxy_via_end - l.proxy_via));
            put(to, text.substr(l.via, l.via_end - l.via));
            put(to, text.substr(l.route, l.route_end - l.route));
            constexpr std::size_t name = 14;  // "Record-Route: "
            top.lines = {scratch_.data(), static_cast<std::size_t>(to - scratch_.data())};
            if (l.route != 0) top.routes = text.substr(l.route + name, l.route_end - l.route - name - 2);
            return Fault::none;
        }
    }
    return check_request_exactly(call, t, in, r, host, top);
}

Fault Engine::check_request_exactly(const Call& call, const NumberText& t, const In& in, Request r, std::size_t host, Topmost& top) {
    stats_of(call).events[Event::slow_checks].add();
    const auto index = HeaderIndex::parse(in.text());
    if (!index) return Fault::malformed;
    const auto line = messages_.line(r, call.client, host).text(t);
    const auto via = messages_.via(r, call.client).text(t);
    const auto like = "x\r\n" + messages_.rest(r, call.client, host).text(t) + "\r\n" + std::string{messages_.body(r)};
    Expectation expected;
    expected.start_line = std::string_view{line}.substr(0, line.size() - 2);
    expected.via = std::string_view{via}.substr(5, via.size() - 7);
    expected.vias = 2;
    expected.record_route_count = r == Request::invite ? config_.record_routes : 0;
    expected.forwards = "69";
    expected.like = like;
    expected.others_allowed = true;
    if (const auto fault = differs(*index, expected); fault != Fault::none) return fault;

    exact_text_.clear();
    for (const auto v : index->values("via")) exact_text_.append("Via: ").append(v).append("\r\n");
    const auto routes = index->values("record-route");
    for (const auto v : routes) exact_text_.append("Record-Route: ").append(v).append("\r\n");
    const auto lines = exact_text_.size();
    for (const auto v : routes) exact_text_.append(v).append("\n");
    if (!routes.empty()) exact_text_.pop_back();
    top.lines = std::string_view{exact_text_}.substr(0, lines);
    top.routes = std::string_view{exact_text_}.substr(lines);
    return Fault::none;
}

bool Engine::explained(Call& call, CallNumber n, std::uint64_t since, unsigned seen, unsigned sent) {
    // Proxies' timers are coarse: four fifths of T1 is late enough.
    if (seen > sent && now_ - since < t1_ * 4 / 5) {
        end(call, n, Outcome::duplicate);
        return false;
    }
    stats_of(call).events[Event::proxy_retransmissions].add();
    return true;
}

bool Engine::failed_over(Call& call, Request r) {
    if (r != Request::invite || call.answers_seen > 0 || now_ - call.placed < t1_) return false;
    stats_of(call).events[Event::failovers].add();
    images_.release(call.image);
    routes_.release(call);
    call.host = Call::no_host;
    call.requests_seen = 0;
    return true;
}

void Engine::invite_at_host(Call& call, CallNumber n, const In& in, const Topmost& top, Outgoing& out) {
    count_up(call.requests_seen);
    if (call.requests_seen > 1) {
        // Once acknowledged the transaction absorbs it (RFC 6026).
        if (!explained(call, n, call.placed, call.requests_seen, call.requests_sent) || call.acks_seen > 0) return;
        return respond(call, n, Response::answer, call.image != Call::no_image ? images_.view(call.image) : top.lines, out);
    }
    if (call.rings_sent == 0) stats_of(call).added.record(now_ - call.placed);
    call.host = static_cast<std::uint8_t>(in.to - config_.clients.size());
    call.host_peer = in.from;
    call.answered = now_;
    routes_.keep(call, top.routes);
    respond(call, n, Response::ringing, top.lines, out);
    respond(call, n, Response::answer, top.lines, out);
    call.image = images_.keep(top.lines);
    if (call.image == Call::no_image) return stats_of(call).events[Event::no_image].add();
    arm(n, Wake::answer, 0);
}

void Engine::register_at_host(Call& call, CallNumber n, const In& in, Request r, const Topmost& top, Outgoing& out) {
    count_up(call.requests_seen);
    if (call.requests_seen > 1 && !explained(call, n, call.left, call.requests_seen, call.requests_sent)) return;
    if (call.requests_seen == 1 && call.attempt == 0) stats_of(call).added.record(now_ - call.placed);
    call.host = static_cast<std::uint8_t>(in.to - config_.clients.size());
    call.host_peer = in.from;
    const bool ask = config_.register_auth && r == Request::registration;
    respond(call, n, ask ? Response::challenge : Response::registered, top.lines, out);
}

void Engine::ack_at_host(Call& call, CallNumber n) {
    count_up(call.acks_seen);
    images_.release(call.image);
    // Nobody repeats an ACK on his own.
    if (call.acks_seen > call.acks_sent) end(call, n, call.acks_sent == 0 ? Outcome::misrouted : Outcome::duplicate);
}

void Engine::bye_at_host(Call& call, CallNumber n, const In& in, const Topmost& top, Outgoing& out) {
    if (call.state != Call::State::leaving) {
        wrong("a BYE that was not sent", in);
        return end(call, n, Outcome::misrouted);
    }
    count_up(call.byes_seen);
    if (call.byes_seen > 1 && !explained(call, n, call.left, call.byes_seen, call.byes_sent)) return;
    images_.release(call.image);
    call.host_peer = in.from;
    respond(call, n, Response::bye_ok, top.lines, out);
}

void Engine::respond(Call& call, CallNumber n, Response r, std::string_view lines, Outgoing& out) {
    const auto status = Messages::status_line(r);
    const auto& tail = messages_.tail(r, call.client, call.host);
    const auto size = status.size() + lines.size() + tail.size();
    auto* const room = out.reserve(size);
    if (room == nullptr) return stats_of(call).events[Event::no_room].add();
    auto* at = room;
    put(at, status);
    put(at, lines);
    tail.write(at, to_text(n));
    out.commit(size, host_party(call.host), call.host_peer);
    count_up(r == Response::ringing ? call.rings_sent : r == Response::bye_ok ? call.bye_answers_sent : call.answers_sent);
}

// Proxies ask their hosts by OPTIONS whether they live.
bool Engine::answer_probe(const In& in, Outgoing& out) {
    if (!in.text().starts_with("OPTIONS ")) return false;
    const auto index = HeaderIndex::parse(in.text());
    if (!index) return false;
    std::string text = "SIP/2.0 200 OK\r\n";
    for (const auto v : index->values("via")) text.append("Via: ").append(v).append("\r\n");
    text.append("From: ").append(index->first("from")).append("\r\nTo: ").append(index->first("to"));
    if (index->first("to").find(";tag=") == std::string_view::npos) text += fmt::format(";tag=h{:02}probe", in.to - config_.clients.size());
    text.append("\r\nCall-ID: ").append(index->first("call-id")).append("\r\nCSeq: ").append(index->first("cseq"));
    text += "\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\nContent-Length: 0\r\n\r\n";
    stats_[phase_]->events[Event::probes].add();
    auto* room = out.reserve(text.size());
    if (room == nullptr) return true;
    std::copy(text.begin(), text.end(), room);
    out.commit(text.size(), in.to, in.from);
    return true;
}

}  // namespace sipfront::traffic

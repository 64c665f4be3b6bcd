// The callers' side of the engine: responses checked and acted upon, requests sent.
#include <algorithm>

#include "bench/traffic/engine.hpp"
#include "bench/traffic/header_index.hpp"

namespace sipfront::traffic {
namespace {

// "SIP/2.0 200 OK": 0 when it is none.
int status_of(std::string_view text) noexcept {
    if (text.size() < 12 || !text.starts_with("SIP/2.0 ")) return 0;
    int status = 0;
    for (std::size_t i = 8; i < 11; ++i) {
        if (text[i] < '0' || text[i] > '9') return 0;
        status = status * 10 + (text[i] - '0');
    }
    return status >= 100 && status < 700 && text[11] == ' ' ? status : 0;
}

Request request_of(char letter) noexcept {
    const auto at = request_letters.find(letter);
    return at == std::string_view::npos ? Request::count_ : static_cast<Request>(at);
}

// The letter of our branch, in a Via value that ends with number and run.
Request branch_request(std::string_view via, std::string_view run) noexcept {
    const auto tail = number_digits + run.size() + 1;
    const auto at = via.find(";branch=z9hG4bK");
    constexpr std::size_t marker = 15;
    return at == std::string_view::npos || via.size() < at + marker + tail ? Request::count_ : request_of(via[at + marker]);
}

bool from_host(Request r, int status, bool auth) noexcept {
    switch (r) {
        case Request::invite:
            return status == 180 || status == 200;
        case Request::bye:
        case Request::registration_auth:
            return status == 200;
        case Request::registration:
            return status == (auth ? 401 : 200);
        default:
            return false;
    }
}

Response host_response(Request r, int status) noexcept {
    if (r == Request::invite) return status == 180 ? Response::ringing : Response::answer;
    if (r == Request::bye) return Response::bye_ok;
    return status == 401 ? Response::challenge : Response::registered;
}

}  // namespace

void Engine::client_message(const In& in, const Located& l, Outgoing& out) {
    if (!l.numbered || !calls_.exists(l.number)) {
        stats_[phase_]->events[Event::foreign].add();
        return wrong("foreign", in);
    }
    auto& call = calls_[l.number.slot];
    if (!call.open() || call.generation != l.number.generation) return late(call, in, l);
    const auto status = status_of(in.text());
    if (status == 0 || in.to != call.client) {
        wrong("misrouted", in);
        return end(call, l.number, Outcome::misrouted);
    }
    const auto number = to_text(l.number);
    Request r = Request::count_;
    if (l.path == Located::Path::fast) {
        r = branch_request(in.text().substr(l.via, l.via_end - l.via), messages_.run());
    } else if (const auto index = HeaderIndex::parse(in.text())) {
        r = branch_request(index->first("via"), messages_.run());
    }
    if (r == Request::count_) return mangled(call, l.number, Fault::via, in);
    if (const auto fault = check_response(call, number, in, l, r, status); fault != Fault::none) return mangled(call, l.number, fault, in);
    act_on_response(call, l.number, in, l, r, status, out);
}

Fault Engine::check_response(const Call& call, const NumberText& t, const In& in, const Located& l, Request r, int status) {
    const auto text = in.text();
    const bool host = from_host(r, status, config_.register_auth);
    if (l.path == Located::Path::fast && messages_.via(r, call.client).begins(text.substr(l.via), t)) {
        auto rest = text.substr(l.via_end);
        if (!host) {
            if (status == 100 && messages_.echo(r, call.client).begins(rest, t)) return Fault::none;
            if (status >= 300 && !refusal_tag(call, t, in, l, r).empty()) return Fault::none;
        } else if (call.host != Call::no_host) {
            const auto response = host_response(r, status);
            if (r == Request::invite) {
                constexpr std::string_view name = "Record-Route: ";
                const auto route = routes_.of(call);
                const auto line = name.size() + route.size() + 2;
                if (!route.empty() && rest.size() > line && std::memcmp(rest.data(), name.data(), name.size()) == 0 &&
                    std::memcmp(rest.data() + name.size(), route.data(), route.size()) == 0 && rest[line - 2] == '\r') {
                    rest.remove_prefix(line);
                }
            }
            const auto& tail = messages_.tail(response, call.client, call.host);
            if (rest.size() == tail.size() && tail.begins(rest, t) && text.starts_with(Messages::status_line(response))) return Fault::none;
        }
    }
    return check_response_exactly(call, t, in, r, status);
}

Fault Engine::check_response_exactly(const Call& call, const NumberText& t, const In& in, Request r, int status) {
    stats_of(call).events[Event::slow_checks].add();
    const auto index = HeaderIndex::parse(in.text());
    if (!index) return Fault::malformed;
    const auto via_line = messages_.via(r, call.client).text(t);
    const auto via = std::string_view{via_line}.substr(5, via_line.size() - 7);
    if (!from_host(r, status, config_.register_auth)) {
        const auto like = "x\r\n" + messages_.echo(r, call.client).text(t) + "\r\n";
        return local_response_differs(*index, via, like);
    }
    if (call.host == Call::no_host) return Fault::start_line;
    const auto response = host_response(r, status);
    const auto like = "x\r\n" + messages_.tail(response, call.client, call.host).text(t);
    Expectation expected;
    // The reason phrase is nobody's business.
    expected.start_line = index->start_line();
    expected.via = via;
    if (r == Request::invite) {
        auto routes = routes_.of(call);
        while (!routes.empty()) {
            const auto stop = std::min(routes.find('\n'), routes.size());
            expected.record_routes.push_back(routes.substr(0, stop));
            routes.remove_prefix(std::min(stop + 1, routes.size()));
        }
    }
    expected.like = like;
    return differs(*index, expected);
}

void Engine::act_on_response(Call& call, CallNumber n, const In& in, const Located& l, Request r, int status, Outgoing& out) {
    switch (r) {
        case Request::invite:
            return invite_response(call, n, in, l, status, out);
        case Request::bye:
            return bye_response(call, n, status);
        case Request::registration:
        case Request::registration_auth:
            // A repeated challenge is an answer to a repeated REGISTER.
            if ((r == Request::registration) == (call.attempt == 0)) register_response(call, n, status, out);
            return;
        default:
            return;
    }
}

void Engine::invite_response(Call& call, CallNumber n, const In& in, const Located& l, int status, Outgoing& out) {
    using State = Call::State;
    auto& stats = stats_of(call);
    if (!call.responded) {
        call.responded = true;
        stats.first_response.record(now_ - call.placed);
    }
    if (status >= 300) return invite_failed(call, n, in, l, status, out);
    if (call.state == State::inviting) call.state = State::proceeding;
    if (status == 100) return;
    if (status != 180 && status != 200) return status < 200 ? void() : end(call, n, Outcome::unexpected_status);
    auto& seen = status == 180 ? call.rings_seen : call.answers_seen;
    count_up(seen);
    // The proxy may answer a repeated INVITE with what it sent last.
    const unsigned sent = status == 180 ? call.rings_sent : call.answers_sent;
    if (seen > sent + call.requests_sent - 1U) {
        wrong("duplicate", in);
        return end(call, n, Outcome::duplicate);
    }
    if (status == 180) return;
    if (call.state == State::proceeding) {
        stats.answer.record(now_ - call.placed);
        call.state = State::up;
        holds_.push(now_, n, Wake::hang_up);
    }
    count_up(call.acks_sent);
    send_in_dialog(call, n, Request::ack, out);
}

std::string_view Engine::refusal_tag(const Call& call, const NumberText& t, const In& in, const Located& l, Request r) const noexcept {
    if (l.path != Located::Path::fast) return {};
    const auto rest = in.text().substr(l.via_end);
    const auto& parties = messages_.parties(r, call.client);
    if (!parties.begins(rest, t)) return {};
    const auto line_end = rest.find("\r\n", parties.size());
    if (line_end == std::string_view::npos || !messages_.ids(r, call.client).begins(rest.substr(line_end + 2), t)) return {};
    const auto tag = rest.substr(parties.size(), line_end - parties.size());
    return tag.starts_with(";tag=") ? tag : std::string_view{};
}

void Engine::invite_failed(Call& call, CallNumber n, const In& in, const Located& l, int status, Outgoing& out) {
    auto tag = refusal_tag(call, to_text(n), in, l, Request::invite);
    if (tag.empty()) {
        const auto index = HeaderIndex::parse(in.text());
        const auto to = index ? index->first("to") : std::string_view{};
        tag = to.substr(std::min(to.find(";tag="), to.size()));
    }
    send_refusal_ack(call, n, tag, out);
    if (call.state != Call::State::inviting && call.state != Call::State::proceeding) {
        wrong("a failure after the 200", in);
        return end(call, n, Outcome::duplicate);
    }
    stats_of(call).statuses[static_cast<std::size_t>(status)].add();
    if (status == 503) stats_of(call).refusal.record(now_ - call.placed);
    if (status != 503) wrong("unexpected_status", in);
    end(call, n, status == 503 ? Outcome::rejected : Outcome::unexpected_status);
}

void Engine::bye_response(Call& call, CallNumber n, int status) {
    if (call.state != Call::State::leaving || status < 200) return;
    auto& stats = stats_of(call);
    if (status != 200) {
        stats.statuses[static_cast<std::size_t>(status)].add();
        return end(call, n, status == 503 ? Outcome::rejected : Outcome::unexpected_status);
    }
    count_up(call.bye_answers_seen);
    stats.bye.record(now_ - call.left);
    end(call, n, call.acks_seen == 0 ? Outcome::ack_lost : Outcome::completed);
}

void Engine::register_response(Call& call, CallNumber n, int status, Outgoing& out) {
    if (call.state != Call::State::registering || status < 200) return;
    auto& stats = stats_of(call);
    if (!call.responded) {
        call.responded = true;
        stats.first_response.record(now_ - call.placed);
    }
    if (status == 401 && config_.register_auth && call.attempt == 0) {
        call.attempt = 1;
        call.left = now_;
        call.requests_sent = 1;
        call.requests_seen = call.answers_sent = 0;
        send_whole(call, n, Request::registration_auth, out);
        return arm(n, Wake::registration, 0);
    }
    if (status != 200) {
        stats.statuses[static_cast<std::size_t>(status)].add();
        if (status == 503) stats.refusal.record(now_ - call.placed);
        return end(call, n, status == 503 ? Outcome::rejected : Outcome::unexpected_status);
    }
    count_up(call.answers_seen);
    stats.registration.record(now_ - call.placed);
    end(call, n, Outcome::completed);
}

// A message of a call that has ended: harmless, unless it is a copy of the last answer that no retransmission explains.
void Engine::late(Call& call, const In& in, const Located& l) {
    stats_[phase_]->events[Event::late].add();
    if (call.generation != l.number.generation || l.path != Located::Path::fast || status_of(in.text()) != 200) return;
    const auto r = branch_request(in.text().substr(l.via, l.via_end - l.via), messages_.run());
    const bool bye = r == Request::bye && call.bye_answers_seen > 0;
    const bool registered = (r == Request::registration || r == Request::registration_auth) && call.answers_seen > 0;
    if (!bye && !registered) return;
    auto& seen = bye ? call.bye_answers_seen : call.answers_seen;
    count_up(seen);
    const unsigned sent = bye ? call.bye_answers_sent + call.byes_sent - 1U : call.answers_sent + call.requests_sent - 1U;
    if (seen <= sent) return;
    stats_[phase_]->events[Event::late_duplicates].add();
    wrong("duplicate", in);
}

void Engine::send_whole(const Call& call, CallNumber n, Request r, Outgoing& out) {
    const auto& whole = messages_.whole(r, call.client);
    auto* room = out.reserve(whole.size());
    if (room == nullptr) return stats_of(call).events[Event::no_room].add();
    whole.write(room, to_text(n));
    out.commit(whole.size(), call.client, 0);
}

void Engine::send_in_dialog(const Call& call, CallNumber n, Request r, Outgoing& out) {
    const auto& line = messages_.line(r, call.client, call.host);
    const auto& via = messages_.via(r, call.client);
    const auto& rest = messages_.rest(r, call.client, call.host);
    const auto routes = routes_.of(call);
    constexpr std::string_view name = "Route: ";
    const auto most = line.size() + via.size() + Messages::forwards_sent.size() + rest.size() + routes.size() * 4 + 64;
    auto* const room = out.reserve(most);
    if (room == nullptr) return stats_of(call).events[Event::no_room].add();
    const auto number = to_text(n);
    auto* at = via.write(line.write(room, number), number);
    const auto put = [&at](std::string_view s) {
        std::memcpy(at, s.data(), s.size());
        at += s.size();
    };
    put(Messages::forwards_sent);
    // RFC 3261 12.1.2: the route set is the Record-Route in reverse.
    for (auto left = routes; !left.empty();) {
        const auto lf = left.rfind('\n');
        put(name);
        put(lf == std::string_view::npos ? left : left.substr(lf + 1));
        put("\r\n");
        left = lf == std::string_view::npos ? std::string_view{} : left.substr(0, lf);
    }
    at = rest.write(at, number);
    put("\r\n");
    out.commit(static_cast<std::size_t>(at - room), call.client, 0);
}

// RFC 3261 17.1.1.3: hop by hop, as the INVITE but for the method, with the To of the response.
void Engine::send_refusal_ack(const Call& call, CallNumber n, std::string_view tag, Outgoing& out) {
    const auto& head = messages_.refusal_ack_head(call.client);
    const auto& parties = messages_.parties(Request::invite, call.client);
    const auto& tail = messages_.refusal_ack_tail(call.client);
    const auto size = head.size() + parties.size() + tag.size() + 2 + tail.size();
    auto* const room = out.reserve(size);
    if (room == nullptr) return stats_of(call).events[Event::no_room].add();
    const auto number = to_text(n);
    auto* at = parties.write(head.write(room, number), number);
    at = std::copy(tag.begin(), tag.end(), at);
    *at++ = '\r';
    *at++ = '\n';
    tail.write(at, number);
    out.commit(size, call.client, 0);
}

}  // namespace sipfront::traffic

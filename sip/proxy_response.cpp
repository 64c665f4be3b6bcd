// Responses (RFC 3261 §16.7), failover between hosts, and what they mean for the dialog.
#include <algorithm>
#include <cstring>

#include "sip/copy.hpp"
#include "sip/failover.hpp"
#include "sip/proxy.hpp"
#include "sip/text_builder.hpp"

namespace sipfront::sip {
namespace {

constexpr fsm::Event event_of(int status) noexcept {
    return status < 200 ? fsm::Event::provisional : status < 300 ? fsm::Event::success : fsm::Event::failure;
}

// Of a server that a name led to, by RFC 3263 §4.3; what a host of ours means by others is the operator's to say.
constexpr std::array name_failover_codes{503};

// RFC 3326: a Q.850 cause is the call's result, not the host's state.
bool has_q850_reason(const Message& m) noexcept {
    for (const auto* h = m.first(HeaderId::reason); h != nullptr; h = m.next(h)) {
        auto rest = m.at(h->value);
        for (std::string_view one; next_value(rest, one);)
            if (iequals(trim(one.substr(0, one.find(';'))), "Q.850")) return true;
    }
    return false;
}

}  // namespace

void Proxy::on_response(const Message& m, const core::Flow& in, std::uint64_t call_id_hash, const Lead& lead, core::Tick now) {
    counters_.responses_in[static_cast<std::size_t>(std::min(m.status() / 100, 6))].add();
    counters_.responses_in_by_method[m.method()].add();
    // §18.1.2: the top Via must show a socket of ours.
    if (!sockets_.sent(m.top_via(), m, in.listener)) return drop(ProxyDrop::foreign_response);
    if (!lead.own_branch) return drop(ProxyDrop::foreign_response);
    const auto& branch = lead.branch;
    auto* t = transactions_.get(branch.transaction);
    // RFC 6026 §7.3: a response without a transaction is dropped, no longer forwarded. The Call-ID tells a transaction of this
    // process from one that a former life of this node, with the same keys, had under the same handle.
    if (t == nullptr && branch.node == config_.node) return on_lingering_response(m, call_id_hash);
    if (t == nullptr || branch.node != config_.node || t->call_id_hash != call_id_hash) return drop(ProxyDrop::stray_response);
    if (branch.attempt != t->attempt || branch.mac != t->branch_mac) {
        if (!verify_branch(m.at(m.top_via().branch), {identity(m, call_id_hash), m.cseq().number, client_of(*t, m)}, keys_))
            return drop(ProxyDrop::forged_response);
    }
    if (m.cseq().number != t->cseq) return drop(ProxyDrop::forged_response);
    if (m.cseq().method == Method::cancel && t->is_invite()) {
        auto* c = transactions_.get(t->cancels);
        while (c != nullptr && c->attempt != branch.attempt) c = transactions_.get(c->cancels);
        if (c == nullptr) return drop(ProxyDrop::stray_response);
        t = c;
    } else {
        if (m.cseq().method != t->method) return drop(ProxyDrop::forged_response);
        // §16.7 step 3: without a Via below ours it was never meant for anybody but us.
        if (t->server_key != 0 && !has_via_below_top(m)) return drop(ProxyDrop::forged_response);
        if ((branch.attempt != t->attempt || t->given_up) && !on_abandoned(*t, branch, m, in, now)) return;
    }
    client_event(*t, event_of(m.status()), m, now);
}

// What the branch of `t` is bound to, by the Via that `m` shows below ours. One of RFC 2543 does not lead there.
std::uint64_t Proxy::client_of(const Transaction& t, const Message& m) const noexcept {
    TopVia below;
    if (t.server_key == 0 || t.old_branch) return t.server_key;
    return via_below_top(m, below) ? transactions_.server_key(m, below, t.method) : 0;
}

// A response of a host that we had given up: ended politely, unless it answers the call while the next one still rings. True: it does,
// and its attempt is the current one again.
bool Proxy::on_abandoned(Transaction& t, const Branch& b, const Message& m, const core::Flow& in, core::Tick now) {
    if (!t.is_invite()) return drop(ProxyDrop::late_response), false;
    const auto own_via = m.at(m.top_via().value);
    if (m.status() < 200) return send_cancel(t, b.attempt, own_via, in, now), false;
    if (m.status() >= 300) return send_ack(t, m, in, false), false;
    if (t.server_state == fsm::State::accepted) {
        count(ProxyEvent::extra_success);
        return forward_response(t, m, now), false;
    }
    if (t.server_state != fsm::State::proceeding) return end_late_answer(t, m, in, now), false;
    count(ProxyEvent::late_winner);
    cancel_current(t, now);
    if (t.name == 0) release_attempt(t);
    const auto winner = t.tried[b.attempt];
    if (auto* d = dialogs_.get(t.dialog); d != nullptr && t.name != 0) {
        (d->caller_in_cluster ? d->client : d->host).remote = in.remote;
    } else if (d != nullptr) {
        d->destination = winner;
        d->host.remote = in.remote;
        if (t.route == Transaction::Route::balanced && winner != core::no_destination) {
            router_.adopt(winner);
            d->counted = true;
        }
    }
    t.attempt = b.attempt;
    t.branch_mac = b.mac;
    t.target.remote = in.remote;
    t.client_state = fsm::State::calling;
    return true;
}

[[gnu::always_inline]] inline void Proxy::client_event(Transaction& t, fsm::Event e, const Message& m, core::Tick now) {
    using fsm::Do;
    const bool reliable = core::is_reliable(t.target.transport);
    const bool invite = t.is_invite();
    const auto step = invite ? fsm::invite_client(t.client_state, e, reliable) : fsm::request_client(t.client_state, e, reliable);
    if (!fsm::has(step.actions, Do::pass_up) && !fsm::has(step.actions, Do::ack)) return drop(ProxyDrop::late_response);
    t.client_state = step.next;
    if (fsm::has(step.actions, Do::stop_retransmit)) due(t, Deadline::client_retransmit) = core::Tick::max();
    if (fsm::has(step.actions, Do::slow_retransmit)) {
        t.client_interval_ms = static_cast<std::uint32_t>(config_.timers.t2.count());
        if (!reliable) due(t, Deadline::client_retransmit) = now + t2_;
    }
    if (fsm::has(step.actions, Do::stop_timeout)) due(t, Deadline::client_end) = core::Tick::max();
    if (fsm::has(step.actions, Do::start_linger)) {
        // M, D, K: of RFC 6026 §7.2, §17.1.1.2, §17.1.2.2.
        due(t, Deadline::client_end) = now + (step.next == fsm::State::accepted ? t1x64_
                                              : invite                          ? core::Duration{std::chrono::seconds{32}}
                                                                                : t4_);
    }
    if (fsm::has(step.actions, Do::pass_up)) {
        on_result(t, m, now);
    } else {
        send_ack(t, m, t.target, false);  // a retransmitted failure
    }
    if (m.status() < 200 || !go_compact(t, m, now)) transactions_.settle(t);
}

// Once the final response is through, all that is left of a call's transactions is to absorb and answer repetitions.
bool Proxy::go_compact(Transaction& t, const Message& m, core::Tick now) {
    // Over a stream the client side is through with its final response (K is zero).
    const bool ended = t.client_state == fsm::State::completed || t.client_state == fsm::State::terminated;
    const bool answered = t.server_state == fsm::State::completed && ended;
    const bool accepted = t.server_state == fsm::State::accepted && t.client_state == fsm::State::accepted;
    if (t.is_invite() ? !accepted : !answered || t.response || !t.answered_up) return false;
    if (!transactions_.may_linger(t)) return false;
    auto residue = Residues::none;
    if (!t.is_invite()) {
        const auto text = residue_of(m, t);
        if (!text.empty()) residue = transactions_.residues().hold(text);
        if (residue == Residues::none) return drop(ProxyDrop::no_image_room), false;
    }
    if (transactions_.linger(t, residue, now + t1x64_)) return true;
    if (residue != Residues::none) transactions_.residues().release(residue);
    return false;
}

// A response whose transaction lingers, if any does: the Via below ours tells. A 2xx to an INVITE goes through (RFC 6026 §7.2), every
// other repetition is absorbed.
void Proxy::on_lingering_response(const Message& m, std::uint64_t call_id_hash) {
    TopVia below;
    if (!via_below_top(m, below)) return drop(ProxyDrop::stray_response);
    const auto client = transactions_.server_key(m, below, m.cseq().method);
    const auto found = transactions_.find_server(client);
    if (found.linger == nullptr) return drop(ProxyDrop::stray_response);
    if (!found.linger->invite || m.status() < 200 || m.status() > 299) return drop(ProxyDrop::late_response);
    if (!verify_branch(m.at(m.top_via().branch), {identity(m, call_id_hash), m.cseq().number, client}, keys_))
        return drop(ProxyDrop::forged_response);
    const auto& l = *found.linger;
    core::FarEnd end;
    end.remote = {core::IpAddress::v4(l.value), l.port};
    end.listener = l.listener;
    end.zone = l.reply_zone;
    const auto to = sockets_.flow(end);
    EditList edits{m};
    edits.erase_value(m, *m.first(HeaderId::via), m.at(m.top_via().value));
    edit_trust(edits, m, l.target_zone, l.reply_zone, nullptr);
    const auto room = edits.overflowed() ? std::span<char>{} : out_.reserve(edits.size());
    if (room.size() < edits.size() || room.empty()) return drop(ProxyDrop::no_buffer);
    out_.commit(edits.write(room), to);
    counters_.responses_out[2].add();
}

[[gnu::always_inline]] inline void Proxy::on_result(Transaction& t, const Message& m, core::Tick now) {
    const auto host = t.tried[t.attempt];
    if (t.kind == Transaction::Kind::local) {
        if (m.status() >= 200) local_.local_done(t.tag, m.status(), Outcome::alive, now);
        return;
    }
    if (t.kind == Transaction::Kind::ping) {
        if (m.status() >= 200) on_pinged(t, m.status(), now);
        return;
    }
    if (t.server_key == 0) return;
    if (m.status() >= 200) return on_final(t, m, now);

    if (host != core::no_destination && !t.provisional_seen) router_.report(host, Outcome::alive);
    if (t.is_invite()) {
        // Timer C, or the operator's shorter bound; each provisional above 100 starts it anew (§16.7 step 2), but after a CANCEL no
        // ringing keeps the INVITE alive (§9.1).
        const auto& timers = config_.timers;
        const bool told = (t.cancelled_attempts & (1U << t.attempt)) != 0;
        if (due(t, Deadline::client_end) == core::Tick::max() || (m.status() > 100 && !told))
            due(t, Deadline::client_end) = now + (t.cancelled ? t1x64_ : core::Duration{std::min(timers.timer_c, timers.fr_inv_timer)});
        if (t.cancelled) cancel_current(t, now);  // held until the host had answered (§9.1)
    } else {
        due(t, Deadline::client_end) = std::max(due(t, Deadline::client_end), t.started + t1x64_);
    }
    if (m.status() == 100) return;
    t.provisional_seen = true;
    if (!t.is_invite()) return;  // RFC 4320 §4.1: it would make the client believe that it may wait
    if (auto* d = dialogs_.get(t.dialog); d != nullptr && t.initial && d->state == DialogState::unconfirmed) {
        d->state = DialogState::early;
        tell(*d, DialogChange::state, now);
    }
    forward_response(t, m, now);
}

[[gnu::always_inline]] inline void Proxy::on_final(Transaction& t, const Message& m, core::Tick now) {
    const auto host = t.tried[t.attempt];
    const int status = m.status();
    if (host != core::no_destination && !t.provisional_seen) router_.report(host, status == 503 ? Outcome::unavailable : Outcome::alive);
    if (status >= 300) {
        const AttemptEnd end{AttemptEnd::response, status, has_q850_reason(m)};
        const auto attempts = std::min<std::size_t>(config_.fork_attempts, Transaction::max_attempts);
        const AttemptContext context{
            t.is_invite(), t.provisional_seen, t.cancelled, static_cast<int>(attempts) - t.last_attempt - 1,
            t.name != 0 ? std::span<const int>{name_failover_codes} : std::span<const int>{config_.failover_codes}};
        if (t.may_move() && next_step(end, context) == NextStep::try_next) {
            if (t.is_invite()) send_ack(t, m, t.target, false);
            Answer answer;
            if (try_next(t, now, answer)) return;
            count(ProxyEvent::failover_exhausted);
            // The other hosts are out or full: it is we who cannot serve.
            if (status == 503 && answer != Answer::selected && !t.cancelled && t.name == 0) {
                finish(t, 503, "Service Unavailable", answer == Answer::full ? LocalReply::all_full : LocalReply::no_destination,
                       retry_after(t.call_id_hash), now);
                settle_dialog(t, status, now);
                if (t.is_invite()) return send_ack(t, m, t.target, true);
                return transactions_.drop(t.request);
            }
        }
        if ((status == 401 || status == 407) && t.route != Transaction::Route::fixed && host != core::no_destination)
            challenges_.remember(t.call_id_hash, host, now);
    }
    const bool answered = t.is_invite() && t.initial && status < 300;
    if (answered) confirm_dialog(t, m, now);
    if (!t.is_invite() && status == 408) {
        end_in_silence(t);
    } else {
        forward_response(t, m, now);
    }
    if (!answered) settle_dialog(t, status, now);
    if (t.is_invite() && status >= 300) {
        send_ack(t, m, t.target, true);
    } else if (!t.is_invite() || t.last_attempt == 0) {
        transactions_.drop(t.request);  // nothing to retransmit, and no abandoned attempt left to cancel
    }
}

// A response as it goes on, in room that is yet to be committed; `status` becomes what it says then. Empty: dropped.
[[gnu::always_inline]] inline std::span<char> Proxy::write_forwarded(const Transaction& t, const Message& m, int& status) {
    const auto& via = *m.first(HeaderId::via);
    const bool trusted = t.target.zone == core::Zone::cluster && t.reply.zone == core::Zone::cluster;
    if (status >= 300 || via.value.len != m.top_via().value.len || core::is_reliable(t.reply.transport) ||
        (!trusted && trust_.may_be_in(m))) [[unlikely]]
        return edit_forwarded(t, m, status);
    // Nothing but our Via goes.
    const auto wire = m.wire();
    const auto room = out_.reserve(wire.size() - via.line.len);
    if (room.empty()) return drop(ProxyDrop::no_buffer), room;
    copy_octets(room.data(), wire.data(), via.line.off);
    std::memcpy(room.data() + via.line.off, wire.data() + via.line.end(), wire.size() - via.line.end());
    return room.first(wire.size() - via.line.len);
}

std::span<char> Proxy::edit_forwarded(const Transaction& t, const Message& m, int& status) {
    EditList edits{m};
    edits.erase_value(m, *m.first(HeaderId::via), m.at(m.top_via().value));
    if (status == 503 && !config_.disable_503_translation) {
        // §16.7 step 6: a 503 says that we are out of service; only we may say so.
        status = 500;
        edits.replace(0, m.headers_begin(), "SIP/2.0 500 Server Internal Error\r\n");
        count(ProxyEvent::status_503_translated);
    } else if (status == 487 && !t.cancelled && t.cancelled_attempts != 0) {
        status = 408;  // cancelled by Timer C, not by the client
        edits.replace(0, m.headers_begin(), "SIP/2.0 408 Request Timeout\r\n");
    }
    const bool from_cluster = t.target.zone == core::Zone::cluster;
    if (from_cluster && m.status() >= 500) {
        // A host's Retry-After speaks for that host; passed on it would make the client shun the whole cluster.
        for (const auto* h = m.first(HeaderId::retry_after); h != nullptr; h = m.next(h)) edits.erase(h->line);
    }
    edit_trust(edits, m, t.target.zone, t.reply.zone, nullptr);
    if (core::is_reliable(t.reply.transport) && m.content_length() < 0) {
        TextBuilder b{scratch_.take(48)};
        b << "Content-Length: " << static_cast<std::uint64_t>(m.body().size()) << "\r\n";
        edits.insert(m.headers_end(), b.view());
    }
    if (edits.overflowed() || scratch_.overflowed()) return drop(ProxyDrop::too_large), std::span<char>{};
    const auto room = out_.reserve(edits.size());
    if (room.empty()) return drop(ProxyDrop::no_buffer), room;
    return room.first(edits.write(room));
}

void Proxy::forward_response(Transaction& t, const Message& m, core::Tick now) {
    if (!server_event(t, event_of(m.status()), now)) return drop(ProxyDrop::late_response);
    int status = m.status();
    const auto room = write_forwarded(t, m, status);
    if (room.empty()) return;
    // Kept for retransmitted requests: all but a 2xx to INVITE, which the host itself repeats, and finals that can be made again.
    const bool done = t.is_invite() ? m.status() >= 200 && m.status() < 300
                                    : m.status() >= 200 && status == m.status() && m.wire().size() <= Scratch::capacity / 2 &&
                                          transactions_.may_linger(t);
    if (done) {
        transactions_.drop(t.response);
    } else if (!transactions_.keep(t.response, {room.data(), room.size()})) {
        drop(ProxyDrop::no_image_room);
    }
    out_.commit(room.size(), t.reply);
    counters_.responses_out[static_cast<std::size_t>(status / 100)].add();

    const auto elapsed = static_cast<std::uint64_t>((now - t.started).count());
    if (t.is_invite()) {
        if (!t.answered_up) counters_.invite_first_response.record(elapsed);
        if (m.status() >= 200 && m.status() < 300) counters_.invite_success.record(elapsed);
    } else if (m.status() >= 200) {
        if (t.method == Method::bye) counters_.bye_final.record(elapsed);
        if (t.method == Method::register_) counters_.register_final.record(elapsed);
    }
    t.answered_up = true;
}

// Moves the server transaction for a response to be sent; false when it must not be.
bool Proxy::server_event(Transaction& t, fsm::Event e, core::Tick now) {
    using fsm::Do;
    const bool reliable = core::is_reliable(t.reply.transport);
    const auto step = t.is_invite() ? fsm::invite_server(t.server_state, e, reliable) : fsm::request_server(t.server_state, e, reliable);
    if (!fsm::has(step.actions, Do::send)) return false;
    t.server_state = step.next;
    if (!t.is_invite()) due(t, Deadline::server_retransmit) = core::Tick::max();  // no 100 is owed any more
    if (fsm::has(step.actions, Do::start_retransmit)) {
        t.server_interval_ms = static_cast<std::uint32_t>(config_.timers.t1.count());
        due(t, Deadline::server_retransmit) = now + t1_;
    }
    // H; L of RFC 6026; J. All 64*T1.
    if (fsm::has(step.actions, Do::start_timeout) || fsm::has(step.actions, Do::start_linger)) due(t, Deadline::server_end) = now + t1x64_;
    return true;
}

// The current attempt brought no response (timeout) or could not be sent: next host, or the client hears of it.
void Proxy::attempt_failed(Transaction& t, bool timeout, core::Tick now) {
    const auto host = t.tried[t.attempt];
    if (host != core::no_destination) router_.report(host, timeout ? Outcome::timeout : Outcome::transport_error);
    const auto attempts = std::min<std::size_t>(config_.fork_attempts, Transaction::max_attempts);
    const AttemptEnd end{timeout ? AttemptEnd::timeout : AttemptEnd::transport_error, 0, false};
    const AttemptContext context{t.is_invite(), t.provisional_seen, t.cancelled, static_cast<int>(attempts) - t.last_attempt - 1,
                                 config_.failover_codes};
    Answer answer = Answer::selected;
    if (t.may_move() && next_step(end, context) == NextStep::try_next && try_next(t, now, answer)) return transactions_.settle(t);

    // A host that does answer an INVITE later must not be left with half a call.
    t.given_up = t.is_invite();
    t.client_state = t.given_up ? fsm::State::completed : fsm::State::terminated;
    due(t, Deadline::client_retransmit) = core::Tick::max();
    due(t, Deadline::client_end) = t.given_up ? now + t1x64_ : core::Tick::max();
    if (t.kind == Transaction::Kind::local) local_.local_done(t.tag, 0, timeout ? Outcome::timeout : Outcome::transport_error, now);
    if (t.kind == Transaction::Kind::ping) on_pinged(t, 0, now);
    if (t.server_key != 0 && !timeout) {
        tell_unreachable(t, answer, now);
    } else if (t.server_key != 0) {
        count(ProxyEvent::transaction_timeout);
        if (t.cancelled) {
            finish(t, 487, "Request Terminated", LocalReply::request_terminated, {}, now);
        } else if (t.is_invite()) {
            finish(t, 408, "Request Timeout", LocalReply::timeout, {}, now);
        }
        end_in_silence(t);
        settle_dialog(t, 408, now);
    }
    transactions_.settle(t);
}

}  // namespace sipfront::sip

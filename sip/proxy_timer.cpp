// Timers (RFC 3261 §17 Table 4, §16.8, RFC 6026) and requests of our own.
#include <algorithm>

#include "sip/proxy.hpp"
#include "sip/text_builder.hpp"

namespace sipfront::sip {

void Proxy::advance(core::Tick now, std::size_t max) {
    scratch_.clear();
    transactions_.advance(
        now,
        [&](Transaction& t) {
            scratch_.clear();
            on_timer(t, now);
        },
        max);
    transactions_.expire(now, max);
    for (std::size_t i = 0; i < max; ++i) {
        auto* d = dialogs_.due(now);
        if (d == nullptr) break;
        expire(*d, now);
    }
    if (unlisted_ != 0 || untold_ != 0 || telling_all_ || config_.timers.dialog_ping.count() != 0) walk(now);
}

// Handles each deadline that has come. One may end the transaction, which only settle() may free.
void Proxy::on_timer(Transaction& t, core::Tick now) {
    const auto t2_ms = static_cast<std::uint32_t>(config_.timers.t2.count());
    const auto interval = [](std::uint32_t ms) { return core::Duration{std::chrono::milliseconds{ms}}; };

    if (due(t, Deadline::server_retransmit) <= now && !t.is_invite()) {
        // RFC 4320 §4.1: the client has slowed down to T2, so a 100 no longer delays what retransmissions would bring.
        due(t, Deadline::server_retransmit) = core::Tick::max();
        if (t.server_state == fsm::State::trying) finish(t, 100, "Trying", LocalReply::trying, {}, now);
    }
    if (due(t, Deadline::server_retransmit) <= now) {  // Timer G
        t.server_interval_ms = std::min(2 * t.server_interval_ms, t2_ms);
        due(t, Deadline::server_retransmit) = now + interval(t.server_interval_ms);
        if (t.response) {
            transmit(t.response.view(), t.reply);
            count(ProxyEvent::response_retransmitted);
        }
    }
    if (due(t, Deadline::client_retransmit) <= now) {  // Timers A and E
        const auto step = t.is_invite() ? fsm::invite_client(t.client_state, fsm::Event::retransmit, false)
                                        : fsm::request_client(t.client_state, fsm::Event::retransmit, false);
        t.client_interval_ms = t.is_invite()                                      ? 2 * t.client_interval_ms
                               : fsm::has(step.actions, fsm::Do::slow_retransmit) ? t2_ms
                                                                                  : std::min(2 * t.client_interval_ms, t2_ms);
        due(t, Deadline::client_retransmit) = now + interval(t.client_interval_ms);
        if (fsm::has(step.actions, fsm::Do::resend) && t.request) {
            transmit(t.request.view(), t.target);
            counters_.requests_out[t.method].add();
            count(ProxyEvent::request_retransmitted);
        }
    }
    if (due(t, Deadline::server_end) <= now) on_server_end(t);
    if (due(t, Deadline::client_end) <= now) return on_client_end(t, now);
    transactions_.settle(t);
}

void Proxy::on_server_end(Transaction& t) {
    due(t, Deadline::server_end) = due(t, Deadline::server_retransmit) = core::Tick::max();
    const bool awaits_ack = t.is_invite() && t.server_state == fsm::State::completed;
    const auto event = awaits_ack ? fsm::Event::timeout : fsm::Event::linger;
    if (awaits_ack) count(ProxyEvent::ack_timeout);
    t.server_state =
        t.is_invite() ? fsm::invite_server(t.server_state, event, false).next : fsm::request_server(t.server_state, event, false).next;
    transactions_.drop(t.response);
}

// RFC 4320 §4.2: a 408 to a non-INVITE would come too late to help, whoever says it.
void Proxy::end_in_silence(Transaction& t) noexcept {
    if (t.server_state != fsm::State::trying && t.server_state != fsm::State::proceeding) return;
    t.server_state = fsm::State::terminated;
    t.deadline(Deadline::server_end) = t.deadline(Deadline::server_retransmit) = core::Tick::max();
}

void Proxy::on_client_end(Transaction& t, core::Tick now) {
    using fsm::State;
    due(t, Deadline::client_end) = core::Tick::max();
    if (t.waits) {
        count(ProxyEvent::name_timeout);
        return end_waiting(t, 500, "Server Internal Error (name servers do not answer)", LocalReply::name_failed, now);
    }
    if (t.client_state == State::accepted || t.client_state == State::completed) {  // M, D or K
        t.client_state = State::terminated;
        return transactions_.settle(t);
    }
    if (t.is_invite() && t.client_state == State::proceeding && (t.cancelled_attempts & (1U << t.attempt)) == 0) {
        // §16.8: a branch that rings for ever is cancelled; its 487 then ends it.
        count(config_.timers.fr_inv_timer < config_.timers.timer_c ? ProxyEvent::fr_inv_timer : ProxyEvent::timer_c);
        due(t, Deadline::client_end) = now + t1x64_;
        cancel_current(t, now);
        return transactions_.settle(t);
    }
    if (t.route != Transaction::Route::fixed) count(ProxyEvent::fr_timer);
    attempt_failed(t, true, now);
}

bool Proxy::send(const LocalRequest& q, core::Tick now) {
    scratch_.clear();
    const auto listener =
        std::find_if(config_.listeners.begin(), config_.listeners.end(), [&](const Listener& l) { return l.id == q.listener; });
    if (listener == config_.listeners.end()) return drop(ProxyDrop::no_listener), false;
    const core::Flow target{.local = listener->local,
                            .remote = q.target.remote,
                            .listener = listener->id,
                            .transport = q.target.transport,
                            .zone = router_.zone_of(q.target.remote),
                            .connection = core::no_connection};
    BranchText branch;
    auto* t = open_own(Transaction::Kind::local, q.method, q.cseq, target, q.call_id, q.call_id_hash, now, branch);
    if (t == nullptr) return false;
    t->tag = q.tag;
    const auto tag = make_local_tag(q.call_id, q.from_uri, branch.view(), keys_);

    const auto start_line = q.text.substr(0, q.text.find('\n') + 1);
    const auto room = out_.reserve(q.text.size() + 512);
    TextBuilder b{room};
    b << start_line << "Via: SIP/2.0/" << core::via_name(q.target.transport) << " " << listener->local << ";branch=" << branch.view()
      << "\r\nFrom: <" << q.from_uri << ">;tag=" << tag.view() << "\r\nCall-ID: " << q.call_id
      << "\r\nCSeq: " << static_cast<std::uint64_t>(q.cseq) << " " << name(q.method) << "\r\n"
      << q.text.substr(start_line.size());
    return send_own(*t, b.overflowed() ? std::string_view{} : b.view(), now, q.timeout);
}

}  // namespace sipfront::sip

// Datagrams of ours that did not arrive, as ICMP errors tell (RFC 3261 §18.4, §16.9, §17.1). Such an error is not authenticated: only
// one that quotes what nobody off the path can know, the MAC of our branch, ends an attempt.
#include "sip/proxy.hpp"

namespace sipfront::sip {
namespace {

// Of an INVITE the machine of §17.1.1.2 hears of transport errors as long as nothing has come back, and so it should: a host that has
// answered is busy with the call, and what is quoted then was sent before. Any other request is still repeated after a provisional.
// A ping decides over a call that stands, which one lost packet must not end: it is repeated until Timer F.
bool awaits_life(const Transaction& t) noexcept {
    if (t.kind == Transaction::Kind::ping) return false;
    if (t.is_invite()) return t.client_state == fsm::State::calling;
    return t.client_state == fsm::State::trying || t.client_state == fsm::State::proceeding;
}

}  // namespace

Sent Proxy::on_error(const Message& quote, const core::Flow& sent, bool unreachable, core::Tick now) {
    scratch_.clear();
    if (!quote.is_request()) return has_answered(quote, sent) ? Sent::ours : Sent::unknown;
    const auto branch = read_branch(quote.at(quote.top_via().branch));
    if (!branch || branch->node != config_.node) return Sent::unknown;
    // The CANCEL and the ACK of an INVITE have its branch, too. An attempt that was given up is nobody's concern any more.
    auto* t = transactions_.get(branch->transaction);
    if (t == nullptr || t->branch_mac == 0 || t->branch_mac != branch->mac || t->attempt != branch->attempt) return Sent::unknown;
    if (t->target.remote != sent.remote || t->target.local != sent.local) return Sent::unknown;
    if (!unreachable || quote.method() != t->method || !awaits_life(*t)) return Sent::ours;
    count(ProxyEvent::transport_error);
    attempt_failed(*t, false, now);
    return Sent::failed;
}

// A response: its top Via is that of the request, which who forges an error would have to know. For its transaction nothing follows
// (§16.9: the response is dropped; RFC 6026: the transaction stays), but the length of the path may be learned.
bool Proxy::has_answered(const Message& quote, const core::Flow& sent) noexcept {
    constexpr auto needed = bit(HeaderId::via) | bit(HeaderId::from) | bit(HeaderId::call_id) | bit(HeaderId::cseq);
    if ((quote.present() & needed) != needed) return false;
    const auto* t = transactions_.find_server(transactions_.server_key(quote, quote.top_via(), quote.cseq().method)).active;
    return t != nullptr && t->reply.remote == sent.remote && t->reply.local == sent.local;
}

// §16.9: as if the last host had answered 503, which only we ourselves may say (§16.7 step 6).
void Proxy::tell_unreachable(Transaction& t, Answer answer, core::Tick now) {
    const bool none_left = answer != Answer::selected && t.name == 0;
    if (t.may_move()) count(ProxyEvent::failover_exhausted);
    if (t.cancelled) {
        finish(t, 487, "Request Terminated", LocalReply::request_terminated, {}, now);
    } else if (none_left) {
        finish(t, 503, "Service Unavailable", answer == Answer::full ? LocalReply::all_full : LocalReply::no_destination,
               retry_after(t.call_id_hash), now);
    } else {
        finish(t, config_.disable_503_translation ? 503 : 500, "Next Hop Unreachable", LocalReply::unreachable, {}, now);
    }
    end_in_silence(t);  // if no buffer was left for the answer
    settle_dialog(t, 503, now);
}

}  // namespace sipfront::sip

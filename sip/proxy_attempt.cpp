// A request at its target: its timers, and the next target when one fails (RFC 3261 §16.7 step 5, §16.8).
#include <algorithm>

#include "sip/proxy.hpp"

namespace sipfront::sip {

// Arms Timers A and B, or E and F; fr_timer stands in for B and F where another host may take over.
void Proxy::start_client(Transaction& t, core::Tick now) {
    const bool reliable = core::is_reliable(t.target.transport);
    t.client_state = t.is_invite() ? fsm::State::calling : fsm::State::trying;
    t.client_interval_ms = static_cast<std::uint32_t>(config_.timers.t1.count());
    due(t, Deadline::client_retransmit) = reliable ? core::Tick::max() : now + t1_;
    const bool may_move = t.route != Transaction::Route::fixed || next_address(t, now);
    due(t, Deadline::client_end) = now + (may_move ? core::Duration{config_.timers.fr_timer} : t1x64_);
    t.provisional_seen = false;
}

// The next destination for a request whose attempt failed: the stored image with a new Via and Record-Route on top.
// False: `answer` says why there is none.
bool Proxy::try_next(Transaction& t, core::Tick now, Answer& answer) {
    answer = Answer::unavailable;
    const auto attempts = std::min<std::size_t>(config_.fork_attempts, Transaction::max_attempts);
    if (t.cancelled || !t.may_move() || t.last_attempt + 1U >= attempts) return false;
    if (image_.parse(t.request.view()) != ParseError::none) return false;
    const auto call = identity(image_, t.call_id_hash);
    const auto last = t.record_routed ? recorded_cookie(image_, call, keys_) : std::nullopt;
    if (t.record_routed && !last) return false;

    const bool balanced = t.route == Transaction::Route::balanced;
    auto* d = dialogs_.get(t.dialog);
    // An early BYE has ended the call already: nobody would give the next host's load back.
    const bool holds_dialog = balanced || (t.is_invite() && t.initial);
    if (holds_dialog && (d == nullptr || d->state == DialogState::deleted)) return false;
    const auto address = next_address(t, now);
    if (t.name != 0 && !address) return false;
    const RouteQuery query{.request = image_,
                           .from = t.reply,
                           .now = now,
                           .call_id_hash = t.call_id_hash,
                           .preferred = core::no_destination,
                           .tried = {t.tried.data(), t.last_attempt + 1U}};
    const auto found = address ? RouteAnswer{Answer::selected, *address} : balanced ? router_.balance(query) : router_.dispatch(query);
    answer = found.answer;
    if (found.answer != Answer::selected) return false;
    NextHop hop;
    aim(hop, found.target, t.reply, sockets_.of(t.target));
    const bool secure = leads_to_sips(image_);
    if (secure && found.target.transport != core::Transport::tls) refuse(hop, 480, "Temporarily Unavailable", LocalReply::sips_not_allowed);

    Branch branch;
    branch.node = config_.node;
    branch.worker = self_;
    branch.attempt = static_cast<std::uint8_t>(t.last_attempt + 1);
    branch.transaction = transactions_.handle_of(t);
    const auto old = read_branch(image_.at(image_.top_via().branch));
    branch.loop = old ? old->loop : 0;
    const auto text = make_branch(branch, {call, image_.cseq().number, t.server_key}, keys_);
    // Responses may go to another port than the request came from: what the last attempt said of that is still true.
    auto sender = t.reply;
    if (last) sender.remote = last->caller_in_cluster ? last->host : last->client;
    if (t.path) sender = registered_flow(image_, sockets_, keys_);
    const Recorded recorded{sender,
                            sockets_.of(sender),
                            last && last->caller_in_cluster,
                            last && last->symmetric,
                            secure,
                            last ? last->dialog : DialogHandle{}};
    const auto top = t.path ? make_register_top(hop.socket, text.view(), sender, secure)
                            : make_top(hop, text.view(), last ? &recorded : nullptr, call, image_.from_tag());
    EditList edits{image_};
    edits.replace(image_.headers_begin(), image_.headers_begin() + t.top_length, top);
    const auto room = hop.code == 0 && !top.empty() && !edits.overflowed() ? out_.reserve(edits.size()) : std::span<char>{};
    if (room.size() < edits.size() || room.empty()) {
        if (balanced) router_.release(found.target.destination);
        return drop(ProxyDrop::no_buffer), false;
    }
    const auto n = edits.write(room);
    const auto* stream = stream_for(n, hop.out);
    if (stream != nullptr) name_transport(room.first(n), core::Transport::tcp);
    if (!transactions_.keep(t.request, {room.data(), n})) {
        if (balanced) router_.release(found.target.destination);
        return drop(ProxyDrop::no_image_room), false;
    }
    auto& by = out_.commit(n, hop.out);
    if (stream != nullptr) go_by(by, *stream);
    counters_.requests_out[t.method].add();
    count(ProxyEvent::failover);

    if (address) {
        if (d != nullptr && t.initial) (d->caller_in_cluster ? d->client : d->host) = hop.out;
    } else if (release_attempt(t); d != nullptr) {  // the unit of load moves from the failed host to this one
        d->destination = found.target.destination;
        d->host = hop.out;
        d->counted = balanced;
    }
    t.attempt = t.last_attempt = branch.attempt;
    t.tried[t.attempt] = found.target.destination;
    t.branch_mac = branch.mac;
    t.top_length = static_cast<std::uint16_t>(top.size());
    t.target = hop.out;
    t.by_size = false;
    if (stream != nullptr) take_stream(t, *stream);
    start_client(t, now);
    if (d != nullptr && t.is_invite() && t.initial) tell_moved(*d, t, now);
    return true;
}

}  // namespace sipfront::sip

// Requests that lead to host names (RFC 3263): the address for each attempt, and the wait for an answer that is on its way.
#include <algorithm>
#include <utility>

#include "sip/proxy.hpp"
#include "sip/text_builder.hpp"

namespace sipfront::sip {
namespace {

// What to ask for a URI with a name for its host; nullopt: nothing, for we speak SIP over UDP alone to names.
std::optional<core::NameQuestion> question_of(const Uri& uri) noexcept {
    if (uri.scheme != Scheme::sip) return std::nullopt;
    const auto named = uri.param("transport");
    if (named && uri.transport() != core::Transport::udp) return std::nullopt;
    return core::NameQuestion::make(uri.param("maddr").value_or(uri.host), uri.port, named.has_value());
}

}  // namespace

// Where a URI leads (RFC 3263 §4). nullopt: `hop` is refused, or waits.
std::optional<Target> Proxy::locate(const std::optional<Uri>& uri, const Request& r, NextHop& hop) {
    const auto unresolvable = [&] { return refuse(hop, 478, "Unresolvable Destination", LocalReply::unresolvable), std::nullopt; };
    if (!uri) return unresolvable();
    if (r.uri.scheme == Scheme::sips && uri->scheme == Scheme::sip) [[unlikely]] {
        // §8.1.2: for a sips resource every URI is read as one.
        auto as_sips = uri;
        as_sips->scheme = Scheme::sips;
        return locate(as_sips, r, hop);
    }
    if (auto target = numeric_target(*uri)) return target;
    const auto question = question_of(*uri);
    if (!question) return unresolvable();
    const auto key = names_.key_of(*question);
    const auto* answer = names_.find(key, r.now);
    if (answer == nullptr) {
        if (!names_.ask(*question)) return refuse(hop, 503, "Service Unavailable", LocalReply::overloaded), std::nullopt;
        hop.waits_for = key;
        return std::nullopt;
    }
    if (answer->status == core::NameStatus::failed)
        return refuse(hop, 500, "Server Internal Error (name servers fail)", LocalReply::name_failed), std::nullopt;
    // The Call-ID draws: all requests of a call that lead to the name take its addresses in the same order.
    const auto* first = answer->target(r.call_id_hash, 0);
    if (first == nullptr) return unresolvable();
    hop.name = key;
    return Target{.destination = core::no_destination, .remote = first->remote, .transport = core::Transport::udp};
}

// As locate(), for the Contact of a peer whose flow is known: that serves where the DNS does not. False: `hop` waits.
bool Proxy::locate_contact(const std::optional<Uri>& uri, const Request& r, NextHop& hop, std::optional<Target>& target) {
    target = locate(uri, r, hop);
    if (!target && hop.waits_for == 0) hop.code = 0;
    return hop.waits_for == 0;
}

// The address after the one that failed (RFC 3263 §4.3).
std::optional<Target> Proxy::next_address(const Transaction& t, core::Tick now) {
    const auto attempts = std::min<std::size_t>(config_.fork_attempts, Transaction::max_attempts);
    if (t.name == 0 || t.last_attempt + 1U >= attempts) return std::nullopt;
    const auto* answer = names_.find(t.name, now);
    const auto* next = answer != nullptr ? answer->target(t.call_id_hash, t.last_attempt + 1U) : nullptr;
    if (next == nullptr) return std::nullopt;
    return Target{.destination = core::no_destination, .remote = next->remote, .transport = core::Transport::udp};
}

// The ACK will lead to this Contact, and must not wait for its name.
void Proxy::foresee(std::string_view contact, core::Tick now) {
    const auto uri = parse_uri(contact);
    const auto question = uri && !numeric_target(*uri) ? question_of(*uri) : std::nullopt;
    if (question && names_.find(names_.key_of(*question), now) == nullptr) names_.ask(*question);
}

// The request stays as it came, in a transaction without a client side, until its name is known.
void Proxy::wait_for_name(Request& r, std::uint64_t name) {
    const auto& m = r.m;
    const bool again = r.waiting != nullptr;
    const auto overloaded = [&](Transaction* t) {
        turn_down(r, t, 503, "Service Unavailable", LocalReply::overloaded, retry_after(r.call_id_hash));
    };
    if (!again && waiting_now_ == max_waiting) return drop(ProxyDrop::table_full), overloaded(nullptr);
    // Half of them at least have ended.
    if (!again && waiting_.size() == waiting_.capacity())
        std::erase_if(waiting_, [&](TransactionHandle h) { return transactions_.get(h) == nullptr || !transactions_.get(h)->waits; });
    auto* t = again ? r.waiting : transactions_.create(r.lead.server_key);
    if (t == nullptr) return drop(ProxyDrop::table_full), overloaded(nullptr);
    t->kind = m.method() == Method::invite ? Transaction::Kind::invite : Transaction::Kind::request;
    t->method = m.method();
    t->call_id_hash = r.call_id_hash;
    t->cseq = m.cseq().number;
    t->reply = r.in;
    t->reply.remote.port = reply_port(m.top_via(), r.in);
    t->target = r.in;  // what comes back when the request goes on
    t->old_branch = !has_magic_cookie(m.at(m.top_via().branch));
    t->server_state = t->is_invite() ? fsm::State::proceeding : fsm::State::trying;
    if (!transactions_.keep(t->request, m.wire())) return drop(ProxyDrop::no_image_room), overloaded(t);
    t->name = name;
    t->waits = true;
    ++waiting_now_;
    if (!again) {
        t->started = r.now;
        waiting_.push_back(transactions_.handle_of(*t));
        count(ProxyEvent::transaction_created);
        count(ProxyEvent::name_waited);
        if (t->is_invite()) reply(m, r.in, 100, "Trying", LocalReply::trying);
    }
    due(*t, Deadline::client_end) = t->started + core::Duration{config_.timers.name_wait};
    transactions_.settle(*t);
}

void Proxy::on_names(core::Tick now) {
    std::size_t left = 0;
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
        const auto handle = waiting_[i];
        if (auto* t = transactions_.get(handle); t != nullptr && t->waits && names_.find(t->name, now) != nullptr) resume(*t, now);
        const auto* t = transactions_.get(handle);
        if (t != nullptr && t->waits) waiting_[left++] = handle;
    }
    waiting_.resize(left);
    if (!stranded_.empty()) send_stranded(now);
}

// The request takes its way as if it had just come.
void Proxy::resume(Transaction& t, core::Tick now) {
    scratch_.clear();
    auto text = std::exchange(t.request, {});
    t.waits = false;
    --waiting_now_;
    due(t, Deadline::client_end) = core::Tick::max();
    const auto in = t.target;
    const auto error = waiting_message_.parse(text.view());
    Lead found;
    if (error == ParseError::none) lead(waiting_message_, t.call_id_hash, found);
    Request r{waiting_message_, in, now, t.call_id_hash, identity(waiting_message_, t.call_id_hash), found};
    r.waiting = &t;
    if (error != ParseError::none || !validate(r)) {
        t.server_state = fsm::State::terminated;
        transactions_.settle(t);
    } else if (waiting_message_.to_tag().empty()) {
        on_initial(r);
    } else {
        on_in_dialog(r);
    }
    transactions_.drop(text);
}

// A request that waited is answered by its transaction, since a 100 may have gone out; any other without one.
void Proxy::turn_down(Request& r, Transaction* t, int code, std::string_view reason, LocalReply why, std::string_view extra) {
    if (r.waiting != nullptr) return end_waiting(*r.waiting, r.m, r.in, code, reason, why, extra, r.now);
    if (t != nullptr) {
        t->server_state = t->client_state = fsm::State::terminated;
        transactions_.settle(*t);
    }
    reply(r.m, r.in, code, reason, why, extra);
}

void Proxy::end_waiting(Transaction& t, int code, std::string_view reason, LocalReply why, core::Tick now) {
    auto text = std::exchange(t.request, {});
    const auto in = t.target;
    if (waiting_message_.parse(text.view()) == ParseError::none) end_waiting(t, waiting_message_, in, code, reason, why, {}, now);
    transactions_.drop(text);
}

void Proxy::end_waiting(Transaction& t, const Message& m, const core::Flow& in, int code, std::string_view reason, LocalReply why,
                        std::string_view extra, core::Tick now) {
    if (t.waits) --waiting_now_;
    t.waits = false;
    t.client_state = fsm::State::terminated;
    due(t, Deadline::client_end) = due(t, Deadline::client_retransmit) = core::Tick::max();
    server_event(t, fsm::Event::failure, now);
    const auto room = out_.reserve(m.headers_end() + extra.size() + 512);
    TextBuilder b{room};
    b << status_line(code, reason) << "Via: ";
    write_top_via(b, m.wire(), m.top_via(), in, Shown{in.remote});
    b << "\r\n";
    write_reply(b, m, code, extra);
    if (room.empty() || b.overflowed()) {
        drop(room.empty() ? ProxyDrop::no_buffer : ProxyDrop::too_large);
    } else {
        if (!transactions_.keep(t.response, b.view())) drop(ProxyDrop::no_image_room);
        out_.commit(b.size(), t.reply);
        counters_.local_replies[why].add();
        counters_.responses_out[static_cast<std::size_t>(code / 100)].add();
    }
    transactions_.settle(t);
}

}  // namespace sipfront::sip

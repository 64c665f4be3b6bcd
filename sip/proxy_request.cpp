// Requests: matching, validation (RFC 3261 §16.3), and which way they go (DESIGN: what a request meets).
#include "sip/proxy.hpp"
#include "sip/text_builder.hpp"

namespace sipfront::sip {
namespace {

std::string allow_line(const ProxyConfig& config) {
    std::string line = "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS";
    for (std::size_t i = 0; i < config.methods.size(); ++i) {
        const auto m = static_cast<Method>(i);
        if (config.methods[i] == MethodPolicy::reject || m == Method::unknown) continue;
        if (m == Method::invite || m == Method::ack || m == Method::cancel || m == Method::bye || m == Method::options) continue;
        line += ", ";
        line += name(m);
    }
    return line + "\r\n";
}

std::vector<std::string> trusted_names(const ProxyConfig& config) {
    auto names = config.trust_strip;
    names.push_back(config.auth_ip_header);
    names.push_back(config.auth_port_header);
    return names;
}

// Requests that make a dialog, and so need our Record-Route (§16.6 step 4).
constexpr bool forms_dialog(Method m) noexcept {
    return m == Method::invite || m == Method::subscribe || m == Method::refer || m == Method::unknown;
}

}  // namespace

Proxy::Proxy(const Parts& p)
    : self_{p.self},
      config_{p.config},
      sockets_{p.config.listeners},
      router_{p.router},
      names_{p.names},
      keys_{p.keys},
      out_{p.out},
      counters_{p.counters},
      local_{p.local},
      observer_{p.observer},
      call_id_key_{p.call_id_key},
      bytes_{p.config.image_bytes},
      transactions_{p.config.max_transactions, bytes_, p.call_id_key, p.start},
      dialogs_{p.config.max_dialogs, bytes_, p.dialog_key},
      challenges_{std::min<std::uint32_t>(p.config.max_transactions, 1U << 17), p.config.timers.challenge_memory},
      trust_{trusted_names(p.config)},
      rejections_{make_rejections(p.table_key, p.config)},
      allow_{allow_line(p.config)},
      auth_ip_line_{p.config.auth_ip_header + ": " + std::string(copy_slack, ' ')},
      auth_port_line_{"\r\n" + p.config.auth_port_header + ": " + std::string(copy_slack, ' ')},
      auth_ip_length_{auth_ip_line_.size() - copy_slack},
      auth_port_length_{auth_port_line_.size() - copy_slack},
      client_room_{auth_ip_line_.size() + auth_port_line_.size() + Shown::most_added},
      t1_{p.config.timers.t1},
      t2_{p.config.timers.t2},
      t4_{p.config.timers.t4},
      t1x64_{64 * p.config.timers.t1} {
    waiting_.reserve(2 * max_waiting);
    stranded_.reserve(max_stranded);
    for (auto interval = t1_; interval < t2_; interval *= 2) late_trying_ += interval;
}

void Proxy::lead(const Message& m, std::uint64_t call_id_hash, Lead& l) const noexcept {
    l.own_branch = false;
    l.route.socket = nullptr;
    l.route.cookie.reset();
    if (m.is_request()) {
        l.server_key = transactions_.server_key(m, m.method() == Method::ack ? Method::invite : m.method());
        transactions_.prefetch_server(l.server_key);
        if (!m.to_tag().empty()) {
            read_own_route(m, identity(m, call_id_hash), sockets_, keys_, l.route);
            if (l.route.cookie) dialogs_.prefetch(l.route.cookie->dialog);
        } else if (m.method() == Method::invite) {
            l.dialog_key = dialogs_.key_of(call_id_hash, m.from_tag());
            dialogs_.prefetch_key(l.dialog_key);
        }
    } else if (read_branch(m.at(m.top_via().branch), l.branch)) {
        l.own_branch = true;
        transactions_.prefetch(l.branch.transaction);
    }
}

void Proxy::prefetch(const Lead& l) const noexcept {
    if (l.own_branch) {
        if (const auto* t = transactions_.get(l.branch.transaction)) {
            dialogs_.prefetch(t->dialog);
            transactions_.prefetch_server(t->server_key);
            if (t->dialog_key != 0) dialogs_.prefetch_key(t->dialog_key);
        }
    } else if (l.route.cookie) {
        if (const auto* d = dialogs_.get(l.route.cookie->dialog); d != nullptr && d->text) __builtin_prefetch(d->text.data);
    }
}

void Proxy::publish_gauges() noexcept {
    counters_.transactions.set(transactions_.size());
    counters_.dialogs.set(dialogs_.size());
    counters_.early_dialogs.set(early_dialogs_);
    counters_.image_bytes.set(bytes_.used());
}

void Proxy::handle(const Message& m, ParseError error, const core::Flow& in, std::uint64_t call_id_hash, const Lead& lead, core::Tick now) {
    scratch_.clear();
    if (error != ParseError::none) [[unlikely]]
        return on_malformed(m, error, in);
    // Each in a frame of its own: a response needs none of a request's.
    if (m.is_request()) return handle_request(m, in, call_id_hash, lead, now);
    on_response(m, in, call_id_hash, lead, now);
}

void Proxy::on_malformed(const Message& m, ParseError error, const core::Flow& in) {
    if (error == ParseError::empty) return drop(ProxyDrop::keepalive);
    counters_.parse_errors[error].add();
    // A 400 needs a way back; an ACK is never answered, nor is a response.
    const bool answerable = m.is_request() && m.method() != Method::ack && error != ParseError::not_sip && m.top_via().host;
    if (!answerable) return drop(ProxyDrop::unanswerable);
    counters_.requests_in[m.method()].add();
    if (error == ParseError::bad_version) return reply(m, in, 505, "Version Not Supported", LocalReply::version_not_supported);
    scratch_.clear();
    reply(m, in, 400, scratch_.join({"Bad Request (", name(error), ")"}), LocalReply::bad_request);
}

[[gnu::always_inline]] inline void Proxy::on_request(Request& r) {
    const auto& m = r.m;
    counters_.requests_in[m.method()].add();
    if (m.method() == Method::ack) return on_ack(r);

    const auto found = transactions_.find_server(r.lead.server_key);
    if (found.active != nullptr) return on_retransmission(r, *found.active);
    if (found.linger != nullptr) return on_repetition(r, *found.linger);
    if (m.method() == Method::cancel) return on_cancel(r);
    if (!validate(r)) return;
    if (m.to_tag().empty()) {
        on_initial(r);
    } else {
        on_in_dialog(r);
    }
}

void Proxy::handle_request(const Message& m, const core::Flow& in, std::uint64_t call_id_hash, const Lead& lead, core::Tick now) {
    Request r{m, in, now, call_id_hash, identity(m, call_id_hash), lead};
    on_request(r);
}

void Proxy::on_retransmission(Request& r, Transaction& t) {
    count(ProxyEvent::request_absorbed);
    const auto step = t.is_invite() ? fsm::invite_server(t.server_state, fsm::Event::request, false)
                                    : fsm::request_server(t.server_state, fsm::Event::request, false);
    if (!fsm::has(step.actions, fsm::Do::resend)) return;
    if (t.response) {
        count(ProxyEvent::response_retransmitted);
        transmit(t.response.view(), t.reply);
    } else if (t.is_invite() && t.server_state == fsm::State::proceeding) {
        reply(r.m, r.in, 100, "Trying", LocalReply::trying);
    }
}

// Of a transaction that lingers. An INVITE is absorbed, for the host repeats its 2xx by itself (RFC 6026 §7.1).
void Proxy::on_repetition(Request& r, const Linger& l) {
    count(ProxyEvent::request_absorbed);
    if (l.invite) return;
    count(ProxyEvent::response_retransmitted);
    answer_again(r, transactions_.residues().text(l.value));
}

[[gnu::always_inline]] inline void Proxy::on_ack(Request& r) {
    const auto& m = r.m;
    if (auto* t = transactions_.find_server(r.lead.server_key).active; t != nullptr && t->is_invite()) {
        // RFC 6026 §7.1: an ACK to a 2xx never belongs to the server transaction, even with the INVITE's branch.
        if (t->server_state != fsm::State::accepted) {
            const bool reliable = core::is_reliable(t->reply.transport);
            const auto step = fsm::invite_server(t->server_state, fsm::Event::ack, reliable);
            if (fsm::has(step.actions, fsm::Do::start_linger)) {
                due(*t, Deadline::server_retransmit) = core::Tick::max();
                due(*t, Deadline::server_end) = r.now + t4_;  // Timer I
                transactions_.drop(t->response);
            }
            t->server_state = step.next;
            return transactions_.settle(*t);
        }
    }
    if (m.max_forwards() == 0) return drop(ProxyDrop::ack_no_hops);
    if (!parse_solid_uri(m.request_uri(), r.uri)) return drop(ProxyDrop::unanswerable);
    read_routes(m, r.call, r.uri, r.lead.route, sockets_, keys_, r.routes);
    if (r.routes.malformed) return drop(ProxyDrop::unanswerable);
    if (!preprocess_target(r)) return drop(ProxyDrop::unanswerable);
    forward_ack(r);
}

// §16.4: what a strict router before us did is undone, and a maddr that names the socket the request came to is taken off with port
// and transport, as if they had not been there. False: there is no target.
bool Proxy::preprocess_odd_target(Request& r) {
    if (r.routes.strict_upstream) {
        r.target = r.routes.target_uri;
        const auto target = parse_uri(r.target);
        if (!target) return false;
        r.uri = *target;
    }
    if (!r.uri.param("maddr")) return true;
    const auto* named = sockets_.named_by(r.uri);
    if (named == nullptr || named != sockets_.of(r.in)) return true;
    const auto whole = r.target.empty() ? r.m.request_uri() : r.target;
    auto text = scratch_.strip_uri(whole, r.uri, {"maddr", "transport"});
    if (r.uri.port != 0 && r.uri.port != core::default_port(r.in.transport)) {
        const auto port = static_cast<std::size_t>(r.uri.host.data() - whole.data()) + r.uri.host.size();
        text = scratch_.join({text.substr(0, port), text.substr(std::min(text.find(';', port), text.size()))});
    }
    r.target = text;
    r.uri = {};
    return parse_solid_uri(text, r.uri);
}

// The ACK to a 2xx is a message of its own: forwarded without a transaction (§16.11, §17.1.1.3).
[[gnu::always_inline]] inline void Proxy::forward_ack(Request& r) {
    if (r.m.to_tag().empty()) return drop(ProxyDrop::stray_ack);
    NextHop hop;
    route_in_dialog(r, hop);
    // The host repeats its 2xx until an ACK comes, and by then the name is known.
    if (hop.waits_for != 0) return drop(ProxyDrop::ack_without_name);
    settle_security(r, hop);
    if (hop.code != 0) {
        if (hop.why == LocalReply::forbidden_route) count(ProxyEvent::relay_refused);
        return drop(hop.why == LocalReply::no_dialog ? ProxyDrop::stray_ack : ProxyDrop::refused_ack);
    }
    if (auto* d = dialogs_.get(hop.dialog)) {
        if (d->state == DialogState::confirmed_no_ack) {
            d->state = DialogState::confirmed;
            tell(*d, DialogChange::state, r.now);
        } else if (d->state < DialogState::confirmed_no_ack && is_unlisted(*d)) {
            prove_answered(*d, r.m, r.now);
        }
    }
    forward(r, hop, nullptr);
}

// §16.3, in its order. False: a reply went out.
bool Proxy::validate(Request& r) {
    const auto& m = r.m;
    if (!parse_solid_uri(m.request_uri(), r.uri))
        return reply(m, r.in, 400, "Bad Request (bad_request_uri)", LocalReply::bad_request), false;
    if (r.uri.scheme == Scheme::other) return reply(m, r.in, 416, "Unsupported URI Scheme", LocalReply::unsupported_scheme), false;
    if (!r.uri.headers.empty()) return reply(m, r.in, 400, "Bad Request (headers in Request-URI)", LocalReply::bad_request), false;
    if (m.max_forwards() == 0) return reply(m, r.in, 483, "Too Many Hops", LocalReply::too_many_hops), false;
    if (config_.loop_detection) {
        r.loop = loop_hash(r);
        if (is_loop(m, r.loop, sockets_)) return reply(m, r.in, 482, "Loop Detected", LocalReply::loop), false;
    }
    if (const auto* h = m.first(HeaderId::proxy_require)) {
        // We support no extension that a proxy could be required to: all of them are unsupported.
        TextBuilder b{scratch_.take(1024)};
        b << "Unsupported: ";
        for (bool first = true; h != nullptr; h = m.next(h), first = false) b << (first ? "" : ", ") << m.at(h->value);
        b << "\r\n";
        if (b.overflowed()) return reply(m, r.in, 400, "Bad Request (Proxy-Require too long)", LocalReply::bad_request), false;
        return reply(m, r.in, 420, "Bad Extension", LocalReply::bad_extension, b.view()), false;
    }
    read_routes(m, r.call, r.uri, r.lead.route, sockets_, keys_, r.routes);
    if (r.routes.malformed) return reply(m, r.in, 400, "Bad Request (bad Route)", LocalReply::bad_request), false;
    if (!preprocess_target(r)) return reply(m, r.in, 400, "Bad Request (bad Route)", LocalReply::bad_request), false;
    return true;
}

void Proxy::on_initial(Request& r) {
    const auto& m = r.m;
    if (m.method() == Method::options && r.routes.next.empty() && sockets_.named_by(r.uri) != nullptr) return answer_options(r);
    NextHop hop;
    if (r.in.zone == core::Zone::cluster) {
        if (!route_to_holder(r, hop)) route_from_cluster(r, hop);
        return start(r, hop);
    }
    // Nobody outside chooses where we send an initial request: no relay through a forged or leftover Route.
    if (!r.routes.next.empty()) {
        count(ProxyEvent::relay_refused);
        return reply(m, r.in, 403, "Forbidden (foreign Route)", LocalReply::forbidden_route);
    }
    const auto policy = config_.methods[static_cast<std::size_t>(m.method())];
    if (policy == MethodPolicy::reject) return reply(m, r.in, 405, "Method Not Allowed", LocalReply::method_not_allowed, allow_);
    if (draining_) return reply(m, r.in, 503, "Service Unavailable", LocalReply::draining, retry_after(r.call_id_hash));
    if (!route_to_holder(r, hop))
        route_balanced(r, policy == MethodPolicy::balance ? Transaction::Route::balanced : Transaction::Route::dispatched, hop);
    start(r, hop);
}

void Proxy::on_in_dialog(Request& r) {
    NextHop hop;
    route_in_dialog(r, hop);
    if (hop.code == 0 && hop.waits_for == 0) {
        if (!hop.dialog && r.routes.cookie != nullptr && r.routes.cookie->dialog) put_on_trial(r, *r.routes.cookie, hop);
        if (auto* d = dialogs_.get(hop.dialog)) note_in_dialog(r, *d);
    }
    start(r, hop);
}

void Proxy::answer_options(Request& r) {
    if (draining_ || !router_.can_take_calls())
        return reply(r.m, r.in, 503, "Service Unavailable", LocalReply::options_unavailable, retry_after(r.call_id_hash));
    reply(r.m, r.in, 200, "OK", LocalReply::options_ok, scratch_.join({allow_, "Accept: application/sdp\r\nSupported: path\r\n"}));
}

// Makes the transaction and sends the first attempt. A refusal in `hop` becomes a reply.
void Proxy::start(Request& r, NextHop& hop) {
    const auto& m = r.m;
    if (hop.waits_for != 0) return wait_for_name(r, hop.waits_for);
    settle_security(r, hop);
    if (hop.code != 0) {
        if (hop.why == LocalReply::forbidden_route) count(ProxyEvent::relay_refused);
        auto extra = hop.code == 503 ? retry_after(r.call_id_hash) : std::string_view{};
        // RFC 5630 §5.3, §7: so that the user can be asked whether to go on without.
        if (hop.why == LocalReply::sips_not_allowed)
            extra = scratch_.join({"Warning: 380 ", sockets_.all()[0].sent_by, " \"SIPS Not Allowed\"\r\n"});
        return turn_down(r, nullptr, hop.code, hop.reason, hop.why, extra);
    }
    const bool balanced = hop.route == Transaction::Route::balanced;
    const bool waited = r.waiting != nullptr;
    auto* t = waited ? r.waiting : transactions_.create(r.lead.server_key);
    if (t == nullptr) {
        drop(ProxyDrop::table_full);
        if (balanced) router_.release(hop.destination);
        return turn_down(r, nullptr, 503, "Service Unavailable", LocalReply::overloaded, retry_after(r.call_id_hash));
    }
    const bool initial = m.to_tag().empty();
    auto* d = dialogs_.get(hop.dialog);
    if (initial && m.method() == Method::invite) {
        d = open_dialog(r, hop);
        if (d == nullptr) {
            count(ProxyEvent::dialog_table_full);
            if (balanced) router_.release(hop.destination);
            return turn_down(r, t, 503, "Service Unavailable", LocalReply::overloaded, retry_after(r.call_id_hash));
        }
        d->counted = balanced;
        // A call that takes another one's place, or joins it, is asked of no capacity, but it is a call of that host.
        const bool outbound = config_.count_outbound && hop.caller_in_cluster && hop.destination != core::no_destination;
        if (!balanced && (outbound || (hop.to_holder && !hop.caller_in_cluster))) {
            router_.adopt(hop.destination);
            d->counted = true;
        }
    }
    // The first NOTIFY makes a subscription's dialog, and only the subscriber knows which one that is (RFC 6665 §4.3); that of a call
    // stands already.
    hop.record_route = (initial && forms_dialog(m.method())) || (m.method() == Method::notify && !hop.dialog);
    if (hop.record_route && !hop.symmetric) {
        hop.symmetric = d != nullptr ? d->symmetric : is_symmetric(r, hop, first_contact(m));
    }
    hop.path = hop.route == Transaction::Route::dispatched && m.method() == Method::register_ && wants_path(r);
    t->kind = m.method() == Method::invite ? Transaction::Kind::invite : Transaction::Kind::request;
    t->method = m.method();
    t->route = hop.route;
    t->initial = t->tagless = initial;
    t->old_branch = !has_magic_cookie(m.at(m.top_via().branch));
    t->record_routed = hop.record_route;
    t->path = hop.path;
    t->dialog = hop.dialog;
    if (d != nullptr && m.method() == Method::bye) t->dialog_key = d->key;
    t->call_id_hash = r.call_id_hash;
    t->cseq = m.cseq().number;
    if (!waited) t->started = r.now;
    t->reply = r.in;
    t->reply.remote.port = reply_port(m.top_via(), r.in);
    t->target = hop.out;
    t->name = hop.name;
    t->tried[0] = hop.caller_in_cluster ? core::no_destination : hop.destination;
    t->server_state = t->is_invite() ? fsm::State::proceeding : fsm::State::trying;
    if (!waited) count(ProxyEvent::transaction_created);
    if (const auto done = forward(r, hop, t); done != Forwarded::sent) {
        if (initial && t->is_invite()) settle_dialog(*t, 500, r.now);
        if (done == Forwarded::too_large) return turn_down(r, t, 513, "Message Too Large", LocalReply::too_large);
        return turn_down(r, t, 503, "Service Unavailable", LocalReply::overloaded, retry_after(r.call_id_hash));
    }
    // Only now: a 100 ends the client's retransmissions, which are its only hope when nothing left us.
    if (!t->is_invite()) {
        due(*t, Deadline::server_retransmit) = t->started + late_trying_;
    } else if (!waited) {
        reply(m, r.in, r.client, 100, "Trying", LocalReply::trying);
    }
    start_client(*t, r.now);
    if (observer_ != nullptr && initial && t->is_invite()) tell_born(r, hop, *d, *t);
    transactions_.begin(*t, r.now + t1_);
}

}  // namespace sipfront::sip

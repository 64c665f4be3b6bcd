// The copy of a request that leaves (RFC 3261 §16.6), and the next attempt when a host fails.
#include <algorithm>
#include <cstring>

#include "core/hash.hpp"
#include "sip/proxy.hpp"
#include "sip/text_builder.hpp"

namespace sipfront::sip {
namespace {

// ftag goes into a URI parameter: only what may stand there unescaped.
bool is_plain(std::string_view tag) noexcept { return !tag.empty() && tag.size() <= 64 && grammar::all(tag, grammar::unescaped); }

// A sips value only where the side speaks TLS: where the security ends, the other side could not follow it (§16.7 step 8).
void write_record_route(TextBuilder& b, const Socket& side, bool secure, std::string_view cookie, std::string_view ftag) {
    b << (secure && !side.secure_record_route.empty() ? side.secure_record_route : side.record_route) << cookie;
    if (!ftag.empty()) b << ";ftag=" << ftag;
    b << ">\r\n";
}

}  // namespace

// What must differ for a spiral to be none (§16.6 step 8): Request-URI, tags, Call-ID, CSeq, what is left of the Route set, and the
// zone, since all of them decide where we send it.
std::uint32_t Proxy::loop_hash(const Request& r) const noexcept {
    const auto& m = r.m;
    auto h = r.call.digest(keys_.signing()) ^ (std::uint64_t{m.cseq().number} << 2) ^ static_cast<std::uint64_t>(r.in.zone);
    for (const auto part : {m.request_uri(), m.from_tag(), m.to_tag()}) h = core::quick_hash(h, part);
    const auto* route = m.first(HeaderId::route);
    if (route != nullptr && r.lead.route.socket == nullptr) h = core::quick_hash(h, m.at(route->value));
    return static_cast<std::uint32_t>(h >> 16);
}

bool Proxy::transmit(std::string_view bytes, const core::Flow& to) {
    const auto room = out_.reserve(bytes.size());
    if (room.size() < bytes.size()) return drop(ProxyDrop::no_buffer), false;
    std::memcpy(room.data(), bytes.data(), bytes.size());
    out_.commit(bytes.size(), to);
    return true;
}

// Via, and Record-Route where the request makes a dialog: one value, or two where transport, family or socket change
// between its two sides (RFC 5658), the outgoing side's on top.
std::string_view Proxy::make_top(const core::Flow& out, std::string_view branch, const Recorded* recorded, const CallIdentity& call,
                                 std::string_view sender_tag) {
    constexpr std::size_t room = 1024;
    auto span = scratch_.take(room);
    if (span.empty()) return {};
    TextBuilder b{span};
    const auto* outgoing = sockets_.of(out);
    const auto* incoming = recorded != nullptr ? sockets_.of(recorded->in) : nullptr;
    if (outgoing == nullptr || (recorded != nullptr && incoming == nullptr)) return {};
    b << outgoing->via << branch << "\r\n";
    if (recorded != nullptr) {
        RouteCookie c;
        c.node = config_.node;
        c.caller_in_cluster = recorded->sender_in_cluster;
        c.symmetric = recorded->symmetric;
        c.dialog = recorded->dialog;
        const auto& host = c.caller_in_cluster ? recorded->in : out;
        const auto& client = c.caller_in_cluster ? out : recorded->in;
        c.host = host.remote;
        c.host_transport = host.transport;
        c.client = client.remote;
        c.client_transport = client.transport;
        c.connection = client.connection;
        const auto cookie = make_cookie(c, call, sender_tag, keys_);
        const auto ftag = config_.append_fromtag && is_plain(sender_tag) ? sender_tag : std::string_view{};
        write_record_route(b, *outgoing, recorded->secure, cookie.view(), ftag);
        if (incoming != outgoing) write_record_route(b, *incoming, recorded->secure, cookie.view(), ftag);
    }
    if (b.overflowed()) return {};
    scratch_.give_back(room - b.size());
    return b.view();
}

// RFC 3327 §5.2, RFC 5626 §5.1: one value, or two where the socket changes, the outgoing one's on top, as of Record-Route.
std::string_view Proxy::make_register_top(const core::Flow& out, std::string_view branch, const core::Flow& client, bool secure) {
    constexpr std::size_t room = 512;
    const auto span = scratch_.take(room);
    const auto* outgoing = sockets_.of(out);
    const auto* incoming = sockets_.of(client);
    if (span.empty() || outgoing == nullptr || incoming == nullptr) return {};
    const auto token = make_flow_token({client.remote, client.transport, client.connection}, keys_);
    TextBuilder b{span};
    b << outgoing->via << branch << "\r\n";
    const auto put = [&](const Socket& side, std::string_view user, std::string_view at) {
        const bool sips = secure && !side.secure_path_uri.empty();
        b << (sips ? "Path: <sips:" : "Path: <sip:") << user << at << (sips ? side.secure_path_uri : side.path_uri) << "\r\n";
    };
    if (incoming != outgoing) put(*outgoing, {}, {});
    put(*incoming, token.view(), "@");
    if (b.overflowed()) return {};
    scratch_.give_back(room - b.size());
    return b.view();
}

void Proxy::strip_trust(EditList& edits, const Message& m) {
    trust_.for_each(m, [&](const Header& h) {
        edits.erase(h.line);
        count(ProxyEvent::trust_header_stripped);
    });
}

void Proxy::show_client(EditList& edits, const Message& m, const Shown& client) {
    const std::string_view address = client.address(), port = client.port(), end = "\r\n";
    const auto lines = scratch_.take(auth_ip_line_.size() + address.size() + auth_port_line_.size() + port.size() + end.size());
    if (lines.empty()) return;  // which the scratch remembers
    auto* at = lines.data();
    const auto put = [&at](std::string_view text) {
        copy_octets(at, text.data(), text.size());
        at += text.size();
    };
    put(auth_ip_line_);
    put(address);
    put(auth_port_line_);
    put(port);
    put(end);
    edits.insert(m.headers_end(), {lines.data(), lines.size()});
}

// §16.6 steps 1 to 10. `t` is nullptr for an ACK, which goes without a transaction.
Proxy::Forwarded Proxy::forward(Request& r, const NextHop& hop, Transaction* t) {
    const auto& m = r.m;
    EditList edits{m};

    Branch branch;
    branch.node = config_.node;
    branch.worker = self_;
    branch.kind = t != nullptr ? Branch::Kind::proxied : Branch::Kind::stateless;
    branch.loop = r.loop;
    if (t != nullptr) branch.transaction = transactions_.handle_of(*t);
    const auto text = make_branch(branch, {r.call, m.cseq().number, t != nullptr ? t->server_key : r.lead.server_key}, keys_);

    const Recorded recorded{r.in, hop.caller_in_cluster, hop.symmetric, hop.secure, hop.dialog};
    const auto top = hop.path ? make_register_top(hop.out, text.view(), r.in, hop.secure)
                              : make_top(hop.out, text.view(), hop.record_route ? &recorded : nullptr, r.call, m.from_tag());
    if (hop.path) count(ProxyEvent::path_added);
    edits.insert(m.headers_begin(), top);

    edit_received(edits, m, r.in, r.client);
    edit_max_forwards(edits, m);
    for (std::size_t i = 0; i < r.routes.own_count; ++i) edits.erase_value(m, *r.routes.own[i].header, r.routes.own[i].value);
    if (r.routes.strict_upstream) edits.erase_value(m, *r.routes.target_header, r.routes.target_value);
    auto uri = !hop.uri.empty() ? hop.uri : r.target;
    if (hop.follow_next_route && r.routes.next_is_strict) {
        // §16.6 step 6: a strict router wants itself in the Request-URI and the target at the end of the Route set.
        const auto* last = m.first(HeaderId::route);
        while (const auto* n = m.next(last)) last = n;
        const auto target = uri.empty() ? m.request_uri() : uri;
        edits.insert(last->line.end(), scratch_.join({"Route: <", target, ">\r\n"}));
        for (const auto* h = m.first(HeaderId::route); h != nullptr; h = m.next(h)) {
            const auto value = m.at(h->value);
            if (r.routes.next.data() < value.data() || r.routes.next.data() >= value.data() + value.size()) continue;
            edits.erase_value(m, *h, r.routes.next);
        }
        uri = r.routes.next_uri;
    }
    if (!uri.empty()) edits.replace(m.request_uri_slice(), request_uri_of(uri));
    if (!hop.routes.empty()) edits.insert(m.headers_begin(), scratch_.join({"Route: ", hop.routes, "\r\n"}));
    edit_trust(edits, m, r.in.zone, hop.out.zone, r.in.zone != core::Zone::cluster ? &r.client : nullptr);
    const auto* stream = stream_for(edits.size(), hop.out);
    if ((stream != nullptr || core::is_reliable(hop.out.transport)) && m.content_length() < 0) {
        TextBuilder b{scratch_.take(48)};
        b << "Content-Length: " << static_cast<std::uint64_t>(m.body().size()) << "\r\n";
        edits.insert(m.headers_end(), b.view());
    }

    if (top.empty() || edits.overflowed() || scratch_.overflowed() || edits.size() > longest_message)
        return drop(ProxyDrop::too_large), Forwarded::too_large;
    const auto room = out_.reserve(edits.size());
    if (room.size() < edits.size()) return drop(ProxyDrop::no_buffer), Forwarded::no_room;
    const auto n = edits.write(room);
    if (stream != nullptr) [[unlikely]]
        name_transport(room.first(n), core::Transport::tcp);
    if (t != nullptr) {
        t->branch_mac = branch.mac;
        t->top_length = static_cast<std::uint16_t>(top.size());
        // Without an image there is no retransmission, no CANCEL and no next attempt: refuse rather than limp.
        if (!transactions_.keep(t->request, {room.data(), n})) return drop(ProxyDrop::no_image_room), Forwarded::no_room;
    }
    auto& by = out_.commit(n, hop.out);
    if (stream != nullptr) [[unlikely]] {
        go_by(by, *stream);
        if (t != nullptr) take_stream(*t, *stream);
    }
    counters_.requests_out[m.method()].add();
    return Forwarded::sent;
}

// What a Contact or Route may hold and a Request-URI may not (§19.1.1, table 1) is left out.
std::string_view Proxy::request_uri_of(std::string_view text) {
    const auto uri = parse_uri(text);
    if (!uri || (uri->headers.empty() && !uri->param("method"))) return text;
    return scratch_.strip_uri(text, *uri, {"method"});
}

[[gnu::always_inline]] inline void Proxy::edit_received(EditList& edits, const Message& m, const core::Flow& in, const Shown& client) {
    const auto& via = m.top_via();
    if (via.has_rport) edits.replace(via.rport, client.rport());
    if (via.received) {
        edits.replace(via.received, client.address());
    } else if (via.has_rport || !client.is(m.at(via.host), in.remote.address)) {
        edits.insert(via.value.end(), client.received());
    }
}

[[gnu::always_inline]] inline void Proxy::edit_max_forwards(EditList& edits, const Message& m) {
    const auto left =
        static_cast<std::uint8_t>(std::clamp(m.max_forwards() < 0 ? config_.max_forwards_default : m.max_forwards() - 1, 0, 255));
    const auto text = core::octet_text(left);
    if (const auto* h = m.first(HeaderId::max_forwards)) {
        edits.replace(h->value, text);
    } else {
        edits.insert(m.headers_begin(), scratch_.join({"Max-Forwards: ", text, "\r\n"}));
    }
}

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
    const Recorded recorded{sender, last && last->caller_in_cluster, last && last->symmetric, secure, last ? last->dialog : DialogHandle{}};
    const auto top = t.path ? make_register_top(hop.out, text.view(), sender, secure)
                            : make_top(hop.out, text.view(), last ? &recorded : nullptr, call, image_.from_tag());
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

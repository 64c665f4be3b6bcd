// The copy of a request that leaves (RFC 3261 §16.6).
#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "core/hash.hpp"
#include "sip/message_copy.hpp"
#include "sip/octet_class.hpp"
#include "sip/proxy.hpp"
#include "sip/text_builder.hpp"

namespace sipfront::sip {
namespace {

// ftag goes into a URI parameter: only what may stand there unescaped.
bool is_plain(std::string_view tag) noexcept {
    if (tag.empty() || tag.size() > Socket::longest_ftag) return false;
    // Most have no other octets than a host name may have, and those may all stand there.
    constexpr std::size_t block = Sse::step, all = (1U << block) - 1;
    if (tag.size() >= block) {
        auto named = Sse::octets_of<grammar::hostname>(tag.data() + tag.size() - block);
        for (std::size_t at = 0; at + block < tag.size(); at += block) named &= Sse::octets_of<grammar::hostname>(tag.data() + at);
        if (named == all) return true;
    }
    return grammar::all(tag, grammar::unescaped);
}

constexpr std::size_t longest_branch = std::tuple_size_v<decltype(BranchText::chars)> + 2;

char* copy_line_end(char* to) noexcept {
    std::memcpy(to, "\r\n", 2);
    return to + 2;
}

}  // namespace

// What must differ for a spiral to be none (§16.6 step 8): Request-URI, tags, Call-ID, CSeq, what is left of the Route set, and the
// zone, since all of them decide where we send it.
std::uint32_t Proxy::loop_hash(const Request& r) const noexcept {
    const auto& m = r.m;
    const auto& key = keys_.signing().digest;
    auto h = core::with_aes(
        [](auto aes, const core::HashKey* k, const Message* of, std::uint64_t call, std::uint64_t way) noexcept {
            const auto uri = of->request_uri(), from = of->from_tag(), to = of->to_tag();
            core::KeyedHash<decltype(aes)> loop{*k};
            // The sizes of the tags in a word that nobody outside knows: 32 bits are all that is made of it.
            loop.words(way | uri.size() << 40, call ^ (from.size() << 32 | to.size()));
            loop.text(uri);
            loop.text(from);
            loop.text(to);
            return loop.digest();
        },
        &key, &m, r.call.digest(keys_.signing()),
        std::uint64_t{2} << 56 | std::uint64_t{m.cseq().number} << 8 | static_cast<std::uint64_t>(r.in.zone));
    const auto* route = m.first(HeaderId::route);
    if (route != nullptr && r.lead.route.socket == nullptr) h = core::digest(key, m.at(route->value), h);
    return static_cast<std::uint32_t>(h);
}

bool Proxy::transmit(std::string_view bytes, const core::Flow& to) {
    const auto room = out_.reserve(bytes.size());
    if (room.size() < bytes.size()) return drop(ProxyDrop::no_buffer), false;
    std::memcpy(room.data(), bytes.data(), bytes.size());
    out_.commit(bytes.size(), to);
    return true;
}

// At most what write_via() writes, and with `recorded` write_record_route().
[[gnu::always_inline]] inline std::size_t Proxy::top_room(const Socket& outgoing, const Recorded* recorded) noexcept {
    const auto via = outgoing.via.size() + longest_branch;
    if (recorded == nullptr) return via;
    return via + outgoing.most_recorded + (recorded->socket != &outgoing ? recorded->socket->most_recorded : 0);
}

[[gnu::always_inline]] inline char* Proxy::write_via(char* to, const Socket& outgoing, std::string_view branch) noexcept {
    copy_octets(to, outgoing.via.data(), outgoing.via.size());
    to += outgoing.via.size();
    copy_octets(to, branch.data(), branch.size());
    return copy_line_end(to + branch.size());
}

// One value, or two where transport, family or socket change between the two sides of a request (RFC 5658), the outgoing side's on
// top.
char* Proxy::write_record_route(char* to, const NextHop& hop, const Recorded& recorded, const CallIdentity& call,
                                std::string_view sender_tag) const noexcept {
    RouteCookie c;
    c.node = config_.node;
    c.caller_in_cluster = recorded.sender_in_cluster;
    c.symmetric = recorded.symmetric;
    c.dialog = recorded.dialog;
    const auto& host = c.caller_in_cluster ? recorded.in : hop.out;
    const auto& client = c.caller_in_cluster ? hop.out : recorded.in;
    c.host = host.remote;
    c.host_transport = host.transport;
    c.client = client.remote;
    c.client_transport = client.transport;
    c.connection = client.connection;
    const auto cookie = make_cookie(c, call, sender_tag, keys_);
    const auto ftag = config_.append_fromtag && is_plain(sender_tag) ? sender_tag : std::string_view{};
    const auto put = [&to](std::string_view text) {
        copy_octets(to, text.data(), text.size());
        to += text.size();
    };
    for (const auto* side = hop.socket;; side = recorded.socket) {
        // A sips value only where the side speaks TLS: where the security ends, the other side could not follow it (§16.7 step 8).
        put(recorded.secure && !side->secure_record_route.empty() ? side->secure_record_route : side->record_route);
        put(cookie.view());
        if (!ftag.empty()) {
            put(";ftag=");
            put(ftag);
        }
        put(">");
        to = copy_line_end(to);
        if (side == recorded.socket) return to;
    }
}

// Our Via and Record-Route in the scratch; empty when a socket is gone or there is no room.
std::string_view Proxy::make_top(const NextHop& hop, std::string_view branch, const Recorded* recorded, const CallIdentity& call,
                                 std::string_view sender_tag) {
    if (hop.socket == nullptr || (recorded != nullptr && recorded->socket == nullptr)) return {};
    const auto room = scratch_.take(top_room(*hop.socket, recorded));
    if (room.empty()) return {};
    auto* end = write_via(room.data(), *hop.socket, branch);
    if (recorded != nullptr) end = write_record_route(end, hop, *recorded, call, sender_tag);
    const auto n = static_cast<std::size_t>(end - room.data());
    scratch_.give_back(room.size() - n);
    return {room.data(), n};
}

// RFC 3327 §5.2, RFC 5626 §5.1: one value, or two where the socket changes, the outgoing one's on top, as of Record-Route.
std::string_view Proxy::make_register_top(const Socket* outgoing, std::string_view branch, const core::Flow& client, bool secure) {
    constexpr std::size_t room = 512;
    const auto span = scratch_.take(room);
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

// Needs client_room_ octets.
[[gnu::always_inline]] inline char* Proxy::write_client(char* to, const Shown& client) const noexcept {
    to = copy_blocks(to, auth_ip_line_.data(), auth_ip_length_);
    to = copy_blocks(to, client.address().data(), client.address().size());
    to = copy_blocks(to, auth_port_line_.data(), auth_port_length_);
    to = copy_blocks(to, client.port().data(), client.port().size());
    return copy_line_end(to);
}

void Proxy::show_client(EditList& edits, const Message& m, const Shown& client) {
    const auto room = scratch_.take(client_room_);
    if (room.empty()) return;  // which the scratch remembers
    const auto n = static_cast<std::size_t>(write_client(room.data(), client) - room.data());
    scratch_.give_back(room.size() - n);
    edits.insert(m.headers_end(), {room.data(), n});
}

// Whether nothing changes but what does in nearly all requests, in the order in which copy_usual() makes the changes.
[[gnu::always_inline]] inline bool Proxy::is_usual(const Request& r, const NextHop& hop, const Recorded* recorded) const noexcept {
    const auto& m = r.m;
    const auto& routes = r.routes;
    const auto* forwards = m.first(HeaderId::max_forwards);
    if (forwards == nullptr || m.content_length() < 0 || hop.path || scratch_.overflowed()) return false;
    if (!hop.uri.empty() || !hop.routes.empty() || !r.target.empty() || routes.strict_upstream) return false;
    if (hop.follow_next_route && routes.next_is_strict) return false;
    if (hop.socket == nullptr || (recorded != nullptr && recorded->socket == nullptr)) return false;
    if (may_strip_trust(m, r.in.zone, hop.out.zone)) return false;
    const auto via_end = m.top_via().value.end();
    if (via_end > forwards->line.off) return false;
    if (routes.own_count == 0) return true;
    const auto& [header, value] = routes.own[0];
    return routes.own_count == 1 && value.size() == header->value.len && via_end <= header->line.off;
}

// False: it is not usual, or may not fit. What copy_edited() would write, straight to where it goes.
[[gnu::always_inline]] inline bool Proxy::copy_usual(const Request& r, const NextHop& hop, std::string_view branch,
                                                     const Recorded* recorded, Copied& copied) noexcept {
    if (!is_usual(r, hop, recorded)) return false;
    const auto& m = r.m;
    const auto most = m.wire().size() + top_room(*hop.socket, recorded) + client_room_ + Shown::most_added +
                      std::numeric_limits<std::uint8_t>::digits10 + 1;
    const auto room = out_.reserve(most);
    if (room.size() < most || most > longest_message) return false;
    MessageCopy copy{m.wire(), room.data()};
    copy.keep_to(m.headers_begin());
    copy.go_on_at(write_via(copy.at(), *hop.socket, branch));
    if (recorded != nullptr) copy.go_on_at(write_record_route(copy.at(), hop, *recorded, r.call, m.from_tag()));
    copied.top_length = static_cast<std::uint16_t>(copy.at() - room.data() - m.headers_begin());

    copy_top_via(copy, m.wire(), m.top_via(), r.in, r.client);
    const auto* forwards = m.first(HeaderId::max_forwards);
    const auto* own = r.routes.own_count != 0 ? r.routes.own[0].header : nullptr;
    if (own != nullptr && own->line.off < forwards->line.off) copy.replace(std::exchange(own, nullptr)->line, {});
    copy.replace(forwards->value, hops_left(m));
    if (own != nullptr) copy.replace(own->line, {});
    if (shows_client(r.in.zone, hop.out.zone)) {
        copy.keep_to(m.headers_end());
        copy.go_on_at(write_client(copy.at(), r.client));
    }
    copy.keep_rest();
    copied.bytes = room.first(static_cast<std::size_t>(copy.at() - room.data()));
    copied.stream = stream_for(copied.bytes.size(), hop.out);
    return true;
}

Proxy::Forwarded Proxy::copy_edited(const Request& r, const NextHop& hop, std::string_view branch, const Recorded* recorded,
                                    Copied& copied) {
    const auto& m = r.m;
    EditList edits{m};
    const auto top =
        hop.path ? make_register_top(hop.socket, branch, r.in, hop.secure) : make_top(hop, branch, recorded, r.call, m.from_tag());
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
    copied.stream = stream_for(edits.size(), hop.out);
    if ((copied.stream != nullptr || core::is_reliable(hop.out.transport)) && m.content_length() < 0) {
        TextBuilder b{scratch_.take(48)};
        b << "Content-Length: " << static_cast<std::uint64_t>(m.body().size()) << "\r\n";
        edits.insert(m.headers_end(), b.view());
    }

    if (top.empty() || edits.overflowed() || scratch_.overflowed() || edits.size() > longest_message)
        return drop(ProxyDrop::too_large), Forwarded::too_large;
    const auto room = out_.reserve(edits.size());
    if (room.size() < edits.size()) return drop(ProxyDrop::no_buffer), Forwarded::no_room;
    copied.bytes = room.first(edits.write(room));
    copied.top_length = static_cast<std::uint16_t>(top.size());
    return Forwarded::sent;
}

// §16.6 steps 1 to 10. `t` is nullptr for an ACK, which goes without a transaction.
Proxy::Forwarded Proxy::forward(Request& r, const NextHop& hop, Transaction* t) {
    const auto& m = r.m;
    Branch branch;
    branch.node = config_.node;
    branch.worker = self_;
    branch.kind = t != nullptr ? Branch::Kind::proxied : Branch::Kind::stateless;
    branch.loop = r.loop;
    if (t != nullptr) branch.transaction = transactions_.handle_of(*t);
    const auto text = make_branch(branch, {r.call, m.cseq().number, t != nullptr ? t->server_key : r.lead.server_key}, keys_);

    const auto* incoming = hop.record_route ? sockets_.of(r.in) : nullptr;
    const Recorded row{r.in, incoming, hop.caller_in_cluster, hop.symmetric, hop.secure, hop.dialog};
    const auto* recorded = hop.record_route ? &row : nullptr;
    Copied copied;
    if (!copy_usual(r, hop, text.view(), recorded, copied)) {
        const auto done = copy_edited(r, hop, text.view(), recorded, copied);
        if (done != Forwarded::sent) return done;
    }
    if (copied.stream != nullptr) [[unlikely]]
        name_transport(copied.bytes, core::Transport::tcp);
    if (t != nullptr) {
        t->branch_mac = branch.mac;
        t->top_length = copied.top_length;
        // Without an image there is no retransmission, no CANCEL and no next attempt: refuse rather than limp.
        if (!transactions_.keep(t->request, {copied.bytes.data(), copied.bytes.size()}))
            return drop(ProxyDrop::no_image_room), Forwarded::no_room;
    }
    auto& by = out_.commit(copied.bytes.size(), hop.out);
    if (copied.stream != nullptr) [[unlikely]] {
        go_by(by, *copied.stream);
        if (t != nullptr) take_stream(*t, *copied.stream);
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

std::string_view Proxy::hops_left(const Message& m) const noexcept {
    return core::octet_text(
        static_cast<std::uint8_t>(std::clamp(m.max_forwards() < 0 ? config_.max_forwards_default : m.max_forwards() - 1, 0, 255)));
}

[[gnu::always_inline]] inline void Proxy::edit_max_forwards(EditList& edits, const Message& m) {
    const auto text = hops_left(m);
    if (const auto* h = m.first(HeaderId::max_forwards)) {
        edits.replace(h->value, text);
    } else {
        edits.insert(m.headers_begin(), scratch_.join({"Max-Forwards: ", text, "\r\n"}));
    }
}

}  // namespace sipfront::sip

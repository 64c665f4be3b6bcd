// What streams ask of a proxy beyond datagrams: large requests that take one (RFC 3261 §18.1.1), and messages of ours that none took
// (§18.2.2, §18.4; RFC 3263 §5; RFC 5626 §5.3.1). Who connects, and what comes back, says core/outbox.hpp.
#include <cstring>

#include "sip/proxy.hpp"

namespace sipfront::sip {
namespace {

bool awaits_answer(const Transaction& t) noexcept { return t.client_state == fsm::State::calling || t.client_state == fsm::State::trying; }

// The address to try when `failed` was of no use, of that family; nullptr: there is none.
const core::NameTarget* next_target(const core::NameAnswer& answer, std::uint64_t seed, const core::Endpoint& failed) noexcept {
    std::size_t from = 0;
    for (std::size_t i = 0; i < answer.count; ++i)
        if (answer.target(seed, i)->remote == failed) from = i + 1;
    for (; from < answer.count; ++from)
        if (const auto* t = answer.target(seed, from); t->remote.address.family() == failed.address.family()) return t;
    return nullptr;
}

}  // namespace

// The stream socket beside the one of a flow: same address, same port.
const Socket* Proxy::stream_beside(const core::Flow& out) const noexcept {
    return out.transport == core::Transport::udp ? sockets_.at(out.local, core::Transport::tcp) : nullptr;
}

void Proxy::go_by(core::Flow& flow, const Socket& socket) noexcept {
    flow.listener = socket.listener.id;
    flow.transport = socket.listener.transport;
}

void Proxy::take_stream(Transaction& t, const Socket& stream) noexcept {
    go_by(t.target, stream);
    t.by_size = true;
    count(ProxyEvent::stream_taken);
}

// Of a request of ours: its first header field is our Via, and the transports' names are of one length.
void Proxy::name_transport(std::span<char> request, core::Transport transport) noexcept {
    constexpr std::string_view lead = "\r\nVia: SIP/2.0/";
    const auto at = std::string_view{request.data(), request.size()}.find(lead);
    const auto text = core::via_name(transport);
    if (at != std::string_view::npos) std::memcpy(request.data() + at + lead.size(), text.data(), text.size());
}

void Proxy::on_returned(const Message& sent, const core::Flow& by, std::uint64_t call_id_hash, core::Tick now) {
    scratch_.clear();
    count(ProxyEvent::stream_failed);
    if (sent.is_request()) return request_returned(sent, by, call_id_hash, now);
    response_returned(sent, by, call_id_hash, now);
}

void Proxy::request_returned(const Message& m, const core::Flow& by, std::uint64_t call_id_hash, core::Tick now) {
    const auto branch = read_branch(m.at(m.top_via().branch));
    if (!branch) return;
    if (branch->kind == Branch::Kind::stateless) {
        // An ACK to a 2xx has no state that would know why it took a stream; its size tells.
        if (by.connection == core::no_connection && by.transport == core::Transport::tcp && is_large(m.wire().size()))
            fall_back(m.wire(), by, m.method());
        return;
    }
    auto* t = transactions_.get(branch->transaction);
    if (t == nullptr || t->call_id_hash != call_id_hash) return;
    if (m.method() == Method::cancel && t->is_invite()) {
        t = transactions_.get(t->cancels);
        while (t != nullptr && t->attempt != branch->attempt) t = transactions_.get(t->cancels);
        if (t == nullptr) return;
    }
    // An answer may have come on another connection all the same, or the next host's turn has.
    if (m.method() != t->method || branch->attempt != t->attempt || !awaits_answer(*t)) return;
    if (t->by_size) {
        t->by_size = false;
        if (const auto* socket = sockets_.at(t->target.local, core::Transport::udp)) go_by(t->target, *socket);
        name_transport({t->request.data, t->request.size}, core::Transport::udp);
        count(ProxyEvent::stream_fallback);
        transmit(t->request.view(), t->target);
        counters_.requests_out[t->method].add();
        start_client(*t, now);
        return transactions_.settle(*t);
    }
    if (by.connection != core::no_connection && t->server_key != 0) return fail_flow(*t, now);
    attempt_failed(*t, false, now);
}

// §18.1.1: who refuses the stream gets the request as a datagram, as ever.
void Proxy::fall_back(std::string_view request, const core::Flow& by, Method method) {
    const auto* socket = sockets_.at(by.local, core::Transport::udp);
    const auto room = socket != nullptr ? out_.reserve(request.size()) : std::span<char>{};
    if (room.size() < request.size()) return drop(ProxyDrop::no_buffer);
    std::memcpy(room.data(), request.data(), request.size());
    name_transport(room.first(request.size()), core::Transport::udp);
    go_by(out_.commit(request.size(), by), *socket);
    counters_.requests_out[method].add();
    count(ProxyEvent::stream_fallback);
}

// The connection that a flow token or a route cookie names is gone, and nobody but the client can make another (RFC 5626 §5.3.1).
void Proxy::fail_flow(Transaction& t, core::Tick now) {
    t.client_state = fsm::State::terminated;
    due(t, Deadline::client_retransmit) = due(t, Deadline::client_end) = core::Tick::max();
    count(ProxyEvent::flow_failed);
    if (t.cancelled) {
        finish(t, 487, "Request Terminated", LocalReply::request_terminated, {}, now);
    } else {
        finish(t, 430, "Flow Failed", LocalReply::flow_failed, {}, now);
    }
    settle_dialog(t, 430, now);
    transactions_.settle(t);
}

void Proxy::response_returned(const Message& m, const core::Flow& by, std::uint64_t call_id_hash, core::Tick now) {
    auto way = by;
    std::uint64_t waits_for = 0;
    if (!next_way(m, call_id_hash, now, way, waits_for)) return drop(ProxyDrop::undeliverable);
    if (waits_for != 0) {
        Stranded s{bytes_.allocate(static_cast<std::uint32_t>(m.wire().size())), way, waits_for, call_id_hash, now};
        if (!s.response || stranded_.size() == max_stranded) return bytes_.release(s.response), drop(ProxyDrop::undeliverable);
        std::memcpy(s.response.data, m.wire().data(), m.wire().size());
        return stranded_.push_back(s);
    }
    // What else is said to this request takes the new way at once.
    auto* t = transactions_.find_server(transactions_.server_key(m, m.cseq().method)).active;
    if (t != nullptr && t->reply.remote == by.remote && t->reply.connection == by.connection) t->reply = way;
    send_back(m.wire(), way);
}

void Proxy::send_back(std::string_view response, const core::Flow& way) {
    if (transmit(response, way)) count(ProxyEvent::response_rerouted);
}

// Where a response goes when `way` has failed: to the source on a new connection, at the port of the Via; then where the Via's sent-by
// leads. False: there is no other way. `waits_for` not 0: there may be, when that name is known.
bool Proxy::next_way(const Message& m, std::uint64_t call_id_hash, core::Tick now, core::Flow& way, std::uint64_t& waits_for) {
    const auto& via = m.top_via();
    const auto port = via.port != 0 ? via.port : core::default_port(way.transport);
    if (way.connection != core::no_connection) {
        way.connection = core::no_connection;
        way.remote.port = port;
        return true;
    }
    // Only peers that we know may send us further: anybody else could aim our connections.
    if (way.zone == core::Zone::outside) return false;
    const auto host = m.at(via.host);
    if (const auto address = core::IpAddress::parse(host)) {
        const core::Endpoint shown{*address, port};
        if (shown == way.remote || address->family() != way.local.address.family()) return false;
        way.remote = shown;
        return sockets_.at(shown, way.transport) == nullptr;
    }
    const auto question = core::NameQuestion::make(host, via.port, true, way.transport);
    if (!question) return false;
    const auto key = names_.key_of(*question);
    const auto* answer = names_.find(key, now);
    if (answer == nullptr) {
        waits_for = key;
        return names_.ask(*question);
    }
    const auto* next = next_target(*answer, call_id_hash, way.remote);
    if (next == nullptr) return false;
    way.remote = next->remote;
    return sockets_.at(way.remote, way.transport) == nullptr;
}

// Responses that waited for the name of a sent-by.
void Proxy::send_stranded(core::Tick now) {
    std::erase_if(stranded_, [&](Stranded& s) {
        const auto* answer = names_.find(s.name, now);
        if (answer == nullptr && now - s.since < core::Duration{config_.timers.name_wait}) return false;
        const auto* next = answer != nullptr ? next_target(*answer, s.seed, s.way.remote) : nullptr;
        if (next != nullptr && sockets_.at(next->remote, s.way.transport) == nullptr) {
            s.way.remote = next->remote;
            send_back(s.response.view(), s.way);
        } else {
            drop(ProxyDrop::undeliverable);
        }
        bytes_.release(s.response);
        return true;
    });
}

}  // namespace sipfront::sip

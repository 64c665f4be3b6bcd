// CANCEL (RFC 3261 §9, §16.10) and the ACK to a failure (§17.1.1.3): requests that go hop by hop along an INVITE's branch.
#include "sip/proxy.hpp"
#include "sip/text_builder.hpp"

namespace sipfront::sip {

void Proxy::on_cancel(Request& r) {
    const auto& m = r.m;
    const auto found = transactions_.find_server(transactions_.server_key(m, Method::invite));
    // An answered INVITE is past cancelling, but it is known.
    if (found.linger != nullptr && found.linger->invite) return reply(m, r.in, 200, "OK", LocalReply::cancel_ok);
    auto* t = found.active;
    if (t == nullptr || !t->is_invite()) return reply(m, r.in, 481, "Call/Transaction Does Not Exist", LocalReply::cancel_no_transaction);
    reply(m, r.in, 200, "OK", LocalReply::cancel_ok);
    if (t->server_state != fsm::State::proceeding || t->cancelled) return;
    t->cancelled = true;
    if (const auto* h = m.first(HeaderId::reason)) transactions_.keep(t->reason, m.at(h->line));
    if (t->waits) return end_waiting(*t, 487, "Request Terminated", LocalReply::request_terminated, r.now);
    if (t->client_state == fsm::State::proceeding) cancel_current(*t, r.now);  // else held until a provisional comes (§9.1)
    transactions_.settle(*t);
}

void Proxy::cancel_current(Transaction& t, core::Tick now) {
    if (t.client_state != fsm::State::proceeding || image_.parse(t.request.view()) != ParseError::none) return;
    const auto via = scratch_.join({image_.at(image_.top_via().value)});
    send_cancel(t, t.attempt, via, t.target, now);
}

// A CANCEL for one attempt: Request-URI, Call-ID, To, From, CSeq number and Route of the INVITE as it was sent, with only
// its top Via.
void Proxy::send_cancel(Transaction& t, std::uint8_t attempt, std::string_view via, const core::Flow& to, core::Tick now) {
    const auto bit = static_cast<std::uint8_t>(1U << attempt);
    if ((t.cancelled_attempts & bit) != 0 || t.ack_kept || image_.parse(t.request.view()) != ParseError::none) return;
    const auto room = out_.reserve(t.request.size + 256);
    if (room.empty()) return drop(ProxyDrop::no_buffer);
    TextBuilder b{room};
    const auto* to_header = image_.first(HeaderId::to);
    if (!build_hop_request(b, image_, "CANCEL", via, image_.at(to_header->line), t.cseq, t.reason ? t.reason.view() : std::string_view{}))
        return drop(ProxyDrop::too_large);
    auto* c = transactions_.create(0);
    if (c == nullptr) return drop(ProxyDrop::table_full);
    c->kind = Transaction::Kind::cancel;
    c->method = Method::cancel;
    c->call_id_hash = t.call_id_hash;
    c->cseq = t.cseq;
    c->attempt = attempt;
    c->started = now;
    c->target = to;
    c->target.zone = t.target.zone;
    if (!transactions_.keep(c->request, b.view())) drop(ProxyDrop::no_image_room);
    out_.commit(b.size(), c->target);
    counters_.requests_out[Method::cancel].add();
    count(ProxyEvent::transaction_created);
    start_client(*c, now);
    c->cancels = t.cancels;
    t.cancels = transactions_.handle_of(*c);
    t.cancelled_attempts = static_cast<std::uint8_t>(t.cancelled_attempts | bit);
    // Without a final response within 64*T1 of the CANCEL the INVITE is over (§9.1).
    if (attempt == t.attempt && t.client_state == fsm::State::proceeding) due(t, Deadline::client_end) = now + t1x64_;
    transactions_.settle(*c);
}

// `keep`: the transaction stays in Completed and repeats this ACK for each retransmission of the final.
void Proxy::send_ack(Transaction& t, const Message& response, const core::Flow& to, bool keep) {
    if (t.ack_kept) {
        transmit(t.request.view(), to);
        counters_.requests_out[Method::ack].add();
        return;
    }
    if (image_.parse(t.request.view()) != ParseError::none) return;
    const auto room = out_.reserve(t.request.size + response.wire().size() + 256);
    if (room.empty()) return drop(ProxyDrop::no_buffer);
    TextBuilder b{room};
    if (!build_hop_request(b, image_, "ACK", response.at(response.top_via().value), response.at(response.first(HeaderId::to)->line), t.cseq,
                           {}))
        return drop(ProxyDrop::too_large);
    if (keep) t.ack_kept = transactions_.keep(t.request, b.view());
    out_.commit(b.size(), to);
    counters_.requests_out[Method::ack].add();
}

bool Proxy::build_hop_request(TextBuilder& b, const Message& image, std::string_view method, std::string_view via, std::string_view to_line,
                              std::uint32_t cseq, std::string_view extra) {
    b << method << " " << image.request_uri() << " SIP/2.0\r\nVia: " << via << "\r\nMax-Forwards: 70\r\n";
    for (const auto* h = image.first(HeaderId::route); h != nullptr; h = image.next(h)) b << image.at(h->line);
    b << image.at(image.first(HeaderId::from)->line) << to_line << image.at(image.first(HeaderId::call_id)->line)
      << "CSeq: " << static_cast<std::uint64_t>(cseq) << " " << method << "\r\n"
      << extra << "Content-Length: 0\r\n\r\n";
    return !b.overflowed();
}

}  // namespace sipfront::sip

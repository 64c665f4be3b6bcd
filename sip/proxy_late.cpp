// Answers to calls that are over on the caller's side: we had given the host up and told the caller 408 or 487, or another host
// answered in between. Nobody else would acknowledge such an answer or end its call, so we do both, as a caller would (RFC 3261 §13.2.2.4,
// §15.1.1), along the Contact and the Record-Route values between us and the callee.
#include <algorithm>

#include "core/hash.hpp"
#include "sip/copy.hpp"
#include "sip/proxy.hpp"
#include "sip/text_builder.hpp"

namespace sipfront::sip {

// Record-Route values above ours lie between us and the callee; a request towards it takes them in reverse (§12.1.2). Empty: there
// are none, or our own value is missing.
std::string_view Proxy::routes_to_callee(const Message& m, const core::Flow& to) {
    const auto* h = m.first(HeaderId::record_route);
    // Nearly always ours is the first, as we write it where the INVITE left.
    if (const auto* own = sockets_.of(to.listener); h != nullptr && own != nullptr)
        if (same_octets(m.at(h->value).substr(0, own->route().size()), own->route())) return {};
    constexpr std::size_t room = 1024;
    std::array<std::string_view, 8> above;
    std::size_t count_above = 0;
    bool ours = false;
    for (; h != nullptr && !ours; h = m.next(h)) {
        auto rest = m.at(h->value);
        for (std::string_view one; !ours && next_value(rest, one);) {
            if (sockets_.read_own_route(one).socket != nullptr) {
                ours = true;
                break;
            }
            const auto name_addr = parse_name_addr(one);
            const auto uri = name_addr ? parse_uri(name_addr->uri) : std::nullopt;
            ours = uri && sockets_.named_by(*uri) != nullptr;
            if (!ours && count_above < above.size()) above[count_above++] = one;
        }
    }
    if (!ours || count_above == 0) return {};
    TextBuilder b{scratch_.take(room)};
    for (std::size_t i = count_above; i > 0; --i) b << (i == count_above ? "" : ", ") << above[i - 1];
    return b.overflowed() ? std::string_view{} : b.view();
}

void Proxy::end_late_answer(Transaction& t, const Message& m, const core::Flow& in, core::Tick now) {
    if (image_.parse(t.request.view()) != ParseError::none) return drop(ProxyDrop::late_response);
    const auto routes = routes_to_callee(m, in);
    // The same for each repetition of the answer.
    Branch branch;
    branch.node = config_.node;
    branch.worker = self_;
    branch.kind = Branch::Kind::stateless;
    branch.attempt = t.attempt;
    const auto text = make_branch(branch, {identity(m, t.call_id_hash), t.cseq, core::digest(call_id_key_, m.to_tag())}, keys_);
    const auto ack = late_request(t, m, in, routes, Method::ack, text.view(), t.cseq);
    if (ack.empty()) return drop(ProxyDrop::no_buffer);
    out_.commit(ack.size(), in);
    counters_.requests_out[Method::ack].add();

    const auto answer = static_cast<std::uint32_t>(core::quick_hash(t.call_id_hash, m.to_tag())) | 1U;
    if (t.hung_up == answer) return;
    t.hung_up = answer;
    count(ProxyEvent::late_answer_ended);
    hang_up(t, m, in, routes, now);
}

void Proxy::hang_up(Transaction& t, const Message& m, const core::Flow& to, std::string_view routes, core::Tick now) {
    // Behind whatever the caller has sent in the early dialog.
    const auto* d = dialogs_.get(t.dialog);
    const auto cseq = std::max(t.cseq, d != nullptr ? d->caller_cseq : 0U) + 1;
    BranchText branch;
    auto* bye = open_own(Transaction::Kind::hang_up, Method::bye, cseq, to, identity(m, t.call_id_hash), t.call_id_hash, now, branch);
    if (bye != nullptr) send_own(*bye, late_request(t, m, to, routes, Method::bye, branch.view(), cseq), now);
}

// In a buffer of the port, not yet committed; empty when there is none. The caller's side of the dialog is that of the INVITE's image.
std::string_view Proxy::late_request(const Transaction& t, const Message& m, const core::Flow& to, std::string_view routes, Method method,
                                     std::string_view branch, std::uint32_t cseq) {
    const auto* socket = sockets_.of(to);
    const auto room = out_.reserve(t.request.size + m.wire().size() + 512);
    if (socket == nullptr || room.empty()) return {};
    const auto contact = first_contact(m);
    TextBuilder b{room};
    b << name(method) << " " << (contact.empty() ? image_.request_uri() : contact) << " SIP/2.0\r\n"
      << socket->via << branch << "\r\nMax-Forwards: 70\r\n";
    if (!routes.empty()) b << "Route: " << routes << "\r\n";
    b << image_.at(image_.first(HeaderId::from)->line) << m.at(m.first(HeaderId::to)->line)
      << image_.at(image_.first(HeaderId::call_id)->line) << "CSeq: " << std::uint64_t{cseq} << " " << name(method)
      << "\r\nContent-Length: 0\r\n\r\n";
    return b.overflowed() ? std::string_view{} : b.view();
}

}  // namespace sipfront::sip

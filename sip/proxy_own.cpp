// Requests of our own. Within a dialog that is not ours: BYE both ways to end it (dlg_end_dlg, expiry), OPTIONS to learn whether its
// host still has it. From, To and CSeq are those of the side that it seems to come from.
#include <algorithm>

#include "sip/proxy.hpp"
#include "sip/text_builder.hpp"

namespace sipfront::sip {
namespace {

// The addr-spec of a party: as kept, else its Contact, else none in particular (the tags are what identifies a dialog, §12.2.1.1).
std::string_view party_of(const Dialog& d, DialogText uri, DialogText contact) noexcept {
    if (const auto kept = d.get(uri); !kept.empty()) return kept;
    if (const auto shown = d.get(contact); !shown.empty()) return shown;
    return "sip:anonymous@anonymous.invalid";
}

}  // namespace

Transaction* Proxy::open_own(Transaction::Kind kind, Method method, std::uint32_t cseq, const core::Flow& target, const CallIdentity& call,
                             std::uint64_t call_id_hash, core::Tick now, BranchText& branch) {
    auto* t = transactions_.create(0);
    if (t == nullptr) return drop(ProxyDrop::table_full), nullptr;
    t->kind = kind;
    t->method = method;
    t->cseq = cseq;
    t->call_id_hash = call_id_hash;
    t->started = now;
    t->target = target;
    Branch b;
    b.node = config_.node;
    b.worker = self_;
    b.kind = Branch::Kind::local;
    b.transaction = transactions_.handle_of(*t);
    branch = make_branch(b, {call, cseq}, keys_);
    t->branch_mac = b.mac;
    return t;
}

bool Proxy::send_own(Transaction& t, std::string_view request, core::Tick now, core::Duration timeout) {
    if (request.empty() || !transactions_.keep(t.request, request)) {
        drop(request.empty() ? ProxyDrop::no_buffer : ProxyDrop::no_image_room);
        return transactions_.settle(t), false;
    }
    out_.commit(request.size(), t.target);
    counters_.requests_out[t.method].add();
    count(ProxyEvent::transaction_created);
    start_client(t, now);
    if (timeout > core::Duration::zero()) due(t, Deadline::client_end) = now + std::min(timeout, t1x64_);
    transactions_.settle(t);
    return true;
}

// Where the dialog's requests towards one side go, without waiting for a name.
core::Flow Proxy::way_to(const Dialog& d, bool callee) noexcept {
    const bool to_host = callee != d.caller_in_cluster;
    const auto& end = to_host ? d.host : d.client;
    core::Flow flow;
    flow.remote = end.remote;
    flow.transport = end.transport;
    flow.connection = end.connection;
    auto first = d.get(callee ? DialogText::callee_routes : DialogText::caller_routes);
    if (!first.empty()) {
        auto rest = first;
        next_value(rest, first);
        const auto name_addr = parse_name_addr(first);
        first = name_addr ? name_addr->uri : std::string_view{};
    } else if (!to_host && !d.symmetric) {
        first = d.get(callee ? DialogText::callee_contact : DialogText::caller_contact);
    }
    const auto uri = first.empty() ? std::nullopt : parse_uri(first);
    if (const auto target = uri ? numeric_target(*uri) : std::nullopt; target && target->transport == flow.transport)
        flow.remote = target->remote;
    if (const auto* socket = sockets_.of(end)) {
        flow.local = socket->listener.local;
        flow.listener = socket->listener.id;
    }
    flow.zone = router_.zone_of(flow.remote);
    return flow;
}

bool Proxy::send_within(Dialog& d, bool to_callee, Method method, std::uint32_t cseq, Transaction::Kind kind, core::Tick now) {
    const auto flow = way_to(d, to_callee);
    const auto* socket = sockets_.of(flow);
    if (socket == nullptr) return drop(ProxyDrop::no_listener), false;
    BranchText branch;
    const CallIdentity call{d.get(DialogText::call_id), d.call_id_hash, call_id_key_};
    auto* t = open_own(kind, method, cseq, flow, call, d.call_id_hash, now, branch);
    if (t == nullptr) return false;
    if (kind == Transaction::Kind::ping) t->dialog = dialogs_.handle_of(d);

    const auto caller = party_of(d, DialogText::from_uri, DialogText::caller_contact);
    const auto callee = party_of(d, DialogText::to_uri, DialogText::callee_contact);
    const auto caller_tag = d.get(DialogText::caller_tag);
    const auto callee_tag = d.get(DialogText::callee_tag);
    const auto contact = d.get(to_callee ? DialogText::callee_contact : DialogText::caller_contact);
    const auto routes = d.get(to_callee ? DialogText::callee_routes : DialogText::caller_routes);
    const auto room = out_.reserve(d.text.size + 1024);
    TextBuilder b{room};
    b << name(method) << " ";
    if (contact.empty()) {
        b << "sip:" << flow.remote;
    } else {
        b << request_uri_of(contact);
    }
    b << " SIP/2.0\r\n" << socket->via << branch.view() << "\r\nMax-Forwards: 70\r\n";
    if (!routes.empty()) b << "Route: " << routes << "\r\n";
    b << "From: <" << (to_callee ? caller : callee) << ">;tag=" << (to_callee ? caller_tag : callee_tag) << "\r\nTo: <"
      << (to_callee ? callee : caller) << ">;tag=" << (to_callee ? callee_tag : caller_tag) << "\r\nCall-ID: " << d.get(DialogText::call_id)
      << "\r\nCSeq: " << std::uint64_t{cseq} << " " << name(method) << "\r\nContent-Length: 0\r\n\r\n";
    return send_own(*t, b.overflowed() ? std::string_view{} : b.view(), now);
}

void Proxy::hang_up_both(Dialog& d, core::Tick now) {
    scratch_.clear();
    for (const bool to_callee : {true, false})
        send_within(d, to_callee, Method::bye, (to_callee ? d.caller_cseq : d.callee_cseq) + 1, Transaction::Kind::hang_up, now);
}

bool Proxy::end_by_management(std::uint64_t id, core::Tick now) {
    auto* d = dialogs_.find_id(id);
    if (d == nullptr || d->state < DialogState::confirmed_no_ack || d->state == DialogState::deleted) return false;
    hang_up_both(*d, now);
    end_dialog(*d, {DialogEnd::management, ProxyEvent::dialog_ended, 0}, now);
    return true;
}

// With the last CSeq seen from the client's side, never a higher one: the client's next request must not find its number taken.
void Proxy::ping(Dialog& d, core::Tick now) {
    const bool to_callee = !d.caller_in_cluster;  // the host
    scratch_.clear();
    if (!send_within(d, to_callee, Method::options, std::max(to_callee ? d.caller_cseq : d.callee_cseq, 1U), Transaction::Kind::ping, now))
        return;
    d.pinged = true;
    count(ProxyEvent::dialog_pinged);
}

// Any answer but 481 and none proves that the host knows the dialog.
void Proxy::on_pinged(Transaction& t, int status, core::Tick now) {
    auto* d = dialogs_.get(t.dialog);
    if (d == nullptr || d->state == DialogState::deleted) return;
    d->pinged = false;
    if (status != 0 && status != 408 && status != 481) {
        stand_until(*d, now + core::Duration{config_.timers.dialog_timeout});
        tell(*d, DialogChange::state, now);
        return;
    }
    if (config_.bye_on_timeout) hang_up_both(*d, now);
    end_dialog(*d, {DialogEnd::ghost, ProxyEvent::dialog_ghost, status}, now);
}

}  // namespace sipfront::sip

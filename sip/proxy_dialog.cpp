// The proxy's dialogs: made by an INVITE, confirmed by its 2xx, ended by BYE, failure or time; and what an observer is told of them.
#include <algorithm>

#include "sip/proxy.hpp"
#include "sip/text_builder.hpp"

namespace sipfront::sip {
namespace {

// Whether a URI that has a user part, and is one at all, has this host; false also where that is not seen at a glance.
bool shows_host(std::string_view uri, std::string_view host) noexcept {
    const auto at = uri.find('@');  // the first one ends the user part
    if (at == std::string_view::npos) return false;
    const auto rest = uri.substr(at + 1);
    if (rest.size() < host.size() || !same_octets(rest.substr(0, host.size()), host)) return false;
    return rest.size() == host.size() || !grammar::is(rest[host.size()], grammar::hostname);
}

}  // namespace

Dialog* Proxy::open_dialog(const Request& r, NextHop& hop) {
    const auto& m = r.m;
    DialogTexts texts{};
    texts[index_of(DialogText::call_id)] = m.call_id();
    texts[index_of(DialogText::caller_tag)] = m.from_tag();
    if (const auto* contact = m.first(HeaderId::contact))
        if (const auto name_addr = parse_name_addr(m.at(contact->value))) texts[index_of(DialogText::caller_contact)] = name_addr->uri;
    // Record-Route values below ours lie between us and the caller: what the callee's requests follow behind us.
    if (const auto* rr = m.first(HeaderId::record_route)) {
        TextBuilder b{scratch_.take(1024)};
        for (bool first = true; rr != nullptr; rr = m.next(rr), first = false) b << (first ? "" : ", ") << m.at(rr->value);
        if (!b.overflowed()) texts[index_of(DialogText::caller_routes)] = b.view();
    }
    if (config_.keep_parties) {
        texts[index_of(DialogText::from_uri)] = m.at(m.from().uri);
        texts[index_of(DialogText::to_uri)] = m.at(m.to().uri);
    }
    hop.dialog = dialogs_.create(r.lead.dialog_key, r.call_id_hash, texts);
    auto* d = dialogs_.get(hop.dialog);
    if (d == nullptr) return nullptr;
    d->started = r.now;
    d->destination = hop.destination;
    d->caller_in_cluster = hop.caller_in_cluster;
    d->caller_cseq = m.cseq().number;
    d->host = hop.caller_in_cluster ? r.in : hop.out;
    d->client = hop.caller_in_cluster ? hop.out : r.in;
    d->symmetric = is_symmetric(r, hop, texts[index_of(DialogText::caller_contact)]);
    ++early_dialogs_;
    count(ProxyEvent::dialog_created);
    return d;
}

// Whether in-dialog requests reach the client where its packets come from, whatever its Contact says. `contact`: the sender's.
bool Proxy::is_symmetric(const Request& r, const NextHop& hop, std::string_view contact) const noexcept {
    if (hop.caller_in_cluster) {
        // Along a flow token, unless the Request-URI shows that very flow: then a later Contact may move the client.
        const auto shown = numeric_target(r.uri);
        return core::is_reliable(hop.out.transport) || (hop.by_flow && (!shown || shown->remote != hop.out.remote));
    }
    // A client whose Via or Contact does not show the address its packets come from sits behind a NAT. A carrier does not: its
    // private addresses are those of the interconnection.
    const auto hides = [&] {
        if (shows_host(contact, r.client.address())) return false;
        const auto uri = parse_uri(contact);
        if (!uri || r.client.is(uri->host, r.in.remote.address)) return false;
        const auto address = uri->address();
        return address && address->is_private();
    };
    return core::is_reliable(r.in.transport) ||
           (r.in.zone == core::Zone::outside && (!r.client.is(r.m.at(r.m.top_via().host), r.in.remote.address) || hides()));
}

void Proxy::confirm_dialog(Transaction& t, const Message& m, core::Tick now) {
    auto* d = dialogs_.get(t.dialog);
    if (d == nullptr || d->state >= DialogState::confirmed_no_ack) return;
    auto texts = d->texts();
    const auto put = [&](DialogText which, std::string_view v) { texts[index_of(which)] = v; };
    put(DialogText::callee_tag, m.to_tag());
    const auto contact_uri = first_contact(m);
    put(DialogText::callee_contact, contact_uri);
    if (d->caller_in_cluster) foresee(contact_uri, now);
    if (const auto routes = routes_to_callee(m, t.target); !routes.empty()) put(DialogText::callee_routes, routes);
    dialogs_.set_texts(*d, texts);
    if (d->caller_in_cluster && t.target.zone == core::Zone::outside) {
        const auto contact = parse_uri(contact_uri);
        const auto address = contact ? contact->address() : std::nullopt;
        if (address && address->is_private() && *address != d->client.remote.address) d->symmetric = true;
    }
    const auto after = (now - d->started) / core::Duration{std::chrono::milliseconds{10}};
    d->answered_after = static_cast<std::uint16_t>(std::clamp<std::int64_t>(after, 1, 0xffff));
    d->retries = std::min<std::uint8_t>(t.last_attempt, 15) & 15;
    d->state = DialogState::confirmed_no_ack;
    --early_dialogs_;
    stand_until(*d, now + core::Duration{config_.timers.dialog_timeout});
    count(ProxyEvent::dialog_confirmed);
    tell(*d, DialogChange::changed, now);
}

// What the final result of a transaction means for its dialog: a failed INVITE never made one, an answered BYE ends it.
void Proxy::settle_dialog(Transaction& t, int status, core::Tick now) {
    auto* d = dialogs_.get(t.dialog);
    if (d == nullptr) return;
    if (d->on_trial()) return settle_trial(t, *d, status, now);
    if (d->state == DialogState::deleted) return;
    const bool challenged = status == 401 || status == 407;
    if (t.is_invite() && t.initial && status >= 300) {
        d->retries = std::min<std::uint8_t>(t.last_attempt, 15) & 15;
        const Ending ending{t.cancelled ? DialogEnd::cancelled : DialogEnd::failed, ProxyEvent::dialog_failed, status};
        if (challenged || !config_.repair_routes) return end_dialog(*d, ending, now);
        // Some callers say BYE after a failure: whether that is wrong is the host's to say, so the way to it stays known.
        close_dialog(*d, ending, now);
        return dialogs_.linger_until(*d, now + t1x64_);
    }
    // A challenged BYE comes again with credentials: the call is still up.
    if (t.method == Method::bye && !challenged) end_dialog(*d, {end_of(t, *d), ProxyEvent::dialog_ended, status}, now);
}

DialogEnd Proxy::end_of(const Transaction& bye, const Dialog& d) noexcept {
    return (bye.reply.zone == core::Zone::cluster) == d.caller_in_cluster ? DialogEnd::caller_bye : DialogEnd::callee_bye;
}

// Gives the load back, takes the dialog out of the figures, and tells of its end.
void Proxy::close_dialog(Dialog& d, const Ending& ending, core::Tick now) noexcept {
    if (d.state == DialogState::deleted) return;
    if (d.counted) router_.release(d.destination);
    d.counted = false;
    if (d.state < DialogState::confirmed_no_ack) --early_dialogs_;
    if (is_unlisted(d)) --unlisted_;
    if (d.untold) --untold_;
    d.untold = false;
    count(ending.event);
    if (recovering_) [[unlikely]]
        remember_gone(d);
    if (observer_ != nullptr) tell_end(d, ending, now);
}

void Proxy::end_dialog(Dialog& d, const Ending& ending, core::Tick now) noexcept {
    close_dialog(d, ending, now);
    dialogs_.erase(d);
}

// What a dialog's own requests tell about it: that it lives, the CSeq reached, and a refreshed target (§12.2.2).
void Proxy::note_in_dialog(Request& r, Dialog& d) {
    const auto& m = r.m;
    const bool from_caller = m.from_tag() == d.get(DialogText::caller_tag);
    auto& cseq = from_caller ? d.caller_cseq : d.callee_cseq;
    cseq = std::max(cseq, m.cseq().number);
    if (d.expires != core::Tick::max() && d.state != DialogState::deleted && m.method() != Method::bye) {
        if (d.state < DialogState::confirmed_no_ack) prove_answered(d, m, r.now);
        stand_until(d, r.now + core::Duration{config_.timers.dialog_timeout});
    }
    if (m.method() == Method::bye) return;  // its answer is what counts
    auto told = DialogChange::state;
    const auto* contact = m.method() == Method::invite || m.method() == Method::update ? m.first(HeaderId::contact) : nullptr;
    const auto name_addr = contact != nullptr ? parse_name_addr(m.at(contact->value)) : std::nullopt;
    const auto which = from_caller ? DialogText::caller_contact : DialogText::callee_contact;
    if (name_addr && name_addr->uri != d.get(which)) {
        auto texts = d.texts();
        texts[index_of(which)] = name_addr->uri;
        dialogs_.set_texts(d, texts);
        told = DialogChange::changed;
    }
    tell(d, told, r.now);
}

void Proxy::release_attempt(Transaction& t) {
    auto* d = dialogs_.get(t.dialog);
    if (d == nullptr || !d->counted) return;
    router_.release(d->destination);
    d->counted = false;
}

// --- Telling

DialogEvent Proxy::describe(const Dialog& d, DialogChange change, core::Tick at) const noexcept {
    DialogEvent e;
    e.id = dialogs_.id_of(d);
    e.call_id_hash = d.call_id_hash;
    e.at = at;
    e.started = d.started;
    e.expires = d.expires;
    e.host = d.host;
    e.client = d.client;
    e.answered_after_ms = d.answered_after * 10U;
    e.caller_cseq = d.caller_cseq;
    e.callee_cseq = d.callee_cseq;
    e.destination = d.destination;
    e.change = change;
    e.state = d.state;
    e.attempts = static_cast<std::uint8_t>(d.retries + 1);
    e.counted = d.counted;
    e.caller_in_cluster = d.caller_in_cluster;
    e.symmetric = d.symmetric;
    e.start_unknown = d.start_unknown();
    return e;
}

// The dialog's own texts, and which of them they are.
std::uint16_t Proxy::texts_of(const Dialog& d, EventTexts& texts) const noexcept {
    const auto own = d.texts();
    std::copy(own.begin(), own.end(), texts.begin());
    constexpr std::uint16_t all = (1U << dialog_texts) - 1;
    constexpr std::uint16_t parties = 1U << index_of(DialogText::from_uri) | 1U << index_of(DialogText::to_uri);
    return config_.keep_parties ? all : static_cast<std::uint16_t>(all & ~parties);
}

bool Proxy::tell(Dialog& d, DialogChange change, core::Tick now) noexcept {
    if (observer_ == nullptr || d.state == DialogState::deleted) return true;
    EventTexts texts{};
    auto e = describe(d, change, now);
    if (change == DialogChange::changed) e.texts = texts_of(d, texts);
    return note(d, e, texts);
}

// What is missed is told by the next walk, unless a `changed` has told it all before.
bool Proxy::note(Dialog& d, const DialogEvent& e, const EventTexts& texts) noexcept {
    const bool taken = observer_->note(e, texts);
    if (taken && d.untold && e.change == DialogChange::changed) {
        d.untold = false;
        --untold_;
    } else if (!taken && !d.untold) {
        d.untold = true;
        ++untold_;
        count(ProxyEvent::dialog_untold);
    }
    return taken;
}

void Proxy::tell_end(const Dialog& d, const Ending& ending, core::Tick now) noexcept {
    EventTexts texts{};
    auto e = describe(d, DialogChange::ended, now);
    if (config_.keep_parties) e.texts = texts_of(d, texts);
    e.state = DialogState::deleted;
    e.end = ending.how;
    e.code = static_cast<std::uint16_t>(ending.status);
    observer_->note(e, texts);
}

// Our branch, in the Via that we put behind the start line of what is sent.
std::string_view Proxy::branch_sent(const Transaction& t) noexcept {
    auto text = t.request.view();
    text.remove_prefix(std::min(text.find('\n'), text.size()));
    constexpr std::string_view mark = ";branch=";
    const auto at = text.find(mark);
    if (at == std::string_view::npos) return {};
    text.remove_prefix(at + mark.size());
    return text.substr(0, text.find_first_of(";\r\n"));
}

void Proxy::tell_born(const Request& r, const NextHop& hop, Dialog& d, const Transaction& t) noexcept {
    const auto& m = r.m;
    EventTexts texts{};
    auto e = describe(d, DialogChange::born, r.now);
    texts_of(d, texts);
    e.texts = (1U << event_texts) - 1;
    texts[index_of(DialogText::from_uri)] = m.at(m.from().uri);
    texts[index_of(DialogText::to_uri)] = m.at(m.to().uri);
    texts[index_of(SetupText::request_uri)] = !hop.uri.empty() ? hop.uri : !r.target.empty() ? r.target : m.request_uri();
    texts[index_of(SetupText::client_via)] = m.at(m.top_via().value);
    texts[index_of(SetupText::branch)] = branch_sent(t);
    if (!r.routes.next.empty()) {
        // From the first one that is not ours.
        const auto* h = m.first(HeaderId::route);
        while (h != nullptr && m.at(h->value).data() + m.at(h->value).size() <= r.routes.next.data()) h = m.next(h);
        TextBuilder b{scratch_.take(1024)};
        for (bool first = true; h != nullptr; h = m.next(h), first = false) {
            auto value = m.at(h->value);
            if (first) value.remove_prefix(static_cast<std::size_t>(r.routes.next.data() - value.data()));
            b << (first ? "" : ", ") << value;
        }
        if (!b.overflowed()) texts[index_of(SetupText::routes)] = b.view();
    }
    note(d, e, texts);
}

// The same call at its next host.
void Proxy::tell_moved(Dialog& d, const Transaction& t, core::Tick now) noexcept {
    if (observer_ == nullptr) return;
    EventTexts texts{};
    auto e = describe(d, DialogChange::born, now);
    texts[index_of(SetupText::branch)] = branch_sent(t);
    e.texts = 1U << index_of(SetupText::branch);
    e.attempts = static_cast<std::uint8_t>(t.last_attempt + 1);
    note(d, e, texts);
}

}  // namespace sipfront::sip

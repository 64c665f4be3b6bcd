// Dialogs that this process did not make: known by a route cookie alone, or read from a store; and the walk over all dialogs that
// ends those whose time has come and tells of what an observer has missed.
#include <algorithm>

#include "sip/proxy.hpp"

namespace sipfront::sip {

bool Proxy::is_unlisted(const Dialog& d) noexcept { return !d.listed && d.expires != core::Tick::max(); }

// From now on in the order of expiry, wherever it came from.
void Proxy::stand_until(Dialog& d, core::Tick expires) noexcept {
    if (is_unlisted(d)) --unlisted_;
    dialogs_.expire_at(d, expires);
}

// The dialog of a cookie that another life or another node made, found by what its message says.
DialogHandle Proxy::dialog_of(const Request& r, const RouteCookie& c) noexcept {
    auto* d = dialogs_.find(r.call_id_hash, r.routes.from_caller ? r.m.from_tag() : r.m.to_tag());
    // Two records of one Call-ID and tag, of a spiral, differ in their sides.
    if (d == nullptr || d->caller_in_cluster != c.caller_in_cluster || d->host.remote != c.host) return {};
    return dialogs_.handle_of(*d);
}

// Cookies without a handle are those of subscriptions and the like, of which no record is kept.
// Nothing proves yet that the call of this cookie is up: it may be a request that comes long after the end. So it counts for
// nothing, and is forgotten, unless the other side answers with success.
void Proxy::put_on_trial(const Request& r, const RouteCookie& c, NextHop& hop) {
    const auto& m = r.m;
    const bool from_caller = r.routes.from_caller;
    const auto caller_tag = from_caller ? m.from_tag() : m.to_tag();
    DialogTexts texts{};
    texts[index_of(DialogText::call_id)] = m.call_id();
    texts[index_of(DialogText::caller_tag)] = caller_tag;
    texts[index_of(DialogText::callee_tag)] = from_caller ? m.to_tag() : m.from_tag();
    texts[index_of(from_caller ? DialogText::caller_contact : DialogText::callee_contact)] = first_contact(m);
    if (config_.keep_parties) {
        texts[index_of(DialogText::from_uri)] = m.at(from_caller ? m.from().uri : m.to().uri);
        texts[index_of(DialogText::to_uri)] = m.at(from_caller ? m.to().uri : m.from().uri);
    }
    const auto handle = dialogs_.create(dialogs_.key_of(r.call_id_hash, caller_tag), r.call_id_hash, texts);
    auto* d = dialogs_.get(handle);
    if (d == nullptr) return count(ProxyEvent::dialog_table_full);
    const bool from_host = from_caller == c.caller_in_cluster;
    d->host = from_host ? r.in : hop.out;
    d->client = from_host ? hop.out : r.in;
    d->host.remote = c.host;
    d->host.transport = c.host_transport;
    d->client.remote = c.client;
    d->client.transport = c.client_transport;
    d->client.connection = c.connection;
    d->started = r.now;
    d->caller_in_cluster = c.caller_in_cluster;
    d->symmetric = c.symmetric;
    (from_caller ? d->caller_cseq : d->callee_cseq) = m.cseq().number;
    d->destination = router_.find(c.host, c.host_transport);
    d->proof = DialogProof::on_trial;
    dialogs_.linger_until(*d, r.now + t1x64_);
    hop.dialog = handle;
}

void Proxy::settle_trial(const Transaction& t, Dialog& d, int status, core::Tick now) noexcept {
    // Nothing that comes later brings it back.
    if (d.held_end() != DialogEnd::none) return;
    if (t.method == Method::bye) {
        if (status == 401 || status == 407) return;
        // Its row may still come, and says when the call began. The second record of a spiral would not be found then.
        if (status < 300 && recovering_ && observer_ != nullptr && d.key != 0) return hold_end(d, end_of(t, d), now);
        if (recovering_) remember_gone(d);
        // Refused, it may be the second BYE of a call that ended long ago: if a row is left it goes, but no call ends.
        const auto how = status < 300 ? end_of(t, d) : DialogEnd::none;
        if (observer_ != nullptr) tell_end(d, {how, ProxyEvent::dialog_ended, status}, now);
        return dialogs_.erase(d);
    }
    if (status >= 300) return;
    dialogs_.revive(d, DialogState::confirmed);
    d.proof = DialogProof::adopted;
    take_load(d);
    stand_until(d, now + core::Duration{config_.timers.dialog_timeout});
    count(ProxyEvent::dialog_adopted);
    tell(d, DialogChange::changed, now);
}

void Proxy::hold_end(Dialog& d, DialogEnd how, core::Tick now) noexcept {
    d.proof = how == DialogEnd::caller_bye ? DialogProof::caller_hung_up : DialogProof::callee_hung_up;
    d.started = now;
    dialogs_.linger_until(d, now + t1x64_);
}

void Proxy::tell_held_end(const Dialog& d) noexcept {
    if (d.held_end() != DialogEnd::none) tell_end(d, {d.held_end(), ProxyEvent::dialog_ended, 200}, d.started);
}

void Proxy::tell_held_ends() noexcept {
    dialogs_.for_each([this](const Dialog& d) { tell_held_end(d); });
}

// What a row tells of a dialog that a request was faster to bring; all else we know better.
void Proxy::learn(Dialog& known, const RecoveredDialog& row, core::Tick now) {
    const bool on_trial = known.on_trial();
    const auto end = known.held_end();
    const auto ended = known.started;
    if (known.start_unknown()) {
        known.started = row.started;
        known.answered_after = row.answered_after;
        known.proof = row.start_unknown ? DialogProof::adopted : DialogProof::whole;
    }
    if (!on_trial) return;
    dialogs_.set_texts(known, row.texts);
    if (end != DialogEnd::none) {
        tell_end(known, {end, ProxyEvent::dialog_ended, 200}, ended);
        return dialogs_.erase(known);
    }
    dialogs_.revive(known, DialogState::confirmed);
    if (row.counted) take_load(known);
    stand_until(known, now + core::Duration{config_.timers.dialog_timeout});
    count(ProxyEvent::dialog_recovered);
}

// A reader of the store may be about to bring its row.
void Proxy::remember_gone(const Dialog& d) noexcept {
    if (d.key != 0 && !gone_.insert_or_assign(d.key, 1)) count(ProxyEvent::dialog_recovery_unsure);
}

void Proxy::take_load(Dialog& d) noexcept {
    if (d.destination == core::no_destination || (d.caller_in_cluster && !config_.count_outbound)) return;
    router_.adopt(d.destination);
    d.counted = true;
}

// A request within it shows that the 2xx has been there, of which the store had not heard yet.
void Proxy::prove_answered(Dialog& d, const Message& m, core::Tick now) noexcept {
    auto texts = d.texts();
    auto& callee_tag = texts[index_of(DialogText::callee_tag)];
    if (callee_tag.empty()) callee_tag = m.from_tag() == d.get(DialogText::caller_tag) ? m.to_tag() : m.from_tag();
    dialogs_.set_texts(d, texts);
    d.state = DialogState::confirmed;
    d.answered_after = std::max<std::uint16_t>(d.answered_after, 1);
    --early_dialogs_;
    stand_until(d, now + core::Duration{config_.timers.dialog_timeout});
    tell(d, DialogChange::changed, now);
}

bool Proxy::recover(const RecoveredDialog& row, core::Tick now) {
    const auto key = dialogs_.key_of(row.call_id_hash, row.texts[index_of(DialogText::caller_tag)]);
    const auto forget = [&] {
        // Under the name that this life gives it, if at all.
        Dialog d;
        d.key = row.id;
        d.call_id_hash = row.call_id_hash;
        if (observer_ != nullptr) tell_end(d, {DialogEnd::none, ProxyEvent::dialog_ended, 0}, now);
    };
    if (gone_.find(key) != nullptr) return forget(), true;
    auto* known = dialogs_.find(row.call_id_hash, row.texts[index_of(DialogText::caller_tag)]);
    if (known != nullptr && known->caller_in_cluster == row.caller_in_cluster && known->host.remote == row.host.remote) {
        // A request was faster, and what it has learned is newer.
        if (dialogs_.id_of(*known) != row.id) forget();
        return learn(*known, row, now), true;
    }
    const auto handle = dialogs_.create(key, row.call_id_hash, row.texts);
    auto* d = dialogs_.get(handle);
    if (d == nullptr) return count(ProxyEvent::dialog_table_full), false;
    d->host = row.host;
    d->client = row.client;
    d->started = row.started;
    d->proof = row.start_unknown ? DialogProof::adopted : DialogProof::whole;
    d->expires = row.expires;
    d->answered_after = row.answered_after;
    d->caller_cseq = row.caller_cseq;
    d->callee_cseq = row.callee_cseq;
    d->destination = row.destination != core::no_destination ? row.destination : router_.find(row.host.remote, row.host.transport);
    d->state = row.state;
    d->caller_in_cluster = row.caller_in_cluster;
    d->symmetric = row.symmetric;
    if (row.counted && d->destination != core::no_destination) {
        router_.adopt(d->destination);
        d->counted = true;
    }
    if (row.state < DialogState::confirmed_no_ack) {
        // Its INVITE died with the process that had it: no longer than it could have rung.
        ++early_dialogs_;
        d->expires = std::min(row.expires, now + core::Duration{config_.timers.timer_c});
    }
    ++unlisted_;
    count(ProxyEvent::dialog_recovered);
    if (dialogs_.id_of(*d) != row.id) {
        forget();
        tell(*d, DialogChange::changed, now);
    }
    return true;
}

void Proxy::end_recovery() noexcept {
    recovering_ = false;
    gone_.clear();
}

void Proxy::tell_all() noexcept {
    telling_all_ = true;
    cursor_ = 0;
}

// Some records twice a millisecond, so that a million take some ten seconds and less than a hundredth of the core. Nothing is due
// here that has a place in the order of expiry.
void Proxy::walk(core::Tick now) {
    constexpr std::uint32_t steps = 64;
    if (now < next_walk_) return;
    next_walk_ = now + std::chrono::microseconds{500};
    const core::Duration quiet{config_.timers.dialog_ping};
    const core::Duration timeout{config_.timers.dialog_timeout};
    bool room = true;
    for (std::uint32_t i = 0; i < steps; ++i) {
        if (cursor_ >= dialogs_.extent()) {
            cursor_ = 0;
            if (std::exchange(telling_all_, false)) counters_.told_all.add();
            return;
        }
        auto* d = dialogs_.at(cursor_);
        if (d != nullptr && d->state != DialogState::deleted) {
            if (is_unlisted(*d) && d->expires <= now) {
                expire(*d, now);
            } else if (quiet > core::Duration::zero() && !d->pinged && d->state >= DialogState::confirmed_no_ack &&
                       d->expires - timeout + quiet <= now) {
                ping(*d, now);
            } else if ((d->untold || telling_all_) && room) {
                room = tell(*d, DialogChange::changed, now);
                // A walk that must tell everything goes on from here at the next call; any other comes by again.
                if (!room && telling_all_) return;
            }
        }
        ++cursor_;
    }
}

void Proxy::expire(Dialog& d, core::Tick now) {
    if (d.held_end() != DialogEnd::none) {
        if (recovering_) remember_gone(d);
        tell_held_end(d);
    }
    if (config_.bye_on_timeout && d.state >= DialogState::confirmed_no_ack && d.state != DialogState::deleted) hang_up_both(d, now);
    end_dialog(d, {DialogEnd::expired, ProxyEvent::dialog_expired, 0}, now);
}

}  // namespace sipfront::sip

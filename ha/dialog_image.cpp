#include "ha/dialog_image.hpp"

#include <algorithm>
#include <utility>

namespace sipfront::ha {

namespace {

using sip::DialogText;
using sip::SetupText;

// A signed INT column holds no later one; nor would a dialog without an end be due before that.
constexpr std::int64_t never = 0x7fff'ffff;
constexpr std::int64_t us_per_s = 1'000'000;

constexpr std::uint16_t bit(std::size_t i) noexcept { return static_cast<std::uint16_t>(1U << i); }
constexpr std::uint16_t of_early_dialogs = bit(index_of(SetupText::request_uri)) | bit(index_of(SetupText::client_via)) |
                                           bit(index_of(SetupText::branch)) | bit(index_of(SetupText::routes));

std::int64_t timeout_of(core::Tick expires, const Instant& now) noexcept {
    if (expires == core::Tick::max() || expires == core::Tick{}) return never;
    return std::min(now.unix_us_of(expires) / us_per_s, never);
}

}  // namespace

std::string socket_text(const core::FarEnd& end) { return end.remote.address ? to_text(Socket{end.transport, end.remote}) : std::string{}; }

bool answered(const sip::DialogEvent& e) noexcept {
    return e.answered_after_ms != 0 || e.state == sip::DialogState::confirmed || e.state == sip::DialogState::confirmed_no_ack;
}

sip::EventTexts DialogImage::texts() const noexcept {
    sip::EventTexts all;
    std::size_t at = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i] = std::string_view{text_}.substr(at, lengths_[i]);
        at += lengths_[i];
    }
    return all;
}

void DialogImage::set(std::uint16_t mask, const sip::EventTexts& texts) {
    std::string all;
    std::size_t octets = 0;
    for (const auto t : texts) octets += t.size();
    all.reserve(octets);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto t = (mask & bit(i)) != 0 ? texts[i] : std::string_view{};
        lengths_[i] = static_cast<std::uint16_t>(t.size());
        all += t;
    }
    text_ = std::move(all);
    event_.texts = mask;
}

void DialogImage::apply(const sip::DialogEvent& e, const sip::EventTexts& texts) {
    // A dialog that was over and is told again is another row.
    const auto known = ended() ? std::uint16_t{0} : event_.texts;
    auto all = this->texts();
    for (std::size_t i = 0; i < all.size(); ++i)
        if ((e.texts & bit(i)) != 0) all[i] = texts[i];
    event_ = e;
    if (ended()) return set(0, {});
    auto mask = static_cast<std::uint16_t>(known | e.texts);
    if (answered(e)) mask = static_cast<std::uint16_t>(mask & ~of_early_dialogs);
    if (e.texts == 0 && mask == known) {
        event_.texts = known;
        return;
    }
    set(mask, all);
}

void DialogImage::complete(const DialogImage& older) {
    if (ended() || older.ended()) return;
    auto missing = static_cast<std::uint16_t>(older.event_.texts & ~event_.texts);
    if (answered(event_)) missing = static_cast<std::uint16_t>(missing & ~of_early_dialogs);
    if (missing == 0) return;
    auto all = texts();
    const auto before = older.texts();
    for (std::size_t i = 0; i < all.size(); ++i)
        if ((missing & bit(i)) != 0) all[i] = before[i];
    set(static_cast<std::uint16_t>(event_.texts | missing), all);
}

DialogRow DialogImage::row(const DialogNames& names, const Instant& now) const {
    const auto all = texts();
    const auto text = [&](auto t) { return std::string{all[index_of(t)]}; };
    const auto& e = event_;
    DialogRow r;
    r.dlg_id = e.id;
    r.callid = text(DialogText::call_id);
    r.from_uri = text(DialogText::from_uri);
    r.from_tag = text(DialogText::caller_tag);
    r.to_uri = text(DialogText::to_uri);
    r.to_tag = text(DialogText::callee_tag);
    r.caller_cseq = e.caller_cseq;
    r.callee_cseq = e.callee_cseq;
    r.caller_route_set = text(DialogText::caller_routes);
    r.callee_route_set = text(DialogText::callee_routes);
    r.caller_contact = text(DialogText::caller_contact);
    r.callee_contact = text(DialogText::callee_contact);
    const auto& caller = e.caller_in_cluster ? e.host : e.client;
    const auto& callee = e.caller_in_cluster ? e.client : e.host;
    r.caller_sock = names.listener(caller.listener);
    r.callee_sock = names.listener(callee.listener);
    r.state = e.state;
    const auto started = now.unix_us_of(e.started);
    r.created = e.start_unknown ? 0 : started;
    r.start_time = (started + std::int64_t{e.answered_after_ms} * 1'000) / us_per_s;
    r.timeout = timeout_of(e.expires, now);
    const auto& destination = names.destination(e.destination);
    r.destination = destination.uri;
    r.group = destination.group;
    if (e.counted) r.resource = destination.resource;
    r.host = socket_text(e.host);
    r.client = socket_text(e.client);
    r.caller_in_cluster = e.caller_in_cluster;
    r.symmetric = e.symmetric;
    r.request_uri = text(SetupText::request_uri);
    r.client_via = text(SetupText::client_via);
    r.branch = text(SetupText::branch);
    r.routes = text(SetupText::routes);
    return r;
}

}  // namespace sipfront::ha

// Events as a worker tells them.
#pragma once

#include <string>

#include "ha/dialog_image.hpp"
#include "sip/dialog_event.hpp"

namespace sipfront::ha {

using namespace std::chrono_literals;

inline constexpr std::uint16_t text_bit(auto t) { return static_cast<std::uint16_t>(1U << sip::index_of(t)); }
inline constexpr std::uint16_t dialog_text_bits = (1U << sip::dialog_texts) - 1;
inline constexpr std::uint16_t all_text_bits = (1U << sip::event_texts) - 1;

// An event and the texts that go with it.
struct Told {
    sip::DialogEvent event;
    sip::EventTexts texts{};

    template <class T>
    Told& with(T t, std::string_view text) {
        event.texts = static_cast<std::uint16_t>(event.texts | text_bit(t));
        texts[sip::index_of(t)] = text;
        return *this;
    }
};

inline core::FarEnd far_end(const char* endpoint, std::uint8_t listener) {
    core::FarEnd e;
    e.remote = *core::Endpoint::parse(endpoint);
    e.listener = core::ListenerId{listener};
    return e;
}

inline Told event(sip::DialogChange change, std::uint64_t id, core::Tick at) {
    Told t;
    auto& e = t.event;
    e.change = change;
    e.id = id;
    e.at = at;
    e.started = at;
    e.expires = at + 1h;
    e.host = far_end("10.77.0.103:5060", 1);
    e.client = far_end("198.51.100.7:40212", 0);
    e.destination = core::DestinationId{3};
    e.counted = true;
    e.caller_cseq = 1;
    e.attempts = 1;
    return t;
}

inline Told born(std::uint64_t id, core::Tick at) {
    auto t = event(sip::DialogChange::born, id, at);
    t.event.texts = all_text_bits;
    return t.with(sip::DialogText::call_id, "call-id")
        .with(sip::DialogText::caller_tag, "from-tag")
        .with(sip::DialogText::caller_contact, "sip:caller@198.51.100.7")
        .with(sip::DialogText::from_uri, "sip:caller@example.net")
        .with(sip::DialogText::to_uri, "sip:callee@example.com")
        .with(sip::SetupText::request_uri, "sip:callee@10.77.0.100")
        .with(sip::SetupText::client_via, "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1")
        .with(sip::SetupText::branch, "z9hG4bKours");
}

// The same call at its next host, as the proxy tells it.
inline Told moved(std::uint64_t id, core::Tick at, std::uint8_t attempts) {
    auto t = event(sip::DialogChange::born, id, at);
    t.event.attempts = attempts;
    t.event.host = far_end("10.77.0.104:5060", 1);
    return t.with(sip::SetupText::branch, "z9hG4bKnext");
}

inline Told changed(std::uint64_t id, core::Tick at) {
    auto t = event(sip::DialogChange::changed, id, at);
    t.event.state = sip::DialogState::confirmed_no_ack;
    t.event.answered_after_ms = 1'500;
    t.event.texts = dialog_text_bits & ~(text_bit(sip::DialogText::from_uri) | text_bit(sip::DialogText::to_uri));
    return t.with(sip::DialogText::call_id, "call-id")
        .with(sip::DialogText::caller_tag, "from-tag")
        .with(sip::DialogText::callee_tag, "to-tag")
        .with(sip::DialogText::caller_contact, "sip:caller@198.51.100.7")
        .with(sip::DialogText::callee_contact, "sip:callee@10.77.0.103");
}

inline Told state(std::uint64_t id, core::Tick at, sip::DialogState s) {
    auto t = event(sip::DialogChange::state, id, at);
    t.event.state = s;
    return t;
}

inline Told ended(std::uint64_t id, core::Tick at) {
    auto t = event(sip::DialogChange::ended, id, at);
    t.event.state = sip::DialogState::deleted;
    t.event.end = sip::DialogEnd::caller_bye;
    return t;
}

}  // namespace sipfront::ha

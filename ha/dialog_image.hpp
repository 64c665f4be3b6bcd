// A dialog as its events tell it, in two pieces of memory: the last event's fields, and the texts told so far.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/types.hpp"
#include "ha/dialog_names.hpp"
#include "ha/dialog_row.hpp"
#include "ha/instant.hpp"
#include "sip/dialog_event.hpp"

namespace sipfront::ha {

class DialogImage {
public:
    // A later event. Texts of the set-up that no answered dialog needs are forgotten.
    void apply(const sip::DialogEvent& e, const sip::EventTexts& texts);
    // What `older` knew and this does not.
    void complete(const DialogImage& older);

    [[nodiscard]] const sip::DialogEvent& event() const noexcept { return event_; }
    [[nodiscard]] bool ended() const noexcept { return event_.change == sip::DialogChange::ended; }
    // All that a row needs was told. Otherwise the row, if there is one, keeps its texts.
    [[nodiscard]] bool whole() const noexcept { return (event_.texts & 1U << index_of(sip::DialogText::call_id)) != 0; }
    // Octets of memory besides the object's own.
    [[nodiscard]] std::size_t octets() const noexcept { return text_.capacity(); }
    [[nodiscard]] sip::EventTexts texts() const noexcept;

    [[nodiscard]] DialogRow row(const DialogNames& names, const Instant& now) const;

private:
    void set(std::uint16_t mask, const sip::EventTexts& texts);

    sip::DialogEvent event_;  // `texts`: all that is known
    std::array<std::uint16_t, sip::event_texts> lengths_{};
    std::string text_;
};

// "udp:198.51.100.7:40212"; empty without an address.
std::string socket_text(const core::FarEnd& end);
bool answered(const sip::DialogEvent& e) noexcept;

}  // namespace sipfront::ha

// The dialog that an INVITE names besides its own: Replaces (RFC 3891), Join (RFC 3911), Target-Dialog (RFC 4538).
#pragma once

#include <optional>
#include <string_view>

#include "sip/message.hpp"

namespace sipfront::sip {

// Views into the message. Who is meant, the tags tell: they are its recipient's and the other side's. Those of Target-Dialog are
// the sender's and may be read either way round.
struct NamedDialog {
    std::string_view call_id;
    std::string_view recipient_tag;
    std::string_view other_tag;
    bool either_way = false;
};

// nullopt: it names none, or not in the form of these header fields. The first that is there counts.
std::optional<NamedDialog> named_dialog(const Message& m) noexcept;

}  // namespace sipfront::sip

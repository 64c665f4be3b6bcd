// Via values. RFC 3261 §20.42, §25.1 (via-parm); RFC 3581 (rport); RFC 5118 §4.5 (received with an IPv6 address).
#pragma once

#include <string_view>

#include "sip/message.hpp"

namespace sipfront::sip {

// The first value in `text` (up to a top-level comma); slices count from the text's first octet. False: not a Via value, or
// a text beyond 65,535 octets. For the Vias below the top one; Message has that already.
bool parse_via(std::string_view text, TopVia& via) noexcept;

}  // namespace sipfront::sip

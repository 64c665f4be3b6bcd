// IPv4 addresses as text, without a loop over octets. RFC 3986 section 3.2.2 (IPv4address).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sipfront::core {

// The address in host order: 10.77.0.1 is 0x0a4d0001. No leading zeros: some would read them as octal, and an access list must not
// mean two things.
std::optional<std::uint32_t> parse_dotted_quad(std::string_view text) noexcept;

}  // namespace sipfront::core

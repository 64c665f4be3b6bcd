// Header fields that the cluster trusts (X-AUTH-IP and the like): nobody outside may set them, and they never leave. Finds
// them in a message cheaply: a length and a first letter that none of them has end the comparison at once.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "sip/message.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {

class TrustHeaders {
public:
    explicit TrustHeaders(std::vector<std::string> names) : names_{std::move(names)} {
        for (const auto& n : names_) {
            lengths_ |= bit(n.size());
            ids_ |= bit(static_cast<std::size_t>(parse_header_name(n)));
        }
    }

    // False: no header field has a trusted name.
    [[nodiscard]] bool may_be_in(const Message& m) const noexcept { return (m.present() & ids_) != 0; }
    // f(const Header&) for each header field with a trusted name, any spelling, all instances.
    template <class F>
    void for_each(const Message& m, F&& f) const {
        for (const auto& h : m.headers()) {
            if (names(m, h)) f(h);
        }
    }
    // Whether the header field has a trusted name.
    [[nodiscard]] bool names(const Message& m, const Header& h) const {
        if ((lengths_ & bit(h.name_length)) == 0) return false;
        for (const auto& n : names_)
            if (iequals(n, m.at(h.name()))) return true;
        return false;
    }

private:
    static constexpr std::uint64_t bit(std::size_t length) noexcept { return std::uint64_t{1} << (length & 63); }

    std::vector<std::string> names_;
    std::uint64_t lengths_ = 0;
    std::uint64_t ids_ = 0;  // of their HeaderIds
};

}  // namespace sipfront::sip

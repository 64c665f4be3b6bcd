#include "ha/dialog_row.hpp"

namespace sipfront::ha {

std::string to_text(const Socket& s) { return std::string{core::param_name(s.transport)} + ':' + s.address.to_string(); }

std::optional<Socket> parse_socket(std::string_view text) {
    for (const auto transport : {core::Transport::udp, core::Transport::tcp, core::Transport::tls}) {
        const auto name = core::param_name(transport);
        if (!text.starts_with(name) || text.substr(name.size(), 1) != ":") continue;
        const auto address = core::Endpoint::parse(text.substr(name.size() + 1));
        if (!address || address->port == 0) return std::nullopt;
        return Socket{transport, *address};
    }
    return std::nullopt;
}

}  // namespace sipfront::ha

#include "balancer/destination_uri.hpp"

#include "sip/uri.hpp"

namespace sipfront::balancer {
namespace {

// The only parameter that is understood is the transport; anything else would be ignored silently, so it is refused.
core::Result<core::Transport> transport_of(const sip::Uri& uri) {
    auto transport = uri.scheme == sip::Scheme::sips ? core::Transport::tls : core::Transport::udp;
    for (auto rest = uri.params; !rest.empty();) {
        const auto end = rest.find(';');
        const auto item = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        const auto equals = item.find('=');
        if (!sip::iequals(item.substr(0, equals), "transport"))
            return core::Error{"parameter \"" + std::string{item} + "\" is not understood; only transport=udp, tcp or tls is"};
        const auto value = equals == std::string_view::npos ? std::string_view{} : item.substr(equals + 1);
        const auto parsed = core::parse_transport(value);
        if (!parsed) return core::Error{"transport \"" + std::string{value} + "\" is not supported; use udp, tcp or tls"};
        transport = *parsed;
    }
    if (uri.scheme == sip::Scheme::sips && transport != core::Transport::tls)
        return core::Error{"a sips URI is reached over TLS; drop the transport parameter or write sip:"};
    return transport;
}

}  // namespace

core::Result<DestinationUri> parse_destination_uri(std::string_view text) {
    const auto uri = sip::parse_uri(text);
    if (!uri || (uri->scheme != sip::Scheme::sip && uri->scheme != sip::Scheme::sips))
        return core::Error{"\"" + std::string{text} + "\" is not a SIP URI; write sip:address[:port][;transport=udp|tcp|tls]"};
    if (!uri->user.empty() || !uri->password.empty())
        return core::Error{"a destination is a host, it has no user part; remove \"" + std::string{uri->user} + "@\""};
    if (!uri->headers.empty()) return core::Error{"a destination has no header part; remove \"?" + std::string{uri->headers} + "\""};
    const auto address = uri->address();
    if (!address)
        return core::Error{"host \"" + std::string{uri->host} +
                           "\" is not a numeric address, and names are not resolved; write the address"};
    if (address->is_multicast()) return core::Error{"host \"" + std::string{uri->host} + "\" is a multicast address; write the host's own"};
    const auto transport = transport_of(*uri);
    if (!transport) return transport.error();
    return DestinationUri{{*address, uri->port != 0 ? uri->port : core::default_port(*transport)}, *transport};
}

std::string canonical_uri(const core::Endpoint& remote, core::Transport transport) {
    auto text = "sip:" + remote.to_string();
    if (transport != core::Transport::udp) text.append(";transport=").append(core::param_name(transport));
    return text;
}

}  // namespace sipfront::balancer

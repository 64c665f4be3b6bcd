// Our SIP sockets with everything that they show on the wire made once: the Via and Record-Route of each, and the spelling
// by which we recognise our own again without reading it. RFC 3261 §16.4, §16.6 steps 4 and 8, §18.1.2.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/flow.hpp"
#include "sip/config.hpp"
#include "sip/copy.hpp"
#include "sip/message.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {

struct Socket {
    Listener listener;
    std::string sent_by;       // "10.77.0.100:5060"
    std::string via;           // "Via: SIP/2.0/UDP 10.77.0.100:5060;branch="
    std::string record_route;  // "Record-Route: <sip:10.77.0.100:5060;lr;sf="
    std::string path_uri;      // "10.77.0.100:5060;lr>": behind a Path URI's user part
    // The same two as sips URIs, which name no transport (RFC 5630 §3.1.4); empty unless the socket speaks TLS.
    std::string secure_record_route, secure_path_uri;
    std::size_t host_length = 0;
    static constexpr std::size_t longest_ftag = 64;
    std::size_t most_recorded = 0;  // octets of a Record-Route line with cookie and ftag, at most

    [[nodiscard]] std::string_view host() const noexcept { return {sent_by.data(), host_length}; }
    // How the value of our Record-Route begins: what comes back as a Route.
    [[nodiscard]] std::string_view route() const noexcept { return std::string_view{record_route}.substr(14); }
};

// Immutable after construction; any thread.
class Sockets {
public:
    // Ids are positions in the list.
    explicit Sockets(std::span<const Listener> listeners);

    [[nodiscard]] std::span<const Socket> all() const noexcept { return sockets_; }
    // The socket at an address, or nullptr.
    [[nodiscard]] const Socket* at(const core::Endpoint& e, core::Transport t) const noexcept;
    // The socket that a message of ours leaves from or came to; falls back to at().
    [[nodiscard]] const Socket* of(const core::Flow& flow) const noexcept {
        const auto id = core::raw(flow.listener);
        if (id < sockets_.size() && sockets_[id].listener.local == flow.local && sockets_[id].listener.transport == flow.transport)
            [[likely]]
            return &sockets_[id];
        return at(flow.local, flow.transport);
    }
    [[nodiscard]] const Socket* of(const core::FarEnd& end) const noexcept { return of(end.listener); }
    [[nodiscard]] const Socket* of(core::ListenerId listener) const noexcept {
        const auto id = core::raw(listener);
        return id < sockets_.size() ? &sockets_[id] : nullptr;
    }
    // The whole flow again.
    [[nodiscard]] core::Flow flow(const core::FarEnd& end) const noexcept;
    // The one that `uri` names by host, port and transport, or nullptr. A missing port is the scheme's default; `maddr` that
    // names us counts as the host (§16.4).
    [[nodiscard]] const Socket* named_by(const Uri& uri) const noexcept;
    // Whether a Via shows one of ours as its sent-by; `likely`: which, for that is where responses come to.
    [[nodiscard]] bool sent(const TopVia& via, const Message& m, core::ListenerId likely) const noexcept {
        const auto* s = of(likely);
        return (s != nullptr && via.port != 0 && same_octets(shown(via, m), s->sent_by)) || sent(via, m);
    }
    [[nodiscard]] bool sent(const TopVia& via, const Message& m) const noexcept;
    // A Route value as we wrote it, and no other behind: its socket and the text of its cookie, which may be anything.
    struct OwnRoute {
        const Socket* socket = nullptr;
        std::string_view cookie;
    };
    [[nodiscard]] OwnRoute read_own_route(std::string_view value) const noexcept;
    // As named_by(uri) where it has been found out what a URI without parameters shows; nullptr: no address.
    [[nodiscard]] const Socket* named_by(const Uri& uri, const core::Endpoint* shown) const noexcept {
        if (!uri.params.empty()) return named_by(uri);
        if (shown == nullptr) return nullptr;
        for (const auto& s : sockets_)
            if (s.listener.local.port == shown->port && s.listener.local.address == shown->address) return &s;
        return nullptr;
    }

private:
    // The sent-by as written; it has a port.
    static std::string_view shown(const TopVia& via, const Message& m) noexcept {
        return {m.wire().data() + via.host.off, via.port_text.end() - via.host.off};
    }

    std::vector<Socket> sockets_;
};

}  // namespace sipfront::sip

// Where a message came from and how to answer it, and the one shape in which messages reach a worker.
#pragma once

#include <span>
#include <string_view>

#include "core/endpoint.hpp"
#include "core/types.hpp"

namespace sipfront::core {

// Who sent it: anyone; a balanced host; a configured carrier.
enum class Zone : std::uint8_t { outside, cluster, carrier };

// `local` is the socket a message arrived at or must leave from; `remote` is the other end.
struct Flow {
    Endpoint local;
    Endpoint remote;
    ListenerId listener{};
    Transport transport = Transport::udp;
    Zone zone = Zone::outside;
    ConnectionId connection = no_connection;

    friend bool operator==(const Flow&, const Flow&) = default;
};

// A Flow in fewer octets, for records by the million: the listener tells its local end.
struct FarEnd {
    Endpoint remote;
    ConnectionId connection = no_connection;
    ListenerId listener{};
    Transport transport = Transport::udp;
    Zone zone = Zone::outside;

    FarEnd() = default;
    FarEnd(const Flow& f) noexcept  // NOLINT(google-explicit-constructor): it is the same thing
        : remote{f.remote}, connection{f.connection}, listener{f.listener}, transport{f.transport}, zone{f.zone} {}
};
static_assert(sizeof(FarEnd) == 28);

// One received message: a datagram, a message framed out of a stream, or a test's bytes; they all look the same.
// Trivially copyable, so that it crosses cores in a mailbox. `bytes` lives until Io::release() is called for it, on any worker.
struct Inbound {
    std::span<const char> bytes;
    Flow flow;
    void* buffer = nullptr;  // the port's own (an mbuf); opaque here

    [[nodiscard]] std::string_view text() const noexcept { return {bytes.data(), bytes.size()}; }
};
static_assert(std::is_trivially_copyable_v<Inbound>);

// A datagram of ours that did not arrive, as an ICMP error tells it. Anybody can write such an error: nothing in it is proven.
struct Undelivered {
    Inbound quote;               // how its message began, as far as the error shows; `flow` as it was sent, `remote` is the far end
    std::uint16_t path_mtu = 0;  // not 0: it was too long for the path, which takes IP packets of so many octets
};

}  // namespace sipfront::core

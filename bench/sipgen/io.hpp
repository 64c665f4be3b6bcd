// What a run needs of a port; the instances are SocketIo and EthernetIo. Hot seam, hence a concept.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include "bench/traffic/datagrams.hpp"
#include "core/tick.hpp"

namespace sipfront::sipgen {

struct PacketCounts {
    std::uint64_t received = 0, sent = 0;
    std::uint64_t send_dropped = 0;  // refused by the port
    std::uint64_t ignored = 0;       // frames that are none of ours
};

//   receive: up to in.size() datagrams; valid until release().
//   outgoing: rooms to write into; flush() sends.
//   wait: nothing is to be done for so long unless something comes in.
template <class T>
concept TrafficIo = requires(T io, std::span<traffic::In> in, core::Duration d) {
    { io.receive(in) } -> std::same_as<std::size_t>;
    {io.release()};
    { io.outgoing() } -> std::same_as<traffic::Outgoing&>;
    {io.wait(d)};
    { io.counts() } -> std::same_as<PacketCounts>;
};

}  // namespace sipfront::sipgen

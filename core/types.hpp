// Strong identifiers shared by every folder. Distinct ids are distinct types: none converts to another.
#pragma once

#include <compare>
#include <cstdint>
#include <type_traits>

namespace sipfront::core {

// A poll core. Everything that belongs to one call lives on the worker that its Call-ID hashes to.
enum class WorkerId : std::uint8_t {};
inline constexpr std::size_t max_workers = 64;

// A balanced host, stable for as long as any dialog refers to it; (group, URI) is its identity, never a row number.
enum class DestinationId : std::uint16_t {};
inline constexpr DestinationId no_destination{0xffff};

// A local SIP socket: address, port and transport we receive on and answer from.
enum class ListenerId : std::uint8_t {};

// A stream connection; 0 means "a datagram, no connection".
enum class ConnectionId : std::uint32_t {};
inline constexpr ConnectionId no_connection{0};

// A node of the active/standby pair, carried in cookies and branches.
enum class NodeId : std::uint8_t {};

template <class E>
requires std::is_enum_v<E>
constexpr auto raw(E e) noexcept { return static_cast<std::underlying_type_t<E>>(e); }

// Names a slab entry. The generation makes a stale handle miss instead of naming the entry's next tenant.
template <class Tag>
struct Handle {
    std::uint32_t index = 0xffffffff;
    std::uint32_t generation = 0;

    constexpr explicit operator bool() const noexcept { return index != 0xffffffff; }
    friend constexpr bool operator==(Handle, Handle) = default;
};

}  // namespace sipfront::core

// What passes between the engine and a port: datagrams received, and rooms to write datagrams into.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sipfront::traffic {

// An address the generator plays: the clients first, in the order of the configuration, then the hosts.
using Party = std::uint16_t;
// A far end, numbered by the port; 0 is the proxy as the clients address it.
using Peer = std::uint16_t;

struct In {
    const char* data = nullptr;  // valid during the call of Engine::receive
    std::uint32_t length = 0;
    Party to = 0;
    Peer from = 0;

    [[nodiscard]] std::string_view text() const noexcept { return {data, length}; }
};

struct Out {
    char* data = nullptr;
    std::uint32_t capacity = 0;
    std::uint32_t length = 0;
    Party from = 0;
    Peer to = 0;
    void* buffer = nullptr;  // the port's own
};

// Rooms that the port lent. When none is left the port is asked to send what is filled and to lend anew.
class Outgoing {
public:
    static constexpr std::size_t burst = 128;
    // Sends filled(), then calls lend(). Whatever it cannot send it drops and counts.
    using Flush = void (*)(void* context, Outgoing& self);

    Outgoing(Flush function, void* context) noexcept : flush_{function}, context_{context} {}

    // Null when the port has no room of that size.
    char* reserve(std::size_t size) noexcept {
        if (filled_ == lent_) flush();
        return filled_ < lent_ && size <= rooms_[filled_].capacity ? rooms_[filled_].data : nullptr;
    }
    void commit(std::size_t length, Party from, Peer to) noexcept {
        auto& room = rooms_[filled_++];
        room.length = static_cast<std::uint32_t>(length);
        room.from = from;
        room.to = to;
    }
    void flush() noexcept { flush_(context_, *this); }

    // --- for the port
    [[nodiscard]] std::span<Out> filled() noexcept { return {rooms_.data(), filled_}; }
    // The rooms not filled, whose buffers were lent already.
    [[nodiscard]] std::span<Out> spare() noexcept { return {rooms_.data() + filled_, lent_ - filled_}; }
    void lend(std::span<const Out> rooms) noexcept {
        filled_ = 0;
        lent_ = rooms.size();
        for (std::size_t i = 0; i < lent_; ++i) rooms_[i] = rooms[i];
    }

private:
    Flush flush_;
    void* context_;
    std::array<Out, burst> rooms_{};
    std::size_t filled_ = 0, lent_ = 0;
};

}  // namespace sipfront::traffic

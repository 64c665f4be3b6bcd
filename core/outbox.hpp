// The messages a worker sends in one burst. Effects of the proxy are data: finished bytes in buffers that the port lent,
// each with the flow it must take. The proxy writes straight into what will be transmitted.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "core/flow.hpp"

namespace sipfront::core {

// Writable room lent by the port. `data` has `capacity` octets; headroom for the lower layers lies in front of it.
struct OutBuffer {
    char* data = nullptr;
    std::uint32_t capacity = 0;
    void* buffer = nullptr;  // the port's own (an mbuf); opaque here
};

struct OutDatagram {
    OutBuffer room;
    std::uint32_t length = 0;
    Flow flow;
};

// One worker's; not shared. Holds up to `burst` filled datagrams and as many free buffers of each size.
class Outbox {
public:
    static constexpr std::size_t burst = 64;

    // Empties the filled datagrams (transmits them) and tops the free buffers up. Called when one of them runs out.
    // `context` is the I/O object; it must outlive the Outbox.
    using Refill = void (*)(void* context, Outbox& self);
    void on_exhausted(Refill function, void* context) noexcept {
        refill_ = function;
        context_ = context;
    }

    // Room for a message of `size` octets, or an empty span when the port has none (count it and drop).
    // The room stays reserved until commit() or the next reserve().
    std::span<char> reserve(std::size_t size) noexcept {
        if (filled_count_ == burst) [[unlikely]] {
            refill();
            if (filled_count_ == burst) return {};
        }
        auto* room = find(size);
        if (room == nullptr) [[unlikely]] {
            refill();
            room = find(size);
            if (room == nullptr) return {};
        }
        reserved_ = room;
        return {room->data, room->capacity};
    }

    // Hands over the first `length` octets of the reserved room, to leave by `flow` (local -> remote). Returns where that stands until
    // the next commit(), for what differs: a changed copy would be copied again before its parts have left the core.
    Flow& commit(std::size_t length, const Flow& flow) noexcept {
        assert(reserved_ != nullptr && length <= reserved_->capacity && filled_count_ < burst);
        // Field by field: a whole one would be copied before its parts have left the core.
        auto& d = filled_[filled_count_++];
        d.room = *reserved_;
        d.length = static_cast<std::uint32_t>(length);
        d.flow = flow;
        --*reserved_of_;
        reserved_ = nullptr;
        return d.flow;
    }

    // --- for the port ---
    [[nodiscard]] std::span<const OutDatagram> filled() const noexcept { return {filled_.data(), filled_count_}; }
    // The filled datagrams' buffers belong to the caller from here on.
    void clear_filled() noexcept { filled_count_ = 0; }
    [[nodiscard]] std::size_t small_missing() const noexcept { return burst - small_count_; }
    [[nodiscard]] std::size_t large_missing() const noexcept { return large_room - large_count_; }
    void lend_small(const OutBuffer& b) noexcept { small_[small_count_++] = b; }
    void lend_large(const OutBuffer& b) noexcept { large_[large_count_++] = b; }
    // Takes one free buffer back at shut-down; false when none is left.
    bool take_back(OutBuffer& b) noexcept {
        if (small_count_ > 0) return b = small_[--small_count_], true;
        if (large_count_ > 0) return b = large_[--large_count_], true;
        return false;
    }

private:
    static constexpr std::size_t large_room = 2;

    OutBuffer* find(std::size_t size) noexcept {
        if (small_count_ > 0 && size <= small_[small_count_ - 1].capacity) [[likely]] {
            reserved_of_ = &small_count_;
            return &small_[small_count_ - 1];
        }
        if (large_count_ > 0 && size <= large_[large_count_ - 1].capacity) {
            reserved_of_ = &large_count_;
            return &large_[large_count_ - 1];
        }
        return nullptr;
    }
    void refill() noexcept {
        if (refill_ != nullptr) refill_(context_, *this);
    }

    std::array<OutDatagram, burst> filled_{};
    std::array<OutBuffer, burst> small_{};
    std::array<OutBuffer, large_room> large_{};
    std::size_t filled_count_ = 0;
    std::size_t small_count_ = 0;
    std::size_t large_count_ = 0;
    OutBuffer* reserved_ = nullptr;
    std::size_t* reserved_of_ = nullptr;  // the count of the stack it is on
    Refill refill_ = nullptr;
    void* context_ = nullptr;
};

// What a worker needs of its port. Hot seam, hence a concept; the instances are dpdk::DpdkIo and the tests' FakeIo.
//   receive: up to in.size() SIP datagrams for any owner; link layers are already decoded and verified, and the octets are in the
//   cache or on their way there.
//   backlogged: whether messages may still wait since the last receive(), as far as the port can tell.
//   release: gives the buffers of received messages back; also for messages that another worker received. One without a buffer has
//   gone elsewhere.
//   lend:    tops up the outbox's free buffers.
//   transmit: sends outbox.filled() and clears it; what cannot be sent is dropped and counted by the port.
//   undelivered: up to out.size() ICMP errors of the last receive() about datagrams from our sockets, in bounded numbers; their buffers
//   are released like those of messages.
//   limit_path: IP packets to that address have at most `mtu` octets from now on, for a bounded time.
template <class Io>
concept PacketIo = requires(Io io, std::span<Inbound> in, Outbox& out, std::span<Undelivered> errors) {
    { io.receive(in) } -> std::same_as<std::size_t>;
    { io.backlogged() } -> std::convertible_to<bool>;
    {io.release(std::span<const Inbound>{in})};
    {io.lend(out)};
    {io.transmit(out)};
    { io.undelivered(errors) } -> std::same_as<std::size_t>;
    {io.limit_path(IpAddress{}, std::uint16_t{1500})};
};

// A port that has streams as well. A flow with a connection leaves by that connection alone; one over a stream without a connection
// leaves by one to its remote end that we have opened, or that is opened now. What finds none comes back (RFC 3261 §18.4):
//   returned: up to in.size() messages that this worker's transmit() took and no stream did, whole, each with its flow as it was; they are
//   released like received ones.
template <class Io>
concept StreamIo = PacketIo<Io> && requires(Io io, std::span<Inbound> in) {
    { io.returned(in) } -> std::same_as<std::size_t>;
};

}  // namespace sipfront::core

// A port of memory, for whole workers without a NIC. Received messages lie in a ring much larger than the caches, as a NIC's buffers
// do, and as these in huge pages; sent ones are kept until they have been looked at.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "core/flow.hpp"
#include "core/outbox.hpp"
#include "core/reservation.hpp"

namespace sipfront::bench {

class MemoryIo {
public:
    MemoryIo() : ring_{slots * slot}, rooms_{rooms * slot}, sent_(rooms) {
        // Pages that the kernel has yet to give would be on the worker's account.
        std::memset(ring_.data(), 0, ring_.size());
        std::memset(rooms_.data(), 0, rooms_.size());
        for (std::size_t i = 0; i < rooms; ++i) free_.push_back(static_cast<char*>(rooms_.data()) + i * slot);
    }
    MemoryIo(const MemoryIo&) = delete;
    MemoryIo& operator=(const MemoryIo&) = delete;

    // As a port whose queue never runs empty.
    bool flooded = false;

    void put(std::string_view text, const core::Endpoint& from, const core::Endpoint& to) {
        char* room = static_cast<char*>(ring_.data()) + (next_++ % slots) * slot;
        if (text.size() > slot) throw std::length_error{"a message is longer than a buffer"};
        std::memcpy(room, text.data(), text.size());
        octets_ += text.size();
        core::Inbound in;
        in.bytes = {room, text.size()};
        in.flow.local = to;
        in.flow.remote = from;
        waiting_.push_back(in);
    }
    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size() - taken_; }
    [[nodiscard]] bool quiet() const noexcept { return taken_ == waiting_.size(); }

    std::size_t receive(std::span<core::Inbound> in) {
        const auto n = std::min(in.size(), waiting_.size() - taken_);
        std::copy_n(waiting_.begin() + static_cast<std::ptrdiff_t>(taken_), n, in.begin());
        taken_ += n;
        if (taken_ == waiting_.size()) {
            waiting_.clear();
            taken_ = 0;
        }
        return n;
    }
    [[nodiscard]] bool backlogged() const noexcept { return flooded || !quiet(); }
    void release(std::span<const core::Inbound>) {}
    void lend(core::Outbox& out) {
        while (out.small_missing() > 0 && !free_.empty()) {
            out.lend_small({free_.back(), slot, nullptr});
            free_.pop_back();
        }
    }
    void transmit(core::Outbox& out) {
        for (const auto& d : out.filled()) octets_ += d.length;
        std::memcpy(&sent_[sent_count_], out.filled().data(), out.filled().size_bytes());
        sent_count_ += out.filled().size();
        out.clear_filled();
    }
    std::size_t undelivered(std::span<core::Undelivered>) { return 0; }
    void limit_path(const core::IpAddress&, std::uint16_t) {}

    [[nodiscard]] std::span<const core::OutDatagram> sent() const noexcept { return {sent_.data(), sent_count_}; }
    void forget_sent() {
        for (const auto& d : sent()) free_.push_back(d.room.data);
        sent_count_ = 0;
    }

    // Of all messages in and out.
    [[nodiscard]] std::uint64_t octets() const noexcept { return octets_; }

private:
    // An odd number of lines, as mempools have it: buffers that all begin in the same set of a cache would evict each other.
    static constexpr std::size_t slot = 4096 + 64;
    static constexpr std::size_t slots = 64 * 1024;  // 256 MiB
    static constexpr std::size_t rooms = 64 * core::Outbox::burst;

    core::Reservation ring_, rooms_;
    std::vector<char*> free_;
    std::vector<core::Inbound> waiting_;
    std::vector<core::OutDatagram> sent_;
    std::size_t sent_count_ = 0, next_ = 0, taken_ = 0;
    std::uint64_t octets_ = 0;
};

}  // namespace sipfront::bench

// Frames of one worker that wait for the MAC address of their next hop, bounded in number and time. Pure: frames are opaque pointers.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "core/endpoint.hpp"
#include "core/tick.hpp"
#include "dpdk/hop_cache.hpp"
#include "dpdk/next_hops.hpp"

struct rte_mbuf;

namespace sipfront::dpdk {

class WaitingRoom {
public:
    static constexpr std::size_t capacity = 64;
    // Of one next hop: a dead host must not keep the others' frames out.
    static constexpr std::size_t per_hop = 24;
    static constexpr core::Duration patience = std::chrono::seconds{1};
    static constexpr core::Duration ask_again = std::chrono::milliseconds{250};

    // False when there is no room; the frame stays the caller's.
    bool add(rte_mbuf* frame, const core::IpAddress& hop, core::Tick now) noexcept {
        if (count_ == capacity) return false;
        std::size_t same = 0;
        for (std::size_t i = 0; i < count_; ++i) same += waiting_[i].hop == hop ? 1U : 0U;
        if (same >= per_hop) return false;
        waiting_[count_++] = {frame, hop, now + patience};
        return true;
    }

    // Whether control should be asked about a hop now: at most once per ask_again for each (more often when hops share a slot).
    bool should_ask(const core::IpAddress& hop, core::Tick now) noexcept {
        auto& last = asked_[direct_slot(hop, asked_.size())];
        if (last.hop == hop && now < last.at + ask_again) return false;
        last = {hop, now};
        return true;
    }

    // Calls send(frame, mac) for each frame whose hop is known by now and expire(frame) for each that waited too long, oldest first.
    template <class Send, class Expire>
    void sweep(const NextHops& hops, core::Tick now, Send&& send, Expire&& expire) {
        if (count_ == 0) return;
        // They are in order of their deadlines.
        if (hops.generation() == swept_generation_ && count_ == swept_count_ && now < waiting_[0].deadline) return;
        std::size_t kept = 0;
        for (std::size_t i = 0; i < count_; ++i) {
            const auto w = waiting_[i];
            if (const auto* mac = hops.neighbour(w.hop)) {
                send(w.frame, *mac);
            } else if (now >= w.deadline) {
                expire(w.frame);
            } else {
                waiting_[kept++] = w;
            }
        }
        count_ = swept_count_ = kept;
        swept_generation_ = hops.generation();
    }

    // Gives every frame to expire(frame).
    template <class Expire>
    void clear(Expire&& expire) {
        for (std::size_t i = 0; i < count_; ++i) expire(waiting_[i].frame);
        count_ = 0;
    }

    [[nodiscard]] std::size_t size() const noexcept { return count_; }

private:
    struct Waiting {
        rte_mbuf* frame = nullptr;
        core::IpAddress hop;
        core::Tick deadline{};
    };
    struct Asked {
        core::IpAddress hop;
        core::Tick at{};
    };

    std::array<Waiting, capacity> waiting_{};
    std::array<Asked, 64> asked_{};
    std::size_t count_ = 0;
    std::size_t swept_count_ = 0;
    std::uint64_t swept_generation_ = 0;
};

}  // namespace sipfront::dpdk

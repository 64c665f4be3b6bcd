// Which worker puts a fragmented datagram together, and the way of its fragments there: RSS may have spread them over queues. A
// process with one worker has no lanes and asks no one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/hash.hpp"
#include "core/mailbox.hpp"
#include "core/steering.hpp"
#include "core/types.hpp"
#include "dpdk/headers.hpp"

struct rte_mbuf;

namespace sipfront::dpdk {

// Made by control before the workers start. A frame in a lane belongs to the lane's receiver.
class FragmentLanes {
public:
    using Lane = core::Mailbox<rte_mbuf*, 256>;

    FragmentLanes(const core::SecretKey& key, std::uint32_t workers) : steering_{core::HashKey{key}, workers} {
        if (workers > 1)
            for (std::uint32_t i = 0; i < workers * workers; ++i) lanes_.push_back(std::make_unique<Lane>());
    }

    // Equal for the fragments of one packet (RFC 791 3.2, RFC 8200 4.5).
    [[nodiscard]] std::uint64_t hash(const Fragment& f) const noexcept {
        const auto text = [](const core::IpAddress& a) {
            return std::string_view{reinterpret_cast<const char*>(a.bytes().data()), a.bytes().size()};
        };
        const auto rest = (std::uint64_t{f.id} << 8) | (f.source.is_v4() ? f.protocol : 0U);
        return core::digest(steering_.key(), text(f.destination), core::digest(steering_.key(), text(f.source), rest));
    }
    [[nodiscard]] core::WorkerId owner(std::uint64_t hash) const noexcept { return steering_.owner(hash); }

    // --- worker `from` ---
    // False when the lane is full; the frame stays the caller's.
    bool try_post(core::WorkerId from, core::WorkerId to, rte_mbuf* frame) noexcept { return lane(from, to).try_post(frame); }

    // --- worker `to` ---
    // Frames on their way to it, at least.
    [[nodiscard]] std::size_t waiting(core::WorkerId to) const noexcept {
        std::size_t n = 0;
        for (auto i = std::size_t{core::raw(to)}; i < lanes_.size(); i += steering_.workers()) n += lanes_[i]->depth();
        return n;
    }
    // f(rte_mbuf*) for up to `most` frames; returns how many.
    template <class F>
    std::size_t consume(core::WorkerId to, F&& f, std::size_t most = static_cast<std::size_t>(-1)) {
        std::size_t n = 0;
        for (auto i = std::size_t{core::raw(to)}; i < lanes_.size() && n < most; i += steering_.workers())
            n += lanes_[i]->consume(f, most - n);
        return n;
    }

private:
    [[nodiscard]] Lane& lane(core::WorkerId from, core::WorkerId to) noexcept {
        return *lanes_[std::size_t{core::raw(from)} * steering_.workers() + core::raw(to)];
    }

    core::Steering steering_;
    std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace sipfront::dpdk

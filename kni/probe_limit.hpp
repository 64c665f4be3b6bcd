// Bounds how often the kernel is asked about neighbours. Pure; one thread.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>

#include "core/endpoint.hpp"
#include "core/tick.hpp"

namespace sipfront::kni {

// At most `rate` probes a second in all, and each address at most once in `pause`: the kernel itself retransmits meanwhile.
class ProbeLimit {
public:
    static constexpr core::Duration pause = std::chrono::seconds{1};

    explicit ProbeLimit(std::uint32_t rate) : rate_{rate} {}

    [[nodiscard]] bool admit(const core::IpAddress& address, core::Tick now) {
        if (now - window_ >= pause) {
            older_ = now - window_ >= 2 * pause ? Table{} : std::exchange(recent_, {});
            recent_.clear();
            window_ = now;
            used_ = 0;
        }
        if (used_ >= rate_ || asked(recent_, address, now) || asked(older_, address, now)) return false;
        ++used_;
        recent_.insert_or_assign(address, now);
        return true;
    }

private:
    using Table = std::unordered_map<core::IpAddress, core::Tick, core::EndpointHash>;

    static bool asked(const Table& table, const core::IpAddress& address, core::Tick now) {
        const auto at = table.find(address);
        return at != table.end() && now - at->second < pause;
    }

    std::uint32_t rate_;
    std::uint32_t used_ = 0;  // in this window
    core::Tick window_{};
    Table recent_, older_;  // of this window and of the one before, so at most twice `rate` entries
};

}  // namespace sipfront::kni

// Overload control: which share of the new work a worker takes on while its queues do not run empty. RFC 6357 (what such a control
// must get right), RFC 5390 (requirements), RFC 8289 (a queue that stands is the signal, one that comes and goes is not).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "balancer/config.hpp"
#include "core/flow.hpp"
#include "core/tick.hpp"

namespace sipfront::balancer {

// A share of the new work in units of 2^-32.
using Admission = std::uint64_t;
inline constexpr Admission admit_all = std::uint64_t{1} << 32;

// OverloadConfig made quick to ask. Immutable, part of a snapshot, read by all workers.
class OverloadPolicy {
public:
    OverloadPolicy() : OverloadPolicy(OverloadConfig{}) {}
    explicit OverloadPolicy(const OverloadConfig& config);

    [[nodiscard]] bool enabled() const noexcept { return enabled_; }
    [[nodiscard]] core::Duration target_delay() const noexcept { return target_delay_; }
    // A whole header line; `seed` spreads it, so that those refused together do not come back together (RFC 3261 §21.5.4).
    [[nodiscard]] std::string_view retry_after(std::uint64_t seed) const noexcept { return retry_after_[seed % retry_after_.size()]; }
    // Whether a request is never refused: an emergency call by its Request-URI, or a Resource-Priority (RFC 4412) that a carrier
    // vouches for. `resource_priority`: the header field's value, or empty.
    [[nodiscard]] bool has_priority(std::string_view request_uri, std::string_view resource_priority, core::Zone from) const noexcept;

private:
    bool enabled_;
    core::Duration target_delay_;
    std::vector<std::string> retry_after_;
    std::vector<std::string> users_, uris_, priorities_;  // lower case
};

// One worker's. Two parts: a share that moves every interval towards the one at which queues stand for half of the time, by steps that
// become small once it is near and large again when it has moved away; and a cut of it, poll by poll, while a queue stands, so that no
// receive ring overflows meanwhile and what is in progress finds room in it. No clock, no allocation.
class OverloadControl {
public:
    static constexpr core::Duration interval = std::chrono::milliseconds{10};
    // What took longer was a pause of the core, not a poll.
    static constexpr core::Duration longest_poll = std::chrono::milliseconds{2};
    // How long one and the same call meets the same verdict, its retransmissions included; then others have their turn.
    static constexpr core::Duration epoch = std::chrono::seconds{4};

    // `seed` differs from worker to worker and from process to process.
    OverloadControl(std::uint64_t seed, core::Tick now) noexcept : seed_{seed | 1}, polled_{now}, began_{now} {}

    // A poll begins. True: an interval has ended.
    bool begin(core::Tick now, const OverloadPolicy& policy) noexcept {
        const auto taken = now - polled_;
        polled_ = now;
        if (standing_) {
            stood_ += std::min(taken, longest_poll);
        } else if (taken > longest_poll) [[unlikely]] {
            pause();
        }
        if (now - began_ < interval) [[likely]]
            return false;
        decide(now, policy);
        return true;
    }
    // What the poll left: whether messages wait in some queue of this worker.
    void end(bool standing, const OverloadPolicy& policy) noexcept {
        if (standing) [[unlikely]]
            return stand(policy);
        streak_ = 0;
        if (!standing_) [[likely]]
            return;
        standing_ = false;
        share_ = to_admission(base_);
    }

    [[nodiscard]] bool engaged() const noexcept { return engaged_; }
    // In force until the next end().
    [[nodiscard]] Admission share() const noexcept { return share_; }
    // Whether a call may begin under a share: this worker's or that of one which has to carry it, too.
    [[nodiscard]] bool admits(std::uint64_t call_id_hash, Admission share) const noexcept {
        const auto mixed = ((call_id_hash ^ (call_id_hash >> 32)) ^ seed_) * 0x9e3779b97f4a7c15;
        return mixed >> 32 < share;
    }

    // For those who show it. The share without the passing cuts:
    [[nodiscard]] Admission steady_share() const noexcept { return to_admission(base_); }
    // of the last interval, the part in which a queue stood:
    [[nodiscard]] double standing() const noexcept { return pressure_; }
    // and since the beginning, time in which a queue stood, and how often work began to be refused.
    [[nodiscard]] core::Duration stood() const noexcept { return stood_all_; }
    [[nodiscard]] std::uint64_t episodes() const noexcept { return episodes_; }

private:
    static Admission to_admission(double share) noexcept { return static_cast<Admission>(share * static_cast<double>(admit_all)); }
    void pause() noexcept;
    void stand(const OverloadPolicy& policy) noexcept;
    void decide(core::Tick now, const OverloadPolicy& policy) noexcept;
    void adjust() noexcept;

    std::uint64_t seed_;
    core::Tick polled_, began_;  // began_: the interval
    core::Tick since_{}, epoch_end_{};
    core::Duration stood_{0}, stood_all_{0};
    Admission share_ = admit_all;
    double base_ = 1, pressure_ = 0, step_ = 0;
    std::uint64_t episodes_ = 0;
    std::int32_t streak_ = 0;     // polls in a row that left messages; below 0: what a pause left behind is still being taken
    std::uint32_t same_way_ = 0;  // changes in the same direction
    std::uint32_t calm_ = 0;      // intervals in a row without a need
    bool standing_ = false, engaged_ = false, shrinking_ = false;
};

}  // namespace sipfront::balancer

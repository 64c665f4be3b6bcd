#include "dpdk/lcore.hpp"

#include <algorithm>
#include <ctime>

#include <rte_cycles.h>
#include <rte_pause.h>

namespace sipfront::dpdk {
namespace {

constexpr std::uint64_t ns_per_second = 1'000'000'000;
// So many that the factor, rounded up, adds less than a nanosecond in ten years, and that it fits from 63 MHz on.
constexpr int fraction_bits = 60;
__extension__ using Product = unsigned __int128;

}  // namespace

TickScale::TickScale(std::uint64_t hz) noexcept
    : hz_{hz}, ns_per_cycle_{static_cast<std::uint64_t>(((static_cast<Product>(ns_per_second) << fraction_bits) + hz - 1) / hz)} {}

core::Duration TickScale::duration(std::uint64_t cycles) const noexcept {
    return core::Duration{static_cast<core::Duration::rep>((static_cast<Product>(cycles) * ns_per_cycle_) >> fraction_bits)};
}

std::uint64_t TickScale::cycles(core::Duration d) const noexcept {
    const auto ns = static_cast<std::uint64_t>(std::max<core::Duration::rep>(d.count(), 0));
    return ns / ns_per_second * hz_ + ns % ns_per_second * hz_ / ns_per_second;
}

TscClock::TscClock()
    : scale_{rte_get_tsc_hz()}, origin_{rte_get_tsc_cycles()}, start_{std::chrono::steady_clock::now().time_since_epoch()} {}

core::Tick TscClock::now() const noexcept { return start_ + scale_.duration(rte_get_tsc_cycles() - origin_); }

std::uint64_t TscClock::cycles() noexcept { return rte_get_tsc_cycles(); }

IdlePolicy::IdlePolicy(const Config& config) noexcept : config_{config}, sleep_{config.first_sleep} {}

IdlePolicy::Step IdlePolicy::after_poll(std::size_t work) noexcept {
    if (work > 0 || !config_.adaptive) {
        empty_ = 0;
        sleep_ = config_.first_sleep;
        return {};
    }
    if (empty_ < config_.pause_polls) {
        ++empty_;
        return {empty_ <= config_.spin_polls ? Step::Do::poll : Step::Do::pause, {}};
    }
    const auto now = std::min(sleep_, config_.longest_sleep);
    sleep_ = std::min(sleep_ * 2, config_.longest_sleep);
    return {Step::Do::sleep, now};
}

void cpu_pause() noexcept { rte_pause(); }

void idle_sleep(core::Duration d) noexcept {
    const timespec t{static_cast<std::time_t>(d / std::chrono::seconds{1}), static_cast<long>((d % std::chrono::seconds{1}).count())};
    (void)nanosleep(&t, nullptr);
}

}  // namespace sipfront::dpdk

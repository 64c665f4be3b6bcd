#include "balancer/overload.hpp"

#include <algorithm>

#include "sip/grammar.hpp"
#include "sip/uri.hpp"

namespace sipfront::balancer {
namespace {

// A receive ring of the usual length is taken in sixteen polls. What a pause of the core left behind is no overload.
constexpr std::int32_t ring_polls = 16, least_streak = 2 * ring_polls;
// Polls that may leave something before the share is cut, since bursts are not evenly spread; and those until nothing new is
// admitted, when the ring is still half empty.
constexpr std::int32_t free_polls = 2, cut_polls = ring_polls / 2;
// The part of the time that a queue may stand: the core has work at any moment, and the queue stays short.
constexpr double goal = 0.5;
// Of the share, per interval: threefold load is met within a tenth of a second, and what is lost around the goal is little.
constexpr double largest_step = 0.15, smallest_step = 0.01;
constexpr std::uint32_t patience = 4;
// Something is always admitted: it is how the end of the overload shows.
constexpr double least_share = 0.01;
// Intervals without a need until the control lets go: a load just above what is possible is not met anew again and again.
constexpr std::uint32_t calm_enough = 50;

std::string lower(std::string_view s) {
    std::string out{s};
    std::ranges::transform(out, out.begin(), sip::grammar::lower);
    return out;
}

bool caseless_begins(std::string_view text, std::string_view lower_case) noexcept {
    return text.size() >= lower_case.size() &&
           std::equal(lower_case.begin(), lower_case.end(), text.begin(), [](char l, char c) { return l == sip::grammar::lower(c); });
}

// Whether `user` is the user of a sip or sips URI or the number of a tel URI.
bool is_user(std::string_view uri, std::size_t colon, std::string_view user) noexcept {
    const auto rest = uri.substr(colon + 1);
    if (!caseless_begins(rest, user)) return false;
    const auto behind = rest.substr(user.size());
    if (behind.starts_with('@')) return true;
    if (!behind.empty() && behind.front() != ';' && behind.front() != ':') return false;
    // Without "@" it is a host, but for a telephone number.
    return caseless_begins(uri, "tel:") || behind.find('@') != std::string_view::npos;
}

}  // namespace

OverloadPolicy::OverloadPolicy(const OverloadConfig& config) : enabled_{config.enabled}, target_delay_{config.target_delay} {
    const auto last = std::max(config.retry_after_min, config.retry_after_max);
    for (auto s = config.retry_after_min; s <= last; ++s) retry_after_.push_back("Retry-After: " + std::to_string(s.count()) + "\r\n");
    for (const auto& e : config.emergency) (e.find(':') == std::string::npos ? users_ : uris_).push_back(lower(e));
    for (const auto& p : config.resource_priority) priorities_.push_back(lower(p));
}

bool OverloadPolicy::has_priority(std::string_view request_uri, std::string_view resource_priority, core::Zone from) const noexcept {
    for (const auto& u : uris_)
        if (caseless_begins(request_uri, u)) return true;
    // sip, sips, tel
    for (const std::size_t colon : {std::size_t{3}, std::size_t{4}}) {
        if (request_uri.size() <= colon || request_uri[colon] != ':') continue;
        for (const auto& u : users_)
            if (is_user(request_uri, colon, u)) return true;
        break;
    }
    // Anyone may write the header field; only a carrier's is worth something (RFC 4412 §11).
    if (from != core::Zone::carrier) return false;
    for (std::string_view one; sip::next_value(resource_priority, one);)
        if (std::ranges::any_of(priorities_, [one](const std::string& p) { return sip::iequals(one, p); })) return true;
    return false;
}

void OverloadControl::pause() noexcept {
    streak_ = -ring_polls;
    since_ = polled_;
}

void OverloadControl::stand(const OverloadPolicy& policy) noexcept {
    if (!standing_ && streak_ == 0) since_ = polled_;
    standing_ = true;
    ++streak_;
    if (!engaged_) {
        if (streak_ < least_streak || polled_ - since_ < policy.target_delay() || !policy.enabled()) return;
        engaged_ = shrinking_ = true;
        ++episodes_;
        epoch_end_ = polled_ + epoch;
        step_ = largest_step;
        same_way_ = calm_ = 0;
    }
    if (streak_ <= free_polls) return;
    const auto cut = static_cast<double>(std::min(streak_ - free_polls, cut_polls)) / cut_polls;
    share_ = to_admission(std::max(base_ * (1 - cut), least_share));
}

void OverloadControl::decide(core::Tick now, const OverloadPolicy& policy) noexcept {
    pressure_ = std::min(1.0, static_cast<double>(stood_.count()) / static_cast<double>((now - began_).count()));
    stood_all_ += stood_;
    stood_ = {};
    began_ = now;
    if (!engaged_) return;
    adjust();
    if (!policy.enabled()) {
        engaged_ = false;
        base_ = 1;
    }
    if (!standing_ || !engaged_) share_ = to_admission(base_);
    if (now < epoch_end_) return;
    seed_ = seed_ * 0xd1342543de82ef95 + 0x2545f4914f6cdd1d;
    epoch_end_ = now + epoch;
}

void OverloadControl::adjust() noexcept {
    const bool shrink = pressure_ > goal;
    const auto weight = shrink ? (pressure_ - goal) / (1 - goal) : (goal - pressure_) / goal;
    if (shrink != shrinking_) {
        shrinking_ = shrink;
        same_way_ = 0;
        step_ = std::max(step_ / 2, smallest_step);
    } else if (++same_way_ % patience == 0) {
        step_ = std::min(step_ * 1.5, largest_step);
    }
    base_ = std::clamp(base_ * (shrink ? 1 - step_ * weight : 1 / (1 - step_ * weight)), least_share, 1.0);
    calm_ = base_ == 1 && !shrink ? calm_ + 1 : 0;
    engaged_ = calm_ < calm_enough;
}

}  // namespace sipfront::balancer

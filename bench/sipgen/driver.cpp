#include "bench/sipgen/driver.hpp"

namespace sipfront::sipgen {

Plan::Plan(const Options& options) noexcept
    : mode_{options.mode}, low_{options.span.from}, high_{options.span.to}, step_{options.span.step} {
    next_ = mode_ == Options::Mode::rate ? options.rate : low_;
}

void Plan::learn(bool passed) noexcept {
    const auto tried = next_;
    if (passed) best_ = std::max(best_, tried);
    next_ = 0;
    if (mode_ == Options::Mode::ramp) {
        if (tried + step_ <= high_ * (1 + 1e-9)) next_ = tried + step_;
    } else if (mode_ == Options::Mode::search) {
        if (tried == low_ && !passed) return;
        if (!top_tried_) {
            // The upper end next: it may pass.
            top_tried_ = true;
            next_ = high_;
            return;
        }
        if (tried == high_ && passed) return;
        (passed ? low_ : high_) = tried;
        if (high_ - low_ > precision * high_) next_ = (low_ + high_) / 2;
    }
}

}  // namespace sipfront::sipgen

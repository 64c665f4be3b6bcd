// A worker's view of host names: answers out of the table that control publishes, questions into a mailbox to control.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "app/switchboard.hpp"
#include "core/names.hpp"
#include "core/published.hpp"
#include "sip/name_service.hpp"

namespace sipfront::app {

class NameLookup final : public sip::NameService {
public:
    // `names` and `switchboard` outlive it.
    NameLookup(core::WorkerId self, core::Published<core::NameTable>& names, const core::SecretKey& key, Switchboard& switchboard) noexcept
        : self_{self}, names_{names}, key_{key}, switchboard_{switchboard} {}

    // Once a poll; true when there is another table than before.
    bool refresh(core::Tick now) noexcept {
        now_ = now;
        const auto* before = table_;
        table_ = names_.acquire(self_);
        return table_ != before;
    }
    // Holds no table any more.
    void leave() noexcept {
        table_ = nullptr;
        names_.leave(self_);
    }

    [[nodiscard]] std::uint64_t key_of(const core::NameQuestion& q) const override { return q.key(key_); }
    [[nodiscard]] const core::NameAnswer* find(std::uint64_t key, core::Tick now) override {
        return table_ == nullptr ? nullptr : table_->find(key, now);
    }
    bool ask(const core::NameQuestion& q) override {
        const auto key = key_of(q);
        auto& last = asked_[key % asked_.size()];
        if (last.key == key && now_ < last.again) return true;
        if (!switchboard_.questions(self_).try_post(q)) return false;
        last = {key, now_ + pause};
        return true;
    }

private:
    // Many requests may want the same name before its answer is there: one question will do.
    static constexpr core::Duration pause = std::chrono::milliseconds{100};
    struct Asked {
        std::uint64_t key = 0;
        core::Tick again{};
    };

    core::WorkerId self_;
    core::Published<core::NameTable>& names_;
    core::HashKey key_;
    Switchboard& switchboard_;
    const core::NameTable* table_ = nullptr;
    core::Tick now_{};
    std::array<Asked, 64> asked_;
};

}  // namespace sipfront::app

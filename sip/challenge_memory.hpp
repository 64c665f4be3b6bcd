// Which host challenged a Call-ID (401 or 407): nonces are per host, so the request that answers must reach the same one.
// Bounded in count and time; the oldest entry makes room.
#pragma once

#include <cstdint>
#include <memory>

#include "core/flat_table.hpp"
#include "core/tick.hpp"
#include "core/types.hpp"

namespace sipfront::sip {

class ChallengeMemory {
public:
    ChallengeMemory(std::uint32_t capacity, core::Duration keep)
        : capacity_{capacity}, keep_{keep}, table_{capacity}, ring_{std::make_unique<std::uint64_t[]>(capacity)} {}

    void remember(std::uint64_t call_id_hash, core::DestinationId host, core::Tick now) noexcept {
        const auto key = key_of(call_id_hash);
        if (auto* known = table_.find(key)) {
            *known = {now + keep_, host};
            return;
        }
        if (count_ == capacity_) {
            table_.erase(ring_[first_]);
            first_ = (first_ + 1) % capacity_;
            --count_;
        }
        if (!table_.insert(key, {now + keep_, host})) return;
        ring_[(first_ + count_) % capacity_] = key;
        ++count_;
    }

    [[nodiscard]] core::DestinationId find(std::uint64_t call_id_hash, core::Tick now) noexcept {
        const auto* e = table_.find(key_of(call_id_hash));
        return e != nullptr && now < e->until ? e->host : core::no_destination;
    }

    [[nodiscard]] std::uint32_t size() const noexcept { return count_; }

private:
    struct Entry {
        core::Tick until;
        core::DestinationId host;
    };
    static std::uint64_t key_of(std::uint64_t h) noexcept { return h == 0 ? 1 : h; }

    std::uint32_t capacity_;
    core::Duration keep_;
    core::FlatTable<Entry> table_;
    std::unique_ptr<std::uint64_t[]> ring_;  // keys in the order they came
    std::uint32_t first_ = 0, count_ = 0;
};

}  // namespace sipfront::sip

// Which worker owns a call: decided by a keyed hash of the Call-ID alone, so every core and both nodes' halves agree.
#pragma once

#include <cassert>
#include <cstdint>
#include <string_view>

#include "core/hash.hpp"
#include "core/types.hpp"

namespace sipfront::core {

// Immutable after construction; any thread.
class Steering {
public:
    // `workers`: 1 to max_workers.
    Steering(const HashKey& key, std::uint32_t workers) noexcept : key_{key}, workers_{workers} { assert(workers >= 1 && workers <= max_workers); }

    [[nodiscard]] std::uint64_t hash(std::string_view call_id) const noexcept { return digest(key_, call_id); }
    // Multiply-shift of the upper half: even for any number of workers, no division. The lower half stays free for tables.
    [[nodiscard]] WorkerId owner(std::uint64_t hash) const noexcept {
        return WorkerId{static_cast<std::uint8_t>(((hash >> 32) * workers_) >> 32)};
    }
    [[nodiscard]] WorkerId owner_of(std::string_view call_id) const noexcept { return owner(hash(call_id)); }
    [[nodiscard]] const HashKey& key() const noexcept { return key_; }
    [[nodiscard]] std::uint32_t workers() const noexcept { return workers_; }

private:
    HashKey key_;
    std::uint32_t workers_;
};

}  // namespace sipfront::core

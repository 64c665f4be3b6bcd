// What is left of a final response when everything that its request repeats is taken away: the status line, the To tag that the
// request lacked, the header fields of its own, the body. From a repeated request and this the response is made again
// (RFC 3261 §8.2.6), so that an answered transaction need not keep the whole of it for 32 seconds. Hosts answer alike, so each text is
// kept once.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/byte_slab.hpp"
#include "core/flat_table.hpp"
#include "core/slab.hpp"

namespace sipfront::sip {

// One worker's; bounded, no allocation after construction.
class Residues {
public:
    using Id = std::uint32_t;
    static constexpr Id none = 0xffffffff;

    // `seed`: kept from those who choose the texts.
    Residues(std::uint32_t capacity, core::ByteSlab& bytes, std::uint64_t seed);
    Residues(const Residues&) = delete;
    Residues& operator=(const Residues&) = delete;
    ~Residues();

    // One more user of a text; `none` when there is no room.
    [[nodiscard]] Id hold(std::string_view text) noexcept;
    // One user less.
    void release(Id id) noexcept;
    [[nodiscard]] std::string_view text(Id id) const noexcept;
    [[nodiscard]] std::uint32_t size() const noexcept { return texts_.size(); }

private:
    struct Text {
        core::Bytes bytes;
        std::uint64_t hash = 0;  // 0: another text has this one's place in the index
        std::uint32_t users = 0;
    };

    core::Slab<Text> texts_;
    core::FlatTable<Id> by_hash_;
    core::ByteSlab& bytes_;
    std::uint64_t seed_;
};

}  // namespace sipfront::sip

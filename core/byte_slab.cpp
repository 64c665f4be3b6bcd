#include "core/byte_slab.hpp"

#include <algorithm>

namespace sipfront::core {

ByteSlab::ByteSlab(std::uint64_t bytes) : capacity_{std::max<std::uint64_t>(bytes / piece, 1) * piece}, memory_{capacity_} {}

char* ByteSlab::take(std::size_t size_class) noexcept {
    auto& c = classes_[size_class];
    if (c.free != nullptr) {
        auto* const block = c.free;
        c.free = block->next;
        set_mark(*block, 0);
        return reinterpret_cast<char*>(block);
    }
    const auto block_size = class_sizes[size_class];
    if (c.bump_blocks == 0) {
        if (carved_ == capacity_) return nullptr;
        c.bump = static_cast<char*>(memory_.data()) + carved_;
        c.bump_blocks = piece / block_size;
        carved_ += piece;
    }
    auto* const block = c.bump;
    c.bump += block_size;
    --c.bump_blocks;
    return block;
}

// Nothing is free in its class.
Bytes ByteSlab::allocate_new(std::uint32_t size) noexcept {
    if (size > largest) return {};
    for (std::size_t fits = class_of(size); fits < class_sizes.size(); ++fits) {
        if (char* const block = take(fits); block != nullptr) {
            used_ += class_sizes[fits];
            return {block, size, static_cast<std::uint32_t>(fits)};
        }
    }
    return {};
}

}  // namespace sipfront::core

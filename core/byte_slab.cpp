#include "core/byte_slab.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <new>

namespace sipfront::core {

// Lives in a free block. The mark tells a second release() of the same block from a first one in debug builds.
struct ByteSlab::FreeBlock {
    FreeBlock* next;
    std::uint64_t mark;
};

namespace {

std::uint64_t mark_of(const char* block) noexcept { return reinterpret_cast<std::uintptr_t>(block) ^ 0xf7eeb10cf7eeb10c; }

}  // namespace

ByteSlab::ByteSlab(std::uint64_t bytes) : capacity_{std::max<std::uint64_t>(bytes / piece, 1) * piece}, memory_{capacity_} {}

std::uint8_t ByteSlab::class_of(std::uint32_t size) noexcept {
    if (size > largest) return static_cast<std::uint8_t>(class_sizes.size());
    const auto last = std::uint64_t{std::max(size, 1U)} - 1;
    if (last < fine_classes * fine_step) return static_cast<std::uint8_t>(last / fine_step);
    // The doubling that holds it, and which quarter of that.
    const auto doubling = static_cast<unsigned>(std::bit_width(last)) - 10;
    const auto quarter = (last >> (doubling + 7)) & 3;
    return static_cast<std::uint8_t>(fine_classes + 4 * doubling + quarter);
}

char* ByteSlab::take(std::uint8_t size_class) noexcept {
    auto& c = classes_[size_class];
    if (c.free != nullptr) {
        auto* const block = c.free;
        c.free = block->next;
        __builtin_prefetch(c.free);
        block->mark = 0;
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

Bytes ByteSlab::allocate(std::uint32_t size) noexcept {
    for (std::size_t fits = class_of(size); fits < class_sizes.size(); ++fits) {
        const auto size_class = static_cast<std::uint8_t>(fits);
        if (char* const block = take(size_class); block != nullptr) {
            used_ += class_sizes[size_class];
            return {block, size, size_class};
        }
    }
    return {};
}

void ByteSlab::release(Bytes& b) noexcept {
    if (!b) return;
    assert(b.size_class < class_sizes.size() && b.size <= class_sizes[b.size_class]);
    assert(b.data >= memory_.data() && b.data < static_cast<char*>(memory_.data()) + carved_);
    assert(reinterpret_cast<FreeBlock*>(b.data)->mark != mark_of(b.data) && "released twice");
    auto& c = classes_[b.size_class];
    c.free = ::new (static_cast<void*>(b.data)) FreeBlock{c.free, mark_of(b.data)};
    used_ -= class_sizes[b.size_class];
    b = {};
}

}  // namespace sipfront::core

// A bounded pool of byte strings of mixed sizes (wire images, dialog texts). One thread's; no malloc after construction.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/reservation.hpp"

namespace sipfront::core {

// A block of a ByteSlab: a plain value, not an owner. Give it back with ByteSlab::release() exactly once.
struct Bytes {
    char* data = nullptr;
    std::uint32_t size = 0;        // as asked for; the block may be larger
    std::uint32_t size_class = 0;  // the slab's own; as wide as that no part is padding, and a copy is of whole words

    explicit operator bool() const noexcept { return data != nullptr; }
    [[nodiscard]] std::string_view view() const noexcept { return {data, size}; }
};

// Each size class takes 64 KiB pieces of one reservation as it needs them and keeps them, so a block is one bump or one pop:
// O(1). Memory that no piece was cut from is never committed.
class ByteSlab {
public:
    static constexpr std::uint32_t largest = 65536;

    // `bytes`: the bound of all pieces together, rounded down to whole pieces, at least one.
    explicit ByteSlab(std::uint64_t bytes);
    ByteSlab(const ByteSlab&) = delete;
    ByteSlab& operator=(const ByteSlab&) = delete;

    // Null when exhausted or `size` exceeds `largest`. 16-octet aligned, uninitialised. With no piece left, a free block of
    // a larger class serves.
    [[nodiscard]] Bytes allocate(std::uint32_t size) noexcept {
        if (size <= largest) [[likely]] {
            const auto size_class = class_of(size);
            auto& c = classes_[size_class];
            if (c.free != nullptr) [[likely]] {
                auto* const block = c.free;
                c.free = block->next;
                __builtin_prefetch(c.free);
                set_mark(*block, 0);
                used_ += class_sizes[size_class];
                return {reinterpret_cast<char*>(block), size, size_class};
            }
        }
        return allocate_new(size);
    }
    // Makes `b` null; null is fine.
    void release(Bytes& b) noexcept {
        if (!b) return;
        assert(b.size_class < class_sizes.size() && b.size <= class_sizes[b.size_class]);
        assert(b.data >= memory_.data() && b.data < static_cast<char*>(memory_.data()) + carved_);
        assert(reinterpret_cast<FreeBlock*>(b.data)->mark != mark_of(b.data) && "released twice");
        auto& c = classes_[b.size_class];
        auto* const block = reinterpret_cast<FreeBlock*>(b.data);
        block->next = c.free;
        set_mark(*block, mark_of(b.data));
        c.free = block;
        used_ -= class_sizes[b.size_class];
        b = {};
    }

    // Octets of the blocks in use, each counted with the size of its class.
    [[nodiscard]] std::uint64_t used() const noexcept { return used_; }
    // Octets cut into pieces so far: what the kernel may have committed.
    [[nodiscard]] std::uint64_t carved() const noexcept { return carved_; }
    [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_; }

private:
    // Steps of 32 octets up to 512, then four to each doubling: what millions of dialogs need, with little waste.
    static constexpr std::size_t fine_classes = 16, fine_step = 32;
    static constexpr auto class_sizes = [] {
        std::array<std::uint32_t, fine_classes + 4 * 7> sizes{};
        for (std::uint32_t i = 0; i < sizes.size(); ++i)
            sizes[i] = i < fine_classes ? fine_step * (i + 1) : (128U << (i - fine_classes) / 4) * ((i - fine_classes) % 4 + 5);
        return sizes;
    }();
    static_assert(class_sizes.back() == largest);
    static constexpr std::uint32_t piece = 65536;

    // Lives in a free block. The mark tells a second release() of the same block from a first one in debug builds.
    struct FreeBlock {
        FreeBlock* next;
        std::uint64_t mark;
    };
    struct SizeClass {
        FreeBlock* free = nullptr;
        char* bump = nullptr;  // of the newest piece
        std::uint32_t bump_blocks = 0;
    };

    // `size`: not beyond the largest.
    static std::uint32_t class_of(std::uint32_t size) noexcept {
        const auto last = std::max(size, 1U) - 1;
        if (last < fine_classes * fine_step) return last / fine_step;
        // The doubling that holds it, and which quarter of that.
        const auto doubling = static_cast<unsigned>(std::bit_width(last)) - 10;
        return static_cast<std::uint32_t>(fine_classes) + 4 * doubling + (last >> (doubling + 7) & 3);
    }
    static void set_mark([[maybe_unused]] FreeBlock& block, [[maybe_unused]] std::uint64_t mark) noexcept {
#ifndef NDEBUG
        block.mark = mark;
#endif
    }
    static std::uint64_t mark_of(const char* block) noexcept { return reinterpret_cast<std::uintptr_t>(block) ^ 0xf7eeb10cf7eeb10c; }
    Bytes allocate_new(std::uint32_t size) noexcept;
    char* take(std::size_t size_class) noexcept;

    std::uint64_t capacity_;
    Reservation memory_;
    std::uint64_t carved_ = 0;
    std::uint64_t used_ = 0;
    std::array<SizeClass, class_sizes.size()> classes_{};
};

}  // namespace sipfront::core

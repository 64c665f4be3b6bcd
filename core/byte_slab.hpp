// A bounded pool of byte strings of mixed sizes (wire images, dialog texts). One thread's; no malloc after construction.
#pragma once

#include <array>
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
    [[nodiscard]] Bytes allocate(std::uint32_t size) noexcept;
    // Makes `b` null; null is fine.
    void release(Bytes& b) noexcept;

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

    struct FreeBlock;
    struct SizeClass {
        FreeBlock* free = nullptr;
        char* bump = nullptr;  // of the newest piece
        std::uint32_t bump_blocks = 0;
    };

    static std::uint8_t class_of(std::uint32_t size) noexcept;
    char* take(std::uint8_t size_class) noexcept;

    std::uint64_t capacity_;
    Reservation memory_;
    std::uint64_t carved_ = 0;
    std::uint64_t used_ = 0;
    std::array<SizeClass, class_sizes.size()> classes_{};
};

}  // namespace sipfront::core

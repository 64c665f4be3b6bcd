// A bounded pool of T with handles that notice re-use. One thread's; no malloc after construction.
#pragma once

#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "core/reservation.hpp"
#include "core/types.hpp"

namespace sipfront::core {

// Memory of entries that were never created is never committed. Pointers stay valid until destroy().
// An entry costs sizeof(T) + 4 octets, rounded up to T's alignment.
template <class T>
class Slab {
public:
    explicit Slab(std::uint32_t capacity) : capacity_{capacity}, memory_{std::size_t{capacity} * sizeof(Entry)} { assert(capacity < nil); }
    ~Slab() {
        if constexpr (!std::is_trivially_destructible_v<T>) {
            for_each([this](Handle<T> h, T&) { destroy(h); });
        }
    }
    Slab(const Slab&) = delete;
    Slab& operator=(const Slab&) = delete;

    // {null handle, nullptr} when full. The most recently destroyed entry is taken first: it is the warmest.
    template <class... Args>
    std::pair<Handle<T>, T*> create(Args&&... args) noexcept(std::is_nothrow_constructible_v<T, Args...>) {
        std::uint32_t index = free_;
        if (index != nil) {
            free_ = next_of(entries()[index]);
            if (free_ != nil) __builtin_prefetch(&entries()[free_], 1);
        } else if (touched_ < capacity_) {
            index = touched_++;
        } else {
            return {Handle<T>{}, nullptr};
        }
        Entry& e = entries()[index];
        T* object = nullptr;
        if constexpr (std::is_constructible_v<T, Args...>) {
            object = ::new (static_cast<void*>(e.storage)) T(std::forward<Args>(args)...);
        } else {
            // An aggregate, for compilers without its initialisation in parentheses (P0960).
            object = ::new (static_cast<void*>(e.storage)) T{std::forward<Args>(args)...};
        }
        ++e.generation;
        ++size_;
        return {Handle<T>{index, e.generation}, object};
    }

    // nullptr when the handle is null, stale or made up.
    [[nodiscard]] T* get(Handle<T> h) noexcept { return is_live(h) ? object(entries()[h.index]) : nullptr; }
    [[nodiscard]] const T* get(Handle<T> h) const noexcept { return is_live(h) ? object(entries()[h.index]) : nullptr; }
    // By position, for links inside of entries: nullptr when nobody lives there.
    [[nodiscard]] T* at(std::uint32_t index) noexcept {
        return index < touched_ && entries()[index].generation % 2 == 1 ? object(entries()[index]) : nullptr;
    }
    [[nodiscard]] const T* at(std::uint32_t index) const noexcept {
        return index < touched_ && entries()[index].generation % 2 == 1 ? object(entries()[index]) : nullptr;
    }
    // All lines of the entry.
    void prefetch(Handle<T> h) const noexcept {
        if (h.index >= touched_) return;
        const auto* entry = reinterpret_cast<const char*>(&entries()[h.index]);
        for (std::size_t at = 0; at < sizeof(Entry) + 63; at += 64) __builtin_prefetch(entry + at);
    }

    // Nothing happens for a handle that get() would refuse.
    void destroy(Handle<T> h) noexcept {
        if (is_live(h)) destroy(*object(entries()[h.index]));
    }
    // `alive` was made by create() of this slab and is alive.
    void destroy(T& alive) noexcept {
        const auto index = handle_of(&alive).index;
        Entry& e = entries()[index];
        std::destroy_at(&alive);
        ++e.generation;
        set_next(e, free_);
        free_ = index;
        --size_;
    }

    // `object` was made by create() of this slab and is alive.
    [[nodiscard]] Handle<T> handle_of(const T* object) const noexcept {
        const auto offset = reinterpret_cast<std::uintptr_t>(object) - reinterpret_cast<std::uintptr_t>(entries());
        const auto index = static_cast<std::uint32_t>(offset / sizeof(Entry));
        assert(offset % sizeof(Entry) == 0 && index < touched_ && entries()[index].generation % 2 == 1);
        return {index, entries()[index].generation};
    }

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }
    // Entries at positions from here on have never been in use.
    [[nodiscard]] std::uint32_t extent() const noexcept { return touched_; }
    // Octets of the entries that have ever been in use: what the kernel may have committed.
    [[nodiscard]] std::size_t touched_bytes() const noexcept { return std::size_t{touched_} * sizeof(Entry); }

    // f(Handle<T>, T&) or f(T&), by index. `f` may destroy the entry it was given.
    template <class F>
    void for_each(F&& f) {
        for (std::uint32_t i = 0; i < touched_; ++i) {
            Entry& e = entries()[i];
            if (e.generation % 2 == 0) continue;
            if constexpr (std::invocable<F&, Handle<T>, T&>) {
                f(Handle<T>{i, e.generation}, *object(e));
            } else {
                f(*object(e));
            }
        }
    }

private:
    static constexpr std::uint32_t nil = 0xffffffff;

    // A free entry keeps the index of the next free one in its storage. The generation is odd while the entry is alive, so
    // fresh zero pages need no initialisation.
    struct Entry {
        alignas(T) alignas(std::uint32_t) std::byte storage[sizeof(T) < sizeof(std::uint32_t) ? sizeof(std::uint32_t) : sizeof(T)];
        std::uint32_t generation;
    };

    [[nodiscard]] bool is_live(Handle<T> h) const noexcept {
        return h.index < touched_ && h.generation % 2 == 1 && entries()[h.index].generation == h.generation;
    }
    [[nodiscard]] Entry* entries() const noexcept { return static_cast<Entry*>(memory_.data()); }
    static T* object(Entry& e) noexcept { return std::launder(reinterpret_cast<T*>(e.storage)); }
    static std::uint32_t next_of(const Entry& e) noexcept {
        std::uint32_t next;
        std::memcpy(&next, e.storage, sizeof next);
        return next;
    }
    static void set_next(Entry& e, std::uint32_t next) noexcept { std::memcpy(e.storage, &next, sizeof next); }

    std::uint32_t capacity_;
    std::uint32_t touched_ = 0;
    std::uint32_t size_ = 0;
    std::uint32_t free_ = nil;
    Reservation memory_;
};

}  // namespace sipfront::core

// A bounded hash table for 64-bit keyed hashes: open addressing, linear probing, backward-shift deletion, so it never
// decays with tombstones. One thread's; no malloc after construction.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/reservation.hpp"

namespace sipfront::core {

// Keys must come out of a keyed hash (core/hash.hpp): the low half chooses the slot, and an attacker who could choose it
// would choose the length of a run. With an 8-octet V a slot has 16 octets, and most lookups touch one cache line.
// Pointers into the table are valid until the next insert or erase.
template <class V>
class FlatTable {
    static_assert(std::is_trivially_copyable_v<V> && std::is_trivially_destructible_v<V>);

public:
    // Holds up to `capacity` keys, fewer than 2^31; the slots are at most 3/5 full.
    explicit FlatTable(std::size_t capacity)
        : capacity_{capacity}, slot_count_{capacity + capacity * 2 / 3 + 2}, memory_{slot_count_ * sizeof(Slot)} {
        assert(slot_count_ < std::uint64_t{1} << 32);
    }
    FlatTable(const FlatTable&) = delete;
    FlatTable& operator=(const FlatTable&) = delete;

    [[nodiscard]] V* find(std::uint64_t key) noexcept {
        Slot& s = probe(stored(key));
        return s.key == empty ? nullptr : &s.value;
    }
    [[nodiscard]] const V* find(std::uint64_t key) const noexcept {
        const Slot& s = probe(stored(key));
        return s.key == empty ? nullptr : &s.value;
    }
    // Starts the memory access of a find() that follows a little later.
    void prefetch(std::uint64_t key) const noexcept { __builtin_prefetch(&slots()[home(stored(key))]); }

    // False when full or when the key is present; then nothing changes.
    bool insert(std::uint64_t key, V value) noexcept {
        if (size_ == capacity_) return false;
        Slot& s = probe(stored(key));
        if (s.key != empty) return false;
        s = {stored(key), value};
        ++size_;
        return true;
    }
    // False only when the key is new and the table full.
    bool insert_or_assign(std::uint64_t key, V value) noexcept {
        Slot& s = probe(stored(key));
        if (s.key != empty) return s.value = value, true;
        if (size_ == capacity_) return false;
        s = {stored(key), value};
        ++size_;
        return true;
    }
    // False when absent.
    void clear() noexcept {
        for (std::size_t i = 0; size_ > 0 && i < slot_count_; ++i) {
            if (slots()[i].key != empty) --size_;
            slots()[i].key = empty;
        }
    }
    bool erase(std::uint64_t key) noexcept {
        Slot& found = probe(stored(key));
        if (found.key == empty) return false;
        close_gap(static_cast<std::size_t>(&found - slots()));
        --size_;
        return true;
    }

    // f(key, V&), in no order. `f` must not insert or erase.
    template <class F>
    void for_each(F&& f) {
        for (std::size_t i = 0; size_ > 0 && i < slot_count_; ++i) {
            if (slots()[i].key != empty) f(slots()[i].key, slots()[i].value);
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

private:
    struct Slot {
        std::uint64_t key;
        V value;
    };
    static constexpr std::uint64_t empty = 0;

    // Zero marks an empty slot, so the hash 0 shares a name with another one, as any two hashes may.
    static constexpr std::uint64_t stored(std::uint64_t key) noexcept { return key == empty ? 0x9e3779b97f4a7c15 : key; }
    [[nodiscard]] Slot* slots() const noexcept { return static_cast<Slot*>(memory_.data()); }
    // Multiply-shift of the lower half: even for any number of slots, so that a table takes what its capacity needs and not up to
    // twice as much. The upper half has chosen the worker (core/steering.hpp).
    [[nodiscard]] std::size_t home(std::uint64_t key) const noexcept {
        return static_cast<std::size_t>((key & 0xffffffff) * slot_count_ >> 32);
    }
    [[nodiscard]] std::size_t after(std::size_t i) const noexcept { return i + 1 == slot_count_ ? 0 : i + 1; }
    // How far `i` lies behind `from`, around the end.
    [[nodiscard]] std::size_t distance(std::size_t from, std::size_t i) const noexcept {
        return i >= from ? i - from : i + slot_count_ - from;
    }
    // The key's slot, or the empty one where it belongs.
    [[nodiscard]] Slot& probe(std::uint64_t key) const noexcept {
        auto i = home(key);
        while (slots()[i].key != key && slots()[i].key != empty) i = after(i);
        return slots()[i];
    }
    // Moves later entries of the run back over `gap`, each as far as its home allows, and empties the last one moved.
    void close_gap(std::size_t gap) noexcept {
        for (auto i = after(gap); slots()[i].key != empty; i = after(i)) {
            if (distance(home(slots()[i].key), i) < distance(gap, i)) continue;
            slots()[gap] = slots()[i];
            gap = i;
        }
        slots()[gap].key = empty;
    }

    std::size_t capacity_;
    std::size_t slot_count_;
    std::size_t size_ = 0;
    Reservation memory_;
};

}  // namespace sipfront::core

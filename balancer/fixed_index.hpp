// A read-only hash table, built once on the control side and read by workers inside a snapshot.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/endpoint.hpp"

namespace sipfront::balancer {

// Open addressing at a quarter full: one or two probes. The keys are the operator's own, so the hash needs no secret.
template <class Key, class Value, class Hash>
class FixedIndex {
public:
    FixedIndex() = default;
    // Of several entries with one key the first one stays.
    explicit FixedIndex(std::span<const std::pair<Key, Value>> entries) : slots_(std::bit_ceil(4 * entries.size() + 1)) {
        for (const auto& [key, value] : entries) {
            auto& slot = slots_[position(key)];
            if (!slot.used) slot = {key, value, true};
        }
    }
    [[nodiscard]] const Value* find(const Key& key) const noexcept {
        if (slots_.empty()) return nullptr;
        const auto& slot = slots_[position(key)];
        return slot.used ? &slot.value : nullptr;
    }

private:
    struct Slot {
        Key key{};
        Value value{};
        bool used = false;
    };
    // Of the key, or of the free slot where it would go.
    std::size_t position(const Key& key) const noexcept {
        const auto mask = slots_.size() - 1;
        auto i = Hash{}(key)&mask;
        while (slots_[i].used && !(slots_[i].key == key)) i = (i + 1) & mask;
        return i;
    }
    std::vector<Slot> slots_;
};

struct Socket {
    core::Endpoint endpoint;
    core::Transport transport = core::Transport::udp;
    friend bool operator==(const Socket&, const Socket&) = default;
};

struct SocketHash {
    std::size_t operator()(const Socket& s) const noexcept {
        // The multiplication spreads what EndpointHash may leave in the high bits only.
        return (core::EndpointHash{}(s.endpoint) + static_cast<std::size_t>(s.transport)) * 0x9e3779b97f4a7c15 >> 20;
    }
};
struct AddressHash {
    std::size_t operator()(const core::IpAddress& a) const noexcept { return core::EndpointHash{}(a)*0x9e3779b97f4a7c15 >> 20; }
};

}  // namespace sipfront::balancer

#include "balancer/registry.hpp"

#include <algorithm>

namespace sipfront::balancer {

Registry::Entry* Registry::enroll(const Identity& identity) {
    if (const auto known = entries_.find(identity); known != entries_.end()) {
        known->second.listed = true;
        return &known->second;
    }
    const auto id = take_id();
    if (!id) return nullptr;
    auto& entry = entries_[identity];
    entry.id = *id;
    entry.listed = true;
    entry.load = std::make_shared<DestinationLoad>(workers_);
    return &entry;
}

std::optional<core::DestinationId> Registry::find(const Identity& identity) const {
    const auto i = entries_.find(identity);
    if (i == entries_.end()) return std::nullopt;
    return i->second.id;
}

std::size_t Registry::leaving() const noexcept {
    return static_cast<std::size_t>(std::ranges::count_if(entries_, [](const auto& e) { return e.second.phase != Phase::live; }));
}

std::optional<ResourceId> Registry::resource(std::string_view name) {
    const auto known = std::ranges::find(resource_names_, name);
    const auto index = static_cast<std::size_t>(known - resource_names_.begin());
    if (known == resource_names_.end()) {
        if (resource_names_.size() == max_resources) return std::nullopt;
        resource_names_.emplace_back(name);
    }
    return static_cast<ResourceId>(index);
}

void Registry::begin() noexcept {
    for (auto& [identity, entry] : entries_) entry.listed = false;
}

Lease Registry::lease(Entry& entry) {
    Lease lease = entry.lease.lock();
    if (!lease) {
        lease = std::make_shared<char>();
        entry.lease = lease;
    }
    return lease;
}

bool Registry::advance(Entry& entry) noexcept {
    const bool idle = entry.load->idle();
    switch (entry.phase) {
        case Phase::live:
            entry.phase = Phase::lingering;
            return true;
        case Phase::lingering:
            if (idle) entry.phase = Phase::closing;
            return true;
        case Phase::closing:
            if (!idle) entry.phase = Phase::lingering;
            return !idle || !entry.lease.expired();
    }
    return true;
}

// Round the table, so that a freed id rests as long as possible before it names another destination.
std::optional<core::DestinationId> Registry::take_id() {
    for (std::size_t tried = 0; tried < max_destinations; ++tried) {
        const auto i = next_id_;
        next_id_ = (next_id_ + 1) % max_destinations;
        if (taken_[i]) continue;
        taken_[i] = true;
        return static_cast<core::DestinationId>(i);
    }
    return std::nullopt;
}

}  // namespace sipfront::balancer

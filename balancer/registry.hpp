// Which destination has which id, and when an id is free again. Control thread only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "balancer/destination.hpp"

namespace sipfront::balancer {

// The life of a destination whose row was removed goes on until its last call has ended:
//   live      listed in the configuration
//   lingering removed; takes nothing new, but is still found by its address, so that its calls are routed and adopted
//   closing   its load was zero; no longer found, only its id still leads to it
//   (gone)    load zero and no worker can have a snapshot in which it was found, so nobody can add to it any more
// The id is given out again only after the last snapshot that knew it was freed.
enum class Phase : std::uint8_t { live, lingering, closing };

// Held by each snapshot in which the destination can gain load; the registry only watches it.
using Lease = std::shared_ptr<const void>;

class Registry {
public:
    // `workers`: how many threads count picks (ids below it).
    explicit Registry(std::size_t workers) : workers_{workers} {}

    struct Entry {
        core::DestinationId id{};
        Phase phase = Phase::live;
        bool listed = false;  // by the build in progress
        std::shared_ptr<DestinationLoad> load;
        std::weak_ptr<const void> lease;
    };

    // A new row's entry, a known one's as it is. Null: all ids are taken.
    Entry* enroll(const Identity& identity);
    [[nodiscard]] std::optional<core::DestinationId> find(const Identity& identity) const;
    // Destinations on their way out. While there are any, control builds and publishes a snapshot now and then.
    [[nodiscard]] std::size_t leaving() const noexcept;

    // The number of a resource name, given out on first use; nullopt when all numbers are taken.
    std::optional<ResourceId> resource(std::string_view name);
    [[nodiscard]] const std::vector<std::string>& resource_names() const noexcept { return resource_names_; }
    // What a call uses. It is fixed by the first build that names it, because releases must match reservations.
    [[nodiscard]] ResourceSet call_resources() const noexcept { return call_resources_; }
    void fix_call_resources(ResourceSet need) noexcept { call_resources_ = need; }

    // --- for the snapshot builder: one build is begin(), enroll() per row, settle() ---
    void begin() noexcept;
    // Moves the unlisted ones on. Calls keep(identity, entry) for each one that the snapshot must still hold, and
    // gone(id) for each whose health may be forgotten.
    template <class Keep, class Gone>
    void settle(Keep&& keep, Gone&& gone) {
        for (auto i = entries_.begin(); i != entries_.end();) {
            auto& [identity, entry] = *i;
            if (entry.listed) {
                entry.phase = Phase::live;
            } else if (advance(entry)) {
                keep(identity, entry);
            } else if (entry.load.use_count() == 1) {
                gone(entry.id);
                release_id(entry.id);
                i = entries_.erase(i);
                continue;
            }
            ++i;
        }
    }
    // The lease for a snapshot that is being built.
    static Lease lease(Entry& entry);

private:
    // False: no snapshot needs it any more.
    static bool advance(Entry& entry) noexcept;
    std::optional<core::DestinationId> take_id();
    void release_id(core::DestinationId id) noexcept { taken_[core::raw(id)] = false; }

    std::size_t workers_;
    std::map<Identity, Entry> entries_;
    std::vector<bool> taken_ = std::vector<bool>(max_destinations);
    std::size_t next_id_ = 0;
    std::vector<std::string> resource_names_;
    ResourceSet call_resources_;
};

}  // namespace sipfront::balancer

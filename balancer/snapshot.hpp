// Everything that workers need to route, probe and guard, as one immutable value. Control builds it (snapshot_builder.hpp) and
// publishes it; what changes at run time is only the loads that it points to.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "balancer/config.hpp"
#include "balancer/destination.hpp"
#include "balancer/fixed_index.hpp"
#include "balancer/guard.hpp"
#include "balancer/health_fsm.hpp"
#include "balancer/overload.hpp"
#include "balancer/prefix_set.hpp"
#include "balancer/registry.hpp"
#include "core/flow.hpp"

namespace sipfront::balancer {

// One row, with what has become of it.
struct Destination {
    core::DestinationId id{};
    Identity identity;
    Phase phase = Phase::live;
    State state = State::active;
    bool full = false;        // alive, takes no new calls
    bool wants_life = false;  // proofs of life are news
    int probe_mode = 2;       // 0 never, 1 when out of service, 2 always
    std::uint32_t row_id = 0;
    std::uint32_t weight = 1;             // dispatcher
    int priority = 0;                     // dispatcher
    std::vector<ResourceSpec> resources;  // load_balancer
    ResourceSet offers;                   // the same, as numbers
    std::string uri;                      // canonical
    std::string probe_request;            // OPTIONS without Via, From, Call-ID and CSeq (sip::LocalRequest)
    std::string attrs, description;
    std::shared_ptr<DestinationLoad> load;
    Lease lease;  // null while closing

    [[nodiscard]] bool probed() const noexcept { return phase == Phase::live && wants_probes(probe_mode, state, full); }
};

// What load_balancer looks at per host. The load is kept alive by the snapshot.
struct CallCandidate {
    DestinationLoad* load = nullptr;
    core::DestinationId id{};
    bool active = false;
    bool full = false;
};

// What dispatcher looks at per host; a set is ordered by descending priority.
struct DispatchCandidate {
    std::uint64_t seed = 0;  // rendezvous
    core::DestinationId id{};
    std::uint32_t weight = 1;
    int priority = 0;
    bool active = false;
    bool full = false;
};

struct SnapshotParts {
    std::vector<Destination> destinations;
    ResourceSet call_resources;
    std::vector<std::string> resource_names;  // by ResourceId
    std::uint32_t lb_group = 1, ds_set = 1;
    LbAlgorithm lb_algorithm = LbAlgorithm::relative;
    DsAlgorithm ds_algorithm = DsAlgorithm::aor;
    ProbeConfig probe;
    PrefixSet cluster, carriers;
    GuardPolicy guard;
    OverloadPolicy overload;
};

class Snapshot {
public:
    explicit Snapshot(SnapshotParts parts);

    [[nodiscard]] std::span<const Destination> destinations() const noexcept { return parts_.destinations; }
    // Null for an id that this snapshot does not know. O(1).
    [[nodiscard]] const Destination* find(core::DestinationId id) const noexcept {
        const auto i = core::raw(id);
        return i < by_id_.size() && by_id_[i] != absent ? &parts_.destinations[by_id_[i]] : nullptr;
    }
    // By address: the load_balancer's row before the dispatcher's, the group that serves before others, live before lingering.
    // no_destination if there is none. O(1).
    [[nodiscard]] core::DestinationId find(const core::Endpoint& remote, core::Transport transport) const noexcept {
        const auto* id = by_socket_.find({remote, transport});
        return id != nullptr ? *id : core::no_destination;
    }
    [[nodiscard]] core::Zone zone_of(const core::IpAddress& a) const noexcept {
        if (hosts_.find(a) != nullptr || parts_.cluster.contains(a)) return core::Zone::cluster;
        return parts_.carriers.contains(a) ? core::Zone::carrier : core::Zone::outside;
    }

    // The hosts of a load_balancer group that have all that a call uses; of a dispatcher set. Empty if there is no such group.
    [[nodiscard]] std::span<const CallCandidate> group(std::uint32_t id) const noexcept;
    [[nodiscard]] std::span<const DispatchCandidate> set(std::uint32_t id) const noexcept;
    // Those that serve.
    [[nodiscard]] std::span<const CallCandidate> calls() const noexcept { return calls_; }
    [[nodiscard]] std::span<const DispatchCandidate> dispatched() const noexcept { return dispatched_; }

    [[nodiscard]] ResourceSet call_resources() const noexcept { return parts_.call_resources; }
    [[nodiscard]] LbAlgorithm lb_algorithm() const noexcept { return parts_.lb_algorithm; }
    [[nodiscard]] DsAlgorithm ds_algorithm() const noexcept { return parts_.ds_algorithm; }
    [[nodiscard]] const ProbeConfig& probe() const noexcept { return parts_.probe; }
    [[nodiscard]] const GuardPolicy& guard() const noexcept { return parts_.guard; }
    [[nodiscard]] const OverloadPolicy& overload() const noexcept { return parts_.overload; }
    // By ResourceId.
    [[nodiscard]] std::span<const std::string> resource_names() const noexcept { return parts_.resource_names; }

private:
    static constexpr std::uint16_t absent = 0xffff;

    void index_ids();
    void index_addresses();
    void index_groups();

    SnapshotParts parts_;
    std::vector<std::uint16_t> by_id_;
    FixedIndex<Socket, core::DestinationId, SocketHash> by_socket_;
    FixedIndex<core::IpAddress, char, AddressHash> hosts_;
    std::map<std::uint32_t, std::vector<CallCandidate>> groups_;
    std::map<std::uint32_t, std::vector<DispatchCandidate>> sets_;
    std::span<const CallCandidate> calls_;
    std::span<const DispatchCandidate> dispatched_;
};

}  // namespace sipfront::balancer

// Follows the Linux kernel's routes and neighbours of the kernel interface, so that the workers can build frames without asking
// it, and makes the kernel find and confirm the neighbours that only the workers talk to. Control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/counters.hpp"
#include "core/result.hpp"
#include "core/tick.hpp"
#include "dpdk/next_hops.hpp"
#include "kni/netlink_socket.hpp"
#include "kni/probe_limit.hpp"
#include "kni/route_snapshot.hpp"

namespace sipfront::kni {

struct MirrorOptions {
    std::string interface = "sf0";
    std::uint32_t probe_rate = 200;                   // neighbours a second that are resolved, and as many that are confirmed
    std::size_t event_buffer = std::size_t{4} << 20;  // octets of events that may wait for poll()
};

// Control: writes; any thread: reads.
struct MirrorCounters {
    core::Counter events;    // netlink messages seen
    core::Counter resyncs;   // everything read anew, the first time included
    core::Counter overruns;  // the kernel dropped events because poll() came too late
    core::Counter snapshots;
    core::Counter resolves, confirms;  // neighbours the kernel was asked for; for a first time, again
    core::Counter refused;             // such requests that the kernel refused (its table is full)
    core::Counter limited;             // resolve() calls beyond the rate
};

class NetlinkMirror {
public:
    // Reads everything once. The interface may be missing yet, vanish and come back; it is known by its name. The network
    // namespace is the calling thread's.
    static core::Result<NetlinkMirror> open(const MirrorOptions& options);

    // Readable when poll() has something to do. Call poll() about every second besides, so that what failed is tried again.
    [[nodiscard]] int fd() const noexcept { return events_.fd(); }

    // Takes in all that happened, lost events included. A snapshot when workers would see a difference (always the first time),
    // else null. An error means that the kernel could not be read; the next poll() tries again.
    core::Result<std::unique_ptr<const dpdk::NextHops>> poll();

    // A worker misses the way to `address`, a next hop or a final destination: the kernel starts asking on the link. The answer
    // arrives through poll(). Cheap to repeat: more than once a second does nothing.
    void resolve(const IpAddress& address, core::Tick now);

    // To be called about every second. Neighbours grow stale in the kernel, since it does not see the traffic that uses them; those
    // are probed again, gateways first, at the bounded rate, so that one that died disappears from the snapshot.
    void refresh(core::Tick now);

    [[nodiscard]] const KernelView& view() const noexcept { return view_; }
    [[nodiscard]] const MirrorCounters& counters() const noexcept { return *counters_; }

private:
    NetlinkMirror(const MirrorOptions& options, NetlinkSocket events, NetlinkSocket requests);

    int drain();
    core::Status resync();
    int dump_into(KernelView& view);
    bool use(ProbeLimit& limit, const IpAddress& neighbour, core::Tick now);

    NetlinkSocket events_;
    NetlinkSocket requests_;
    KernelView view_;
    ProbeLimit resolve_limit_, confirm_limit_;
    bool must_resync_ = true;
    dpdk::NextHops current_;  // what the last snapshot said
    std::unique_ptr<MirrorCounters> counters_;
};

}  // namespace sipfront::kni

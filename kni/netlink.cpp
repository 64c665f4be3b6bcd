#include "kni/netlink.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace sipfront::kni {
namespace {

constexpr std::array groups{static_cast<int>(RTNLGRP_LINK),        static_cast<int>(RTNLGRP_IPV4_IFADDR),
                            static_cast<int>(RTNLGRP_IPV6_IFADDR), static_cast<int>(RTNLGRP_IPV4_ROUTE),
                            static_cast<int>(RTNLGRP_IPV6_ROUTE),  static_cast<int>(RTNLGRP_NEIGH)};

}  // namespace

core::Result<NetlinkMirror> NetlinkMirror::open(const MirrorOptions& options) {
    // Subscribed before the first dump, so that no change falls between the two.
    auto events = NetlinkSocket::subscribe(groups, options.event_buffer);
    if (!events) return events.error();
    auto requests = NetlinkSocket::open();
    if (!requests) return requests.error();
    return NetlinkMirror{options, std::move(events).value(), std::move(requests).value()};
}

NetlinkMirror::NetlinkMirror(const MirrorOptions& options, NetlinkSocket events, NetlinkSocket requests)
    : events_{std::move(events)},
      requests_{std::move(requests)},
      view_{options.interface},
      resolve_limit_{options.probe_rate},
      confirm_limit_{options.probe_rate},
      counters_{std::make_unique<MirrorCounters>()} {}

core::Result<std::unique_ptr<const dpdk::NextHops>> NetlinkMirror::poll() {
    // What arrives while a dump is read may ask for another one; a kernel that never rests is left for the next poll.
    constexpr int rounds = 4;
    for (int round = 0; round < rounds; ++round) {
        if (const auto error = drain(); error != 0) return core::Error{std::string{"netlink: cannot read events: "} + std::strerror(error)};
        if (!must_resync_ && !view_.needs_resync()) break;
        if (auto done = resync(); !done) return done.error();
    }
    if (!view_.changed()) return std::unique_ptr<const dpdk::NextHops>{};
    auto snapshot = view_.snapshot();
    current_ = *snapshot;
    counters_->snapshots.add();
    return snapshot;
}

int NetlinkMirror::drain() {
    for (;;) {
        const auto error = events_.receive([this](const nlmsghdr& message) {
            counters_->events.add();
            view_.apply(parse(message));
        });
        if (error != ENOBUFS) return error;
        // The backlog is older than what was lost. It is read to its end before a dump corrects the view.
        counters_->overruns.add();
        must_resync_ = true;
    }
}

core::Status NetlinkMirror::resync() {
    constexpr int attempts = 5;
    counters_->resyncs.add();
    int error = EINTR;
    KernelView fresh{view_.interface()};
    for (int attempt = 0; error == EINTR && attempt < attempts; ++attempt) {
        fresh = KernelView{view_.interface()};
        error = dump_into(fresh);
    }
    // A dump that was interrupted each time is nearly right; it is used, and asked for again.
    must_resync_ = error != 0;
    if (error != 0 && error != EINTR) return core::Error{std::string{"netlink: cannot read the kernel's tables: "} + std::strerror(error)};
    fresh.compare_with(view_);
    view_ = std::move(fresh);
    return core::Done{};
}

int NetlinkMirror::dump_into(KernelView& view) {
    // Links first: only then are the others' interface numbers ours or not.
    constexpr std::array<std::pair<std::uint16_t, std::uint8_t>, 5> dumps{
        {{RTM_GETLINK, AF_UNSPEC}, {RTM_GETADDR, AF_UNSPEC}, {RTM_GETROUTE, AF_INET}, {RTM_GETROUTE, AF_INET6}, {RTM_GETNEIGH, AF_UNSPEC}}};
    int interrupted = 0;
    for (const auto& [type, family] : dumps) {
        const auto error = requests_.dump(dump_request(type, family), [&](const nlmsghdr& message) { view.apply(parse(message)); });
        if (error == EINTR)
            interrupted = EINTR;
        else if (error != 0)
            return error;
    }
    return interrupted;
}

void NetlinkMirror::resolve(const IpAddress& address, core::Tick now) {
    const auto hop = current_.lookup(address);
    if (hop.kind != dpdk::NextHop::Kind::unresolved) return;
    if (use(resolve_limit_, hop.address, now))
        counters_->resolves.add();
    else
        counters_->limited.add();
}

void NetlinkMirror::refresh(core::Tick now) {
    const auto confirm = [&](const IpAddress& address, const KnownNeighbour& neighbour) {
        if (neighbour.state == NUD_STALE && use(confirm_limit_, address, now)) counters_->confirms.add();
    };
    for (const auto& gateway : view_.gateways()) {
        const auto known = view_.neighbours().find(gateway);
        if (known != view_.neighbours().end())
            confirm(gateway, known->second);
        else
            resolve(gateway, now);  // before the first packet wants it
    }
    for (const auto& [address, neighbour] : view_.neighbours()) confirm(address, neighbour);
}

bool NetlinkMirror::use(ProbeLimit& limit, const IpAddress& neighbour, core::Tick now) {
    if (!view_.index() || !view_.up() || !limit.admit(neighbour, now)) return false;
    if (requests_.request(use_neighbour_request(*view_.index(), neighbour)) != 0) counters_->refused.add();
    return true;
}

}  // namespace sipfront::kni

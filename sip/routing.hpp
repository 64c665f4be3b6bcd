// The seam between the proxy core and the routing policy: the proxy asks, the balancer answers. Called on the worker's own
// thread, once per initial request or attempt, never per in-dialog message.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/endpoint.hpp"
#include "core/flow.hpp"
#include "core/tick.hpp"
#include "core/types.hpp"
#include "sip/message.hpp"

namespace sipfront::sip {

struct Target {
    core::DestinationId destination = core::no_destination;
    core::Endpoint remote;
    core::Transport transport = core::Transport::udp;
};

enum class Answer : std::uint8_t {
    selected,     // a target; for balance(): one unit of load is reserved on it until release()
    unavailable,  // no destination in a usable state is left
    full,         // usable ones exist, all at their capacity
};

struct RouteQuery {
    const Message& request;
    const core::Flow& from;
    core::Tick now;
    std::uint64_t call_id_hash;
    // Asked first (the host that challenged this Call-ID); no_destination: no preference.
    core::DestinationId preferred = core::no_destination;
    // Destinations that this request has already tried.
    std::span<const core::DestinationId> tried;
};

struct RouteAnswer {
    Answer answer = Answer::unavailable;
    Target target;
};

// What happened to a request sent to a destination: passive evidence for its health.
enum class Outcome : std::uint8_t {
    alive,            // any response that proves life
    timeout,          // fr_timer without any response
    transport_error,  // ICMP unreachable, connection refused
    unavailable,      // 503
};

class Router {
public:
    virtual ~Router() = default;

    // INVITE: least loaded destination of the load_balancer group. A selected target holds one unit of load.
    virtual RouteAnswer balance(const RouteQuery& q) = 0;
    // REGISTER and other dispatched methods: the dispatcher set. Holds no load.
    virtual RouteAnswer dispatch(const RouteQuery& q) = 0;
    // The unit of load that balance() reserved is given back (failed attempt, dialog ended).
    virtual void release(core::DestinationId d) = 0;
    // A dialog not selected by balance() counts on `d` from now on (adopted from its cookie, or recovered).
    virtual void adopt(core::DestinationId d) = 0;
    virtual void report(core::DestinationId d, Outcome o) = 0;

    // Zone of a source or target address.
    [[nodiscard]] virtual core::Zone zone_of(const core::Endpoint& e) const = 0;
    // The destination with that address and port, or no_destination.
    [[nodiscard]] virtual core::DestinationId find(const core::Endpoint& e, core::Transport t) const = 0;
    // The address of a destination; nullopt when it is configured no more.
    [[nodiscard]] virtual std::optional<Target> target_of(core::DestinationId d) const = 0;
    // Whether any host could take a call now (what an OPTIONS to the VIP asks).
    [[nodiscard]] virtual bool can_take_calls() const = 0;
};

}  // namespace sipfront::sip

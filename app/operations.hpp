// What management may ask of the running daemon. Control implements it; tests put a fake in its place. Control thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <spdlog/common.h>

#include "app/telemetry.hpp"
#include "balancer/health_fsm.hpp"
#include "core/endpoint.hpp"
#include "core/names.hpp"
#include "core/result.hpp"
#include "sip/dialog.hpp"

namespace sipfront::app {

struct ReloadReport {
    std::vector<std::string> errors;  // not empty: nothing was changed
    std::vector<std::string> warnings;
    std::vector<std::string> applied;        // keys that changed
    std::vector<std::string> needs_restart;  // keys that changed and wait for one
    std::uint64_t reading = 0;               // the request by which destinations are being read from the database; 0: they are not
};

// Destinations that come from the database.
struct DestinationsStatus {
    std::string source;                          // "mysql 10.77.0.120:3306"; empty: they come from the configuration
    std::uint64_t answered = 0;                  // the last request that was answered, well or not
    std::string error;                           // of the last reading; empty: it succeeded
    bool from_cache = false;                     // those in force were read before this process began
    std::vector<std::string> skipped, warnings;  // of those in force
};

// A member of the bond, or the only port.
struct PortStatus {
    std::string device;
    bool active = false;  // carries the traffic
    bool carrier = false;
    bool silent = false;  // has carrier, but no monitoring target answers through it
};

struct ThreadStatus {
    std::string name;  // "worker 0", "control"
    int cpu = -1;      // -1: any
};

// A host name that the resolver knows or asks for.
struct NameStatus {
    std::string host;
    std::uint16_t port = 0;  // 0: the URI had none
    bool transport_named = false;
    core::Transport transport = core::Transport::udp;
    std::optional<core::NameStatus> state{};  // nullopt: not known yet
    bool underway = false;                    // the DNS is being asked
    std::int64_t seconds_left = 0;
    std::vector<core::NameTarget> targets{};
};

// A dialog as a worker told of it, with wall-clock times.
struct DialogStatus {
    std::uint64_t id = 0;
    std::size_t worker = 0;
    sip::DialogState state{};
    std::int64_t start = 0, timeout = 0;  // s since 1970; 0: not answered, none
    std::string call_id, from_uri, from_tag, to_uri, to_tag;
    std::string caller_contact, callee_contact, caller_route_set, callee_route_set;
    std::uint32_t caller_cseq = 0, callee_cseq = 0;
    core::Endpoint host, client;
    core::DestinationId destination = core::no_destination;
    bool counted = false;
    bool caller_in_cluster = false;
};

class Operations {
public:
    virtual ~Operations() = default;

    [[nodiscard]] virtual const Telemetry& telemetry() const = 0;
    // Null before the first one is published.
    [[nodiscard]] virtual const balancer::Snapshot* snapshot() const = 0;
    [[nodiscard]] virtual std::uint64_t uptime_seconds() const = 0;
    [[nodiscard]] virtual std::vector<PortStatus> ports() const = 0;
    [[nodiscard]] virtual std::vector<ThreadStatus> threads() const = 0;
    [[nodiscard]] virtual DestinationsStatus destinations_status() const = 0;
    // By host and port.
    [[nodiscard]] virtual std::vector<NameStatus> names() const = 0;

    // Of all workers in turn: so many from the given place on. An error: a worker does not answer.
    virtual core::Result<std::vector<DialogStatus>> dialogs(std::uint32_t index, std::uint32_t count) = 0;
    virtual core::Result<std::vector<DialogStatus>> dialogs_of(const std::string& call_id, const std::string& from_tag) = 0;
    // BYE to both sides. False: no answered call has that id.
    virtual core::Result<bool> end_dialog(std::uint64_t id) = 0;

    // Reads the configuration files again.
    virtual ReloadReport reload() = 0;
    virtual core::Status set_state(core::DestinationId d, balancer::State wanted) = 0;
    // Until the next reload that changes the row.
    virtual core::Status resize(std::uint32_t row_id, const std::string& resource, std::uint32_t capacity) = 0;
    virtual core::Status probe(core::DestinationId d) = 0;
    [[nodiscard]] virtual spdlog::level::level_enum log_level() const = 0;
    virtual void set_log_level(spdlog::level::level_enum level) = 0;
    // As SIGTERM: no new calls, the end when the last one ends.
    virtual void drain() = 0;
};

}  // namespace sipfront::app

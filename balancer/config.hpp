// Destinations and policies as the operator writes them. Values with defaults; app/config reads and validates them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/endpoint.hpp"

namespace sipfront::balancer {

using std::chrono::milliseconds;

struct ResourceSpec {
    std::string name;            // "pstn"
    std::uint32_t capacity = 0;  // calls
    friend bool operator==(const ResourceSpec&, const ResourceSpec&) = default;
};

// A row of the load_balancer table (OpenSIPS names).
struct LoadBalancerRow {
    std::uint32_t id = 0;  // of the row, for messages and MI
    std::uint32_t group_id = 1;
    std::string dst_uri;                  // "sip:10.77.0.103" or with port and transport
    std::vector<ResourceSpec> resources;  // "pstn=32;conf=4"
    int probe_mode = 2;                   // 0 never, 1 when inactive, 2 always
    std::string attrs, description;
    friend bool operator==(const LoadBalancerRow&, const LoadBalancerRow&) = default;
};

// A row of the dispatcher table (OpenSIPS names).
struct DispatcherRow {
    std::uint32_t id = 0;
    std::uint32_t setid = 1;
    std::string destination;
    int state = 0;  // 0 active, 1 inactive (disabled), 2 probing
    std::uint32_t weight = 1;
    int priority = 0;  // the highest priority with a usable host serves; lower ones are the backup
    int probe_mode = 2;
    std::string attrs, description;
    friend bool operator==(const DispatcherRow&, const DispatcherRow&) = default;
};

enum class LbAlgorithm : std::uint8_t { absolute, relative };  // most free channels; lowest share in use
enum class DsAlgorithm : std::uint8_t { aor, round_robin, call_id, request_user };

struct ProbeConfig {
    milliseconds interval{5'000};
    milliseconds timeout{2'000};
    double jitter = 0.1;                         // share of the interval
    std::uint32_t probing_threshold = 2;         // failures in a row until a host is out
    std::uint32_t inactive_threshold = 1;        // successes in a row until it is back
    std::vector<std::uint16_t> alive_codes;      // besides 2xx..4xx; empty: any final response but 408 and 5xx proves life
    std::vector<std::uint16_t> full_codes{503};  // "no new calls now, but alive"
    std::string from_uri = "sip:prober@localhost";
    friend bool operator==(const ProbeConfig&, const ProbeConfig&) = default;
};

struct GuardConfig {
    std::vector<core::Prefix> allow;    // empty: everyone
    std::vector<core::Prefix> deny;     // wins over allow
    std::uint32_t rate_per_source = 0;  // messages a second from one outside address; 0: unlimited
    std::uint32_t rate_burst = 200;
    std::uint32_t rate_table = 65'536;  // sources remembered per worker
    std::vector<std::string> scanner_agents{"friendly-scanner", "sipvicious", "sipcli",         "sundayddr",
                                            "sip-scan",         "pplsip",     "VaxSIPUserAgent"};
    friend bool operator==(const GuardConfig&, const GuardConfig&) = default;
};

// What happens to new work while a worker cannot keep up.
struct OverloadConfig {
    bool enabled = true;
    milliseconds target_delay{10};  // a receive queue that does not run empty for so long is an overload
    std::chrono::seconds retry_after_min{1}, retry_after_max{10};
    // Never refused: users of the Request-URI, or beginnings of it where there is a colon.
    std::vector<std::string> emergency{"112", "911", "urn:service:sos"};
    std::vector<std::string> resource_priority;  // values of Resource-Priority (RFC 4412) that a carrier may claim: "ets.0"
    friend bool operator==(const OverloadConfig&, const OverloadConfig&) = default;
};

struct BalancerConfig {
    std::uint32_t lb_group = 1, ds_set = 1;  // which group and set serve initial requests
    std::string lb_resource = "pstn";        // resources a call uses; several separated by ';'
    LbAlgorithm lb_algorithm = LbAlgorithm::relative;
    DsAlgorithm ds_algorithm = DsAlgorithm::aor;
    ProbeConfig probe;
    std::vector<LoadBalancerRow> load_balancer;
    std::vector<DispatcherRow> dispatcher;
    std::vector<core::Prefix> cluster_prefixes;  // zone cluster besides the destinations' own addresses
    std::vector<core::Prefix> carrier_prefixes;
    GuardConfig guard;
    OverloadConfig overload;
    friend bool operator==(const BalancerConfig&, const BalancerConfig&) = default;
};

}  // namespace sipfront::balancer

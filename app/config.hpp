// The daemon's configuration: a value with defaults, validated once with all errors reported, then constant.
// docs/CONFIGURATION.md is the reference of its keys, sipfront.example.toml shows them all.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/config_error.hpp"
#include "balancer/config.hpp"
#include "core/log.hpp"
#include "core/result.hpp"
#include "dpdk/config.hpp"
#include "ha/database.hpp"
#include "ha/journal_config.hpp"
#include "kni/config.hpp"
#include "sip/config.hpp"

namespace sipfront::app {

struct MetricsConfig {
    bool enabled = true;
    core::Endpoint listen{{}, 9090};  // no address: the node's first own one (load_config fills it in)
};

struct AdminConfig {
    std::string socket = "/run/sipfront/sipfront.sock";
};

struct Config {
    sip::ProxyConfig proxy;  // proxy.node is the node id
    balancer::BalancerConfig balancer;
    ha::DatabaseConfig database;
    dpdk::DataPlaneConfig data_plane;
    kni::KernelConfig kernel;
    MetricsConfig metrics;
    AdminConfig admin;
    kni::ResolverConfig resolver;
    ha::JournalConfig journal;
    ha::CdrConfig cdr;
    core::LogConfig log;
    std::string key_file;  // core::KeyRing; empty: keys of this process only, which no restart and no other node survives
    std::chrono::milliseconds drain_timeout{30'000};
};

// Later texts override earlier ones. Names are for messages. Either a configuration that is sound as a whole, or every
// error that can be told apart, in the order of the files.
struct ConfigText {
    std::string name;
    std::string toml;
};
core::Result<Config, std::vector<ConfigError>> parse_config(const std::vector<ConfigText>& texts);
// Reads the files and parses them; a file that cannot be read is an error like any other.
core::Result<Config, std::vector<ConfigError>> load_config(const std::vector<std::string>& paths);

// Every key with the value that `config` gives it, as TOML writes it. Arrays of tables: "load_balancer[].id" with a row's
// default, then "load_balancer[0].id" and so on.
struct ConfigKey;
std::vector<ConfigKey> describe(const Config& config);

// Keys whose value differs, split by whether a reload can apply the change.
struct ConfigChanges {
    std::vector<std::string> applied, needs_restart;
};
ConfigChanges changes(const Config& from, const Config& to);

}  // namespace sipfront::app

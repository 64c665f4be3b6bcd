// The keys of the configuration and the rules that hold between them. Used by config.cpp.
#pragma once

#include "app/config.hpp"
#include "app/config_binder.hpp"

namespace sipfront::app {

// Binds every key below the root.
void bind_config(Binder& root, Config& config);
void bind_balancer(Binder& root, balancer::BalancerConfig& config);
void bind_database(Binder& table, ha::DatabaseConfig& config);
void bind_journal(Binder& root, ha::JournalConfig& journal, ha::CdrConfig& cdr);

// Fills in what follows from other keys: listeners, zones of listeners, row ids, the address of metrics.
void derive(Config& config);

// Rules between keys, after derive(). Adds to binding.errors.
void check_config(const Config& config, Binding& binding);
void check_database(const Config& config, Binding& binding);
void check_journal(const Config& config, Binding& out);

// Text forms of addresses, shared by the schema's files.
const TextForm<core::IpAddress>& address_form();
const TextForm<core::Prefix>& prefix_form();
const TextForm<std::string>& plain_form();

}  // namespace sipfront::app

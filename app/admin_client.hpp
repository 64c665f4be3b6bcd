// The other end of the management socket.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "app/command_table.hpp"
#include "app/event_loop.hpp"
#include "core/result.hpp"

namespace sipfront::app {

// One request over the daemon's socket. `unreachable`: nobody answered; else the error is the daemon's own.
struct CallFailure {
    bool unreachable = false;
    CommandError error;
};
core::Result<Json, CallFailure> call_daemon(const std::string& socket, const std::string& method, const Json& params,
                                            std::chrono::milliseconds timeout);

// A result as a person reads it: tables for lb_list, ds_list, ports, ps and status, indented JSON for the rest.
std::string present(const std::string& method, const Json& result);

}  // namespace sipfront::app

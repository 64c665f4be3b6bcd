// The resources column of the load_balancer table: "pstn=32;conf=4".
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "balancer/config.hpp"
#include "core/result.hpp"

namespace sipfront::balancer {

// White space around names, '=' and numbers is allowed, and so is a ';' at the end. The error names the item and how to mend it.
core::Result<std::vector<ResourceSpec>> parse_resources(std::string_view text);
// "pstn=32;conf=4".
std::string format_resources(std::span<const ResourceSpec> resources);
// "pstn;conf": the resources that a call uses (lb_resource). Empty names and repetitions are dropped.
std::vector<std::string> parse_resource_names(std::string_view text);

}  // namespace sipfront::balancer

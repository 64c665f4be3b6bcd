// What sipfrontctl does with the database itself, whether or not a daemon runs: its tables, and the rows of destinations.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "ha/database.hpp"

namespace sipfront::app {

// db create|check|migrate
// dispatcher show | addgw SET URI [STATE [DESCRIPTION [WEIGHT [PRIORITY]]]] | rmgw ID   (as opensipsctl)
// lb show | add GROUP URI RESOURCES [DESCRIPTION] | rm ID
// Returns an exit code: 0 done, 1 the database refused or has something to mend, 2 wrong usage.
int run_database_command(const ha::DatabaseConfig& config, const std::string& command, const std::vector<std::string>& arguments,
                         std::ostream& out, std::ostream& err);
// Whether the command is one of those above.
bool is_database_command(const std::string& command);

}  // namespace sipfront::app

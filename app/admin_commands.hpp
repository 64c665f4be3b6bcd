// The management commands: names and JSON shapes of OpenSIPS's MI where it has the same thing (docs/OPERATIONS.md).
#pragma once

#include "app/command_table.hpp"
#include "app/operations.hpp"

namespace sipfront::app {

// `operations` outlives the table, and the table what `which` hands out.
void add_admin_commands(CommandTable& table, Operations& operations);

}  // namespace sipfront::app

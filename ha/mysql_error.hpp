// What an error of MySQL, MariaDB, Galera or NDB means to a writer.
#pragma once

#include <string_view>

#include "ha/dialog_store.hpp"

namespace sipfront::ha {

// Numbers as the servers send them (Error Message Reference), 2000 to 2999 are the client library's. Of numbers that are not known,
// the class of the SQL state tells; of the rest nothing is given up: later.
StoreError::Kind mysql_error_kind(int number, std::string_view sql_state) noexcept;
// The server refuses or is unfit, and another one of the list may not be: read-only, not ready, too many connections.
bool mysql_wants_other_host(int number) noexcept;

}  // namespace sipfront::ha

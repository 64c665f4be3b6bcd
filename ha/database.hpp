// Which database, and how it is reached. A value of the configuration ([database]); what is made of it follows below.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "ha/cdr.hpp"
#include "ha/dialog_store.hpp"
#include "ha/sql.hpp"

namespace sipfront::ha {

enum class DatabaseEngine : std::uint8_t { none, sqlite, mysql };
enum class DestinationSource : std::uint8_t { config, database };

struct DatabaseConfig {
    // Of those that keep something, the one that needs no server.
    DatabaseEngine engine = DatabaseEngine::sqlite;
    // SQLite.
    std::string path = "/var/lib/sipfront/sipfront.db";
    // MySQL, MariaDB and their clusters. Hosts are tried in their order, "10.77.0.120", "db1:3307", "[fd77::120]:3306".
    std::vector<std::string> hosts{"127.0.0.1"};
    std::string socket;  // a Unix socket instead of `hosts`
    std::string user = "opensips";
    std::string password;
    std::string password_file;  // its first line, instead of `password`
    std::string name = "opensips";
    std::string tls_ca;  // of the server's certificate; empty: no TLS
    std::chrono::seconds connect_timeout{2}, read_timeout{5}, write_timeout{5};
    // Where the rows of load_balancer and dispatcher come from.
    DestinationSource destinations = DestinationSource::config;
    // The last rows that were read, for a start without the database; empty: none is kept.
    std::string destination_cache = "/var/lib/sipfront/destinations.json";
    friend bool operator==(const DatabaseConfig&, const DatabaseConfig&) = default;
};

// "10.77.0.120:3307" -> host and port; an empty host when the text is neither a name nor an address with a port of 1 to 65535.
struct DatabaseHost {
    std::string host;
    std::uint16_t port = 3306;
};
DatabaseHost parse_database_host(const std::string& text);

// Whether the place of an SQLite file can be written to, made if need be; the error says how to mend it. Of a server nothing is asked:
// it may come later, a directory without permission does not.
core::Status check_place(const DatabaseConfig& config);

// Null if the engine is none. Nothing connects before it is used.
std::unique_ptr<SqlConnector> make_connector(const DatabaseConfig& config);
// Null if the engine is none. Each writer takes a store of its own.
std::unique_ptr<DialogStore> make_dialog_store(const DatabaseConfig& config);
// Likewise; of one thread.
std::unique_ptr<CdrSink> make_cdr_table(const DatabaseConfig& config);

}  // namespace sipfront::ha

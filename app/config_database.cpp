// The keys of [database] and the rules that hold between them.
#include <algorithm>

#include <fmt/format.h>

#include "app/config_schema.hpp"

namespace sipfront::app {

using namespace std::chrono_literals;

void bind_database(Binder& b, ha::DatabaseConfig& d) {
    using ha::DatabaseEngine;
    using ha::DestinationSource;
    b.choice("engine", d.engine, {{"none", DatabaseEngine::none}, {"sqlite", DatabaseEngine::sqlite}, {"mysql", DatabaseEngine::mysql}});
    b.text("path", d.path);
    b.list("hosts", d.hosts, plain_form());
    b.text("socket", d.socket);
    b.text("user", d.user);
    b.text("password", d.password);
    b.text("password_file", d.password_file);
    b.text("name", d.name);
    b.text("tls_ca", d.tls_ca);
    b.duration("connect_timeout", d.connect_timeout, 1s, 60s);
    b.duration("read_timeout", d.read_timeout, 2s, 60s);
    b.duration("write_timeout", d.write_timeout, 2s, 60s);
    b.choice("destinations", d.destinations, {{"config", DestinationSource::config}, {"database", DestinationSource::database}});
    b.text("destination_cache", d.destination_cache);
}

namespace {

void check_mysql(const ha::DatabaseConfig& d, Binding& out) {
    if (d.hosts.empty() && d.socket.empty())
        out.fail("database.hosts", "is empty", "name the servers, as [\"10.77.0.120\", \"10.77.0.121:3307\"], or give database.socket");
    for (const auto& text : d.hosts)
        if (ha::parse_database_host(text).host.empty())
            out.fail("database.hosts", fmt::format("\"{}\" is not a host", text),
                     "write a name or an address, with a port where it is not 3306: \"db1:3307\", \"[fd77::120]:3307\"");
    // It stands in CREATE DATABASE.
    if (d.name.empty() || d.name.size() > 64 || !std::ranges::all_of(d.name, [](char c) {
            return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-' || c == '$';
        }))
        out.fail("database.name", fmt::format("\"{}\" is not a database's name", d.name), "give 1 to 64 letters, digits, '_', '-' or '$'");
    if (d.user.empty()) out.fail("database.user", "is empty", "give the user that the tables are granted to");
    if (!d.password.empty() && !d.password_file.empty())
        out.fail("database.password", "is given beside database.password_file", "keep one of them");
}

// Whoever names a server means it, and would look for the rows there.
void check_no_server(const ha::DatabaseConfig& d, Binding& out) {
    const ha::DatabaseConfig plain;
    const char* key = d.hosts != plain.hosts                   ? "hosts"
                      : d.socket != plain.socket               ? "socket"
                      : d.password != plain.password           ? "password"
                      : d.password_file != plain.password_file ? "password_file"
                                                               : nullptr;
    if (key != nullptr)
        out.fail("database.engine", fmt::format("is \"sqlite\", a file, and database.{} is of a server", key),
                 fmt::format("set it to \"mysql\", or leave database.{} out", key));
}

}  // namespace

void check_database(const Config& c, Binding& out) {
    const auto& d = c.database;
    if (d.engine == ha::DatabaseEngine::mysql) check_mysql(d, out);
    if (d.engine == ha::DatabaseEngine::sqlite) check_no_server(d, out);
    if (d.engine == ha::DatabaseEngine::sqlite && d.path.empty()) out.fail("database.path", "is empty", "give the file to keep");
    if (d.destinations != ha::DestinationSource::database) return;
    if (d.engine == ha::DatabaseEngine::none)
        out.fail("database.destinations", "is \"database\", and there is none", "set database.engine to \"mysql\" or \"sqlite\"");
    for (const auto& [table, rows] :
         {std::pair{"load_balancer", c.balancer.load_balancer.size()}, {"dispatcher", c.balancer.dispatcher.size()}})
        if (rows > 0)
            out.fail(table, "has rows, and database.destinations takes them from the database",
                     fmt::format("insert them there (sipfrontctl {} ...), or set database.destinations to \"config\"",
                                 std::string_view{table} == "dispatcher" ? "dispatcher addgw" : "lb add"));
}

}  // namespace sipfront::app

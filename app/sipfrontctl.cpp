// The operator's tool: speaks to sipfrontd over its management socket.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "app/admin_client.hpp"
#include "app/config.hpp"
#include "app/database_commands.hpp"
#include "core/keys.hpp"

namespace {

using namespace sipfront;

constexpr int refused = 1, usage = 2, unreachable = 3;

int keygen(const std::vector<std::string>& arguments) {
    if (arguments.size() != 1) {
        std::cerr << "sipfrontctl: usage: sipfrontctl keygen FILE\n";
        return usage;
    }
    const auto status = core::KeyRing::generate(arguments.front());
    if (!status) {
        std::cerr << "sipfrontctl: " << status.error().what << '\n';
        return refused;
    }
    std::cout << "wrote " << arguments.front() << "; copy it to the other node of the pair, and set node.key_file on both\n";
    return 0;
}

int database(const std::vector<std::string>& config_files, const std::string& command, const std::vector<std::string>& arguments) {
    const auto config = app::load_config(config_files);
    if (!config) {
        for (const auto& e : config.error()) std::cerr << e.to_string() << '\n';
        return usage;
    }
    return app::run_database_command(config->database, command, arguments, std::cout, std::cerr);
}

// The daemon does not wait for the database, so we do. What the reading brought takes the place of `result`'s silence about it.
int await_destinations(const std::string& socket, std::uint64_t request, std::chrono::steady_clock::time_point until, app::Json& result) {
    for (;;) {
        const auto status = app::call_daemon(socket, "db_status", app::Json::array(), std::chrono::seconds{1});
        if (!status) return std::cerr << "sipfrontctl: " << status.error().error.message << '\n', unreachable;
        if (status->value("answered", std::uint64_t{0}) >= request) {
            if (const auto error = status->value("error", std::string{}); !error.empty())
                return std::cerr << "sipfrontctl: destinations cannot be read, those in force stay: " << error << '\n', refused;
            result.erase("reading");
            for (const char* key : {"skipped", "warnings"})
                for (const auto& what : status->value(key, app::Json::array())) result["warnings"].push_back(what);
            return 0;
        }
        if (std::chrono::steady_clock::now() >= until)
            return std::cerr << "sipfrontctl: the database has not answered yet; db_status tells when it has\n", refused;
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App cli{"Commands a running sipfrontd. \"sipfrontctl which\" lists the daemon's commands."};
    std::string socket = app::AdminConfig{}.socket, command;
    std::vector<std::string> arguments, config_files;
    bool json = false;
    unsigned timeout = 10;
    cli.add_option("--socket", socket, "the daemon's admin.socket")->capture_default_str();
    cli.add_flag("--json", json, "print the result as JSON, in one line");
    cli.add_option("--timeout", timeout, "seconds to wait for the answer")->capture_default_str();
    cli.add_option("--config", config_files, "for db, dispatcher and lb: the daemon's configuration; may be given several times")
        ->allow_extra_args(false);
    cli.add_option("command", command,
                   "status, lb_list, ds_list, lb_status, reload, get_statistics, ...; or, without a daemon: keygen FILE, which makes a key "
                   "file; db create|check|migrate; dispatcher show|addgw|rmgw; lb show|add|rm")
        ->required();
    cli.add_option("arguments", arguments, "the command's parameters, in order");
    cli.set_version_flag("--version", "sipfrontctl " SIPFRONT_VERSION);
    cli.footer("Exit codes: 0 done, 1 the daemon refused, 2 wrong usage, 3 no daemon answers.");
    try {
        cli.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return cli.exit(e) == 0 ? 0 : usage;
    }
    if (command == "keygen") return keygen(arguments);
    if (app::is_database_command(command)) {
        if (config_files.empty()) config_files.emplace_back("/etc/sipfront/sipfront.toml");
        return database(config_files, command, arguments);
    }

    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{timeout};
    auto result = app::call_daemon(socket, command, app::Json(arguments), std::chrono::seconds{timeout});
    if (!result) {
        std::cerr << "sipfrontctl: " << result.error().error.message << '\n';
        if (result.error().unreachable) return unreachable;
        return result.error().error.code == app::invalid_params || result.error().error.code == app::unknown_method ? usage : refused;
    }
    if (result->is_object() && result->contains("reading"))
        if (const int code = await_destinations(socket, result->value("reading", std::uint64_t{0}), until, *result); code != 0) return code;
    std::cout << (json ? result->dump(-1, ' ', false, app::Json::error_handler_t::replace) + '\n' : app::present(command, *result));
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "sipfrontctl: %s\n", e.what());
    return refused;
}

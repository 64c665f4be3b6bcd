// The operator's tool: speaks to sipfrontd over its management socket.
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "app/admin_client.hpp"
#include "app/config.hpp"
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

}  // namespace

int main(int argc, char** argv) try {
    CLI::App cli{"Commands a running sipfrontd. \"sipfrontctl which\" lists the daemon's commands."};
    std::string socket = app::AdminConfig{}.socket, command;
    std::vector<std::string> arguments;
    bool json = false;
    unsigned timeout = 10;
    cli.add_option("--socket", socket, "the daemon's admin.socket")->capture_default_str();
    cli.add_flag("--json", json, "print the result as JSON, in one line");
    cli.add_option("--timeout", timeout, "seconds to wait for the answer")->capture_default_str();
    cli.add_option("command", command,
                   "status, lb_list, ds_list, lb_status, reload, get_statistics, ...; or keygen FILE, which makes a key file")
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

    const auto result = app::call_daemon(socket, command, app::Json(arguments), std::chrono::seconds{timeout});
    if (!result) {
        std::cerr << "sipfrontctl: " << result.error().error.message << '\n';
        if (result.error().unreachable) return unreachable;
        return result.error().error.code == app::invalid_params || result.error().error.code == app::unknown_method ? usage : refused;
    }
    std::cout << (json ? result->dump(-1, ' ', false, app::Json::error_handler_t::replace) + '\n' : app::present(command, *result));
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "sipfrontctl: %s\n", e.what());
    return refused;
}

// Management commands by name, spoken as JSON-RPC 2.0 (https://www.jsonrpc.org/specification). No sockets here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/result.hpp"

namespace sipfront::app {

using Json = nlohmann::json;

// Codes as JSON-RPC reserves them, and as OpenSIPS's MI uses them (HTTP-like).
struct CommandError {
    int code = 500;
    std::string message;
};
inline constexpr int parse_error = -32700, invalid_request = -32600, unknown_method = -32601, invalid_params = -32602;

using CommandResult = core::Result<Json, CommandError>;

// A command's arguments by name. Numbers may come as strings, as a shell gives them.
class Arguments {
public:
    // Not braces: they would make a list of it.
    explicit Arguments(Json values) : values_(std::move(values)) {}

    [[nodiscard]] bool has(const std::string& name) const { return values_.contains(name); }
    // Only for arguments that the command requires, or after has(). Numbers as their digits.
    [[nodiscard]] std::string text(const std::string& name) const;
    // nullopt: absent, or not a whole number of 32 bits without sign.
    [[nodiscard]] std::optional<std::uint32_t> number(const std::string& name) const;
    // A list, or one value as a list of one; empty when absent.
    [[nodiscard]] std::vector<std::string> texts(const std::string& name) const;

private:
    Json values_;
};

struct Command {
    std::string name;
    std::vector<std::string> required, optional;  // in the order of positional parameters
    std::string help;
    std::function<CommandResult(const Arguments&)> run;
    bool takes_rest = false;  // the last parameter takes all further positional values as a list
};

class CommandTable {
public:
    void add(Command command);
    // "load_balancer:list" for "lb_list": the names of OpenSIPS 4 beside those of all before.
    void alias(std::string other, const std::string& name);

    // One request or a batch; the answer in one line without its end. Empty when there is nothing to answer (notifications).
    [[nodiscard]] std::string handle(std::string_view request) const;
    [[nodiscard]] CommandResult run(const std::string& name, const Json& params) const;
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] const Command* find(const std::string& name) const;

private:
    [[nodiscard]] Json answer(const Json& request) const;

    std::map<std::string, Command> commands_;
    std::map<std::string, std::string> aliases_;
};

}  // namespace sipfront::app

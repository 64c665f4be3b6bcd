#include "app/command_table.hpp"

#include <charconv>
#include <limits>
#include <utility>

#include "app/config_units.hpp"

namespace sipfront::app {

namespace {

std::string plain(const Json& v) { return v.is_string() ? v.get<std::string>() : v.dump(); }

Json error_object(const CommandError& e) { return {{"code", e.code}, {"message", e.message}}; }

std::string usage(const Command& c) {
    std::string s = c.name;
    for (const auto& p : c.required) s += ' ' + p;
    for (const auto& p : c.optional) s += " [" + p + ']';
    return c.takes_rest ? s + " ..." : s;
}

// Arguments by name, whichever way they came.
core::Result<Json, CommandError> name_arguments(const Command& c, const Json& params) {
    auto order = c.required;
    order.insert(order.end(), c.optional.begin(), c.optional.end());
    Json named = Json::object();
    if (params.is_object()) {
        for (const auto& [key, value] : params.items()) {
            if (std::find(order.begin(), order.end(), key) == order.end())
                return CommandError{invalid_params, "no parameter \"" + key + "\"; usage: " + usage(c)};
            named[key] = value;
        }
    } else if (params.is_array()) {
        for (std::size_t i = 0; i < params.size(); ++i) {
            const bool rest = c.takes_rest && i + 1 >= order.size();
            if (i >= order.size() && !rest) return CommandError{invalid_params, "too many parameters; usage: " + usage(c)};
            if (rest && !params[i].is_array())
                named[order.back()].push_back(params[i]);
            else
                named[order[i]] = params[i];
        }
    } else if (!params.is_null()) {
        return CommandError{invalid_params, "params must be an object or an array"};
    }
    for (const auto& r : c.required)
        if (!named.contains(r)) return CommandError{invalid_params, "parameter \"" + r + "\" is missing; usage: " + usage(c)};
    return named;
}

}  // namespace

std::string Arguments::text(const std::string& name) const { return plain(values_.at(name)); }

std::optional<std::uint32_t> Arguments::number(const std::string& name) const {
    if (!has(name)) return std::nullopt;
    const auto text = plain(values_.at(name));
    std::uint32_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional{n} : std::nullopt;
}

std::vector<std::string> Arguments::texts(const std::string& name) const {
    if (!has(name)) return {};
    const auto& v = values_.at(name);
    if (!v.is_array()) return {plain(v)};
    std::vector<std::string> all;
    for (const auto& item : v) all.push_back(plain(item));
    return all;
}

void CommandTable::add(Command command) {
    auto name = command.name;
    commands_.insert_or_assign(std::move(name), std::move(command));
}

void CommandTable::alias(std::string other, const std::string& name) { aliases_.insert_or_assign(std::move(other), name); }

const Command* CommandTable::find(const std::string& name) const {
    const auto a = aliases_.find(name);
    const auto c = commands_.find(a == aliases_.end() ? name : a->second);
    return c == commands_.end() ? nullptr : &c->second;
}

std::vector<std::string> CommandTable::names() const {
    std::vector<std::string> all;
    for (const auto& [name, command] : commands_) all.push_back(name);
    return all;
}

CommandResult CommandTable::run(const std::string& name, const Json& params) const {
    const auto* c = find(name);
    if (c == nullptr) {
        const auto guess = closest(name, names());
        return CommandError{unknown_method,
                            "no command \"" + name + "\"" + (guess ? "; did you mean \"" + *guess + "\"?" : "; \"which\" lists all")};
    }
    auto arguments = name_arguments(*c, params);
    if (!arguments) return arguments.error();
    return c->run(Arguments{std::move(*arguments)});
}

Json CommandTable::answer(const Json& request) const {
    Json response{{"jsonrpc", "2.0"}, {"id", nullptr}};
    const auto refuse = [&](int code, const char* message) {
        response["error"] = error_object({code, message});
        return response;
    };
    if (!request.is_object()) return refuse(invalid_request, "a request is an object");
    if (const auto id = request.find("id"); id != request.end() && (id->is_string() || id->is_number() || id->is_null()))
        response["id"] = *id;
    const auto method = request.find("method");
    if (request.value("jsonrpc", Json{}) != "2.0" || method == request.end() || !method->is_string())
        return refuse(invalid_request, "a request has \"jsonrpc\": \"2.0\" and a \"method\"");
    const auto result = run(method->get<std::string>(), request.value("params", Json{}));
    if (!request.contains("id")) return nullptr;
    if (result)
        response["result"] = *result;
    else
        response["error"] = error_object(result.error());
    return response;
}

std::string CommandTable::handle(std::string_view request) const {
    // Replaces what is not UTF-8 instead of throwing: URIs of rows come from outside.
    const auto dump = [](const Json& j) { return j.dump(-1, ' ', false, Json::error_handler_t::replace); };
    const auto parsed = Json::parse(request, nullptr, false);
    if (parsed.is_discarded()) return dump({{"jsonrpc", "2.0"}, {"id", nullptr}, {"error", error_object({parse_error, "not JSON"})}});
    if (!parsed.is_array() || parsed.empty()) {
        const auto one = answer(parsed);
        return one.is_null() ? std::string{} : dump(one);
    }
    Json all = Json::array();
    for (const auto& r : parsed)
        if (auto one = answer(r); !one.is_null()) all.push_back(std::move(one));
    return all.empty() ? std::string{} : dump(all);
}

}  // namespace sipfront::app

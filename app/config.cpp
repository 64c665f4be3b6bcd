#include "app/config.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

#include "app/config_binder.hpp"
#include "app/config_schema.hpp"
#include "balancer/snapshot_builder.hpp"

namespace sipfront::app {

namespace {

core::Result<Config, std::vector<ConfigError>> parse_texts(const std::vector<ConfigText>& texts, std::vector<ConfigError> errors) {
    ConfigValue merged;
    for (const auto& text : texts) {
        auto tree = parse_toml(text.toml, text.name);
        if (tree)
            overlay(merged, std::move(*tree));
        else
            errors.push_back(tree.error());
    }
    // Without a file's values the rest would be judged by its gaps.
    if (!errors.empty()) return errors;

    Config config;
    Binding binding;
    Binder root{binding, &merged, "", false};
    bind_config(root, config);
    root.finish();
    binding.report_unknown();
    derive(config);
    check_config(config, binding);
    if (binding.errors.empty()) {
        // What only the balancer knows: its bounds on destinations and resources.
        balancer::Registry registry{1};
        balancer::HealthBoard health;
        for (auto& what : balancer::build_snapshot(config.balancer, registry, health).errors) binding.errors.push_back({{}, "", what, ""});
    }
    if (binding.errors.empty()) return config;
    std::map<std::string, std::size_t> order;
    for (const auto& text : texts) order.emplace(text.name, order.size());
    const auto place = [&](const ConfigError& e) {
        const auto file = order.find(e.at.file);
        return std::tuple{file == order.end() ? order.size() : file->second, e.at.line, e.at.column};
    };
    std::stable_sort(binding.errors.begin(), binding.errors.end(),
                     [&](const ConfigError& a, const ConfigError& b) { return place(a) < place(b); });
    return std::move(binding.errors);
}

}  // namespace

core::Result<Config, std::vector<ConfigError>> parse_config(const std::vector<ConfigText>& texts) { return parse_texts(texts, {}); }

core::Result<Config, std::vector<ConfigError>> load_config(const std::vector<std::string>& paths) {
    std::vector<ConfigText> texts;
    std::vector<ConfigError> errors;
    for (const auto& path : paths) {
        std::ifstream file{path};
        std::ostringstream text;
        if (file && text << file.rdbuf())
            texts.push_back({path, std::move(text).str()});
        else
            errors.push_back({{path, 0, 0}, "", std::string{"cannot be read: "} + std::strerror(errno), "give --config a readable file"});
    }
    return parse_texts(texts, std::move(errors));
}

std::vector<ConfigKey> describe(const Config& config) {
    auto copy = config;
    Binding binding;
    Binder root{binding, nullptr, "", false};
    bind_config(root, copy);
    return std::move(binding.keys);
}

ConfigChanges changes(const Config& from, const Config& to) {
    std::map<std::string, std::string> before;
    for (auto& k : describe(from)) before.emplace(std::move(k.path), std::move(k.value));
    ConfigChanges result;
    const auto note = [&](const std::string& path, bool reloadable) {
        (reloadable ? result.applied : result.needs_restart).push_back(path);
    };
    for (const auto& k : describe(to)) {
        const auto old = before.extract(k.path);
        if (old.empty() || old.mapped() != k.value) note(k.path, k.reloadable);
    }
    // What is left was in rows that are gone; whether those are reloadable is a matter of their table.
    if (!before.empty()) {
        std::map<std::string, bool> reloadable;
        for (const auto& k : describe(from)) reloadable.emplace(k.path, k.reloadable);
        for (const auto& [path, value] : before) note(path, reloadable[path]);
    }
    return result;
}

}  // namespace sipfront::app

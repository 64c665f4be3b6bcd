// The only source file that knows the TOML library.
#define TOML_ENABLE_FORMATTERS 0
#include <algorithm>

#include <toml++/toml.h>

#include "app/config_value.hpp"

namespace sipfront::app {

namespace {

Position position(const toml::source_region& s, const std::string& file) {
    return {file, static_cast<std::uint32_t>(s.begin.line), static_cast<std::uint32_t>(s.begin.column)};
}

ConfigValue convert(const toml::node& node, const std::string& file) {
    using Kind = ConfigValue::Kind;
    ConfigValue v;
    v.at = position(node.source(), file);
    if (const auto* table = node.as_table()) {
        v.kind = Kind::table;
        for (const auto& [key, value] : *table) {
            v.members.push_back({std::string{key.str()}, convert(value, file)});
            // A value's own position is less use than its key's, save for tables, whose key is their header line.
            v.members.back().value.at = position(key.source(), file);
        }
        std::sort(v.members.begin(), v.members.end(), [](const ConfigMember& a, const ConfigMember& b) {
            return std::pair{a.value.at.line, a.value.at.column} < std::pair{b.value.at.line, b.value.at.column};
        });
    } else if (const auto* array = node.as_array()) {
        v.kind = Kind::array;
        for (const auto& item : *array) v.items.push_back(convert(item, file));
    } else if (const auto* text = node.as_string()) {
        v.kind = Kind::text;
        v.text = text->get();
    } else if (const auto* integer = node.as_integer()) {
        v.kind = Kind::integer;
        v.integer = integer->get();
    } else if (const auto* real = node.as_floating_point()) {
        v.kind = Kind::real;
        v.real = real->get();
    } else if (const auto* boolean = node.as_boolean()) {
        v.kind = Kind::boolean;
        v.boolean = boolean->get();
    } else {
        v.kind = Kind::date;
    }
    return v;
}

}  // namespace

core::Result<ConfigValue, ConfigError> parse_toml(std::string_view text, const std::string& file) {
    try {
        return convert(toml::parse(text, file), file);
    } catch (const toml::parse_error& e) {
        return ConfigError{position(e.source(), file), "", std::string{e.description()}, "mend the TOML there (https://toml.io)"};
    }
}

}  // namespace sipfront::app

// A configuration file as a plain tree with positions: keeps the TOML library in one source file and lets files overlay
// each other before anything is interpreted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/config_error.hpp"
#include "core/result.hpp"

namespace sipfront::app {

struct ConfigMember;

struct ConfigValue {
    enum class Kind : std::uint8_t { boolean, integer, real, text, array, table, date };

    Kind kind = Kind::table;
    Position at;
    bool boolean = false;
    std::int64_t integer = 0;
    double real = 0;
    std::string text;
    std::vector<ConfigValue> items;     // of an array
    std::vector<ConfigMember> members;  // of a table, in the order of the file

    [[nodiscard]] const ConfigValue* find(std::string_view key) const;
};

struct ConfigMember {
    std::string key;
    ConfigValue value;
};

// "a string", "a table", ...: for messages.
std::string_view name(ConfigValue::Kind k);

// `file` names the text in positions. The error is the parser's first one: TOML cannot be read on behind it.
core::Result<ConfigValue, ConfigError> parse_toml(std::string_view text, const std::string& file);

// `over` wins; tables are merged key by key, everything else (arrays of tables too) is replaced whole.
void overlay(ConfigValue& base, ConfigValue over);

}  // namespace sipfront::app

#include "app/config_value.hpp"

#include <algorithm>

namespace sipfront::app {

std::string ConfigError::to_string() const {
    std::string s = at.file;
    if (at.line != 0) s += ':' + std::to_string(at.line) + ':' + std::to_string(at.column);
    if (!s.empty()) s += ": ";
    if (!key.empty()) s += key + ": ";
    s += what;
    if (!mend.empty()) s += "; " + mend;
    return s;
}

const ConfigValue* ConfigValue::find(std::string_view key) const {
    const auto m = std::find_if(members.begin(), members.end(), [&](const ConfigMember& member) { return member.key == key; });
    return m == members.end() ? nullptr : &m->value;
}

std::string_view name(ConfigValue::Kind k) {
    switch (k) {
        case ConfigValue::Kind::boolean:
            return "true or false";
        case ConfigValue::Kind::integer:
            return "a whole number";
        case ConfigValue::Kind::real:
            return "a number";
        case ConfigValue::Kind::text:
            return "a string";
        case ConfigValue::Kind::array:
            return "an array";
        case ConfigValue::Kind::table:
            return "a table";
        case ConfigValue::Kind::date:
            break;
    }
    return "a date or time";
}

void overlay(ConfigValue& base, ConfigValue over) {
    if (base.kind != ConfigValue::Kind::table || over.kind != ConfigValue::Kind::table) {
        base = std::move(over);
        return;
    }
    for (auto& theirs : over.members) {
        const auto ours =
            std::find_if(base.members.begin(), base.members.end(), [&](const ConfigMember& m) { return m.key == theirs.key; });
        if (ours == base.members.end())
            base.members.push_back(std::move(theirs));
        else
            overlay(ours->value, std::move(theirs.value));
    }
}

}  // namespace sipfront::app

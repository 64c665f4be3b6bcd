// The example shows every key, with its true default, and is itself sound; the reference lists every key.
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/config.hpp"
#include "app/config_binder.hpp"

namespace sipfront::app {
namespace {

std::string read(const std::string& path) {
    std::ifstream file{SIPFRONT_SOURCE_DIR "/" + path};
    EXPECT_TRUE(file) << path;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

struct ExampleKey {
    bool commented = false, reload = false;
    std::string value;
};

// By path; the first occurrence, rows as "table[]".
std::map<std::string, ExampleKey> keys_of_example() {
    std::map<std::string, ExampleKey> keys;
    std::istringstream lines{read("sipfront.example.toml")};
    std::string section, line;
    while (std::getline(lines, line)) {
        if (line.starts_with("[[")) {
            section = line.substr(2, line.find("]]") - 2) + "[].";
        } else if (line.starts_with('[')) {
            section = line.substr(1, line.find(']') - 1) + '.';
        } else if (const auto equals = line.find(" = "); equals != std::string::npos && !line.starts_with("# ")) {
            ExampleKey k;
            k.commented = line[0] == '#';
            const auto mark = line.rfind(" # reload");
            k.reload = mark != std::string::npos;
            k.value = line.substr(equals + 3, (k.reload ? mark : line.size()) - equals - 3);
            k.value.erase(k.value.find_last_not_of(' ') + 1);
            const auto start = k.commented ? 1U : 0U;
            keys.emplace(section + line.substr(start, equals - start), k);
        }
    }
    return keys;
}

TEST(ExampleConfig, IsSound) {
    const auto r = parse_config({{"sipfront.example.toml", read("sipfront.example.toml")}});
    if (!r)
        for (const auto& e : r.error()) ADD_FAILURE() << e.to_string();
}

TEST(ExampleConfig, ShowsEveryKeyWithItsDefault) {
    auto shown = keys_of_example();
    for (const auto& key : describe(Config{})) {
        const auto k = shown.extract(key.path);
        ASSERT_FALSE(k.empty()) << key.path << " is missing";
        if (k.mapped().commented) {
            EXPECT_EQ(k.mapped().value, key.value) << key.path;
        }
        EXPECT_EQ(k.mapped().reload, key.reloadable) << key.path;
    }
    for (const auto& [path, key] : shown) ADD_FAILURE() << path << " is not a key";
}

TEST(ConfigReference, ListsEveryKeyWithItsDefault) {
    // Rows are "| `key` | type | `default` | reloadable | meaning |" below a heading that names the table.
    std::map<std::string, std::pair<std::string, std::string>> listed;
    std::istringstream lines{read("docs/CONFIGURATION.md")};
    std::string section, line;
    while (std::getline(lines, line)) {
        if (line.starts_with("## `[[")) {
            section = line.substr(6, line.find("]]") - 6) + "[].";
        } else if (line.starts_with("## `[")) {
            section = line.substr(5, line.find(']') - 5) + '.';
        } else if (line.starts_with("| `")) {
            std::vector<std::string> cells;
            std::istringstream row{line};
            for (std::string cell; std::getline(row, cell, '|');) cells.push_back(cell);
            ASSERT_GE(cells.size(), 6U) << line;
            const auto inside = [](const std::string& cell) {
                const auto first = cell.find('`'), last = cell.rfind('`');
                return first == last ? std::string{} : cell.substr(first + 1, last - first - 1);
            };
            listed[section + inside(cells[1])] = {inside(cells[3]), cells[4]};
        }
    }
    for (const auto& key : describe(Config{})) {
        ASSERT_TRUE(listed.contains(key.path)) << key.path << " is missing";
        const auto& [value, reload] = listed[key.path];
        // A dash stands for "must be given".
        if (!value.empty()) {
            EXPECT_EQ(value, key.value) << key.path;
        }
        EXPECT_EQ(reload, key.reloadable ? " yes " : " no ") << key.path;
        listed.erase(key.path);
    }
    for (const auto& [path, key] : listed) ADD_FAILURE() << path << " is not a key";
}

}  // namespace
}  // namespace sipfront::app

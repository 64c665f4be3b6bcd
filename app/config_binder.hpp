// Ties keys of a configuration tree to fields of the structs they fill. One description of the keys serves reading,
// the list of all keys with their defaults, and the comparison of two configurations.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/config_error.hpp"
#include "app/config_units.hpp"
#include "app/config_value.hpp"

namespace sipfront::app {

// A key that the parser knows. Rows of an array of tables appear as "table[]" (the prototype) and "table[n]".
struct ConfigKey {
    std::string path;   // "sip.timers.t1"
    std::string value;  // as TOML writes it: 500, "500ms", ["a", "b"]
    bool reloadable = false;
};

// What one pass over the keys gathered.
struct Binding {
    std::vector<ConfigKey> keys;  // with the values that the fields had before reading
    std::vector<ConfigError> errors;
    std::map<std::string, Position> positions;  // of every key that a file gives

    void fail(const std::string& key, std::string what, std::string mend);
    // Adds the spelling suggestions to what Binder::finish() found. Call once, when every table was bound.
    void report_unknown();

    struct Unknown {
        std::string table, key;
        Position at;
    };
    std::vector<Unknown> unknown;
};

// How a field's value is written as a string and read back; nullopt with `why` set when it cannot be read.
template <class T>
struct TextForm {
    std::function<std::optional<T>(std::string_view)> parse;
    std::function<std::string(const T&)> format;
    std::string_view example;  // "an address with its prefix length, as \"10.77.0.101/24\""
};

// One table. With `table` null nothing is read, only described.
class Binder {
public:
    Binder(Binding& out, const ConfigValue* table, std::string path, bool reloadable)
        : out_{out}, table_{table}, path_{std::move(path)}, reloadable_{reloadable} {}

    void flag(std::string_view key, bool& field);
    void real(std::string_view key, double& field, double least, double most);
    void text(std::string_view key, std::string& field);
    // Octets, "512MiB" or a plain number.
    void size(std::string_view key, std::uint64_t& field, std::uint64_t least, std::uint64_t most);

    template <std::integral T>
    void number(std::string_view key, T& field, std::int64_t least, std::int64_t most) {
        if (const auto n = integer(key, static_cast<std::int64_t>(field), least, most)) field = static_cast<T>(*n);
    }
    template <class D>
    void duration(std::string_view key, D& field, core::Duration least, core::Duration most) {
        if (const auto d = span(key, core::Duration{field}, least, most, core::Duration{D{1}})) field = std::chrono::duration_cast<D>(*d);
    }
    template <class E>
    void choice(std::string_view key, E& field, std::initializer_list<std::pair<std::string_view, E>> choices) {
        std::vector<std::string> names;
        std::string current;
        for (const auto& [name, value] : choices) {
            names.emplace_back(name);
            if (value == field) current = name;
        }
        if (const auto i = one_of(key, current, names)) field = (choices.begin() + *i)->second;
    }
    template <class T>
    void formed(std::string_view key, T& field, const TextForm<T>& form) {
        know(key, quote(form.format(field)));
        if (const auto* v = take(key, ConfigValue::Kind::text)) read_formed(*v, full(key), field, form);
    }
    template <class T>
    void list(std::string_view key, std::vector<T>& field, const TextForm<T>& form) {
        std::string text = "[";
        for (const auto& item : field) text += (text.size() > 1 ? ", " : "") + quote(form.format(item));
        know(key, text + "]");
        const auto* v = take(key, ConfigValue::Kind::array);
        if (v == nullptr) return;
        field.clear();
        for (const auto& item : v->items) {
            T one{};
            if (expect(item, full(key), ConfigValue::Kind::text) && read_formed(item, full(key), one, form))
                field.push_back(std::move(one));
        }
    }
    template <std::integral T>
    void numbers(std::string_view key, std::vector<T>& field, std::int64_t least, std::int64_t most) {
        const auto read = integers(key, {field.begin(), field.end()}, least, most);
        if (!read) return;
        field.clear();
        for (const auto n : *read) field.push_back(static_cast<T>(n));
    }

    // bind_table(Binder&)
    template <class F>
    void table(std::string_view key, F&& bind_table) {
        Binder b{out_, take(key, ConfigValue::Kind::table), full(key), reloadable_};
        bind_table(b);
        b.finish();
    }
    // An array of tables: bind_row(Binder&, Row&). A file that has the array replaces all rows.
    template <class Row, class F>
    void rows(std::string_view key, std::vector<Row>& field, F&& bind_row) {
        describe_row(key, "[]", Row{}, bind_row);
        std::size_t i = 0;
        for (const auto& row : field) describe_row(key, '[' + std::to_string(i++) + ']', row, bind_row);
        const auto* v = take(key, ConfigValue::Kind::array);
        if (v == nullptr) return;
        field.clear();
        for (const auto& item : v->items) {
            const auto path = full(key) + '[' + std::to_string(field.size()) + ']';
            Row row{};
            if (expect(item, path, ConfigValue::Kind::table)) {
                out_.positions.emplace(path, item.at);
                Binder b{out_, &item, path, reloadable_};
                bind_row(b, row);
                b.finish();
            }
            field.push_back(std::move(row));
        }
    }

    // What is bound from here on may change at run time, or may not.
    void reloadable(bool yes) noexcept { reloadable_ = yes; }
    // Notes the members that nobody bound.
    void finish();

private:
    template <class Row, class F>
    void describe_row(std::string_view key, const std::string& index, Row row, F&& bind_row) {
        Binder b{out_, nullptr, full(key) + index, reloadable_};
        bind_row(b, row);
    }
    template <class T>
    bool read_formed(const ConfigValue& v, const std::string& path, T& field, const TextForm<T>& form) {
        auto value = form.parse(v.text);
        if (!value) return fail(v.at, path, "\"" + v.text + "\" is not understood", "write " + std::string{form.example}), false;
        field = std::move(*value);
        return true;
    }

    static std::string quote(std::string_view text);
    [[nodiscard]] std::string full(std::string_view key) const { return path_.empty() ? std::string{key} : path_ + '.' + std::string{key}; }
    void know(std::string_view key, std::string value);
    const ConfigValue* take(std::string_view key, ConfigValue::Kind kind);
    bool expect(const ConfigValue& v, const std::string& path, ConfigValue::Kind kind);
    void fail(const Position& at, const std::string& path, std::string what, std::string mend);
    std::optional<std::int64_t> integer(std::string_view key, std::int64_t current, std::int64_t least, std::int64_t most);
    std::optional<std::vector<std::int64_t>> integers(std::string_view key, std::vector<std::int64_t> current, std::int64_t least,
                                                      std::int64_t most);
    std::optional<core::Duration> span(std::string_view key, core::Duration current, core::Duration least, core::Duration most,
                                       core::Duration step);
    std::optional<std::size_t> one_of(std::string_view key, const std::string& current, const std::vector<std::string>& names);
    bool in_range(const ConfigValue& v, const std::string& path, std::int64_t least, std::int64_t most);

    Binding& out_;
    const ConfigValue* table_;
    std::string path_;
    bool reloadable_;
    std::vector<std::string> bound_;
};

}  // namespace sipfront::app

#include "app/config_binder.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace sipfront::app {

using Kind = ConfigValue::Kind;

namespace {

std::string leaf(const std::string& path) { return path.substr(path.rfind('.') + 1); }

}  // namespace

void Binding::fail(const std::string& key, std::string what, std::string mend) {
    Position at;
    // A default has no position: the nearest table that a file gives is where the reader must look.
    for (auto path = key; at.line == 0 && !path.empty();
         path = path.substr(0, path.find_last_of(".[") == std::string::npos ? 0 : path.find_last_of(".[")))
        if (const auto p = positions.find(path); p != positions.end()) at = p->second;
    errors.push_back({at, key, std::move(what), std::move(mend)});
}

void Binding::report_unknown() {
    for (const auto& u : unknown) {
        const auto prefix = u.table.empty() ? std::string{} : u.table + '.';
        std::vector<std::string> siblings;
        std::string elsewhere;
        for (const auto& k : keys) {
            if (k.path.starts_with(prefix)) {
                const auto rest = k.path.substr(prefix.size());
                siblings.push_back(rest.substr(0, rest.find_first_of(".[")));
            }
            if (leaf(k.path) == u.key && elsewhere.empty() && k.path.find('[') == std::string::npos) elsewhere = k.path;
        }
        std::string mend = "remove it";
        if (const auto guess = closest(u.key, siblings))
            mend = fmt::format("did you mean \"{}\"?", *guess);
        else if (!elsewhere.empty())
            mend = fmt::format("did you mean \"{}\"?", elsewhere);
        errors.push_back({u.at, prefix + u.key, "is not a key that sipfront knows", mend});
    }
    unknown.clear();
}

void Binder::flag(std::string_view key, bool& field) {
    know(key, field ? "true" : "false");
    if (const auto* v = take(key, Kind::boolean)) field = v->boolean;
}

void Binder::real(std::string_view key, double& field, double least, double most) {
    know(key, fmt::format("{}", field));
    const auto* v = take(key, Kind::real);
    if (v == nullptr) return;
    const auto n = v->kind == Kind::integer ? static_cast<double>(v->integer) : v->real;
    if (n >= least && n <= most)
        field = n;
    else
        fail(v->at, full(key), fmt::format("{} is out of range", n), fmt::format("give {} to {}", least, most));
}

void Binder::text(std::string_view key, std::string& field) {
    know(key, quote(field));
    if (const auto* v = take(key, Kind::text)) field = v->text;
}

void Binder::size(std::string_view key, std::uint64_t& field, std::uint64_t least, std::uint64_t most) {
    know(key, quote(format_size(field)));
    const auto* v = table_ == nullptr ? nullptr : table_->find(key);
    std::optional<std::uint64_t> octets;
    if (v != nullptr && v->kind == Kind::integer && v->integer >= 0) {
        bound_.emplace_back(key);
        out_.positions.emplace(full(key), v->at);
        octets = static_cast<std::uint64_t>(v->integer);
    } else if (v = take(key, Kind::text); v != nullptr) {
        octets = parse_size(v->text);
    }
    if (v == nullptr) return;
    if (octets && *octets >= least && *octets <= most)
        field = *octets;
    else
        fail(v->at, full(key), octets ? "is out of range" : "\"" + v->text + "\" is not a size",
             fmt::format("give \"{}\" to \"{}\"", format_size(least), format_size(most)));
}

void Binder::finish() {
    if (table_ == nullptr) return;
    for (const auto& [key, value] : table_->members)
        if (std::find(bound_.begin(), bound_.end(), key) == bound_.end()) out_.unknown.push_back({path_, key, value.at});
}

std::string Binder::quote(std::string_view text) {
    std::string s = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') s += '\\';
        s += c;
    }
    return s + '"';
}

void Binder::know(std::string_view key, std::string value) { out_.keys.push_back({full(key), std::move(value), reloadable_}); }

const ConfigValue* Binder::take(std::string_view key, Kind kind) {
    bound_.emplace_back(key);
    const auto* v = table_ == nullptr ? nullptr : table_->find(key);
    if (v == nullptr) return nullptr;
    out_.positions.emplace(full(key), v->at);
    return expect(*v, full(key), kind) ? v : nullptr;
}

bool Binder::expect(const ConfigValue& v, const std::string& path, Kind kind) {
    if (v.kind == kind || (kind == Kind::real && v.kind == Kind::integer)) return true;
    fail(v.at, path, fmt::format("is {}", name(v.kind)), fmt::format("write {}", name(kind)));
    return false;
}

void Binder::fail(const Position& at, const std::string& path, std::string what, std::string mend) {
    out_.errors.push_back({at, path, std::move(what), std::move(mend)});
}

bool Binder::in_range(const ConfigValue& v, const std::string& path, std::int64_t least, std::int64_t most) {
    if (v.integer >= least && v.integer <= most) return true;
    fail(v.at, path, fmt::format("{} is out of range", v.integer), fmt::format("give {} to {}", least, most));
    return false;
}

std::optional<std::int64_t> Binder::integer(std::string_view key, std::int64_t current, std::int64_t least, std::int64_t most) {
    know(key, std::to_string(current));
    const auto* v = take(key, Kind::integer);
    return v != nullptr && in_range(*v, full(key), least, most) ? std::optional{v->integer} : std::nullopt;
}

std::optional<std::vector<std::int64_t>> Binder::integers(std::string_view key, std::vector<std::int64_t> current, std::int64_t least,
                                                          std::int64_t most) {
    know(key, fmt::format("[{}]", fmt::join(current, ", ")));
    const auto* v = take(key, Kind::array);
    if (v == nullptr) return std::nullopt;
    std::vector<std::int64_t> read;
    for (const auto& item : v->items)
        if (expect(item, full(key), Kind::integer) && in_range(item, full(key), least, most)) read.push_back(item.integer);
    return read;
}

std::optional<core::Duration> Binder::span(std::string_view key, core::Duration current, core::Duration least, core::Duration most,
                                           core::Duration step) {
    know(key, quote(format_duration(current)));
    const auto* v = take(key, Kind::text);
    if (v == nullptr) return std::nullopt;
    const auto d = parse_duration(v->text);
    if (!d) {
        fail(v->at, full(key), "\"" + v->text + "\" is not a duration", "write it as \"500ms\", \"2s\", \"90m\" or \"12h\"");
    } else if (*d < least || *d > most) {
        fail(v->at, full(key), v->text + " is out of range",
             fmt::format("give \"{}\" to \"{}\"", format_duration(least), format_duration(most)));
    } else if (d->count() % step.count() != 0) {
        fail(v->at, full(key), v->text + " is too fine", fmt::format("give whole multiples of \"{}\"", format_duration(step)));
    } else {
        return d;
    }
    return std::nullopt;
}

std::optional<std::size_t> Binder::one_of(std::string_view key, const std::string& current, const std::vector<std::string>& names) {
    know(key, quote(current));
    const auto* v = take(key, Kind::text);
    if (v == nullptr) return std::nullopt;
    const auto i = std::find(names.begin(), names.end(), v->text);
    if (i != names.end()) return static_cast<std::size_t>(i - names.begin());
    const auto guess = closest(v->text, names);
    fail(v->at, full(key), "\"" + v->text + "\" is none of its choices",
         guess ? fmt::format("did you mean \"{}\"?", *guess) : fmt::format("write one of \"{}\"", fmt::join(names, "\", \"")));
    return std::nullopt;
}

}  // namespace sipfront::app

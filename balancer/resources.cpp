#include "balancer/resources.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace sipfront::balancer {
namespace {

std::string_view trimmed(std::string_view s) {
    constexpr std::string_view space = " \t\r\n";
    const auto begin = s.find_first_not_of(space);
    return begin == std::string_view::npos ? std::string_view{} : s.substr(begin, s.find_last_not_of(space) - begin + 1);
}

// Calls f(item) for each non-empty, trimmed item of a ';'-separated list until f returns false.
template <class F>
void for_each_item(std::string_view list, F&& f) {
    while (!list.empty()) {
        const auto end = std::min(list.find(';'), list.size());
        const auto item = trimmed(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
        if (!item.empty() && !f(item)) return;
    }
}

core::Error complain(std::string_view item, std::string_view why) { return {"\"" + std::string{item} + "\": " + std::string{why}}; }

core::Result<ResourceSpec> parse_item(std::string_view item) {
    const auto equals = item.find('=');
    if (equals == std::string_view::npos) return complain(item, "no capacity; write name=calls, such as pstn=32");
    const auto name = trimmed(item.substr(0, equals));
    const auto number = trimmed(item.substr(equals + 1));
    if (name.empty()) return complain(item, "no name before '='; write name=calls, such as pstn=32");
    if (number.starts_with("fs://"))
        return complain(item, "capacities read from FreeSWITCH (fs://) are not supported; write a number of calls");
    ResourceSpec spec{std::string{name}, 0};
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), spec.capacity);
    if (error == std::errc::result_out_of_range) return complain(item, "the capacity is above 4294967295");
    if (error != std::errc{} || end != number.data() + number.size()) return complain(item, "the capacity is not a whole number of calls");
    return spec;
}

}  // namespace

core::Result<std::vector<ResourceSpec>> parse_resources(std::string_view text) {
    std::vector<ResourceSpec> specs;
    std::string error;
    for_each_item(text, [&](std::string_view item) {
        auto spec = parse_item(item);
        if (!spec) {
            error = spec.error().what;
        } else if (std::ranges::find(specs, spec->name, &ResourceSpec::name) != specs.end()) {
            error = complain(item, "the resource is named twice; keep one").what;
        } else {
            specs.push_back(std::move(spec).value());
        }
        return error.empty();
    });
    if (!error.empty()) return core::Error{std::move(error)};
    if (specs.empty()) return core::Error{"no resource; write name=calls, such as pstn=32"};
    return specs;
}

std::string format_resources(std::span<const ResourceSpec> resources) {
    std::string text;
    for (const auto& r : resources) {
        if (!text.empty()) text += ';';
        text += r.name + '=' + std::to_string(r.capacity);
    }
    return text;
}

std::vector<std::string> parse_resource_names(std::string_view text) {
    std::vector<std::string> names;
    for_each_item(text, [&](std::string_view item) {
        if (std::ranges::find(names, item) == names.end()) names.emplace_back(item);
        return true;
    });
    return names;
}

}  // namespace sipfront::balancer

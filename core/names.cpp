#include "core/names.hpp"

#include <algorithm>

#include "core/types.hpp"

namespace sipfront::core {
namespace {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

constexpr bool is_label_char(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

// Spreads a seed over 64 bits (Steele, Lea, Flood 2014: splitmix64).
constexpr std::uint64_t spread(std::uint64_t x) noexcept {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

}  // namespace

std::optional<NameQuestion> NameQuestion::make(std::string_view host, std::uint16_t port, bool transport_named,
                                               Transport transport) noexcept {
    constexpr std::size_t max_label = 63;
    if (host.ends_with('.')) host.remove_suffix(1);
    if (host.empty() || host.size() > max_host) return std::nullopt;
    NameQuestion q;
    std::size_t label = 0;
    bool numeric = true;  // of the last label: that is an address, or nothing
    for (const char raw : host) {
        const char c = lower(raw);
        if (c == '.' ? label == 0 : !is_label_char(c) || label == max_label) return std::nullopt;
        label = c == '.' ? 0 : label + 1;
        numeric = c == '.' || (numeric && c >= '0' && c <= '9');
        q.host_[q.length_++] = c;
    }
    if (label == 0 || numeric) return std::nullopt;
    q.port_ = port;
    q.transport_named_ = transport_named;
    q.transport_ = transport;
    return q;
}

std::uint64_t NameQuestion::key(const HashKey& key) const noexcept {
    const auto how = (std::uint64_t{port_} << 8) | (std::uint64_t{raw(transport_)} << 1) | (transport_named_ ? 1 : 0);
    const auto found_by = digest(key, host(), how);
    return found_by == 0 ? 1 : found_by;
}

const NameTarget* NameAnswer::target(std::uint64_t seed, std::size_t index) const noexcept {
    if (index >= count) return nullptr;
    std::array<bool, max_targets> taken{};
    const auto group_end = [&](std::size_t i) {
        auto end = i + 1;
        while (end < count && targets[end].group == targets[i].group) ++end;
        return end;
    };
    for (std::uint64_t draw = 1;; ++draw) {
        // The records of the lowest priority that is left; those without weight stand before the others, so that they have a small
        // chance, too.
        std::array<std::size_t, max_targets> choice{};
        std::size_t choices = 0, first = 0;
        std::uint32_t sum = 0;
        while (taken[first]) ++first;
        for (const bool weighted : {false, true})
            for (auto i = first; i < count && targets[i].priority == targets[first].priority; i = group_end(i)) {
                if (taken[i] || (targets[i].weight != 0) != weighted) continue;
                choice[choices++] = i;
                sum += targets[i].weight;
            }
        const auto limit = static_cast<std::uint32_t>(spread(seed + draw * 0x9e3779b97f4a7c15) % (std::uint64_t{sum} + 1));
        std::size_t c = 0;
        for (std::uint32_t running = targets[choice[0]].weight; running < limit; running += targets[choice[c]].weight) ++c;
        const auto begin = choice[c], end = group_end(begin);
        if (index < end - begin) return &targets[begin + index];
        index -= end - begin;
        for (auto i = begin; i < end; ++i) taken[i] = true;
    }
}

NameTable::NameTable(std::vector<Row> rows) : rows_{std::move(rows)} {
    std::sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) { return a.key < b.key; });
}

const NameAnswer* NameTable::find(std::uint64_t key, Tick now) const noexcept {
    const auto row = std::lower_bound(rows_.begin(), rows_.end(), key, [](const Row& r, std::uint64_t k) { return r.key < k; });
    if (row == rows_.end() || row->key != key || row->entry->answer.expires <= now) return nullptr;
    if (!row->entry->used.load(std::memory_order_relaxed)) row->entry->used.store(true, std::memory_order_relaxed);
    return &row->entry->answer;
}

}  // namespace sipfront::core

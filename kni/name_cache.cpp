#include "kni/name_cache.hpp"

#include <algorithm>

namespace sipfront::kni {

NameCache::Ask NameCache::ask(Key key, const core::NameQuestion& question, core::Tick now) {
    auto found = names_.find(key);
    if (found == names_.end()) {
        if (names_.size() >= config_.max_names && !make_room()) return Ask::full;
        found = names_.emplace(key, Name{question, nullptr, {}, false}).first;
    }
    auto& name = found->second;
    if (name.underway) return Ask::underway;
    if (name.entry && now < name.entry->answer.expires) return Ask::known;
    name.underway = true;
    return Ask::begin;
}

// The name that would be forgotten first goes; one that somebody waits for never does.
bool NameCache::make_room() {
    auto first = names_.end();
    for (auto n = names_.begin(); n != names_.end(); ++n)
        if (!n->second.underway && (first == names_.end() || n->second.entry->answer.expires < first->second.entry->answer.expires))
            first = n;
    if (first == names_.end()) return false;
    names_.erase(first);
    ++evicted_;
    return changed_ = true;
}

void NameCache::settle(Key key, core::NameAnswer answer, std::uint32_t ttl, core::Tick now) {
    const auto found = names_.find(key);
    if (found == names_.end()) return;
    auto& name = found->second;
    name.underway = false;
    using core::NameStatus;
    const auto* old = name.entry ? &name.entry->answer : nullptr;
    if (answer.status == NameStatus::failed && old != nullptr && old->status == NameStatus::found && now < old->expires) {
        name.renew_at = old->expires;
        return;
    }
    const auto longest = answer.status == NameStatus::found    ? core::Duration{config_.max_ttl}
                         : answer.status == NameStatus::absent ? core::Duration{config_.negative_ttl}
                                                               : core::Duration{config_.failure_ttl};
    const auto asked = answer.status == NameStatus::failed ? longest : core::Duration{std::chrono::seconds{ttl}};
    const auto lasts = std::max(shortest, std::min(asked, longest));
    answer.expires = now + lasts;
    // A tenth of the time, but a second at least, for the DNS to answer before the old answer ends.
    name.renew_at = lasts >= 5 * shortest ? answer.expires - std::max<core::Duration>(shortest, lasts / 10) : answer.expires;
    auto entry = std::make_shared<core::NameEntry>();
    entry->answer = answer;
    name.entry = std::move(entry);
    changed_ = true;
}

std::vector<std::pair<NameCache::Key, core::NameQuestion>> NameCache::renew(core::Tick now) {
    std::vector<std::pair<Key, core::NameQuestion>> again;
    for (auto n = names_.begin(); n != names_.end();) {
        auto& name = n->second;
        const auto* entry = name.entry.get();
        if (name.underway || now < name.renew_at) {
            ++n;
        } else if (now >= entry->answer.expires) {
            n = names_.erase(n);
            changed_ = true;
        } else {
            if (entry->answer.status == core::NameStatus::found && entry->used.load(std::memory_order_relaxed)) {
                name.underway = true;
                again.emplace_back(n->first, name.question);
            }
            ++n;
        }
    }
    return again;
}

std::unique_ptr<const core::NameTable> NameCache::table() const {
    std::vector<core::NameTable::Row> rows;
    rows.reserve(names_.size());
    for (const auto& [key, name] : names_)
        if (name.entry) rows.push_back({key, name.entry});
    return std::make_unique<const core::NameTable>(std::move(rows));
}

std::vector<NameCache::Row> NameCache::rows() const {
    std::vector<Row> all;
    all.reserve(names_.size());
    for (const auto& [key, name] : names_)
        all.push_back({name.question, name.entry ? name.entry->answer : core::NameAnswer{}, name.entry != nullptr, name.underway});
    std::sort(all.begin(), all.end(), [](const Row& a, const Row& b) {
        return std::pair{a.question.host(), a.question.port()} < std::pair{b.question.host(), b.question.port()};
    });
    return all;
}

}  // namespace sipfront::kni

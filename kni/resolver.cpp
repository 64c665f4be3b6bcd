#include "kni/resolver.hpp"

#include <iterator>

namespace sipfront::kni {

std::string_view name(ResolverCount c) noexcept {
    static constexpr std::string_view names[] = {"questions", "queries", "found", "absent", "failed", "renewed", "evicted", "refused"};
    static_assert(std::size(names) == static_cast<std::size_t>(ResolverCount::count_));
    return names[static_cast<std::size_t>(c)];
}

void Resolver::ask(const core::NameQuestion& question) {
    parts_.stats.counts[ResolverCount::questions].add();
    const auto key = question.key(parts_.key);
    switch (cache_.ask(key, question, parts_.clock())) {
        case NameCache::Ask::begin:
            return begin(key, question);
        case NameCache::Ask::full:
            return parts_.stats.counts[ResolverCount::refused].add();
        default:
            return;
    }
}

void Resolver::begin(NameCache::Key key, const core::NameQuestion& question) {
    auto& r = underway_.insert_or_assign(key, Resolution{question, parts_.families}).first->second;
    const auto queries = r.begin();
    if (r.done()) return settle(key);
    send(key, queries);
}

void Resolver::send(NameCache::Key key, const std::vector<DnsQuery>& queries) {
    for (const auto& q : queries) {
        parts_.stats.counts[ResolverCount::queries].add();
        parts_.dns.query(q, [this, key, q](const DnsReply& reply) { on_reply(key, q, reply); });
    }
}

void Resolver::on_reply(NameCache::Key key, const DnsQuery& query, const DnsReply& reply) {
    const auto found = underway_.find(key);
    if (found == underway_.end()) return;
    const auto further = found->second.on_reply(query, reply);
    if (found->second.done()) return settle(key);
    send(key, further);
}

void Resolver::settle(NameCache::Key key) {
    const auto node = underway_.extract(key);
    const auto& r = node.mapped();
    using core::NameStatus;
    parts_.stats
        .counts[r.answer().status == NameStatus::found    ? ResolverCount::found
                : r.answer().status == NameStatus::absent ? ResolverCount::absent
                                                          : ResolverCount::failed]
        .add();
    cache_.settle(key, r.answer(), r.ttl(), parts_.clock());
}

void Resolver::tick() {
    for (const auto& [key, question] : cache_.renew(parts_.clock())) {
        parts_.stats.counts[ResolverCount::renewed].add();
        begin(key, question);
    }
    publish();
    if (parts_.names.waiting() > 0) parts_.names.reclaim();
}

void Resolver::publish() {
    parts_.stats.names.set(cache_.size());
    parts_.stats.counts[ResolverCount::evicted].set(cache_.evicted());
    if (cache_.take_changed()) parts_.names.publish(cache_.table());
}

}  // namespace sipfront::kni

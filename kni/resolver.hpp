// Finds the addresses of host names for the workers (RFC 3263): takes their questions, asks the DNS, publishes what it knows.
// Control thread only; the workers read the table and never wait.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>

#include "core/counters.hpp"
#include "core/hash.hpp"
#include "core/names.hpp"
#include "core/published.hpp"
#include "kni/name_cache.hpp"
#include "kni/resolution.hpp"

namespace sipfront::kni {

// Whoever asks a name server. `on_reply` is called once, within query() or later on the same thread, unless the transport is
// destroyed before.
class DnsTransport {
public:
    using OnReply = std::function<void(const DnsReply& reply)>;
    virtual ~DnsTransport() = default;
    virtual void query(const DnsQuery& query, OnReply on_reply) = 0;
};

enum class ResolverCount : std::uint8_t {
    questions,  // of workers, repetitions included
    queries,    // to name servers
    found,
    absent,
    failed,
    renewed,  // names in use, asked for again before they expired
    evicted,  // known names that gave way to others
    refused,  // too many names at once
    count_
};
std::string_view name(ResolverCount c) noexcept;

// Control: writes; any thread: reads.
struct ResolverStats {
    core::CounterArray<ResolverCount> counts;
    core::Counter names;  // known or asked for
};

class Resolver {
public:
    struct Parts {
        ResolverConfig config;
        Families families;
        core::HashKey key;  // the workers' key for names
        DnsTransport& dns;
        core::Published<core::NameTable>& names;
        ResolverStats& stats;
        std::function<core::Tick()> clock;
    };
    // What the parts refer to outlives it; `dns` is not destroyed while queries are underway, or never calls back.
    explicit Resolver(Parts parts) : parts_{std::move(parts)}, cache_{parts_.config} {}
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    void ask(const core::NameQuestion& question);
    // Publishes what replies have changed. After the transport has read its replies, and every few milliseconds.
    void publish();
    // Renewal and expiry; every few milliseconds.
    void tick();

    [[nodiscard]] std::vector<NameCache::Row> rows() const { return cache_.rows(); }

private:
    void begin(NameCache::Key key, const core::NameQuestion& question);
    void send(NameCache::Key key, const std::vector<DnsQuery>& queries);
    void on_reply(NameCache::Key key, const DnsQuery& query, const DnsReply& reply);
    void settle(NameCache::Key key);

    Parts parts_;
    NameCache cache_;
    std::unordered_map<NameCache::Key, Resolution> underway_;
};

}  // namespace sipfront::kni

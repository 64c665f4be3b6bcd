#include "balancer/dispatcher.hpp"

#include <algorithm>
#include <array>

#include "balancer/rendezvous.hpp"
#include "sip/uri.hpp"

namespace sipfront::balancer {
namespace {

// Feeds octets one by one to a hash, in pieces.
class OctetHash {
public:
    explicit OctetHash(const core::HashKey& key) noexcept : key_{key} {}
    void add(char c) noexcept {
        if (used_ == piece_.size()) flush();
        piece_[used_++] = c;
    }
    std::uint64_t finish() noexcept {
        flush();
        return hash_;
    }

private:
    void flush() noexcept {
        hash_ = core::digest(key_, {piece_.data(), used_}, hash_);
        used_ = 0;
    }
    const core::HashKey& key_;
    std::array<char, 64> piece_{};
    std::size_t used_ = 0;
    std::uint64_t hash_ = 0;
};

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

constexpr int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    const auto l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

// The user's name proper: "alice" of "al%69ce;phone-context=x". Case matters in it (RFC 3261 §19.1.4).
void add_user(OctetHash& hash, std::string_view user) noexcept {
    user = user.substr(0, user.find(';'));
    for (std::size_t i = 0; i < user.size(); ++i) {
        const bool escaped = user[i] == '%' && i + 2 < user.size() && hex_digit(user[i + 1]) >= 0 && hex_digit(user[i + 2]) >= 0;
        if (!escaped) {
            hash.add(user[i]);
            continue;
        }
        hash.add(static_cast<char>(hex_digit(user[i + 1]) * 16 + hex_digit(user[i + 2])));
        i += 2;
    }
}

}  // namespace

Choice choose_by_weight(std::span<const DispatchCandidate> set, const DispatchRequest& request, RoundRobin* turns) noexcept {
    const auto tried = [&](const DispatchCandidate& c) { return std::ranges::find(request.tried, c.id) != request.tried.end(); };
    const auto usable = [&](const DispatchCandidate& c) { return c.active && !c.full && c.weight > 0 && !tried(c); };
    if (request.preferred != core::no_destination) {
        const auto host = std::ranges::find(set, request.preferred, &DispatchCandidate::id);
        if (host != set.end() && usable(*host)) return {sip::Answer::selected, host->id};
    }
    for (auto rest = set; !rest.empty();) {
        const auto end = std::ranges::find_if(rest, [&](const auto& c) { return c.priority != rest.front().priority; });
        const auto tier = rest.first(static_cast<std::size_t>(end - rest.begin()));
        rest = rest.subspan(tier.size());
        const DispatchCandidate* best = nullptr;
        if (turns != nullptr) {
            best = turns->next(tier, usable);
        } else {
            auto highest = 0.0;
            for (const auto& host : tier) {
                if (!usable(host)) continue;
                const auto score = rendezvous_score(request.key, host.seed, host.weight);
                if (best != nullptr && score <= highest) continue;
                best = &host;
                highest = score;
            }
        }
        if (best != nullptr) return {sip::Answer::selected, best->id};
    }
    const bool full = std::ranges::any_of(set, [&](const auto& c) { return c.active && c.full && c.weight > 0 && !tried(c); });
    return {full ? sip::Answer::full : sip::Answer::unavailable, core::no_destination};
}

std::uint64_t hash_aor(const core::HashKey& key, std::string_view uri) noexcept {
    const auto parsed = sip::parse_uri(uri);
    if (!parsed) return core::digest(key, uri);
    OctetHash hash{key};
    add_user(hash, parsed->user);
    hash.add('@');
    for (const char c : parsed->host) hash.add(lower(c));
    return hash.finish();
}

std::uint64_t hash_user(const core::HashKey& key, std::string_view uri) noexcept {
    const auto parsed = sip::parse_uri(uri);
    if (!parsed || parsed->user.empty()) return core::digest(key, uri);
    OctetHash hash{key};
    add_user(hash, parsed->user);
    return hash.finish();
}

std::uint64_t dispatch_key(const core::HashKey& key, DsAlgorithm algorithm, const sip::Message& request) noexcept {
    switch (algorithm) {
        case DsAlgorithm::aor:
            return hash_aor(key, request.at(request.to().uri));
        case DsAlgorithm::request_user:
            return hash_user(key, request.request_uri());
        case DsAlgorithm::call_id:
            return core::digest(key, request.call_id());
        case DsAlgorithm::round_robin:
            break;
    }
    return 0;
}

}  // namespace sipfront::balancer

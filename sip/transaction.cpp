#include "sip/transaction.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "sip/uri.hpp"

namespace sipfront::sip {

TransactionTable::TransactionTable(std::uint32_t capacity, core::ByteSlab& bytes, const core::HashKey& key, core::Tick start)
    : slab_{capacity},
      servers_{capacity},
      residues_{capacity, bytes, core::digest(key, "residues")},
      start_{start},
      ring_size_{capacity},
      ring_memory_{std::size_t{capacity} * sizeof(Linger)},
      wheel_{capacity, start},
      bytes_{bytes},
      key_{key} {}

TransactionTable::~TransactionTable() {
    for (; lingering_ > 0; --lingering_, first_ = behind(first_, 1)) {
        const auto& l = ring(first_);
        if (!l.invite) residues_.release(l.value);
    }
    slab_.for_each([this](Transaction& t) {
        drop(t.request);
        drop(t.response);
        drop(t.reason);
    });
}

std::uint64_t TransactionTable::server_key(const Message& m, Method as) const noexcept { return server_key(m, m.top_via(), as); }

namespace {

// Of a branch with the magic cookie. Keyed as a whole: two requests that met here would be taken for one.
[[gnu::always_inline]] inline std::uint64_t cookie_key(const core::HashKey& key, std::string_view wire, const TopVia& via,
                                                       std::string_view branch, Method as, std::string_view unknown_name) noexcept {
    branch.remove_prefix(magic_cookie.size());  // it may be written in any case, and says no more than that it is there
    // The highest octet tells it from the digest of a text under the same key.
    const auto sizes = (std::uint64_t{1} << 56) | (std::uint64_t{branch.size()} << 40) | (std::uint64_t{via.host.len} << 24) |
                       (std::uint64_t{via.port} << 8) | static_cast<std::uint64_t>(as);
    auto digest = core::with_aes(
        [](auto aes, const core::HashKey* k, std::uint64_t head, std::string_view branch_end, std::string_view host) noexcept {
            core::KeyedHash<decltype(aes)> h{*k};
            h.words(head, 0);
            h.text(branch_end);
            h.text(host);
            return h.digest();
        },
        &key, sizes, branch, std::string_view{wire.data() + via.host.off, via.host.len});
    if (as == Method::unknown) [[unlikely]]
        digest = core::digest(key, unknown_name, digest);
    return digest == 0 ? 1 : digest;
}

}  // namespace

std::uint64_t TransactionTable::server_key(const Message& m, const TopVia& via, Method as) const noexcept {
    const auto branch = m.at(via.branch);
    if (branch.size() > magic_cookie.size() && has_magic_cookie(branch))
        return cookie_key(key_, m.wire(), via, branch, as, as == Method::unknown ? m.method_name() : std::string_view{});
    auto key = (std::uint64_t{m.cseq().number} << 8) | static_cast<std::uint64_t>(as);
    for (const auto part : {m.at(via.value), m.request_uri(), m.from_tag(), m.call_id()}) key = core::digest(key_, part, key);
    return key == 0 ? 1 : key;
}

std::uint64_t TransactionTable::server_key(std::string_view wire, const TopVia& via, Method as,
                                           std::string_view method_name) const noexcept {
    return cookie_key(key_, wire, via, wire.substr(via.branch.off, via.branch.len), as, method_name);
}

Transaction* TransactionTable::create(std::uint64_t server_key) {
    auto [handle, t] = slab_.create();
    if (!handle) return nullptr;
    if (server_key != 0 && !servers_.insert(server_key, handle)) {
        slab_.destroy(handle);
        return nullptr;
    }
    t->server_key = server_key;
    return t;
}

TransactionTable::Found TransactionTable::find_server(std::uint64_t key) noexcept {
    const auto* h = servers_.find(key);
    if (h == nullptr) return {};
    if (h->generation != in_ring) return {slab_.get(*h), nullptr};
    return {nullptr, &ring(h->index)};
}

bool TransactionTable::may_linger(const Transaction& t) const noexcept {
    return t.server_key != 0 && t.reply.remote.address.is_v4() && !core::is_reliable(t.reply.transport) && t.last_attempt == 0 &&
           t.cancelled_attempts == 0 && !t.old_branch;
}

bool TransactionTable::linger(Transaction& t, Residues::Id residue, core::Tick due) noexcept {
    assert(may_linger(t));
    auto* entry = servers_.find(t.server_key);
    if (entry == nullptr || lingering() == ring_size_) return false;
    assert(lingering_ == 0 || static_cast<std::int32_t>(milliseconds(due) - ring(behind(first_, lingering_ - 1)).due_ms) >= 0);
    const auto place = behind(first_, lingering_);
    const bool invite = t.is_invite();
    ring(place) = Linger{.server_key = t.server_key,
                         .due_ms = milliseconds(due),
                         .value = invite ? t.reply.remote.address.v4_host_order() : residue,
                         .port = t.reply.remote.port,
                         .listener = t.reply.listener,
                         .invite = invite,
                         .reply_zone = t.reply.zone,
                         .target_zone = t.target.zone};
    *entry = {place, in_ring};
    if (lingering_++ == 0) expired_until_ = core::Tick::min();
    t.server_key = 0;
    destroy(t);
    return true;
}

void TransactionTable::expire_due(core::Tick now, std::size_t max) noexcept {
    // The index is much larger than the caches: what is to be erased soon is asked for now.
    constexpr std::uint32_t ahead = 8;
    const auto elapsed = std::chrono::floor<std::chrono::milliseconds>(now - start_);
    const auto now_ms = static_cast<std::uint32_t>(elapsed.count());
    for (; max > 0 && lingering_ > 0; --max, --lingering_, first_ = behind(first_, 1)) {
        const auto& l = ring(first_);
        if (static_cast<std::int32_t>(now_ms - l.due_ms) < 0) {
            expired_until_ = start_ + (elapsed + std::chrono::milliseconds{1});
            break;
        }
        if (lingering_ > ahead) servers_.prefetch(ring(behind(first_, ahead)).server_key);
        servers_.erase(l.server_key);
        if (!l.invite) residues_.release(l.value);
    }
}

bool TransactionTable::keep(core::Bytes& image, std::string_view bytes) noexcept {
    auto fresh = bytes_.allocate(static_cast<std::uint32_t>(bytes.size()));
    if (fresh) std::memcpy(fresh.data, bytes.data(), bytes.size());
    drop(image);
    image = fresh;
    return static_cast<bool>(fresh);
}

void TransactionTable::settle(Transaction& t) {
    if (t.ended()) return destroy(t);
    const auto first = earliest(t);
    // A timer that fires too early re-checks; only one that would fire too late has to move.
    if (first >= t.wake) return;
    wheel_.cancel(t.timer);
    const auto h = slab_.handle_of(&t);
    t.timer = wheel_.schedule(first, (std::uint64_t{h.generation} << 32) | h.index);
    t.wake = first;
}

void TransactionTable::begin(Transaction& t, core::Tick usual) {
    if (earliest(t) != usual || t.wake != core::Tick::max() || usual < fresh_last_ || fresh_count_ == fresh_size) [[unlikely]]
        return settle(t);
    fresh(fresh_first_ + fresh_count_++) = {slab_.handle_of(&t), usual};
    t.wake = fresh_last_ = usual;
}

void TransactionTable::destroy(Transaction& t) noexcept {
    if (t.timer) wheel_.cancel(t.timer);
    drop(t.request);
    drop(t.response);
    drop(t.reason);
    if (t.server_key != 0) servers_.erase(t.server_key);
    slab_.destroy(t);
}

}  // namespace sipfront::sip

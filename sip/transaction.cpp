#include "sip/transaction.hpp"

#include <algorithm>
#include <cstring>

#include "sip/uri.hpp"

namespace sipfront::sip {

TransactionTable::TransactionTable(std::uint32_t capacity, core::ByteSlab& bytes, const core::SipKey& key, core::Tick start)
    : slab_{capacity}, servers_{capacity}, wheel_{capacity, start}, bytes_{bytes}, key_{key} {}

TransactionTable::~TransactionTable() {
    slab_.for_each([this](Transaction& t) {
        drop(t.request);
        drop(t.response);
        drop(t.reason);
    });
}

std::uint64_t TransactionTable::server_key(const Message& m, Method as) const noexcept {
    const auto& via = m.top_via();
    const auto branch = m.at(via.branch);
    core::SipHasher13 h{key_};
    if (branch.size() > magic_cookie.size() && has_magic_cookie(branch)) {
        h.update_u64((std::uint64_t{branch.size()} << 32) | (std::uint64_t{via.port} << 8) | static_cast<std::uint64_t>(as));
        h.update(branch);
        h.update(m.at(via.host));
        if (as == Method::unknown) h.update(m.method_name());
    } else {
        h.update_u64((std::uint64_t{m.cseq().number} << 8) | static_cast<std::uint64_t>(as));
        h.update(m.at(via.value));
        h.update_u64(m.request_uri().size());
        h.update(m.request_uri());
        h.update(m.from_tag());
        h.update(m.call_id());
    }
    const auto key = h.finish();
    return key == 0 ? 1 : key;
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

Transaction* TransactionTable::find_server(std::uint64_t key) noexcept {
    const auto* h = servers_.find(key);
    return h == nullptr ? nullptr : slab_.get(*h);
}

bool TransactionTable::keep(core::Bytes& image, std::string_view bytes) noexcept {
    auto fresh = bytes_.allocate(static_cast<std::uint32_t>(bytes.size()));
    if (fresh) std::memcpy(fresh.data, bytes.data(), bytes.size());
    drop(image);
    image = fresh;
    return static_cast<bool>(fresh);
}

void TransactionTable::drop(core::Bytes& image) noexcept {
    if (image) bytes_.free(image);
    image = {};
}

core::Tick TransactionTable::earliest(const Transaction& t) noexcept { return *std::min_element(t.due.begin(), t.due.end()); }

void TransactionTable::settle(Transaction& t) {
    if (t.ended()) return free(t);
    const auto first = earliest(t);
    // A timer that fires too early re-checks; only one that would fire too late has to move.
    if (first >= t.wake) return;
    wheel_.cancel(t.timer);
    const auto h = slab_.handle_of(&t);
    t.timer = wheel_.schedule(first, (std::uint64_t{h.generation} << 32) | h.index);
    t.wake = first;
}

void TransactionTable::free(Transaction& t) noexcept {
    wheel_.cancel(t.timer);
    drop(t.request);
    drop(t.response);
    drop(t.reason);
    if (t.server_key != 0) servers_.erase(t.server_key);
    slab_.destroy(slab_.handle_of(&t));
}

}  // namespace sipfront::sip

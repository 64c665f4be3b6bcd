#include "sip/dialog.hpp"

#include <algorithm>
#include <numeric>

#include "sip/copy.hpp"

namespace sipfront::sip {

DialogTable::DialogTable(std::uint32_t capacity, core::ByteSlab& bytes, const core::SecretKey& key)
    : dialogs_{capacity}, by_key_{capacity}, bytes_{bytes}, key_{key} {}

DialogTable::~DialogTable() {
    dialogs_.for_each([this](Dialog& d) { bytes_.release(d.text); });
}

std::uint64_t DialogTable::key_of(std::uint64_t call_id_hash, std::string_view caller_tag) const noexcept {
    const auto key = core::digest(key_, caller_tag, call_id_hash);
    return key == 0 ? 1 : key;
}

std::uint64_t DialogTable::id_of(const Dialog& d) const noexcept {
    auto id = d.key;
    if (id == 0) {
        // The second record of a spiral: its two ends tell it from the first.
        std::array<char, 2 * core::Endpoint::max_text> ends;
        auto n = d.host.remote.write(ends.data());
        n += d.client.remote.write(ends.data() + n);
        id = core::digest(key_, {ends.data(), n}, key_of(d.call_id_hash, d.get(DialogText::caller_tag)));
    }
    return id & ~(std::uint64_t{1} << 63);
}

Dialog* DialogTable::find_id(std::uint64_t id) noexcept {
    for (const auto key : {id, id | std::uint64_t{1} << 63})
        if (const auto* h = by_key_.find(key))
            if (auto* d = dialogs_.get(*h)) return d;
    return nullptr;
}

DialogHandle DialogTable::create(std::uint64_t key, std::uint64_t call_id_hash, const DialogTexts& texts) {
    auto [handle, d] = dialogs_.create();
    if (!handle) return {};
    d->call_id_hash = call_id_hash;
    if (!set_texts(*d, texts)) {
        dialogs_.destroy(handle);
        return {};
    }
    if (const auto* known = by_key_.find(key)) {
        if (auto* old = dialogs_.get(*known); old != nullptr && old->state == DialogState::deleted) erase(*old);
    }
    // A second record of one Call-ID and tag (a spiral) lives by its cookie alone.
    if (by_key_.insert(key, handle)) d->key = key;
    return handle;
}

Dialog* DialogTable::find(std::uint64_t call_id_hash, std::string_view caller_tag) noexcept {
    const auto* h = by_key_.find(key_of(call_id_hash, caller_tag));
    return h == nullptr ? nullptr : dialogs_.get(*h);
}

bool DialogTable::set_texts(Dialog& d, const DialogTexts& texts) noexcept {
    std::size_t total = 0;
    for (const auto t : texts) total += t.size();
    auto fresh = bytes_.allocate(static_cast<std::uint32_t>(total));
    if (!fresh) return false;
    auto* to = fresh.data;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto size = texts[i].size();
        d.lengths[i] = static_cast<std::uint16_t>(size);
        if (size == 0) continue;
        copy_octets(to, texts[i].data(), size);
        to += size;
    }
    // Not before: the texts may be views into the block that is replaced.
    bytes_.release(d.text);
    d.text = fresh;
    return true;
}

void DialogTable::expire_in(Dialog& d, core::Tick expires, Order order) noexcept {
    unlink(d);
    auto& q = queues_[order];
    d.expires = expires;
    const auto self = dialogs_.handle_of(&d);
    d.older = q.newest.index;
    d.newer = nobody;
    if (auto* last = dialogs_.get(q.newest)) {
        last->newer = self.index;
    } else {
        q.oldest = self;
    }
    q.newest = self;
    d.listed = true;
    soonest_ = std::min(soonest_, expires);
}

void DialogTable::linger_until(Dialog& d, core::Tick expires) noexcept {
    unlink(d);
    if (d.state != DialogState::deleted) ++lingering_;
    d.state = DialogState::deleted;
    expire_in(d, expires, over);
}

void DialogTable::revive(Dialog& d, DialogState state) noexcept {
    if (d.state != DialogState::deleted) return;
    unlink(d);
    --lingering_;
    d.state = state;
}

void DialogTable::unlink(Dialog& d) noexcept {
    if (!d.listed) return;
    auto& q = queue_of(d);
    auto* older = d.older == nobody ? nullptr : dialogs_.at(d.older);
    auto* newer = d.newer == nobody ? nullptr : dialogs_.at(d.newer);
    if (older != nullptr) {
        older->newer = d.newer;
    } else {
        q.oldest = newer == nullptr ? DialogHandle{} : dialogs_.handle_of(newer);
    }
    if (newer != nullptr) {
        newer->older = d.older;
    } else {
        q.newest = older == nullptr ? DialogHandle{} : dialogs_.handle_of(older);
    }
    d.older = d.newer = nobody;
    d.listed = false;
}

void DialogTable::erase(Dialog& d) noexcept {
    unlink(d);
    if (d.state == DialogState::deleted) --lingering_;
    if (d.key != 0) by_key_.erase(d.key);
    bytes_.release(d.text);
    dialogs_.destroy(d);
}

Dialog* DialogTable::find_due(core::Tick now) noexcept {
    soonest_ = core::Tick::max();
    for (const auto& q : queues_) {
        auto* d = dialogs_.get(q.oldest);
        if (d == nullptr) continue;
        soonest_ = std::min(soonest_, d->expires);
        if (d->expires <= now) return d;
    }
    return nullptr;
}

}  // namespace sipfront::sip

#include "sip/residues.hpp"

#include <cassert>
#include <cstring>

#include "core/hash.hpp"

namespace sipfront::sip {

Residues::Residues(std::uint32_t capacity, core::ByteSlab& bytes, std::uint64_t seed)
    : texts_{capacity}, by_hash_{capacity}, bytes_{bytes}, seed_{seed} {}

Residues::~Residues() {
    texts_.for_each([this](Text& t) { bytes_.release(t.bytes); });
}

Residues::Id Residues::hold(std::string_view text) noexcept {
    const auto hash = core::quick_hash(seed_, text) | 1;
    const auto* known = by_hash_.find(hash);
    if (known != nullptr) {
        auto* t = texts_.at(*known);
        if (t->bytes.view() == text) {
            ++t->users;
            return *known;
        }
    }
    auto bytes = bytes_.allocate(static_cast<std::uint32_t>(text.size()));
    if (!bytes) return none;
    const auto [handle, fresh] = texts_.create();
    if (fresh == nullptr) {
        bytes_.release(bytes);
        return none;
    }
    std::memcpy(bytes.data, text.data(), text.size());
    fresh->bytes = bytes;
    fresh->users = 1;
    if (known == nullptr && by_hash_.insert(hash, handle.index)) fresh->hash = hash;
    return handle.index;
}

void Residues::release(Id id) noexcept {
    auto* t = texts_.at(id);
    assert(t != nullptr && t->users > 0);
    if (--t->users > 0) return;
    if (t->hash != 0) by_hash_.erase(t->hash);
    bytes_.release(t->bytes);
    texts_.destroy(texts_.handle_of(t));
}

std::string_view Residues::text(Id id) const noexcept {
    const auto* t = texts_.at(id);
    assert(t != nullptr);
    return t->bytes.view();
}

}  // namespace sipfront::sip

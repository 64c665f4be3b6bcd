#include "ha/dialog_names.hpp"

#include <utility>

namespace sipfront::ha {

namespace {

template <class T, class Id>
const T& at(const std::vector<T>& all, Id id) noexcept {
    static const T none{};
    return core::raw(id) < all.size() ? all[core::raw(id)] : none;
}

template <class T, class Id>
void put(std::vector<T>& all, Id id, T value) {
    if (core::raw(id) >= all.size()) all.resize(std::size_t{core::raw(id)} + 1);
    all[core::raw(id)] = std::move(value);
}

}  // namespace

const DestinationName& DialogNames::destination(core::DestinationId id) const noexcept { return at(destinations_, id); }
const std::string& DialogNames::listener(core::ListenerId id) const noexcept { return at(listeners_, id); }

void DialogNames::set(core::DestinationId id, DestinationName name) {
    if (id != core::no_destination) put(destinations_, id, std::move(name));
}
void DialogNames::set(core::ListenerId id, std::string socket) { put(listeners_, id, std::move(socket)); }

void SharedNames::set(core::DestinationId id, DestinationName name) {
    const std::lock_guard lock{mutex_};
    told_.set(id, std::move(name));
    changed_.store(true, std::memory_order_release);
}

void SharedNames::set(core::ListenerId id, std::string socket) {
    const std::lock_guard lock{mutex_};
    told_.set(id, std::move(socket));
    changed_.store(true, std::memory_order_release);
}

const DialogNames& SharedNames::get() {
    if (changed_.load(std::memory_order_acquire)) {
        const std::lock_guard lock{mutex_};
        seen_ = told_;
        changed_.store(false, std::memory_order_relaxed);
    }
    return seen_;
}

}  // namespace sipfront::ha

#include "balancer/destination.hpp"

#include <algorithm>

namespace sipfront::balancer {

std::string_view name(Kind k) noexcept { return k == Kind::load_balancer ? "load_balancer" : "dispatcher"; }

bool DestinationLoad::try_reserve(ResourceSet need) noexcept {
    ResourceSet taken;
    const bool all = need.all([&](ResourceId r) {
        if (!(*this)[r].try_reserve()) return false;
        taken.add(r);
        return true;
    });
    if (!all) release(taken);
    return all;
}

bool DestinationLoad::release(ResourceSet need) noexcept {
    bool exact = true;
    need.all([&](ResourceId r) {
        exact = (*this)[r].release() && exact;
        return true;
    });
    return exact;
}

void DestinationLoad::adopt(ResourceSet need) noexcept {
    need.all([&](ResourceId r) {
        (*this)[r].adopt();
        return true;
    });
}

bool DestinationLoad::idle() const noexcept {
    return std::ranges::all_of(resources_, [](const ResourceLoad& r) { return r.read().load == 0; });
}

std::uint64_t DestinationLoad::picks() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& line : picks_) sum += line.n.get();
    return sum;
}

}  // namespace sipfront::balancer

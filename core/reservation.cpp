#include "core/reservation.hpp"

#include <cstdint>
#include <fstream>
#include <new>

#include <sys/mman.h>

namespace sipfront::core {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::size_t small_page = 4096;

constexpr std::size_t round_up(std::size_t n, std::size_t step) noexcept { return (n + step - 1) / step * step; }

}  // namespace

Reservation::Reservation(std::size_t bytes) : size_{round_up(bytes == 0 ? 1 : bytes, bytes < huge_page ? small_page : huge_page)} {
    // mmap aligns to 4 KiB only: map more, then give the ends back, so that huge pages cover the whole.
    const auto slack = size_ < huge_page ? 0 : huge_page;
    void* mapped = ::mmap(nullptr, size_ + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc{};
    auto* const begin = static_cast<std::uint8_t*>(mapped);
    const auto skew =
        slack == 0 ? 0 : round_up(reinterpret_cast<std::uintptr_t>(begin), huge_page) - reinterpret_cast<std::uintptr_t>(begin);
    if (skew > 0) ::munmap(begin, skew);
    if (slack > skew) ::munmap(begin + skew + size_, slack - skew);
    data_ = begin + skew;
    // Only advice: without transparent huge pages everything works, with more TLB misses.
    if (slack > 0) ::madvise(data_, size_, MADV_HUGEPAGE);
}

void Reservation::release() noexcept {
    if (data_ != nullptr) ::munmap(data_, size_);
}

std::string huge_page_policy() {
    std::ifstream file{"/sys/kernel/mm/transparent_hugepage/enabled"};
    for (std::string word; file >> word;)
        if (word.starts_with('[') && word.ends_with(']')) return word.substr(1, word.size() - 2);
    return {};
}

}  // namespace sipfront::core

#include "core/reservation.hpp"

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <limits>
#include <new>
#include <string>

#include <fmt/format.h>
#include <sys/mman.h>

namespace sipfront::core {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::size_t small_page = 4096;

thread_local bool commit_at_once = false;

// What the kernel thinks can be had without swapping. Where it does not tell, madvise() has the last word.
std::size_t available_memory() {
    std::ifstream file{"/proc/meminfo"};
    std::string key, unit;
    for (std::size_t kib = 0; file >> key >> kib;) {
        if (key == "MemAvailable:") return kib * 1024;
        std::getline(file, unit);
    }
    return std::numeric_limits<std::size_t>::max();
}

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
    if (!commit_at_once) return;
    try {
        commit();
    } catch (...) {
        release();
        throw;
    }
}

void Reservation::commit() {
    if (const auto available = available_memory(); size_ > available) throw MemoryShortage{size_, available};
    if (::madvise(data_, size_, MADV_POPULATE_WRITE) == 0) return;
    if (errno != EINVAL) throw std::bad_alloc{};
    // Kernels before 5.14.
    auto* const octets = static_cast<volatile std::uint8_t*>(data_);
    for (std::size_t at = 0; at < size_; at += small_page) octets[at] = 0;
}

void Reservation::release() noexcept {
    if (data_ != nullptr) ::munmap(data_, size_);
}

CommitAtOnce::CommitAtOnce(bool wanted) noexcept : before_{std::exchange(commit_at_once, wanted)} {}

CommitAtOnce::~CommitAtOnce() { commit_at_once = before_; }

MemoryShortage::MemoryShortage(std::size_t wanted, std::size_t available)
    : std::runtime_error{fmt::format("a table of {} MiB is to be committed and {} MiB of memory are available", (wanted + 1'048'575) >> 20,
                                     available >> 20)} {}

std::string huge_page_policy() {
    std::ifstream file{"/sys/kernel/mm/transparent_hugepage/enabled"};
    for (std::string word; file >> word;)
        if (word.starts_with('[') && word.ends_with(']')) return word.substr(1, word.size() - 2);
    return {};
}

}  // namespace sipfront::core

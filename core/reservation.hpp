// Address space for the tables of a worker: reserved at once, committed by the kernel page by page as it is first touched.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

namespace sipfront::core {

// Owns one anonymous mapping of at least `bytes` octets, zeroed, 2 MiB aligned, huge pages advised, no swap reserved.
// Set-up only: throws std::bad_alloc when the kernel refuses.
class Reservation {
public:
    Reservation() = default;
    explicit Reservation(std::size_t bytes);
    ~Reservation() { release(); }
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;
    Reservation(Reservation&& other) noexcept : data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)} {}
    Reservation& operator=(Reservation&& other) noexcept {
        if (this != &other) {
            release();
            data_ = std::exchange(other.data_, nullptr);
            size_ = std::exchange(other.size_, 0);
        }
        return *this;
    }

    [[nodiscard]] void* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    void release() noexcept;

    void* data_ = nullptr;
    std::size_t size_ = 0;
};

// What the kernel makes of the advice: "always" and "madvise" follow it, "never" does not; empty where it has no huge pages.
std::string huge_page_policy();

}  // namespace sipfront::core

// Address space for the tables of a worker: reserved at once, committed by the kernel page by page as it is first touched, or all
// of it at once under CommitAtOnce.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace sipfront::core {

// Owns one anonymous mapping of at least `bytes` octets, zeroed, 2 MiB aligned, huge pages advised, no swap reserved.
// Set-up only: throws std::bad_alloc when the kernel refuses, MemoryShortage under CommitAtOnce.
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
    void commit();
    void release() noexcept;

    void* data_ = nullptr;
    std::size_t size_ = 0;
};

// While one lives, what its thread reserves is committed at once, on the NUMA node of that thread: no page of it is faulted in later.
// The kernel takes its time to clear a page, and a poll core that waits for it receives nothing.
class CommitAtOnce {
public:
    // Not `wanted`: pages come as they are touched.
    explicit CommitAtOnce(bool wanted) noexcept;
    ~CommitAtOnce();
    CommitAtOnce(const CommitAtOnce&) = delete;
    CommitAtOnce& operator=(const CommitAtOnce&) = delete;

private:
    bool before_;
};

// The machine has less to give than was to be committed: asking the kernel all the same would make it end some process.
class MemoryShortage : public std::runtime_error {
public:
    MemoryShortage(std::size_t wanted, std::size_t available);
};

// What the kernel makes of the advice: "always" and "madvise" follow it, "never" does not; empty where it has no huge pages.
std::string huge_page_policy();

}  // namespace sipfront::core

// A network namespace of the test's own, and a TAP device whose wire side the test reads and answers. Needs root.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/endpoint.hpp"
#include "core/tick.hpp"
#include "dpdk/next_hops.hpp"

namespace sipfront::kni::testing {

// Owns the file descriptor.
class Descriptor {
public:
    explicit Descriptor(int fd = -1) : fd_{fd} {}
    Descriptor(Descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor();
    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_;
};

using Frame = std::vector<std::uint8_t>;

// A kernel interface whose cable ends in this object. The interface goes when the object does.
class TestTap {
public:
    explicit TestTap(const std::string& interface);

    // Frames that the kernel sent; does not wait.
    std::vector<Frame> receive();
    void send(const Frame& frame);
    // Answers ARP requests and neighbour solicitations for these addresses with `mac`; returns how many it answered.
    std::size_t answer(const std::vector<core::IpAddress>& owned, const dpdk::MacAddress& mac);

private:
    Descriptor fd_;
};

// Moves the test's thread into an empty namespace and back.
class NamespaceTest : public ::testing::Test {
protected:
    void SetUp() override;
    void TearDown() override;

    // Repeats `step` until it returns true; false after ten seconds, far beyond what the kernel needs.
    static bool until(const std::function<bool()>& step);
    static core::Tick now();
    static void write_setting(const std::string& path, std::string_view value);
    static std::string read_setting(const std::string& path);

private:
    Descriptor home_;
};

}  // namespace sipfront::kni::testing

// The control thread's loop: file descriptors, periodic timers and signals, one after the other on one thread.
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sys/epoll.h>

#include "core/result.hpp"
#include "core/tick.hpp"

namespace sipfront::app {

// An owned file descriptor.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) noexcept : fd_{fd} {}
    Fd(Fd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd();

    [[nodiscard]] int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }

private:
    int fd_ = -1;
};

// Handlers may add and remove descriptors, their own too, and may stop the loop.
class EventLoop {
public:
    using OnReady = std::function<void(std::uint32_t events)>;  // EPOLLIN, EPOLLOUT, EPOLLHUP, ...

    static core::Result<std::unique_ptr<EventLoop>> create();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    ~EventLoop() = default;

    // The descriptor stays the caller's; remove() it before it is closed.
    core::Status watch(int fd, std::uint32_t events, OnReady on_ready);
    void change(int fd, std::uint32_t events) noexcept;
    void remove(int fd) noexcept;
    // Calls that come late are not made up for.
    core::Status every(core::Duration interval, std::function<void()> on_tick);
    // The signals must be blocked in every thread (block_signals() before any thread starts).
    core::Status on_signals(std::initializer_list<int> signals, std::function<void(int signal)> on_signal);

    void run();
    // Handles what is ready, waiting at most so long; false after stop().
    bool run_once(int timeout_ms);
    void stop() noexcept { stopped_ = true; }

private:
    struct Watch {
        OnReady on_ready;
    };
    explicit EventLoop(Fd epoll) : epoll_{std::move(epoll)} {}

    Fd epoll_;
    std::unordered_map<int, std::shared_ptr<Watch>> watches_;
    std::vector<Fd> owned_;
    bool stopped_ = false;
};

// Blocks the signals in this thread and in those that it starts from here on.
void block_signals(std::initializer_list<int> signals) noexcept;

}  // namespace sipfront::app

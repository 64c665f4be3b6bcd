#include "app/event_loop.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace sipfront::app {

namespace {

core::Error failed(const char* what) { return {std::string{what} + ": " + std::strerror(errno)}; }

sigset_t set_of(std::initializer_list<int> signals) noexcept {
    sigset_t set;
    sigemptyset(&set);
    for (const int s : signals) sigaddset(&set, s);
    return set;
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

Fd::~Fd() {
    if (fd_ >= 0) ::close(fd_);
}

core::Result<std::unique_ptr<EventLoop>> EventLoop::create() {
    Fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
    if (!epoll) return failed("epoll_create1");
    return std::unique_ptr<EventLoop>{new EventLoop{std::move(epoll)}};
}

core::Status EventLoop::watch(int fd, std::uint32_t events, OnReady on_ready) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return failed("epoll_ctl");
    watches_[fd] = std::make_shared<Watch>(Watch{std::move(on_ready)});
    return core::Done{};
}

void EventLoop::change(int fd, std::uint32_t events) noexcept {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::remove(int fd) noexcept {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    watches_.erase(fd);
}

core::Status EventLoop::every(core::Duration interval, std::function<void()> on_tick) {
    Fd timer{::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    if (!timer) return failed("timerfd_create");
    constexpr auto second = std::chrono::nanoseconds{std::chrono::seconds{1}}.count();
    itimerspec spec{};
    spec.it_interval.tv_sec = interval.count() / second;
    spec.it_interval.tv_nsec = interval.count() % second;
    spec.it_value = spec.it_interval;
    if (::timerfd_settime(timer.get(), 0, &spec, nullptr) != 0) return failed("timerfd_settime");
    const int fd = timer.get();
    auto status = watch(fd, EPOLLIN, [fd, tick = std::move(on_tick)](std::uint32_t) {
        std::uint64_t expirations = 0;
        if (::read(fd, &expirations, sizeof expirations) == sizeof expirations) tick();
    });
    if (status) owned_.push_back(std::move(timer));
    return status;
}

core::Status EventLoop::on_signals(std::initializer_list<int> signals, std::function<void(int)> on_signal) {
    const auto set = set_of(signals);
    Fd source{::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
    if (!source) return failed("signalfd");
    const int fd = source.get();
    auto status = watch(fd, EPOLLIN, [fd, handle = std::move(on_signal)](std::uint32_t) {
        signalfd_siginfo info{};
        while (::read(fd, &info, sizeof info) == sizeof info) handle(static_cast<int>(info.ssi_signo));
    });
    if (status) owned_.push_back(std::move(source));
    return status;
}

void EventLoop::run() {
    while (run_once(-1)) {
    }
}

bool EventLoop::run_once(int timeout_ms) {
    std::array<epoll_event, 32> ready;
    const int n = stopped_ ? 0 : ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), timeout_ms);
    for (int i = 0; i < n && !stopped_; ++i) {
        const auto& event = ready[static_cast<std::size_t>(i)];
        const auto w = watches_.find(event.data.fd);
        if (w == watches_.end()) continue;  // removed by a handler of this round
        const auto keep = w->second;        // the handler may remove itself
        keep->on_ready(event.events);
    }
    return !stopped_;
}

void block_signals(std::initializer_list<int> signals) noexcept {
    const auto set = set_of(signals);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace sipfront::app

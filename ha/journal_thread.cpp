#include "ha/journal_thread.hpp"

#include <utility>

#include <pthread.h>

#include "core/log.hpp"

namespace sipfront::ha {

namespace {

using namespace std::chrono_literals;

// Rings hold far more than comes meanwhile, and a change may take longer to be on its way.
constexpr auto between_turns = 1'000us;
constexpr std::size_t many_events = 1'024;

}  // namespace

void Wakeup::wake() {
    const std::lock_guard lock{mutex_};
    awake_ = true;
    woken_.notify_one();
}

void Wakeup::sleep(std::chrono::microseconds most) {
    std::unique_lock lock{mutex_};
    woken_.wait_for(lock, most, [this] { return awake_; });
    awake_ = false;
}

JournalThread::JournalThread(Journal& journal, Wakeup& wakeup, std::function<Instant()> clock)
    : journal_{journal}, wakeup_{wakeup}, clock_{std::move(clock)}, thread_{[this] { run(); }} {
    pthread_setname_np(thread_.native_handle(), "sf-journal");
}

JournalThread::~JournalThread() {
    if (thread_.joinable()) stop(0ms);
}

void JournalThread::run() {
    for (;;) {
        bool stopping = false;
        std::chrono::steady_clock::time_point give_up;
        {
            const std::lock_guard lock{mutex_};
            stopping = stopping_;
            give_up = give_up_;
        }
        const auto events = journal_.turn(clock_(), stopping);
        if (stopping && (journal_.idle() || std::chrono::steady_clock::now() >= give_up)) break;
        if (events < many_events) wakeup_.sleep(between_turns);
    }
    const std::lock_guard lock{mutex_};
    drained_ = journal_.idle();
}

bool JournalThread::stop(std::chrono::milliseconds patience) {
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
        give_up_ = std::chrono::steady_clock::now() + patience;
    }
    wakeup_.wake();
    thread_.join();
    if (!drained_) core::log().error("journal: the store did not take all changes before the end; recovery will find the difference");
    return drained_;
}

}  // namespace sipfront::ha

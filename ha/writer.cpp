#include "ha/writer.hpp"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace sipfront::ha {

// Threads share it by its mutex alone.
struct WriterThreads::Seat {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<WriteJob> job;
    std::optional<WriteResult> result;
    std::function<void()> on_result;  // empty once nobody listens
    bool stop = false;
    bool ended = false;
    std::thread thread;

    // The writer's thread.
    void work(DialogStore& store) {
        std::unique_lock lock{mutex};
        for (;;) {
            changed.wait(lock, [this] { return stop || job; });
            if (stop) return;
            const auto mine = std::exchange(job, std::nullopt);
            lock.unlock();
            auto outcome = attempt(store, *mine);
            lock.lock();
            result = std::move(outcome);
            // Under the lock: stop() takes the listener away.
            if (on_result) on_result();
        }
    }

    static WriteResult attempt(DialogStore& store, const WriteJob& job) {
        try {
            return run(store, job);
        } catch (const std::exception& e) {
            return {StoreError{StoreError::Kind::lost, e.what()}, 0};
        }
    }
};

WriterThreads::WriterThreads(std::size_t count, const StoreFactory& factory, std::function<void()> on_result) {
    for (std::size_t i = 0; i < count; ++i) {
        auto& seat = seats_.emplace_back(std::make_shared<Seat>());
        seat->on_result = on_result;
        seat->thread = std::thread{[seat, factory] {
            {
                const auto store = factory();
                seat->work(*store);
            }
            const std::lock_guard lock{seat->mutex};
            seat->ended = true;
            seat->changed.notify_all();
        }};
    }
}

WriterThreads::~WriterThreads() { stop(std::chrono::milliseconds{500}); }

void WriterThreads::begin(std::size_t writer, WriteJob job) {
    auto& seat = *seats_[writer];
    const std::lock_guard lock{seat.mutex};
    seat.job = std::move(job);
    seat.changed.notify_all();
}

std::optional<WriteResult> WriterThreads::take(std::size_t writer) {
    auto& seat = *seats_[writer];
    const std::lock_guard lock{seat.mutex};
    return std::exchange(seat.result, std::nullopt);
}

bool WriterThreads::stop(std::chrono::milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    for (auto& seat : seats_) {
        const std::lock_guard lock{seat->mutex};
        seat->stop = true;
        seat->on_result = nullptr;
        seat->changed.notify_all();
    }
    bool all = true;
    for (auto& seat : seats_) {
        if (!seat->thread.joinable()) continue;
        std::unique_lock lock{seat->mutex};
        const bool ended = seat->changed.wait_until(lock, until, [&] { return seat->ended; });
        lock.unlock();
        if (ended)
            seat->thread.join();
        else
            seat->thread.detach();
        all = all && ended;
    }
    return all;
}

}  // namespace sipfront::ha

// Threads that write to the store, one connection each. They may hang there as long as the store does; nobody else waits for them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ha/write_job.hpp"

namespace sipfront::ha {

// Makes a writer's own store, on the writer's thread. Opening it must not fail: a store that cannot be reached says so when it is used.
using StoreFactory = std::function<std::unique_ptr<DialogStore>()>;

class WriterThreads final : public Writers {
public:
    // `on_result` is called on a writer's thread whenever a result can be taken.
    WriterThreads(std::size_t count, const StoreFactory& factory, std::function<void()> on_result);
    // stop(), with half a second.
    ~WriterThreads() override;
    WriterThreads(const WriterThreads&) = delete;
    WriterThreads& operator=(const WriterThreads&) = delete;

    [[nodiscard]] std::size_t count() const noexcept override { return seats_.size(); }
    void begin(std::size_t writer, WriteJob job) override;
    std::optional<WriteResult> take(std::size_t writer) override;

    // Ends the threads. One that the store does not let go of within `patience` is left to itself, with its connection; false then.
    bool stop(std::chrono::milliseconds patience);

private:
    struct Seat;
    std::vector<std::shared_ptr<Seat>> seats_;  // a thread that was left has its own share
};

}  // namespace sipfront::ha

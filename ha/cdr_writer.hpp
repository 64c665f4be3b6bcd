// The thread between the journal and a sink of call records, so that a slow disk stops nobody.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

#include "core/counters.hpp"
#include "ha/cdr.hpp"

namespace sipfront::ha {

enum class CdrTarget : std::uint8_t { file, table, count_ };
std::string_view name(CdrTarget t) noexcept;

enum class CdrCount : std::uint8_t {
    written,
    dropped,  // the queue was full
    errors,   // of the sink; what it did not take is tried again
    refused,  // that nothing can take as they are
    count_
};
std::string_view name(CdrCount c) noexcept;

// `dropped`: whoever posts writes it; the others: the writer's thread. Any thread: reads.
struct CdrStats {
    core::CounterArray<CdrCount> counts;
    core::Counter waiting;
};

class CdrWriter {
public:
    // `queue`: records that may wait; when it is full the newest are dropped.
    CdrWriter(std::unique_ptr<CdrSink> sink, std::size_t queue, CdrStats& stats);
    // stop(), with half a second.
    ~CdrWriter();
    CdrWriter(const CdrWriter&) = delete;
    CdrWriter& operator=(const CdrWriter&) = delete;

    // One thread's. Takes a lock that is never held while the sink works.
    void post(Cdr record);
    // Writes what waits, for so long at most, and ends the thread. A sink that hangs is left to itself; false then.
    bool stop(std::chrono::milliseconds patience);

private:
    struct Shared;
    std::shared_ptr<Shared> shared_;  // a thread that was left has its own share
    std::thread thread_;
};

}  // namespace sipfront::ha

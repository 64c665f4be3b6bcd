// Runs the journal's turns: one after the other while much is to be done, else each millisecond and when a writer has finished.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "ha/journal.hpp"

namespace sipfront::ha {

// Something to sleep on that another thread can end.
class Wakeup {
public:
    void wake();
    // Until wake(), at most so long; a wake() since the last sleep counts.
    void sleep(std::chrono::microseconds most);

private:
    std::mutex mutex_;
    std::condition_variable woken_;
    bool awake_ = false;
};

class JournalThread {
public:
    // `clock`: the workers' clock and the wall clock at one instant. What the arguments refer to outlives the object.
    JournalThread(Journal& journal, Wakeup& wakeup, std::function<Instant()> clock);
    // stop() without patience.
    ~JournalThread();
    JournalThread(const JournalThread&) = delete;
    JournalThread& operator=(const JournalThread&) = delete;

    // After the workers have ended: writes what is left, for so long at most, and ends the thread. False: something is left.
    bool stop(std::chrono::milliseconds patience);

private:
    void run();

    Journal& journal_;
    Wakeup& wakeup_;
    std::function<Instant()> clock_;
    std::mutex mutex_;
    bool stopping_ = false;
    std::chrono::steady_clock::time_point give_up_{};
    bool drained_ = false;
    std::thread thread_;  // the last: it uses all the others
};

}  // namespace sipfront::ha

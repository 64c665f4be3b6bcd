// The journal and all that it runs on: rings, thread, writers, call records. What app/ starts before the workers and stops after them.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "ha/cdr_writer.hpp"
#include "ha/journal.hpp"
#include "ha/journal_thread.hpp"
#include "ha/writer.hpp"

namespace sipfront::ha {

class JournalService {
public:
    struct Parts {
        JournalConfig config;
        CdrConfig cdr;
        std::unique_ptr<CdrSink> cdr_table;  // where cdr.table says so
        core::NodeId node{};
        std::size_t workers = 1;
        StoreFactory store;
        std::function<Instant()> clock;  // any thread's
    };
    explicit JournalService(Parts parts);
    // stop(), with a second.
    ~JournalService();
    JournalService(const JournalService&) = delete;
    JournalService& operator=(const JournalService&) = delete;

    // One for each worker.
    [[nodiscard]] std::vector<sip::DialogObserver*> observers() const;
    [[nodiscard]] const JournalLane& lane(std::size_t worker) const { return *lanes_[worker]; }
    [[nodiscard]] const JournalStats& stats() const noexcept { return stats_; }
    // nullptr: none are kept there.
    [[nodiscard]] const CdrStats* cdr_stats(CdrTarget t) const noexcept {
        const auto& records = records_[static_cast<std::size_t>(t)];
        return records.writer ? &records.stats : nullptr;
    }
    // Names of destinations and listeners, epoch, recovered(), want_resync().
    Journal& journal() noexcept { return *journal_; }

    // Control, every few milliseconds: whether the worker is to be told to tell all its dialogs. `told_all`: how often it has done so
    // until now (ProxyCounters::told_all). Once the order is given, ordered().
    bool wants_all(std::size_t worker, std::uint64_t told_all);
    void ordered(std::size_t worker);

    // After the workers have ended: writes what is left, for so long at most. False: something is left.
    bool stop(std::chrono::milliseconds patience);

private:
    // What a worker has been asked to tell.
    struct Order {
        std::uint32_t wanted = 0;    // JournalLane::asked(), when wants_all() said so
        std::uint32_t given = 0;     // that of the last one given
        std::uint64_t told_all = 0;  // of the worker, when it was given
        bool underway = false;
    };
    // A target that stands still does not hold up the other.
    struct Records {
        CdrStats stats;
        std::unique_ptr<CdrWriter> writer;
    };
    void keep_records(CdrTarget target, std::unique_ptr<CdrSink> sink, std::size_t queue);
    void on_ended(const sip::DialogEvent& e, const sip::EventTexts& texts, const DialogNames& names, const Instant& now);

    core::NodeId node_;
    std::vector<std::unique_ptr<JournalLane>> lanes_;
    std::vector<Order> orders_;
    JournalStats stats_;
    std::array<Records, static_cast<std::size_t>(CdrTarget::count_)> records_;
    Wakeup wakeup_;
    std::unique_ptr<WriterThreads> writers_;
    std::unique_ptr<Journal> journal_;
    std::unique_ptr<JournalThread> thread_;
};

}  // namespace sipfront::ha

// From a worker to the journal: a ring of cache lines with one producer and one consumer, without locks (Boost.Lockfree). A record
// is an event and the texts it tells, and is written whole or not at all.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <boost/lockfree/spsc_queue.hpp>

#include "core/counters.hpp"
#include "sip/dialog_event.hpp"

namespace sipfront::ha {

struct alignas(64) RingBlock {
    std::array<std::byte, 64> octets;
};

// What became of the events of one worker.
enum class LaneCount : std::uint8_t {
    posted,
    full,         // refused: told again later
    deferred,     // `changed` that waits because the journal has enough to do: told again later
    too_long,     // posted without its texts
    thinned,      // ends that were posted without their texts for want of room: no CDR
    missed_ends,  // ends that were refused: a resync finds them
    count_
};
std::string_view name(LaneCount c) noexcept;

class JournalLane final : public sip::DialogObserver {
public:
    static constexpr std::size_t max_text_octets = 16 * 1024;  // of one record
    static constexpr std::size_t least_blocks = 1'024;

    // `blocks` of 64 octets, least_blocks at least. A part of them is kept for ends, which nobody tells again.
    explicit JournalLane(std::size_t blocks);
    JournalLane(const JournalLane&) = delete;
    JournalLane& operator=(const JournalLane&) = delete;

    // The worker's side. Nothing here allocates, locks or waits.
    bool note(const sip::DialogEvent& e, const sip::EventTexts& texts) noexcept override;
    // Differs from the number last given to told_all(): the worker is to tell all its dialogs by `changed`, in its own time.
    [[nodiscard]] std::uint32_t asked() const noexcept { return asked_.load(std::memory_order_relaxed); }
    // note() has taken every dialog of the worker since asked() became `number`. Also another thread's that has seen it happen.
    void told_all(std::uint32_t number) noexcept;

    // The journal's side. f(const DialogEvent&, const EventTexts&) for up to `max` events, oldest first; the texts live until it
    // returns. Returns how many.
    template <class F>
    std::size_t drain(std::size_t max, F&& f) {
        std::size_t events = 0;
        while (events < max && fetch()) {
            sip::EventTexts texts{};
            const auto e = take(texts);
            f(e, texts);
            ++events;
        }
        drained_.add(events);
        return events;
    }
    void ask_all(std::uint32_t number) noexcept { asked_.store(number, std::memory_order_relaxed); }
    // told_all(number) was called, and everything posted before has been drained.
    [[nodiscard]] bool told(std::uint32_t number) const noexcept;
    // While set, `changed` is refused.
    void defer_changes(bool yes) noexcept { defer_.store(yes, std::memory_order_relaxed); }

    // Any thread.
    [[nodiscard]] std::uint64_t count(LaneCount c) const noexcept { return counts_[c].get(); }
    [[nodiscard]] std::uint64_t drained() const noexcept { return drained_.get(); }
    // Events on their way; a little stale by the time the caller looks at it.
    [[nodiscard]] std::uint64_t depth() const noexcept;
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

private:
    static constexpr std::size_t event_blocks = 2;
    static constexpr std::size_t max_blocks =
        event_blocks + (max_text_octets + sizeof(std::uint16_t) * sip::event_texts + sizeof(RingBlock) - 1) / sizeof(RingBlock);
    static constexpr std::size_t fetched_blocks = 4 * max_blocks;
    static_assert(sizeof(sip::DialogEvent) == event_blocks * sizeof(RingBlock));
    static_assert(sip::event_texts <= 16, "a bit each in DialogEvent::texts");

    std::size_t compose(const sip::DialogEvent& e, const sip::EventTexts& texts) noexcept;
    bool post(std::size_t blocks, std::size_t spare) noexcept;
    bool fetch();
    sip::DialogEvent take(sip::EventTexts& texts) noexcept;

    boost::lockfree::spsc_queue<RingBlock> ring_;
    std::size_t capacity_;
    std::size_t reserve_;  // blocks that only ends may take

    // Worker: writes.
    alignas(64) std::array<RingBlock, max_blocks> scratch_;
    core::CounterArray<LaneCount> counts_;
    std::atomic<std::uint64_t> told_posted_{0};
    std::atomic<std::uint32_t> told_{0};

    // Journal: writes.
    alignas(64) std::atomic<std::uint32_t> asked_{0};
    std::atomic<bool> defer_{false};
    alignas(64) core::Counter drained_;
    std::vector<RingBlock> fetched_;  // [begin_, end_) is not yet taken
    std::size_t begin_ = 0, end_ = 0;
};

}  // namespace sipfront::ha

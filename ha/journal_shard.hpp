// The changes of the dialogs that one writer writes: one entry a dialog in the order of their oldest changes, one batch in flight,
// and what is done when the store does not take it. A pure object: instants come in, jobs go out.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "core/log.hpp"
#include "core/tick.hpp"
#include "ha/dialog_image.hpp"
#include "ha/journal_stats.hpp"
#include "ha/write_job.hpp"

namespace sipfront::ha {

class JournalShard {
public:
    struct Limits {
        core::Duration flush_interval{};
        std::size_t batch = 1;
    };
    JournalShard(const Limits& limits, JournalStats& stats) : limits_{limits}, stats_{stats} {}

    // False: it is of one dialog more and there is no `room` for that, and it is lost.
    bool apply(const sip::DialogEvent& e, const sip::EventTexts& texts, std::int64_t version, bool room);

    // Whether a batch should go now. `hurry`: without waiting for others to go with.
    [[nodiscard]] bool ready(core::Tick now, bool hurry) const noexcept;
    [[nodiscard]] WriteJob take_batch(const DialogNames& names, const Instant& now);
    void done(const std::optional<StoreError>& error, core::Tick now);

    // A job that is no batch takes the writer's turn.
    [[nodiscard]] bool ready_to_sweep(core::Tick now) const noexcept { return !busy_ && now >= not_before_; }
    void sweep_begun() noexcept { busy_ = true; }
    void swept(const std::optional<StoreError>& error, core::Tick now);

    // From now on settled() tells whether all changes that are here now have been written.
    void mark();
    [[nodiscard]] bool settled() const noexcept { return unsettled_ == 0; }

    [[nodiscard]] bool busy() const noexcept { return busy_; }
    [[nodiscard]] bool empty() const noexcept { return waiting_.empty() && in_flight_.empty(); }
    // The store takes its changes, or has none and may be tried again.
    [[nodiscard]] bool calm(core::Tick now) const noexcept { return failures_ == 0 || (waiting_.empty() && !busy_ && now >= not_before_); }
    [[nodiscard]] std::size_t size() const noexcept { return waiting_.size() + in_flight_.size(); }
    [[nodiscard]] std::size_t octets() const noexcept { return octets_; }

private:
    struct Change {
        DialogImage image;
        core::Tick since{};        // of the oldest event in it
        std::int64_t version = 0;  // when the latest one was taken
        std::uint32_t mark = 0;    // the last one before it
        bool fresh = false;        // born here and never sent: the store cannot know of it
    };
    using Changes = std::list<Change>;

    static std::size_t octets_of(const Change& c) noexcept;
    void insert(const sip::DialogEvent& e, const sip::EventTexts& texts, std::int64_t version);
    void remove(Changes& from, Changes::iterator it);
    void merge(Change& c, const sip::DialogEvent& e, const sip::EventTexts& texts, std::int64_t version);
    [[nodiscard]] std::size_t next_size() const noexcept;
    void succeeded(core::Tick now);
    void mended();
    void put_back();
    void failed(const StoreError& error, core::Tick now);
    void bisect(std::size_t size, const StoreError& error, core::Tick now);
    void drop_bad(const StoreError& error, core::Tick now);
    void back_off(StoreError::Kind kind, core::Tick now) noexcept;

    Limits limits_;
    JournalStats& stats_;
    Changes waiting_, in_flight_;
    std::unordered_map<std::uint64_t, Changes::iterator> by_id_;  // of waiting_
    std::size_t octets_ = 0;
    std::size_t unsettled_ = 0;
    std::uint32_t mark_ = 0;

    bool busy_ = false;
    bool lost_ = false;           // a failure since the last success was of the connection
    bool complained_ = false;     // and was logged
    std::uint32_t failures_ = 0;  // since the last success
    core::Tick not_before_{};
    std::size_t suspects_ = 0;   // the first so many of waiting_: one of them is not taken by the table
    std::uint32_t dropped_ = 0;  // bad rows since the last success
    core::LogLimit bad_rows_{5, std::chrono::seconds{10}};
    core::LogLimit errors_{1, std::chrono::seconds{10}};
};

}  // namespace sipfront::ha

// A store in memory that does what the seam promises, and fails as it is told to.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "ha/write_job.hpp"

namespace sipfront::ha {

class FakeStore final : public DialogStore {
public:
    core::Result<core::Done, StoreError> write(const DialogBatch& batch) override {
        ++writes;
        largest = std::max(largest, batch.upserts.size() + batch.updates.size() + batch.deletes.size());
        for (const auto* list : {&batch.upserts, &batch.updates})
            for (const auto& row : *list)
                if (is_bad && is_bad(row.dlg_id)) return StoreError{StoreError::Kind::row, "Data too long for column 'callid'"};
        if (auto failure = next()) {
            if (after_commit) apply(batch);
            return *failure;
        }
        apply(batch);
        return core::Done{};
    }
    core::Result<core::Done, StoreError> read(const std::function<bool(DialogRow&&)>& row) override {
        for (const auto& [id, r] : rows)
            if (!row(DialogRow{r})) break;
        return core::Done{};
    }
    core::Result<std::uint64_t, StoreError> sweep(core::NodeId node, std::int64_t version) override {
        if (auto failure = next()) return *failure;
        ++sweeps;
        return std::erase_if(rows, [&](const auto& r) { return r.second.node == node && r.second.version < version; });
    }
    [[nodiscard]] std::string name() const override { return "fake"; }

    std::map<std::uint64_t, DialogRow> rows;
    std::deque<std::optional<StoreError::Kind>> failures;  // of the next calls, one each
    std::optional<StoreError::Kind> down;                  // of all calls
    bool after_commit = false;                             // the write has taken effect all the same
    std::function<bool(std::uint64_t)> is_bad;             // dialogs that the table does not take
    int writes = 0, sweeps = 0;
    std::size_t largest = 0;

private:
    std::optional<StoreError> next() {
        auto kind = down;
        if (!failures.empty()) {
            kind = failures.front();
            failures.pop_front();
        }
        return kind ? std::optional{StoreError{*kind, "failure asked for"}} : std::nullopt;
    }
    void apply(const DialogBatch& batch) {
        for (const auto& row : batch.upserts) {
            auto& have = rows[row.dlg_id];
            if (have.epoch > batch.epoch) continue;
            auto copy = row;
            if (copy.from_uri.empty()) copy.from_uri = have.from_uri;
            if (copy.to_uri.empty()) copy.to_uri = have.to_uri;
            if (copy.state <= sip::DialogState::early)
                for (auto text : {&DialogRow::request_uri, &DialogRow::client_via, &DialogRow::branch, &DialogRow::routes})
                    if ((copy.*text).empty()) copy.*text = have.*text;
            have = std::move(copy);
        }
        for (const auto& row : batch.updates) {
            const auto found = rows.find(row.dlg_id);
            if (found == rows.end() || found->second.epoch > batch.epoch) continue;
            auto next = row;
            const auto& have = found->second;
            using Text = std::string DialogRow::*;
            for (const Text t :
                 {&DialogRow::callid, &DialogRow::from_uri, &DialogRow::from_tag, &DialogRow::to_uri, &DialogRow::to_tag,
                  &DialogRow::caller_route_set, &DialogRow::callee_route_set, &DialogRow::caller_contact, &DialogRow::callee_contact,
                  &DialogRow::request_uri, &DialogRow::client_via, &DialogRow::branch, &DialogRow::routes})
                if ((next.*t).empty()) next.*t = have.*t;
            found->second = std::move(next);
        }
        for (const auto id : batch.deletes) {
            const auto found = rows.find(id);
            if (found != rows.end() && found->second.epoch <= batch.epoch) rows.erase(found);
        }
    }
};

// Writers whose jobs wait until the test runs them.
class FakeWriters final : public Writers {
public:
    FakeWriters(std::size_t count, FakeStore& store) : store_{store}, seats_(count) {}

    [[nodiscard]] std::size_t count() const noexcept override { return seats_.size(); }
    void begin(std::size_t writer, WriteJob job) override {
        if (seats_[writer].job || seats_[writer].result) overrun = true;
        seats_[writer].job = std::move(job);
    }
    std::optional<WriteResult> take(std::size_t writer) override { return std::exchange(seats_[writer].result, std::nullopt); }

    [[nodiscard]] bool has_job(std::size_t writer) const { return seats_[writer].job.has_value(); }
    [[nodiscard]] const WriteJob& job(std::size_t writer) const { return *seats_[writer].job; }
    void run_one(std::size_t writer) {
        auto& seat = seats_[writer];
        if (!seat.job) return;
        seat.result = run(store_, *seat.job);
        seat.job.reset();
    }
    void run_all() {
        for (std::size_t i = 0; i < seats_.size(); ++i) run_one(i);
    }
    bool overrun = false;  // a writer was given a job while it had one

private:
    struct Seat {
        std::optional<WriteJob> job;
        std::optional<WriteResult> result;
    };
    FakeStore& store_;
    std::vector<Seat> seats_;
};

}  // namespace sipfront::ha

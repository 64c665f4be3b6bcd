// A table in memory that several threads' stores write, and that can be made to hang.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>

#include "ha/dialog_store.hpp"

namespace sipfront::ha {

// What several stores and the test share.
struct Table {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::uint64_t, DialogRow> rows;
    bool hangs = false;
    int hanging = 0;
    bool throws = false;

    void let_go() {
        const std::lock_guard lock{mutex};
        hangs = false;
        changed.notify_all();
    }
    template <class F>
    void wait_for(F&& condition) {
        std::unique_lock lock{mutex};
        changed.wait(lock, condition);
    }
};

class SharedStore final : public DialogStore {
public:
    explicit SharedStore(std::shared_ptr<Table> table) : table_{std::move(table)} {}

    core::Result<core::Done, StoreError> write(const DialogBatch& batch) override {
        std::unique_lock lock{table_->mutex};
        if (table_->throws) throw std::runtime_error{"out of memory"};
        ++table_->hanging;
        table_->changed.notify_all();
        table_->changed.wait(lock, [&] { return !table_->hangs; });
        --table_->hanging;
        for (const auto& r : batch.upserts) table_->rows[r.dlg_id] = r;
        for (const auto id : batch.deletes) table_->rows.erase(id);
        table_->changed.notify_all();
        return core::Done{};
    }
    core::Result<core::Done, StoreError> read(const std::function<bool(DialogRow&&)>&) override { return core::Done{}; }
    core::Result<std::uint64_t, StoreError> sweep(core::NodeId node, std::int64_t version) override {
        const std::lock_guard lock{table_->mutex};
        const auto swept = std::erase_if(table_->rows, [&](const auto& r) { return r.second.node == node && r.second.version < version; });
        table_->changed.notify_all();
        return std::uint64_t{swept};
    }
    [[nodiscard]] std::string name() const override { return "shared"; }

private:
    std::shared_ptr<Table> table_;
};

}  // namespace sipfront::ha

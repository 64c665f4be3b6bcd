// Keeps dialogs beyond the process: the journal that writes what the workers tell, and the reader that brings back what the store
// has at the start. Made and ended by the main thread, ticked by control.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "app/config.hpp"
#include "app/dialog_recovery.hpp"
#include "app/switchboard.hpp"
#include "balancer/snapshot.hpp"
#include "core/steering.hpp"
#include "ha/dialog_store.hpp"
#include "ha/journal_service.hpp"
#include "sip/dialog_event.hpp"

namespace sipfront::app {

class DialogKeeper {
public:
    struct Parts {
        const Config& config;
        Switchboard& switchboard;
        core::Steering steering;
        std::function<core::Tick()> clock;                          // the workers'; any thread asks
        std::function<std::uint64_t(std::size_t worker)> told_all;  // ProxyCounters::told_all
        std::function<std::unique_ptr<ha::DialogStore>()> store;    // a new one at each call; empty: call records alone are kept
        std::function<std::unique_ptr<ha::CdrSink>()> cdr_table;    // of call records; empty: they are not kept there
    };
    // Whether the configuration asks for any of it.
    static bool wanted(const Config& config) noexcept;

    explicit DialogKeeper(Parts parts);
    // stop() with a second.
    ~DialogKeeper();
    DialogKeeper(const DialogKeeper&) = delete;
    DialogKeeper& operator=(const DialogKeeper&) = delete;

    // By worker; they outlive the workers.
    [[nodiscard]] std::vector<sip::DialogObserver*> observers() const { return service_.observers(); }
    // Begins to bring back what the store has. Before the workers' first poll. `snapshot`: the destinations that are known by then.
    void recover(const balancer::Snapshot* snapshot);
    // Control's, now and then: names of destinations, the end of recovery, resyncs.
    void tick(const balancer::Snapshot* snapshot);
    // Writes what is left, for so long at most. After the workers' last poll.
    void stop(std::chrono::milliseconds patience);

    [[nodiscard]] const ha::JournalService& service() const noexcept { return service_; }
    // nullptr: there is no store to recover from.
    [[nodiscard]] const RecoveryStats* recovery() const noexcept { return parts_.store ? &recovery_stats_ : nullptr; }

private:
    void name_destinations(const balancer::Snapshot& snapshot);
    bool tell(std::size_t worker, WorkerCommand::Kind kind);

    Parts parts_;
    ha::JournalService service_;
    RecoveryStats recovery_stats_;
    std::unique_ptr<DialogRecovery> recovery_;
    const balancer::Snapshot* named_ = nullptr;
    std::vector<bool> end_told_;  // by worker: the end of recovery
    bool recovered_ = false;
    bool stopped_ = false;
};

}  // namespace sipfront::app

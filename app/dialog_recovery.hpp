// Reads the dialogs of a store at the start, in the background, and brings each to the worker that its Call-ID hashes to. Calls are
// served from their route cookies meanwhile, and from the records as they come.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "app/switchboard.hpp"
#include "core/counters.hpp"
#include "core/steering.hpp"
#include "ha/dialog_store.hpp"
#include "sip/config.hpp"

namespace sipfront::app {

// The reader's thread: writes; any thread: reads.
struct RecoveryStats {
    core::Counter rows;      // read
    core::Counter brought;   // to their workers
    core::Counter unusable;  // that say no address, socket or Call-ID
    core::Counter own;       // written by this process, which knows better
    core::Counter failures;  // of the store: it is read again from the start
    core::Counter micros;    // that it took, once done
    std::atomic<bool> done = false;
};

class DialogRecovery {
public:
    struct Parts {
        std::unique_ptr<ha::DialogStore> store;
        Switchboard& switchboard;
        core::Steering steering;
        const sip::ProxyConfig& proxy;
        core::NodeId node{};
        // Destinations by group and URI, as they are at the start; others are found by their address.
        std::map<std::pair<std::uint32_t, std::string>, core::DestinationId> destinations;
        std::function<core::Tick()> clock;
        std::function<std::int64_t()> unix_us;   // the wall clock
        std::chrono::milliseconds retry{1'000};  // after a failure of the store
        RecoveryStats& stats;
    };

    // Starts the thread. Workers must poll until it is done or stopped.
    explicit DialogRecovery(Parts parts);
    // stop()
    ~DialogRecovery();
    DialogRecovery(const DialogRecovery&) = delete;
    DialogRecovery& operator=(const DialogRecovery&) = delete;

    // Ends the thread, if need be before it is through. After the last poll of all workers, which may hold what it has brought.
    void stop();

private:
    struct Page;
    void run();
    bool read_all();
    void add(Page& page, ha::DialogRow&& row);
    // False: stopped.
    bool bring(Page& page);
    bool pause(std::chrono::microseconds d) const;

    Parts parts_;
    std::int64_t started_us_;
    core::Tick started_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace sipfront::app

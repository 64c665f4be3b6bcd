// What the ids in a dialog's events stand for, in words that mean the same on the other node and after a restart.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "core/types.hpp"

namespace sipfront::ha {

struct DestinationName {
    std::string uri;
    std::uint32_t group = 0;
    std::string resource;  // that a call counts by

    friend bool operator==(const DestinationName&, const DestinationName&) = default;
};

// By id. One that was never named has empty texts.
class DialogNames {
public:
    [[nodiscard]] const DestinationName& destination(core::DestinationId id) const noexcept;
    [[nodiscard]] const std::string& listener(core::ListenerId id) const noexcept;
    void set(core::DestinationId id, DestinationName name);
    void set(core::ListenerId id, std::string socket);

private:
    std::vector<DestinationName> destinations_;
    std::vector<std::string> listeners_;
};

// The same, told by control and read by the journal's thread.
class SharedNames {
public:
    // Any thread.
    void set(core::DestinationId id, DestinationName name);
    void set(core::ListenerId id, std::string socket);
    // One thread; what it returns stays as it is until that thread's next call.
    const DialogNames& get();

private:
    std::mutex mutex_;
    DialogNames told_;
    std::atomic<bool> changed_{false};
    DialogNames seen_;
};

}  // namespace sipfront::ha

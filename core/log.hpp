// Logging for control code: asynchronous, bounded, and it drops the oldest lines rather than wait. Workers do not log; they count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <spdlog/logger.h>

#include "core/result.hpp"
#include "core/tick.hpp"

namespace sipfront::core {

struct LogConfig {
    spdlog::level::level_enum level = spdlog::level::info;
    std::string file;          // a path to append to, or "syslog"; empty: standard error
    std::size_t queue = 8192;  // lines; when it is full the oldest go
};

// Starts the log thread, or replaces what an earlier call set up. On an error the log stays as it was.
// log_open, log_close, log_level and log_lost are the control thread's.
Status log_open(const LogConfig& config);
// Writes what is queued and stops the log thread; log() is then silent until the next log_open().
void log_close();
void log_level(spdlog::level::level_enum level);
// Lines lost since log_open() because the queue was full.
std::size_t log_lost();

// Any thread, any time; silent before log_open(). Ask anew for each line: log_open() may replace it.
spdlog::logger& log();

// At most `lines` per `interval` from one call site, which owns the object. One thread's.
//   if (limit.admit(now)) log().warn("... ({} more were suppressed)", limit.suppressed());
class LogLimit {
public:
    LogLimit(std::uint32_t lines, Duration interval) noexcept : lines_{lines}, interval_{interval} {}

    // Whether to write a line at `now`. The interval begins with its first line.
    bool admit(Tick now) noexcept {
        if (!begun_ || now - begins_ >= interval_) {
            begun_ = true;
            begins_ = now;
            used_ = 0;
        }
        if (used_ == lines_) return ++suppressed_, false;
        ++used_;
        reported_ = suppressed_;
        suppressed_ = 0;
        return true;
    }
    // How many lines were held back between the last two that were admitted.
    [[nodiscard]] std::uint64_t suppressed() const noexcept { return reported_; }

private:
    std::uint32_t lines_;
    Duration interval_;
    Tick begins_{};
    std::uint32_t used_ = 0;
    bool begun_ = false;
    std::uint64_t suppressed_ = 0;
    std::uint64_t reported_ = 0;
};

}  // namespace sipfront::core

// Destinations from the database, read by a thread of their own: a database that stands still holds up nobody.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "app/event_loop.hpp"
#include "core/result.hpp"
#include "ha/database.hpp"
#include "ha/destination_tables.hpp"

namespace sipfront::app {

class DestinationFeed {
public:
    struct Answer {
        std::uint64_t request = 0;  // the last one that the reading answers
        core::Result<ha::DestinationTables> tables;
    };

    virtual ~DestinationFeed() = default;
    // Reads the tables soon; the number of the request. What is under way is older: one more reading follows it.
    virtual std::uint64_t request() = 0;
    // What the last reading brought; nullopt when there is nothing new.
    virtual std::optional<Answer> take() = 0;
    // Readable when take() has something; -1: the caller looks by itself.
    [[nodiscard]] virtual int fd() const noexcept { return -1; }
    // "mysql 10.77.0.120:3306", for messages.
    [[nodiscard]] virtual std::string name() const = 0;
};

// What was read last before this process began; an error that says why there is none.
core::Result<ha::DestinationTables> cached_destinations(const ha::DatabaseConfig& config);

// Asks at once, and until the first success again every few seconds; then when it is told to. What it reads goes to the cache.
class DatabaseFeed final : public DestinationFeed {
public:
    static constexpr std::chrono::seconds retry_interval{2};

    static core::Result<std::unique_ptr<DatabaseFeed>> start(const ha::DatabaseConfig& config);
    DatabaseFeed(const DatabaseFeed&) = delete;
    DatabaseFeed& operator=(const DatabaseFeed&) = delete;
    // Waits for a reading that is under way: no longer than its timeouts.
    ~DatabaseFeed() override;

    std::uint64_t request() override;
    std::optional<Answer> take() override;
    [[nodiscard]] int fd() const noexcept override { return ready_.get(); }
    [[nodiscard]] std::string name() const override;

private:
    DatabaseFeed(const ha::DatabaseConfig& config, Fd ready);
    void run();
    core::Result<ha::DestinationTables> read();

    const ha::DatabaseConfig config_;
    Fd ready_;
    mutable std::mutex mutex_;  // of what follows
    std::condition_variable wake_;
    std::uint64_t requests_ = 1, begun_ = 0;
    bool stop_ = false;
    std::optional<Answer> answer_;
    std::string name_;
    // The thread's own.
    std::unique_ptr<ha::SqlConnector> connector_;
    bool succeeded_ = false;
    std::thread thread_;
};

}  // namespace sipfront::app

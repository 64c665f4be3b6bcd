// A MariaDB of the test's own: own data directory, own socket, a port of 127.0.0.1, nothing of the system's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <sys/types.h>

#include "ha/database.hpp"

namespace sipfront::ha {

class MariaDb {
public:
    // Null when it cannot be started; why is on standard error.
    static std::unique_ptr<MariaDb> start();
    MariaDb(const MariaDb&) = delete;
    MariaDb& operator=(const MariaDb&) = delete;
    ~MariaDb();

    // Over the socket, as root.
    [[nodiscard]] DatabaseConfig config(const std::string& database) const;
    [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
    // Statements of an administrator; false after a complaint on standard error.
    [[nodiscard]] bool run(const std::string& text) const;
    void signal(int number) const;

private:
    MariaDb() = default;

    std::string folder_;
    std::uint16_t port_ = 0;
    pid_t pid_ = -1;
};

}  // namespace sipfront::ha

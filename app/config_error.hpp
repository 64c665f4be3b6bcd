// What is wrong in a configuration, where, and how to mend it.
#pragma once

#include <cstdint>
#include <string>

namespace sipfront::app {

// Of a value in a file; line 0: in none (a default, or missing altogether).
struct Position {
    std::string file;
    std::uint32_t line = 0, column = 0;
};

struct ConfigError {
    Position at;
    std::string key;   // "sip.timers.t1", "load_balancer[2].dst_uri"
    std::string what;  // "is 5s, beyond t2 (4s)"
    std::string mend;  // "make it smaller than t2"

    // "sipfront.toml:12:5: sip.timers.t1: is 5s, beyond t2 (4s); make it smaller than t2"
    [[nodiscard]] std::string to_string() const;
};

}  // namespace sipfront::app

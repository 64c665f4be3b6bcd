// What it costs to hand a message to the worker that owns its call, over handling it where it came in. A worker that is alone does not
// look for the Call-ID before it parses, so the search counts as part of handing over.
#pragma once

#include <string_view>

namespace sipfront::bench {

struct Handoff {
    double sender_ns = 0;    // finding and hashing the Call-ID, posting
    double receiver_ns = 0;  // draining, and reading the message out of the other core's cache or of memory
    double home_ns = 0;      // hashing and reading the message where it came in

    [[nodiscard]] double cost_ns() const noexcept { return sender_ns + receiver_ns - home_ns; }
};

// Medians over several turns between two threads, each on one of the two CPUs. `text`: a message, whose copies lie in a ring much
// larger than the caches.
Handoff measure_handoff(std::string_view text, int sender_cpu, int receiver_cpu);

}  // namespace sipfront::bench

// The seam between the proxy core and whoever knows the addresses of host names (RFC 3263). Called on the worker's own thread;
// neither call waits.
#pragma once

#include <cstdint>

#include "core/names.hpp"
#include "core/tick.hpp"

namespace sipfront::sip {

class NameService {
public:
    virtual ~NameService() = default;

    [[nodiscard]] virtual std::uint64_t key_of(const core::NameQuestion& q) const = 0;
    // nullptr: not known now. Good until the worker's next poll.
    [[nodiscard]] virtual const core::NameAnswer* find(std::uint64_t key, core::Tick now) = 0;
    // The answer will be found later, and Proxy::on_names() be called then. False: no room for the question.
    virtual bool ask(const core::NameQuestion& q) = 0;
};

}  // namespace sipfront::sip

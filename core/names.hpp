// Names of hosts that requests lead to, as the workers see them: a question goes to the control thread, its answer comes back in a
// published table. RFC 3263 §4 (what an answer holds), RFC 2782 (the order among its targets). Plain values; who asks the DNS is
// kni/resolver.hpp.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/endpoint.hpp"
#include "core/hash.hpp"
#include "core/tick.hpp"

namespace sipfront::core {

// What RFC 3263 §4 makes the answer depend on. Crosses threads by copy.
class NameQuestion {
public:
    static constexpr std::size_t max_host = 253;  // RFC 1035 §2.3.4, written without the last dot

    NameQuestion() = default;
    // `port`: 0 when the URI has none. `transport_named`: the URI says so, and no other will do. nullopt: no host name (RFC 1123 §2.1,
    // and the underscore that some networks use), or too long.
    static std::optional<NameQuestion> make(std::string_view host, std::uint16_t port, bool transport_named,
                                            Transport transport = Transport::udp) noexcept;

    // In lower case, without a last dot.
    [[nodiscard]] std::string_view host() const noexcept { return {host_.data(), length_}; }
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] bool transport_named() const noexcept { return transport_named_; }
    [[nodiscard]] Transport transport() const noexcept { return transport_; }
    // What the answer is found by. Never 0. The key is random: remote parties choose the names.
    [[nodiscard]] std::uint64_t key(const HashKey& key) const noexcept;

    friend bool operator==(const NameQuestion& a, const NameQuestion& b) noexcept {
        return a.host() == b.host() && a.port_ == b.port_ && a.transport_named_ == b.transport_named_ && a.transport_ == b.transport_;
    }

private:
    std::array<char, max_host> host_;
    std::uint8_t length_ = 0;
    std::uint16_t port_ = 0;
    bool transport_named_ = false;
    Transport transport_ = Transport::udp;
};
static_assert(std::is_trivially_copyable_v<NameQuestion>);

enum class NameStatus : std::uint8_t {
    found,   // at least one target
    absent,  // the DNS says that there is none
    failed,  // the DNS did not say
};

struct NameTarget {
    Endpoint remote;
    std::uint16_t priority = 0;  // of RFC 2782: the lowest first
    std::uint16_t weight = 0;
    std::uint16_t group = 0;  // addresses of one SRV record
};

struct NameAnswer {
    static constexpr std::size_t max_targets = 16;

    NameStatus status = NameStatus::failed;
    std::uint8_t count = 0;
    std::array<NameTarget, max_targets> targets{};  // by priority; those of a group stand together
    Tick expires{};

    // The target to try as number `index`, from 0; nullptr when there are fewer. The order is drawn by priority and weight
    // (RFC 2782), and is the same whenever `seed` is.
    [[nodiscard]] const NameTarget* target(std::uint64_t seed, std::size_t index) const noexcept;
};

struct NameEntry {
    NameAnswer answer;
    // Set once by a worker that found the entry; tells control that the name is worth asking for again.
    mutable std::atomic<bool> used{false};
};

// Immutable; published by control, read by workers.
class NameTable {
public:
    struct Row {
        std::uint64_t key;
        std::shared_ptr<const NameEntry> entry;
    };
    explicit NameTable(std::vector<Row> rows);

    // nullptr: unknown, or expired.
    [[nodiscard]] const NameAnswer* find(std::uint64_t key, Tick now) const noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }

private:
    std::vector<Row> rows_;  // by key
};

}  // namespace sipfront::core

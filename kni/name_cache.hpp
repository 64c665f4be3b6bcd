// What is known of host names, and for how long: bounded, by the TTLs of the DNS, on the caller's clock. Control thread; pure.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/names.hpp"
#include "core/tick.hpp"
#include "kni/config.hpp"

namespace sipfront::kni {

class NameCache {
public:
    using Key = std::uint64_t;                                           // core::NameQuestion::key()
    static constexpr core::Duration shortest = std::chrono::seconds{1};  // so that those who wait find every answer

    explicit NameCache(const ResolverConfig& config) : config_{config} {}

    enum class Ask : std::uint8_t {
        begin,     // the caller asks the DNS and calls settle()
        underway,  // somebody has asked already
        known,
        full,  // as many names as may be are being asked for
    };
    Ask ask(Key key, const core::NameQuestion& question, core::Tick now);
    // `ttl`: seconds, of the DNS. A failure does not replace an answer that still holds.
    void settle(Key key, core::NameAnswer answer, std::uint32_t ttl, core::Tick now);
    // Forgets what has expired. Names that are in use and will expire soon are to be asked for again, as after Ask::begin.
    std::vector<std::pair<Key, core::NameQuestion>> renew(core::Tick now);

    // True once after what the table would show has changed.
    bool take_changed() noexcept { return std::exchange(changed_, false); }
    [[nodiscard]] std::unique_ptr<const core::NameTable> table() const;

    struct Row {
        core::NameQuestion question;
        core::NameAnswer answer;  // unless asked for the first time
        bool known = false, underway = false;
    };
    [[nodiscard]] std::vector<Row> rows() const;
    [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }
    [[nodiscard]] std::uint64_t evicted() const noexcept { return evicted_; }

private:
    struct Name {
        core::NameQuestion question;
        std::shared_ptr<const core::NameEntry> entry;  // null: not known yet
        core::Tick renew_at{};
        bool underway = false;
    };
    bool make_room();

    const ResolverConfig& config_;
    std::unordered_map<Key, Name> names_;
    std::uint64_t evicted_ = 0;
    bool changed_ = false;
};

}  // namespace sipfront::kni

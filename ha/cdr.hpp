// Call records: one for each call, made of its last event alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/result.hpp"
#include "core/types.hpp"
#include "ha/dialog_image.hpp"
#include "ha/dialog_names.hpp"
#include "sip/dialog_event.hpp"

namespace sipfront::ha {

// Times are in microseconds since 1970.
struct Cdr {
    std::uint64_t dlg_id = 0;
    std::string call_id, caller_tag, callee_tag;
    std::string from_uri, to_uri;
    std::string client;  // "udp:198.51.100.7:40212": where the client's packets really came from
    std::string host;    // likewise the balanced host
    std::string destination;
    std::uint32_t group = 0;
    std::optional<std::int64_t> start;  // none: before this process, and nobody remembers
    std::int64_t end = 0;
    std::optional<std::int64_t> answer;  // none: the call was never answered
    sip::DialogEnd reason = sip::DialogEnd::none;
    std::uint16_t code = 0;     // the final response that ended it; 0: none did
    std::uint8_t attempts = 0;  // hosts tried
    bool from_cluster = false;  // a host called
    core::NodeId node{};
};

// `e`: an `ended` of a call; one of a row that no call stands behind has no reason.
Cdr make_cdr(const sip::DialogEvent& e, const sip::EventTexts& texts, const DialogNames& names, const Instant& now, core::NodeId node);

// One JSON object in one line, its end included. docs/OPERATIONS.md lists the members.
std::string to_json_line(const Cdr& cdr);
// "2026-11-23T02:46:51.123Z" (RFC 3339).
std::string to_rfc3339(std::int64_t unix_us);
std::string_view name(sip::DialogEnd reason) noexcept;

// Where records go in the end. One thread's; may block.
class CdrSink {
public:
    virtual ~CdrSink() = default;
    // The first so many that `written` says; without an error, all.
    virtual core::Status write(std::span<const Cdr> records, std::size_t& written) = 0;
    // Called some ten times a second whether or not there are records.
    virtual core::Status tick() = 0;
    // Records so far that count as written, though nothing can take them as they are.
    [[nodiscard]] virtual std::uint64_t refused() const noexcept { return 0; }
};

}  // namespace sipfront::ha

#include "ha/cdr.hpp"

#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "ha/instant.hpp"

namespace sipfront::ha {

std::string_view name(sip::DialogEnd reason) noexcept {
    static constexpr std::string_view names[] = {"none",   "caller_bye", "callee_bye", "cancelled",
                                                 "failed", "expired",    "ghost",      "management"};
    static_assert(std::size(names) == static_cast<std::size_t>(sip::DialogEnd::management) + 1);
    return names[static_cast<std::size_t>(reason)];
}

Cdr make_cdr(const sip::DialogEvent& e, const sip::EventTexts& texts, const DialogNames& names, const Instant& now, core::NodeId node) {
    const auto text = [&](auto t) { return std::string{texts[index_of(t)]}; };
    const auto& destination = names.destination(e.destination);
    Cdr c{.dlg_id = e.id,
          .call_id = text(sip::DialogText::call_id),
          .caller_tag = text(sip::DialogText::caller_tag),
          .callee_tag = text(sip::DialogText::callee_tag),
          .from_uri = text(sip::DialogText::from_uri),
          .to_uri = text(sip::DialogText::to_uri),
          .client = socket_text(e.client),
          .host = socket_text(e.host),
          .destination = destination.uri,
          .group = destination.group,
          .end = now.unix_us_of(e.at),
          .reason = e.end,
          .code = e.code,
          .attempts = e.attempts,
          .from_cluster = e.caller_in_cluster,
          .node = node};
    if (e.start_unknown) return c;
    c.start = now.unix_us_of(e.started);
    if (e.answered_after_ms != 0) c.answer = *c.start + std::int64_t{e.answered_after_ms} * 1'000;
    return c;
}

std::string to_rfc3339(std::int64_t unix_us) {
    const Utc t{unix_us};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", t.year(), t.month(), t.time.tm_mday, t.time.tm_hour, t.time.tm_min,
                       t.time.tm_sec, t.us / 1'000);
}

std::string to_json_line(const Cdr& cdr) {
    nlohmann::ordered_json j;
    j["start"] = nullptr;
    if (cdr.start) j["start"] = to_rfc3339(*cdr.start);
    j["answer"] = nullptr;
    if (cdr.answer) j["answer"] = to_rfc3339(*cdr.answer);
    j["end"] = to_rfc3339(cdr.end);
    j["duration_ms"] = cdr.answer ? (cdr.end - *cdr.answer) / 1'000 : 0;
    if (!cdr.start) {
        j["duration_ms"] = nullptr;
        j["partial"] = true;
    }
    j["reason"] = name(cdr.reason);
    j["code"] = cdr.code;
    j["direction"] = cdr.from_cluster ? "outbound" : "inbound";
    j["from_uri"] = cdr.from_uri;
    j["to_uri"] = cdr.to_uri;
    j["client"] = cdr.client;
    j["destination"] = cdr.destination;
    j["group"] = cdr.group;
    j["host"] = cdr.host;
    j["attempts"] = cdr.attempts;
    j["call_id"] = cdr.call_id;
    j["from_tag"] = cdr.caller_tag;
    j["to_tag"] = cdr.callee_tag;
    // 63 bits: more than many readers of JSON keep of a number.
    j["dlg_id"] = std::to_string(cdr.dlg_id);
    j["node"] = core::raw(cdr.node);
    // Call-IDs and URIs come from anywhere, and may not be UTF-8.
    return j.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace sipfront::ha

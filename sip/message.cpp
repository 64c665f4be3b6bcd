#include "sip/message.hpp"

#include "sip/grammar.hpp"
#include "sip/method_of.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Method::count_)> method_names = {
    "INVITE", "ACK",   "BYE",       "CANCEL", "OPTIONS", "REGISTER", "PRACK",  "UPDATE",
    "INFO",   "REFER", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH",  "unknown"};

consteval std::array<MethodWord, method_words> make_method_table() {
    std::array<MethodWord, method_words> table{};
    for (std::size_t i = 0; i < static_cast<std::size_t>(Method::unknown); ++i) {
        const auto text = method_names.at(i);
        if (text.size() > sizeof(std::uint64_t)) continue;
        const auto word = grammar::word(text);
        auto& place = table.at(method_slot(static_cast<std::uint32_t>(word)));
        if (place.length != 0) throw "method_slot needs another factor";
        place = {word, ~std::uint64_t{0} >> (64 - 8 * text.size()), static_cast<std::uint32_t>(text.size()), static_cast<Method>(i)};
    }
    return table;
}

constexpr std::array<std::string_view, static_cast<std::size_t>(ParseError::count_)> error_names = {
    "none",
    "empty",
    "not_sip",
    "bad_start_line",
    "bad_version",
    "bad_status_code",
    "bad_header_line",
    "too_many_headers",
    "no_end_of_headers",
    "missing_via",
    "missing_from",
    "missing_to",
    "missing_call_id",
    "missing_cseq",
    "duplicate_header",
    "bad_via",
    "bad_from",
    "bad_to",
    "bad_call_id",
    "bad_cseq",
    "cseq_method_mismatch",
    "bad_max_forwards",
    "bad_content_length",
    "bad_request_uri",
    "too_long",
};

}  // namespace

std::string_view name(Method m) noexcept { return method_names[static_cast<std::size_t>(std::min(m, Method::unknown))]; }

std::string_view name(ParseError e) noexcept {
    const auto i = static_cast<std::size_t>(e);
    return i < error_names.size() ? error_names[i] : "unknown";
}

constinit const std::array<MethodWord, method_words> method_table = make_method_table();

Method parse_method(std::string_view token) noexcept { return method_of(token); }

const Header* Message::find(std::string_view long_name, const Header* after) const noexcept {
    const auto id = parse_header_name(long_name);
    const auto* end = headers_.data() + header_count_;
    for (const auto* h = after == nullptr ? headers_.data() : after + 1; h != end; ++h)
        if (h->id == id && (id != HeaderId::other || iequals(at(h->name()), long_name))) return h;
    return nullptr;
}

}  // namespace sipfront::sip

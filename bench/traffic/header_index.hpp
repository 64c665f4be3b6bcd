// The generator's own reading of a message, header by header: for what the comparison with prepared text does not settle. It owes nothing
// to sip/, whose work it judges. Slow and exact; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "bench/traffic/stats.hpp"

namespace sipfront::traffic {

class HeaderIndex {
public:
    struct Header {
        std::string_view name;   // the long form in lower case for those that matter here, else as written
        std::string_view value;  // trimmed; folds are kept
    };

    // `text` outlives the index. None when it is not a SIP message by form, or its Content-Length does not fit.
    static std::optional<HeaderIndex> parse(std::string_view text);

    [[nodiscard]] std::string_view start_line() const noexcept { return start_line_; }
    [[nodiscard]] std::string_view body() const noexcept { return body_; }
    [[nodiscard]] const std::vector<Header>& headers() const noexcept { return headers_; }
    // Any case; the first one's value, empty when there is none.
    [[nodiscard]] std::string_view first(std::string_view name) const noexcept;
    // Values of list headers (Via, Route, Record-Route), commas split.
    [[nodiscard]] std::vector<std::string_view> values(std::string_view name) const;

private:
    std::string_view start_line_, body_;
    std::vector<Header> headers_;
};

bool same_name(std::string_view a, std::string_view b) noexcept;

// What a message must look like after a proxy has handled it.
struct Expectation {
    std::string_view start_line;  // without CRLF
    std::string_view via;         // ours: the value as sent
    std::size_t vias = 1;         // ours is the last of them
    std::vector<std::string_view> record_routes;
    std::optional<std::size_t> record_route_count;  // when the values are not known: how many
    std::string_view forwards;                      // value of Max-Forwards; empty: does not matter
    std::string_view like;                          // headers that must be there as they are, with an empty line and the body behind them
    bool others_allowed = false;                    // headers that are not in `like`
};
// The first difference.
Fault differs(const HeaderIndex& seen, const Expectation& expected);

// A proxy's own response: ours the only Via, and From, To (a tag may be added), Call-ID, CSeq of the request repeated as in `like`.
Fault local_response_differs(const HeaderIndex& seen, std::string_view via, std::string_view like);

}  // namespace sipfront::traffic

// The few lines of a request that a rejection repeats, found without indexing the rest: what turning work away may cost is a small
// part of what the work costs, or the turned away take the core from the admitted. Only the usual form is recognised; whatever is
// written otherwise is for the parser.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "sip/message.hpp"

namespace sipfront::sip {

// Borrows the text it was read from.
struct Glance {
    static constexpr std::size_t most_vias = 8;

    std::string_view text;
    Method method = Method::unknown;
    std::string_view method_name, request_uri;
    TopVia via;                                    // transport UDP; offsets into `text`
    std::string_view via_more;                     // what follows the first value on its line, line end included
    std::array<std::string_view, most_vias> vias;  // the other Via lines, in order
    std::size_t via_count = 0;
    std::string_view from, call_id_line, cseq;  // whole lines
    std::string_view to;                        // the line up to its end, without a tag
    std::string_view call_id;
    std::string_view resource_priority;  // RFC 4412; empty: none
    std::size_t headers_end = 0;         // about the length of what is repeated

    // Empty but for these; the slots of `vias` are left as they are.
    void start(std::string_view bytes, Method m) noexcept {
        text = bytes;
        method = m;
        via = {};
        via_more = from = to = cseq = call_id_line = call_id = resource_priority = {};
        via_count = headers_end = 0;
    }
};

// Whether a request may begin something: one of these without a To tag does (RFC 3261 §12.2, §13, §10; the rest travels inside
// dialogs or hop by hop).
constexpr bool begins_work(Method m) noexcept {
    switch (m) {
        case Method::ack:
        case Method::bye:
        case Method::cancel:
        case Method::prack:
        case Method::update:
            return false;
        default:
            return true;
    }
}

// The method by the first octets; Method::count_ for responses and what is no usual request line.
Method glance_method(std::string_view text) noexcept;
// True: `g` is complete, and `text` is a request of `method` (from glance_method) without a To tag. False: let the parser see it.
bool glance(std::string_view text, Method method, Glance& g) noexcept;
// The tag of `length` octets that an ACK's To ends with; empty: let the parser see it.
std::string_view glance_ack_tag(std::string_view text, std::size_t length) noexcept;

}  // namespace sipfront::sip

// Header fields with several values in a line.
#pragma once

#include <cstddef>
#include <string_view>

#include "sip/grammar.hpp"
#include "sip/message.hpp"

namespace sipfront::sip {

// What opens a quoted string, a bracket or a comment and is never closed counts as any other octet. Where a value has one of these, what
// closes it may come nearer when values behind it go, and the rest is split in another way: of no such line anything can be asked.
inline bool all_closed(const Message& m, HeaderId id) {
    for (const auto* h = m.first(id); h != nullptr; h = m.next(h)) {
        const auto text = m.at(h->value);
        for (std::size_t at = 0; at < text.size();) {
            const char c = text[at];
            const auto behind = c == '"'   ? grammar::quoted_end(text, at)
                                : c == '<' ? text.find('>', at)
                                : c == '(' ? grammar::comment_end(text, at)
                                           : at + 1;
            if (behind == std::string_view::npos) return false;
            at = behind;
        }
    }
    return true;
}

}  // namespace sipfront::sip

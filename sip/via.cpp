#include "sip/via.hpp"

#include "sip/scan.hpp"
#include "sip/typed_headers.hpp"

namespace sipfront::sip {

bool parse_via(std::string_view text, TopVia& via) noexcept {
    via = {};
    if (text.size() > 0xffff) return false;
    const Text t{text.data()};
    const auto size = text.size();
    const auto from = t.skip_lws(0, size);
    const auto end = t.trim_end(from, size);
    return read_via(t, from, end, scan::Plain{text.data()}, via);
}

}  // namespace sipfront::sip

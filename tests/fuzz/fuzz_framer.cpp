// The stream framer must cut the same messages out of a stream however the stream is segmented. The input's last octets say
// where: a count, and before it that many segment lengths.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sip/message.hpp"
#include "sip/stream_framer.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace sipfront::sip;

struct Seen {
    Frame::Kind kind;
    FramingError error;
    std::string bytes;

    friend bool operator==(const Seen&, const Seen&) = default;
};

void check_frame(const Frame& f, const FramerLimits& limits) {
    CHECK((f.kind == Frame::Kind::bad_framing) == (f.error != FramingError::none));
    CHECK(f.error < FramingError::count_ && !name(f.error).empty());
    if (f.kind != Frame::Kind::message) return;
    CHECK(!f.bytes.empty() && f.bytes.size() <= limits.message);
    static Message m;
    if (m.parse(f.bytes) == ParseError::none) CHECK(m.wire() == f.bytes);
}

std::vector<Seen> frames(const std::vector<std::string_view>& segments, const FramerLimits& limits) {
    StreamFramer framer{limits};
    std::vector<Seen> seen;
    for (const auto segment : segments) {
        const std::string copy{segment};  // freed before the next one comes: nothing may point into it by then
        framer.feed(copy);
        for (Frame f; (f = framer.next()).kind != Frame::Kind::need_more;) {
            check_frame(f, limits);
            CHECK(seen.size() <= copy.size() * segments.size() + 1);
            seen.push_back({f.kind, f.error, std::string{f.bytes}});
            if (f.kind == Frame::Kind::bad_framing) {
                CHECK(framer.next().kind == Frame::Kind::bad_framing);
                return seen;
            }
        }
        CHECK(framer.buffered() <= std::max(limits.header_block, limits.message));
    }
    return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t cuts = std::min<std::size_t>(data[size - 1] % 32, size - 1);
    std::string_view stream{reinterpret_cast<const char*>(data), size - 1 - cuts};
    const std::vector whole{stream};
    std::vector<std::string_view> segments;
    for (std::size_t i = 0; i < cuts; ++i) {
        segments.push_back(stream.substr(0, data[size - 2 - i]));
        stream.remove_prefix(segments.back().size());
    }
    std::vector<std::string_view> octets;
    constexpr std::size_t enough = 1500;  // octet by octet is slow
    if (whole[0].size() <= enough)
        for (std::size_t i = 0; i < whole[0].size(); ++i) octets.push_back(whole[0].substr(i, 1));
    segments.push_back(stream);
    for (const auto& limits : {FramerLimits{}, FramerLimits{.header_block = 300, .message = 400}}) {
        const auto expected = frames(whole, limits);
        CHECK(frames(segments, limits) == expected);
        if (!octets.empty()) CHECK(frames(octets, limits) == expected);
    }
    return 0;
}

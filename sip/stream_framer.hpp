// Cuts a byte stream into SIP messages by Content-Length (RFC 3261 §18.3) and finds the keep-alives between them (RFC 5626
// §3.5.1). One framer a connection, used by the thread that owns the connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sipfront::sip {

struct FramerLimits {
    std::size_t header_block = 64 * 1024;  // start line and headers through the empty line
    std::size_t message = 65507;           // what Message::parse takes
};

enum class FramingError : std::uint8_t {
    none,
    no_content_length,   // absent, though a stream cannot do without
    bad_content_length,  // negative, not a number, or several that differ
    headers_too_long,
    message_too_long,
    count_
};
std::string_view name(FramingError e) noexcept;

struct Frame {
    enum class Kind : std::uint8_t {
        need_more,    // the segment is used up
        message,      // `bytes` is one whole message
        ping,         // CRLF CRLF between messages: answer with CRLF
        bad_framing,  // answer 400 if `bytes` (the header block, when it is whole) allows it, then close
    };
    Kind kind = Kind::need_more;
    FramingError error = FramingError::none;
    std::string_view bytes{};  // valid until the next call of the framer, and no longer than the segment
};

//   framer.feed(segment);
//   for (Frame f; (f = framer.next()).kind != Frame::Kind::need_more;) ...
// After bad_framing the framer says so for ever. A message that lies whole in one segment is not copied; the rest of a
// segment is, into a buffer that never grows beyond the limits.
class StreamFramer {
public:
    explicit StreamFramer(FramerLimits limits = {}) : limits_{limits} {}

    // `segment` is borrowed until next() returns need_more, and must have been used up before the next feed().
    void feed(std::string_view segment) noexcept { segment_ = segment; }
    Frame next();
    // Octets of an unfinished message that are held.
    [[nodiscard]] std::size_t buffered() const noexcept { return handed_out_ ? 0 : buffer_.size(); }

private:
    bool skip_keep_alive() noexcept;
    Frame from_segment();
    Frame from_buffer();
    bool fill_headers();
    void append(std::size_t n);
    Frame fail(FramingError e, std::string_view header_block) noexcept;
    FramingError measure(std::string_view header_block) noexcept;

    FramerLimits limits_;
    std::string_view segment_;
    std::vector<char> buffer_;
    std::size_t total_ = 0;           // of the message in buffer_; 0: its headers are not whole yet
    std::uint8_t ping_progress_ = 0;  // octets of CRLF CRLF seen
    bool handed_out_ = false;         // buffer_ holds a message that the caller has seen
    FramingError failed_ = FramingError::none;
};

}  // namespace sipfront::sip

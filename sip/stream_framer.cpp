#include "sip/stream_framer.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <optional>

#include "sip/grammar.hpp"
#include "sip/message.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {
namespace {

constexpr auto npos = std::string_view::npos;
// An idle connection holds no more than this.
constexpr std::size_t keep_capacity = 4096;

// Behind the empty line that ends the headers; npos while it is not there. Newlines before `from` were looked at already.
std::size_t end_of_headers(std::string_view s, std::size_t from) noexcept {
    for (auto lf = s.find('\n', from); lf != npos; lf = s.find('\n', lf + 1)) {
        if (lf >= 1 && s[lf - 1] == '\n') return lf + 1;
        if (lf >= 2 && s[lf - 1] == '\r' && s[lf - 2] == '\n') return lf + 1;
    }
    return npos;
}

}  // namespace

std::string_view name(FramingError e) noexcept {
    constexpr std::array<std::string_view, static_cast<std::size_t>(FramingError::count_)> names = {
        "none", "no_content_length", "bad_content_length", "headers_too_long", "message_too_long"};
    const auto i = static_cast<std::size_t>(e);
    return i < names.size() ? names[i] : "unknown";
}

Frame StreamFramer::fail(FramingError e, std::string_view header_block) noexcept {
    failed_ = e;
    segment_ = {};
    return {Frame::Kind::bad_framing, e, header_block};
}

// Uses up what stands between two messages. True: that completed a CRLF CRLF.
bool StreamFramer::skip_keep_alive() noexcept {
    constexpr std::string_view ping = "\r\n\r\n";
    while (!segment_.empty()) {
        const char c = segment_.front();
        if (c != '\r' && c != '\n' && c != '\0') {
            ping_progress_ = 0;
            return false;
        }
        segment_.remove_prefix(1);
        ping_progress_ = c == ping[ping_progress_] ? static_cast<std::uint8_t>(ping_progress_ + 1)
                         : c == '\r'               ? std::uint8_t{1}
                                                   : std::uint8_t{0};
        if (ping_progress_ == ping.size()) {
            ping_progress_ = 0;
            return true;
        }
    }
    return false;
}

// Sets total_ from the Content-Length of a whole header block.
FramingError StreamFramer::measure(std::string_view block) noexcept {
    std::optional<std::uint32_t> length;
    for (auto at = block.find('\n') + 1; at < block.size();) {
        auto end = block.find('\n', at);
        while (end + 1 < block.size() && grammar::is_blank(block[end + 1])) end = block.find('\n', end + 1);
        const auto line = block.substr(at, end - at);
        at = end + 1;
        const auto colon = line.find(':');
        if (colon == npos || parse_header_name(trim(line.substr(0, colon))) != HeaderId::content_length) continue;
        const auto n = grammar::decimal(trim(line.substr(colon + 1)), 0x7fffffff);
        if (!n || (length && *length != *n)) return FramingError::bad_content_length;
        length = n;
    }
    if (!length) return FramingError::no_content_length;
    if (*length > limits_.message || block.size() > limits_.message - *length) return FramingError::message_too_long;
    total_ = block.size() + *length;
    return FramingError::none;
}

// Moves the front of the segment into the buffer, whose capacity stays within the limits.
void StreamFramer::append(std::size_t n) {
    const auto need = buffer_.size() + n;
    if (need > buffer_.capacity()) {
        const auto most = std::max(limits_.header_block, limits_.message);
        buffer_.reserve(std::max({need, total_, std::min(2 * buffer_.capacity(), most)}));
    }
    buffer_.insert(buffer_.end(), segment_.begin(), segment_.begin() + static_cast<std::ptrdiff_t>(n));
    segment_.remove_prefix(n);
}

Frame StreamFramer::from_segment() {
    const auto headers = end_of_headers(segment_.substr(0, limits_.header_block), 0);
    if (headers == npos) {
        if (segment_.size() >= limits_.header_block) return fail(FramingError::headers_too_long, {});
    } else {
        const auto block = segment_.substr(0, headers);
        if (const auto e = measure(block); e != FramingError::none) return fail(e, block);
        if (segment_.size() >= total_) {
            const auto whole = segment_.substr(0, total_);
            segment_.remove_prefix(total_);
            total_ = 0;
            return {Frame::Kind::message, FramingError::none, whole};
        }
    }
    append(segment_.size());
    return {};
}

// Appends until the header block is whole; octets behind it stay in the segment. False: not whole yet.
bool StreamFramer::fill_headers() {
    const auto had = buffer_.size();
    const auto taken = std::min(segment_.size(), limits_.header_block - had);
    const auto before = segment_;
    append(taken);
    const auto headers = end_of_headers({buffer_.data(), buffer_.size()}, had);
    if (headers == npos) return false;
    buffer_.resize(headers);
    segment_ = before.substr(headers - had);
    return true;
}

Frame StreamFramer::from_buffer() {
    if (total_ == 0) {
        const bool whole = fill_headers();
        const std::string_view block{buffer_.data(), buffer_.size()};
        if (!whole) return buffer_.size() >= limits_.header_block ? fail(FramingError::headers_too_long, {}) : Frame{};
        if (const auto e = measure(block); e != FramingError::none) return fail(e, block);
    }
    const auto taken = std::min(segment_.size(), total_ - buffer_.size());
    append(taken);
    if (buffer_.size() < total_) return {};
    handed_out_ = true;
    total_ = 0;
    return {Frame::Kind::message, FramingError::none, {buffer_.data(), buffer_.size()}};
}

Frame StreamFramer::next() {
    if (failed_ != FramingError::none) return {Frame::Kind::bad_framing, failed_, {}};
    if (handed_out_) {
        buffer_.clear();
        if (buffer_.capacity() > keep_capacity) buffer_.shrink_to_fit();
        handed_out_ = false;
    }
    if (!buffer_.empty()) return from_buffer();
    if (skip_keep_alive()) return {Frame::Kind::ping, FramingError::none, {}};
    return segment_.empty() ? Frame{} : from_segment();
}

}  // namespace sipfront::sip

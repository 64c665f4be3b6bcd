// Builds a message in a fixed buffer. Running out of room is remembered, not a crash.
#pragma once

#include <charconv>
#include <cstring>
#include <span>
#include <string_view>

#include "core/endpoint.hpp"

namespace sipfront::sip {

class TextBuilder {
public:
    explicit TextBuilder(std::span<char> room) noexcept : begin_{room.data()}, at_{room.data()}, end_{room.data() + room.size()} {}

    TextBuilder& operator<<(std::string_view s) noexcept {
        if (s.size() > static_cast<std::size_t>(end_ - at_)) return overflowed_ = true, *this;
        if (!s.empty()) std::memcpy(at_, s.data(), s.size());
        at_ += s.size();
        return *this;
    }
    TextBuilder& operator<<(std::uint64_t v) noexcept {
        const auto [p, ec] = std::to_chars(at_, end_, v);
        if (ec != std::errc{}) return overflowed_ = true, *this;
        at_ = p;
        return *this;
    }
    // host:port, as a Via sent-by has it.
    TextBuilder& operator<<(const core::Endpoint& e) noexcept {
        char text[core::Endpoint::max_text];
        return *this << std::string_view{text, e.write(text)};
    }
    TextBuilder& operator<<(const core::IpAddress& a) noexcept {
        char text[core::IpAddress::max_text];
        return *this << std::string_view{text, a.write(text)};
    }

    [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }
    [[nodiscard]] std::string_view view() const noexcept { return {begin_, static_cast<std::size_t>(at_ - begin_)}; }
    [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(at_ - begin_); }

private:
    char* begin_;
    char* at_;
    char* end_;
    bool overflowed_ = false;
};

}  // namespace sipfront::sip

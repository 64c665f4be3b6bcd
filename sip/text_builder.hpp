// Builds a message in a fixed buffer. Running out of room is remembered, not a crash.
#pragma once

#include <array>
#include <charconv>
#include <span>
#include <string_view>

#include "core/endpoint.hpp"
#include "sip/copy.hpp"

namespace sipfront::sip {

class TextBuilder {
public:
    explicit TextBuilder(std::span<char> room) noexcept : begin_{room.data()}, at_{room.data()}, end_{room.data() + room.size()} {}

    TextBuilder& operator<<(std::string_view s) noexcept {
        if (s.size() > static_cast<std::size_t>(end_ - at_)) return overflowed_ = true, *this;
        copy_octets(at_, s.data(), s.size());
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
        if (static_cast<std::size_t>(end_ - at_) >= core::IpAddress::max_text) [[likely]] {
            at_ += a.write(at_);
            return *this;
        }
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

// An endpoint as header fields show it, written once for all of them.
class Shown {
public:
    explicit Shown(const core::Endpoint& e) noexcept {
        address.length = e.address.write(address.chars.data());
        const auto [end, ec] = std::to_chars(port_.data(), port_.data() + port_.size(), e.port);
        port_length_ = static_cast<std::size_t>(end - port_.data());
    }
    struct Text {
        std::array<char, core::IpAddress::max_text> chars;
        std::size_t length;
        [[nodiscard]] std::string_view view() const noexcept { return {chars.data(), length}; }
    } address;
    [[nodiscard]] std::string_view port() const noexcept { return {port_.data(), port_length_}; }
    // Whether a sent-by host is `e`, the address shown. An IPv4 address has one spelling, an IPv6 address many.
    [[nodiscard]] bool is(std::string_view host, const core::IpAddress& e) const noexcept {
        return host == address.view() || (e.is_v6() && core::IpAddress::parse(host) == e);
    }

private:
    std::array<char, 5> port_;
    std::size_t port_length_;
};

}  // namespace sipfront::sip

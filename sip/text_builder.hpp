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

    // What is left, for whoever writes there himself and then goes on behind, or finds that it is too little.
    [[nodiscard]] std::span<char> room() const noexcept { return {at_, end_}; }
    void go_on_at(char* at) noexcept { at_ = at; }
    void overflow() noexcept { overflowed_ = true; }

    [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }
    [[nodiscard]] std::string_view view() const noexcept { return {begin_, static_cast<std::size_t>(at_ - begin_)}; }
    [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(at_ - begin_); }

private:
    char* begin_;
    char* at_;
    char* end_;
    bool overflowed_ = false;
};

// An endpoint as header fields and the parameters of a Via show it, written once for all of them.
class Shown {
    static constexpr std::string_view received_name = ";received=", rport_name = "rport=";

public:
    // At most what both parameters, or address, port and a line end, add to a message.
    static constexpr std::size_t most_added = received_name.size() + core::IpAddress::max_text + rport_name.size() + 5;

    explicit Shown(const core::Endpoint& e) noexcept {
        std::memcpy(received_.data(), received_name.data(), received_name.size());
        std::memcpy(rport_.data(), rport_name.data(), rport_name.size());
        address_length_ = e.address.write(received_.data() + received_name.size());
        port_length_ = core::write_port(rport_.data() + rport_name.size(), e.port);
    }
    [[nodiscard]] std::string_view address() const noexcept { return {received_.data() + received_name.size(), address_length_}; }
    [[nodiscard]] std::string_view port() const noexcept { return {rport_.data() + rport_name.size(), port_length_}; }
    // ";received=10.77.0.2"
    [[nodiscard]] std::string_view received() const noexcept { return {received_.data(), received_name.size() + address_length_}; }
    // "rport=5060"
    [[nodiscard]] std::string_view rport() const noexcept { return {rport_.data(), rport_name.size() + port_length_}; }
    // Whether a sent-by host is `e`, the address shown. An IPv4 address has one spelling, an IPv6 address many.
    [[nodiscard, gnu::always_inline]] bool is(std::string_view host, const core::IpAddress& e) const noexcept {
        return same_octets(host, address()) || (e.is_v6() && is_v6(host, e));
    }

private:
    [[gnu::noinline]] static bool is_v6(std::string_view host, const core::IpAddress& e) noexcept {
        return core::IpAddress::parse(host) == e;
    }

    // Each view has copy_slack octets behind it.
    std::array<char, received_name.size() + core::IpAddress::max_text + copy_slack> received_;
    std::array<char, rport_name.size() + 5 + copy_slack> rport_;
    std::size_t address_length_, port_length_;
};

}  // namespace sipfront::sip

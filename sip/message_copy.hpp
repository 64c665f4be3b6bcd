// A received message copied from its first octet to its last, with changes on the way: what an EditList does, for those who know
// every change beforehand and make them in the order of the message. Nothing is kept in between, and nothing is checked.
#pragma once

#include <cassert>
#include <cstdint>
#include <string_view>

#include "sip/copy.hpp"
#include "sip/message.hpp"

namespace sipfront::sip {

// `to` has room for all that comes, and does not alias the message. Offsets never go back. A plain value, best left to registers.
class MessageCopy {
public:
    MessageCopy(std::string_view wire, char* to, std::uint32_t from = 0) noexcept
        : wire_{wire.data()}, from_{wire.data() + from}, end_{wire.data() + wire.size()}, to_{to} {}

    // What stands up to there, as it is.
    [[gnu::always_inline]] void keep_to(std::uint32_t offset) noexcept { keep(wire_ + offset); }
    [[gnu::always_inline]] void keep_rest() noexcept { keep(end_); }
    void skip_to(std::uint32_t offset) noexcept {
        assert(wire_ + offset >= from_ && wire_ + offset <= end_);
        from_ = wire_ + offset;
    }
    [[gnu::always_inline]] void put(std::string_view text) noexcept {
        copy_octets(to_, text.data(), text.size());
        to_ += text.size();
    }
    [[gnu::always_inline]] void replace(Slice part, std::string_view text) noexcept {
        keep_to(part.off);
        put(text);
        skip_to(part.end());
    }

    // Where the next octet goes, for whoever writes there himself and then goes on behind.
    [[nodiscard]] char* at() const noexcept { return to_; }
    void go_on_at(char* to) noexcept { to_ = to; }

private:
    [[gnu::always_inline]] void keep(const char* end) noexcept {
        assert(end >= from_ && end <= end_);
        put({from_, static_cast<std::size_t>(end - from_)});
        from_ = end;
    }

    const char* wire_;
    const char* from_;
    const char* end_;
    char* to_;
};

}  // namespace sipfront::sip

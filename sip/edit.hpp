// Edits over a received message, written out in one pass straight into the packet buffer: the bytes in between are copied
// as they came, so that whatever we do not touch stays byte-exact (RFC 3261 §16.6 step 1).
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "sip/message.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {

// Text of a burst's edits: a bump arena of fixed size, emptied message by message.
class Scratch {
public:
    static constexpr std::size_t capacity = 16 * 1024;

    void clear() noexcept {
        used_ = 0;
        overflowed_ = false;
    }
    // Room for `n` octets; returns an empty span and remembers the overflow when full.
    std::span<char> take(std::size_t n) noexcept {
        if (n > capacity - used_) return overflowed_ = true, std::span<char>{};
        used_ += n;
        return {buffer_.data() + used_ - n, n};
    }
    // Gives back what a take() did not use.
    void give_back(std::size_t n) noexcept { used_ -= n; }
    // The parts one after the other.
    std::string_view join(std::initializer_list<std::string_view> parts) noexcept;
    // A sip or sips URI without these parameters and without headers; `uri` is `text` parsed.
    std::string_view strip_uri(std::string_view text, const Uri& uri, std::initializer_list<std::string_view> params) noexcept;
    [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }

private:
    std::array<char, capacity> buffer_;
    std::size_t used_ = 0;
    bool overflowed_ = false;
};

// At most max_edits edits; they may come in any order and must not overlap. Inserts at one offset keep the order they were
// made in. Texts and the message are borrowed until write().
class EditList {
public:
    static constexpr std::size_t max_edits = 48;

    explicit EditList(const Message& m) noexcept : wire_{m.wire()} {}
    EditList(Message&&) = delete;

    void insert(std::uint32_t offset, std::string_view text) noexcept { replace(offset, offset, text); }
    void erase(Slice s) noexcept { replace(s.off, s.end(), {}); }
    void replace(Slice s, std::string_view text) noexcept { replace(s.off, s.end(), text); }
    void replace(std::uint32_t from, std::uint32_t to, std::string_view text) noexcept {
        if (from != to || !text.empty()) add({from, to, text.data(), static_cast<std::uint32_t>(text.size()), false});
    }
    // Removes one value of a header field: the whole line when it is the only one, else the value and its comma.
    // `value` must be a view into the header's value. Several values of one header may be erased by calls in order.
    void erase_value(const Message& m, const Header& h, std::string_view value) noexcept {
        if (count_ == 0 && value.size() == h.value.len) [[likely]]  // the only value of its header, before any other edit
            return add({h.line.off, h.line.end(), nullptr, 0, true});
        erase_one_value(m, h, value);
    }

    // True when an edit did not fit, lay outside the message or overlapped another one; nothing may be written then.
    [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }
    // Octets that write() produces.
    [[nodiscard]] std::size_t size() const noexcept {
        return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(wire_.size()) + growth_);
    }
    // `out` has at least size() octets and does not alias the message. Returns size().
    std::size_t write(std::span<char> out) const noexcept;

private:
    struct Edit {  // without initialisers: only the first count_ are ever written
        std::uint32_t from, to;
        const char* text;
        std::uint32_t length;
        bool whole_values;  // made by erase_value
    };
    // Most come in the order of the message.
    void add(const Edit& edit) noexcept {
        const bool in_order = count_ == 0 || edits_[count_ - 1].to < edit.from;
        if (!in_order || count_ == max_edits || edit.from > edit.to || edit.to > wire_.size()) [[unlikely]]
            return add_between(edit);
        edits_[count_++] = edit;
        growth_ += static_cast<std::ptrdiff_t>(edit.length) - static_cast<std::ptrdiff_t>(edit.to - edit.from);
    }
    void add_between(const Edit& edit) noexcept;
    void erase_one_value(const Message& m, const Header& h, std::string_view value) noexcept;
    [[nodiscard]] bool is_erased(Slice value) const noexcept;
    void forget_erased_values(Slice line) noexcept;

    std::string_view wire_;
    std::array<Edit, max_edits> edits_;
    std::size_t count_ = 0;
    std::ptrdiff_t growth_ = 0;
    bool overflowed_ = false;
};

}  // namespace sipfront::sip

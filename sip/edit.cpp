#include "sip/edit.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "sip/copy.hpp"
#include "sip/text_builder.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {

std::string_view Scratch::join(std::initializer_list<std::string_view> parts) noexcept {
    std::size_t size = 0;
    for (const auto& p : parts) size += p.size();
    const auto room = take(size);
    auto* out = room.data();
    if (out == nullptr) return {};
    for (const auto& p : parts) {
        copy_octets(out, p.data(), p.size());
        out += p.size();
    }
    return {room.data(), room.size()};
}

std::string_view Scratch::strip_uri(std::string_view text, const Uri& uri, std::initializer_list<std::string_view> params) noexcept {
    TextBuilder b{take(text.size())};
    const auto end_of_hostport = uri.params.data() != nullptr    ? uri.params.data() - 1
                                 : uri.headers.data() != nullptr ? uri.headers.data() - 1
                                                                 : text.data() + text.size();
    b << text.substr(0, static_cast<std::size_t>(end_of_hostport - text.data()));
    for (auto rest = uri.params; !rest.empty();) {
        const auto one = rest.substr(0, rest.find(';'));
        rest.remove_prefix(std::min(one.size() + 1, rest.size()));
        const auto name = trim(one.substr(0, one.find('=')));
        if (std::none_of(params.begin(), params.end(), [&](std::string_view p) { return iequals(p, name); })) b << ";" << one;
    }
    return b.view();
}

// Kept sorted by offset; at one offset inserts come before the edit that takes octets away, and in the order they were made.
void EditList::add_between(const Edit& edit) noexcept {
    if (count_ == max_edits || edit.from > edit.to || edit.to > wire_.size()) {
        overflowed_ = true;
        return;
    }
    const bool insert = edit.from == edit.to;
    const auto goes_behind = [&](const Edit& e) { return e.from > edit.from || (insert && e.from == edit.from && e.to > e.from); };
    auto at = count_;
    while (at > 0 && goes_behind(edits_[at - 1])) --at;
    if ((at > 0 && edits_[at - 1].to > edit.from) || (at < count_ && edits_[at].from < edit.to)) {
        overflowed_ = true;
        return;
    }
    std::move_backward(edits_.data() + at, edits_.data() + count_, edits_.data() + count_ + 1);
    edits_[at] = edit;
    ++count_;
    growth_ += static_cast<std::ptrdiff_t>(edit.length) - static_cast<std::ptrdiff_t>(edit.to - edit.from);
}

bool EditList::is_erased(Slice value) const noexcept {
    return std::any_of(edits_.data(), edits_.data() + count_,
                       [value](const Edit& e) { return e.whole_values && e.from <= value.off && e.to >= value.end(); });
}

void EditList::forget_erased_values(Slice line) noexcept {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count_; ++i) {
        const auto e = edits_[i];
        if (e.whole_values && e.from >= line.off && e.to <= line.end()) {
            growth_ += static_cast<std::ptrdiff_t>(e.to - e.from);
        } else {
            edits_[kept++] = e;
        }
    }
    count_ = kept;
}

// Works out anew which values of the header go, so that the order of the calls does not matter: what precedes the first
// value that stays goes up to that one, every later run goes with the comma before it.
void EditList::erase_one_value(const Message& m, const Header& h, std::string_view value) noexcept {
    const auto target = m.slice(value);
    // The only value of its header, which is what it nearly always is.
    if (target == h.value && (count_ == 0 || !is_erased(target))) return add({h.line.off, h.line.end(), nullptr, 0, true});
    if (is_erased(target)) return;
    struct Run {
        std::uint32_t from, to;
    };
    std::array<Run, max_edits> runs;
    std::size_t count = 0;
    std::uint32_t kept_end = h.value.off, run_end = 0;
    bool in_run = false, any_kept = false;
    const auto close = [&](std::uint32_t to) {
        if (count < runs.size()) runs[count] = {kept_end, to};
        ++count;
    };
    std::string_view rest = m.at(h.value), one;
    while (next_value(rest, one)) {
        const auto s = m.slice(one);
        if (s == target || is_erased(s)) {
            in_run = true;
            run_end = s.end();
            continue;
        }
        if (in_run) close(any_kept ? run_end : std::uint32_t{s.off});
        in_run = false;
        any_kept = true;
        kept_end = s.end();
    }
    if (in_run && any_kept) close(run_end);
    if (count > runs.size()) {
        overflowed_ = true;
        return;
    }
    forget_erased_values(h.line);
    if (!any_kept) return add({h.line.off, h.line.end(), nullptr, 0, true});
    for (std::size_t i = 0; i < count; ++i) add({runs[i].from, runs[i].to, nullptr, 0, true});
}

std::size_t EditList::write(std::span<char> out) const noexcept {
    assert(!overflowed_ && out.size() >= size());
    auto* to = out.data();
    const auto copy = [&to](const char* from, std::size_t n) {
        copy_octets(to, from, n);
        to += n;
    };
    std::uint32_t at = 0;
    for (std::size_t i = 0; i < count_; ++i) {
        const auto& e = edits_[i];
        copy(wire_.data() + at, e.from - at);
        copy(e.text, e.length);
        at = e.to;
    }
    copy(wire_.data() + at, wire_.size() - at);
    return static_cast<std::size_t>(to - out.data());
}

}  // namespace sipfront::sip

#include "ha/journal_lane.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <string_view>

namespace sipfront::ha {

namespace {

constexpr std::size_t blocks_of(std::size_t octets) noexcept { return (octets + sizeof(RingBlock) - 1) / sizeof(RingBlock); }

// f(index) for each text that `mask` names.
template <class F>
void for_each_text(std::uint16_t mask, F&& f) noexcept {
    for (unsigned left = mask; left != 0; left &= left - 1) f(static_cast<std::size_t>(std::countr_zero(left)));
}

std::size_t head_octets(std::uint16_t mask) noexcept {
    return sizeof(sip::DialogEvent) + sizeof(std::uint16_t) * static_cast<std::size_t>(std::popcount(mask));
}

}  // namespace

std::string_view name(LaneCount c) noexcept {
    static constexpr std::string_view names[] = {"posted", "full", "deferred", "too_long", "thinned", "missed_ends"};
    static_assert(std::size(names) == static_cast<std::size_t>(LaneCount::count_));
    return names[static_cast<std::size_t>(c)];
}

JournalLane::JournalLane(std::size_t blocks)
    : ring_{std::max(blocks, least_blocks)},
      capacity_{std::max(blocks, least_blocks)},
      reserve_{capacity_ / 8},
      scratch_{},
      fetched_(fetched_blocks) {}

bool JournalLane::note(const sip::DialogEvent& e, const sip::EventTexts& texts) noexcept {
    if (e.change == sip::DialogChange::changed && defer_.load(std::memory_order_relaxed)) return counts_[LaneCount::deferred].add(), false;
    const bool end = e.change == sip::DialogChange::ended;
    const auto spare = end ? 0 : reserve_;
    if (const auto blocks = compose(e, texts); blocks == 0)
        counts_[LaneCount::too_long].add();
    else if (post(blocks, spare))
        return true;
    else if (!end)
        return counts_[LaneCount::full].add(), false;
    else if (e.texts != 0)
        counts_[LaneCount::thinned].add();
    // Without its texts a row that is there stays, and an end is told.
    auto bare = e;
    bare.texts = 0;
    std::memcpy(scratch_.data(), &bare, sizeof bare);
    if (post(event_blocks, spare)) return true;
    counts_[LaneCount::full].add();
    if (end) counts_[LaneCount::missed_ends].add();
    return false;
}

// Blocks of the record in scratch_; 0: the texts are too long.
std::size_t JournalLane::compose(const sip::DialogEvent& e, const sip::EventTexts& texts) noexcept {
    std::size_t octets = 0;
    for_each_text(e.texts, [&](std::size_t i) { octets += texts[i].size(); });
    if (octets > max_text_octets) return 0;
    auto* const record = scratch_.data()->octets.data();
    std::memcpy(record, &e, sizeof e);
    auto* length = record + sizeof e;
    auto* out = record + head_octets(e.texts);
    for_each_text(e.texts, [&](std::size_t i) {
        const auto n = static_cast<std::uint16_t>(texts[i].size());
        std::memcpy(length, &n, sizeof n);
        length += sizeof n;
        // memcpy does not take the null pointer of an empty text.
        if (n > 0) std::memcpy(out, texts[i].data(), n);
        out += n;
    });
    return blocks_of(static_cast<std::size_t>(out - record));
}

// The record in scratch_.
bool JournalLane::post(std::size_t blocks, std::size_t spare) noexcept {
    if (ring_.write_available() < blocks + spare) return false;
    // One push is one store of the ring's index: the consumer sees all of the record or nothing.
    static_cast<void>(ring_.push(scratch_.data(), blocks));
    counts_[LaneCount::posted].add();
    return true;
}

void JournalLane::told_all(std::uint32_t number) noexcept {
    told_posted_.store(counts_[LaneCount::posted].get(), std::memory_order_relaxed);
    told_.store(number, std::memory_order_release);
}

bool JournalLane::told(std::uint32_t number) const noexcept {
    return told_.load(std::memory_order_acquire) == number && drained_.get() >= told_posted_.load(std::memory_order_relaxed);
}

std::uint64_t JournalLane::depth() const noexcept {
    const auto drained = drained_.get();
    const auto posted = counts_[LaneCount::posted].get();
    return posted > drained ? posted - drained : 0;
}

// Whether a whole record lies in [begin_, end_), after getting more from the ring if need be.
bool JournalLane::fetch() {
    const auto whole = [this] {
        const auto have = (end_ - begin_) * sizeof(RingBlock);
        if (have < sizeof(sip::DialogEvent)) return false;
        const auto* record = fetched_[begin_].octets.data();
        sip::DialogEvent e;
        std::memcpy(&e, record, sizeof e);
        auto octets = head_octets(e.texts);
        if (have < octets) return false;
        for (std::size_t i = sizeof e, head = octets; i < head; i += sizeof(std::uint16_t)) {
            std::uint16_t n = 0;
            std::memcpy(&n, record + i, sizeof n);
            octets += n;
        }
        return have >= octets;
    };
    if (whole()) return true;
    std::copy(fetched_.begin() + static_cast<std::ptrdiff_t>(begin_), fetched_.begin() + static_cast<std::ptrdiff_t>(end_),
              fetched_.begin());
    end_ -= begin_;
    begin_ = 0;
    end_ += ring_.pop(fetched_.data() + end_, fetched_.size() - end_);
    return whole();
}

sip::DialogEvent JournalLane::take(sip::EventTexts& texts) noexcept {
    const auto* record = fetched_[begin_].octets.data();
    sip::DialogEvent e;
    std::memcpy(&e, record, sizeof e);
    const auto* length = record + sizeof e;
    auto at = head_octets(e.texts);
    for_each_text(e.texts, [&](std::size_t i) {
        std::uint16_t n = 0;
        std::memcpy(&n, length, sizeof n);
        length += sizeof n;
        texts[i] = {reinterpret_cast<const char*>(record + at), n};
        at += n;
    });
    begin_ += blocks_of(at);
    return e;
}

}  // namespace sipfront::ha

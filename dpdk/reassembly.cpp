#include "dpdk/reassembly.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <numeric>

namespace sipfront::dpdk {
namespace {

// The receiver of a datagram in the middle of its reassembly must not wait for the end of a thousand others.
constexpr int most_expired = 16;

std::optional<Drop> fault_of(const Fragment& f) noexcept {
    if (f.data.empty() || (f.more && f.data.size() % 8 != 0)) return Drop::fragment_malformed;
    if (f.headers + f.offset + f.data.size() > Reassembler::longest_packet) return Drop::fragment_too_big;
    return std::nullopt;
}

// The holder of an IPv6 network has all its addresses.
std::uint64_t source_key(const core::HashKey& key, const core::IpAddress& a) noexcept {
    return core::digest(key, {reinterpret_cast<const char*>(a.bytes().data()), a.is_v4() ? 4U : 8U});
}

std::uint8_t protocol_of_key(const Fragment& f) noexcept {
    // RFC 8200 4.5: the fragments of one packet may differ in it, and only the first one's counts.
    return f.source.is_v4() ? f.protocol : std::uint8_t{0};
}

}  // namespace

Reassembler::Reassembler(const ReassemblyLimits& limits, const core::SecretKey& key, Sink& sink, PortCounters& counters)
    : limits_{limits},
      key_{key},
      sink_{sink},
      counters_{counters},
      contexts_of_a_source_{std::max(limits.contexts / share_of_a_source, 1U)},
      pieces_of_a_source_{std::max(limits.buffers / share_of_a_source, most_pieces)},
      contexts_(limits.contexts),
      pieces_(limits.buffers),
      sources_(limits.contexts),
      free_contexts_(limits.contexts),
      free_sources_(limits.contexts),
      by_hash_{limits.contexts},
      by_source_{limits.contexts} {
    assert(limits.contexts > 0 && limits.buffers >= 2 * most_pieces);
    std::iota(free_contexts_.rbegin(), free_contexts_.rend(), 0U);
    std::iota(free_sources_.rbegin(), free_sources_.rend(), 0U);
    for (std::uint32_t i = 0; i < limits.buffers; ++i) pieces_[i].next = i + 1 < limits.buffers ? i + 1 : none;
}

std::optional<Reassembler::Whole> Reassembler::add(const Fragment& f, std::uint64_t hash, rte_mbuf* frame, const ListenerTable& listeners,
                                                   core::Tick now) noexcept {
    if (const auto fault = fault_of(f)) return sink_.drop(frame, *fault), std::nullopt;
    const auto* known = by_hash_.find(hash);
    auto index = known != nullptr ? *known : none;
    if (index != none && now >= contexts_[index].deadline) {
        expire(now);
        known = by_hash_.find(hash);
        index = known != nullptr ? *known : none;
    }
    if (index == none) index = open(f, hash, now);
    const auto& c = contexts_[index];
    // Two datagrams of one hash: nobody can aim at that, and the kernel can tell them apart.
    if (c.id != f.id || c.protocol != protocol_of_key(f) || c.source != f.source || c.destination != f.destination) {
        counters_.fragments_to_kernel.add();
        sink_.to_kernel(frame);
        return std::nullopt;
    }
    return add_to(index, f, frame, listeners);
}

std::optional<Reassembler::Whole> Reassembler::add_to(std::uint32_t index, const Fragment& f, rte_mbuf* frame,
                                                      const ListenerTable& listeners) noexcept {
    auto& c = contexts_[index];
    if (c.state == State::foreign) return pass_on(c, index, f, frame), std::nullopt;
    if (c.state == State::discarded) return sink_.drop(frame, c.reason), std::nullopt;

    if (c.state == State::unknown) {
        hold(c, f, frame);
        if (f.offset == 0) {
            judge(c, index, f, listeners);
        } else if (c.pieces == most_pieces) {
            hand_over(c);
        }
    } else {
        Piece p{frame, f.data.data(), f.offset, static_cast<std::uint32_t>(f.data.size()), none, f.more};
        const auto fitting = fit(c, p);
        if (fitting == Fit::duplicate) return sink_.drop(frame, Drop::fragment_duplicate), std::nullopt;
        const bool conflict = fitting == Fit::conflict;
        if (conflict || c.pieces == most_pieces) {
            if (conflict) counters_.reassembly_overlaps.add();
            const auto why = conflict ? Drop::fragment_overlap : Drop::fragment_count;
            discard(c, why);
            sink_.drop(frame, why);
            return std::nullopt;
        }
        hold(c, f, frame);
        place(c, c.last_piece);
    }
    if (c.state != State::ours || c.total == 0 || c.received != c.total) return std::nullopt;
    return Whole{index, c.total - c.udp_at, c.first, c.source, c.destination, c.listener};
}

// A datagram of the kernel's, of which nothing is held. It is over when as many octets as it has have passed; a repetition makes that
// too early, and what follows then waits for the timeout before it passes.
void Reassembler::pass_on(Context& c, std::uint32_t index, const Fragment& f, rte_mbuf* frame) noexcept {
    counters_.fragments_to_kernel.add();
    sink_.to_kernel(frame);
    c.received += static_cast<std::uint32_t>(f.data.size());
    if (!f.more) c.total = f.offset + static_cast<std::uint32_t>(f.data.size());
    if (c.total != 0 && c.received >= c.total) close(index);
}

// The first fragment has come, last of those that are held. Overlaps are judged in datagrams of ours only: the others' are the kernel's.
void Reassembler::judge(Context& c, std::uint32_t index, const Fragment& f, const ListenerTable& listeners) noexcept {
    const auto udp_at = udp_within(f);
    const auto port = udp_at ? destination_port(f.data.subspan(*udp_at)) : std::uint16_t{0};
    const auto listener = udp_at ? listeners.find({c.destination, port}) : std::nullopt;
    if (!listener) {
        hand_over(c);
        if (c.total != 0 && c.received >= c.total) close(index);
        return;
    }
    c.state = State::ours;
    c.udp_at = *udp_at;
    c.listener = *listener;
    c.first = pieces_[c.last_piece].frame;
    if (place_held(c)) return;
    counters_.reassembly_overlaps.add();
    discard(c, Drop::fragment_overlap);
}

// Fits the pieces that came before the first one to each other. False when they contradict each other; then all are still held.
bool Reassembler::place_held(Context& c) noexcept {
    auto next = c.first_piece;
    auto left = c.pieces;
    c.first_piece = c.last_piece = none;
    c.pieces = c.received = c.total = 0;
    bool fine = true;
    for (; left > 0; --left) {
        const auto piece = next;
        auto& p = pieces_[piece];
        next = p.next;
        p.next = none;
        const auto fitting = fine ? fit(c, p) : Fit::conflict;
        if (fitting == Fit::duplicate) {
            sink_.drop(p.frame, Drop::fragment_duplicate);
            --sources_[c.from].pieces;
            free_piece(piece);
            continue;
        }
        fine = fine && fitting == Fit::fits;
        (c.first_piece == none ? c.first_piece : pieces_[c.last_piece].next) = piece;
        c.last_piece = piece;
        ++c.pieces;
        if (fine) place(c, piece);
    }
    return fine;
}

Reassembler::Fit Reassembler::fit(const Context& c, const Piece& p) const noexcept {
    const auto end = p.offset + p.length;
    // In order or in reverse, nothing needs to be looked through.
    if (c.received != 0 && p.offset < c.highest && end > c.lowest) {
        for (auto i = c.first_piece; i != none; i = pieces_[i].next) {
            const auto& other = pieces_[i];
            if (p.offset >= other.offset + other.length || end <= other.offset) continue;
            const bool same = p.offset == other.offset && p.length == other.length && p.more == other.more &&
                              std::memcmp(p.data, other.data, p.length) == 0;
            return same ? Fit::duplicate : Fit::conflict;
        }
    }
    const bool beyond = c.total != 0 && (!p.more || end > c.total);
    const bool ends_before = !p.more && c.received != 0 && end < c.highest;
    return beyond || ends_before ? Fit::conflict : Fit::fits;
}

void Reassembler::place(Context& c, std::uint32_t piece) noexcept {
    const auto& p = pieces_[piece];
    const auto end = p.offset + p.length;
    c.lowest = c.received == 0 ? p.offset : std::min(c.lowest, p.offset);
    c.highest = c.received == 0 ? end : std::max(c.highest, end);
    c.received += p.length;
    if (!p.more) c.total = end;
}

void Reassembler::take(const Whole& whole, std::span<std::uint8_t> out) noexcept {
    auto& c = contexts_[whole.context];
    assert(out.empty() || out.size() == whole.length);
    for (auto i = c.first_piece; i != none && !out.empty(); i = pieces_[i].next) {
        const auto& p = pieces_[i];
        // Options in front of the UDP header stay behind.
        const auto skipped = p.offset < c.udp_at ? std::min(c.udp_at - p.offset, p.length) : 0U;
        if (skipped < p.length) std::memcpy(out.data() + (p.offset + skipped - c.udp_at), p.data + skipped, p.length - skipped);
    }
    release_pieces(c, [this](rte_mbuf* frame) { sink_.done(frame); });
    close(whole.context);
}

void Reassembler::expire(core::Tick now) noexcept {
    for (int i = 0; i < most_expired && by_age_.head != none; ++i) {
        const auto index = by_age_.head;
        auto& c = contexts_[index];
        if (now < c.deadline) return;
        if (c.pieces != 0) counters_.reassembly_timeouts.add();
        if (c.state == State::ours) discard(c, Drop::fragment_timeout);
        if (c.state == State::unknown) hand_over(c);
        close(index);
    }
}

void Reassembler::evict(std::uint32_t index) noexcept {
    auto& c = contexts_[index];
    if (c.pieces != 0) counters_.reassembly_evictions.add();
    if (c.state == State::ours) discard(c, Drop::fragment_evicted);
    if (c.state == State::unknown) hand_over(c);
    close(index);
}

void Reassembler::clear() noexcept {
    while (by_age_.head != none) {
        const auto index = by_age_.head;
        release_pieces(contexts_[index], [this](rte_mbuf* frame) { sink_.done(frame); });
        close(index);
    }
}

void Reassembler::discard(Context& c, Drop why) noexcept {
    c.state = State::discarded;
    c.reason = why;
    release_pieces(c, [&](rte_mbuf* frame) { sink_.drop(frame, why); });
}

void Reassembler::hand_over(Context& c) noexcept {
    c.state = State::foreign;
    counters_.fragments_to_kernel.add(c.pieces);
    release_pieces(c, [this](rte_mbuf* frame) { sink_.to_kernel(frame); });
}

template <class F>
void Reassembler::release_pieces(Context& c, F&& f) noexcept {
    while (c.first_piece != none) {
        const auto piece = c.first_piece;
        c.first_piece = pieces_[piece].next;
        f(pieces_[piece].frame);
        free_piece(piece);
    }
    sources_[c.from].pieces -= c.pieces;
    c.last_piece = none;
    c.pieces = 0;
    c.first = nullptr;
}

void Reassembler::hold(Context& c, const Fragment& f, rte_mbuf* frame) noexcept {
    make_room(c);
    const auto piece = free_piece_;
    auto& p = pieces_[piece];
    free_piece_ = p.next;
    ++used_pieces_;
    p = {frame, f.data.data(), f.offset, static_cast<std::uint32_t>(f.data.size()), none, f.more};
    (c.first_piece == none ? c.first_piece : pieces_[c.last_piece].next) = piece;
    c.last_piece = piece;
    ++c.pieces;
    ++sources_[c.from].pieces;
    if (c.state != State::unknown) return;
    // Of a datagram of ours, which place() counts; until then this is what pass_on() would have counted.
    c.received += p.length;
    if (!p.more) c.total = p.offset + p.length;
}

// For one more piece: of the same source, then of all, the oldest others go. `c` has fewer pieces than its source may have.
void Reassembler::make_room(const Context& c) noexcept {
    const auto self = static_cast<std::uint32_t>(&c - contexts_.data());
    const auto& source = sources_[c.from];
    while (source.pieces >= pieces_of_a_source_) {
        const auto oldest = source.contexts.head;
        evict(oldest != self ? oldest : contexts_[oldest].sibling.next);
    }
    while (free_piece_ == none) {
        const auto oldest = by_age_.head;
        evict(oldest != self ? oldest : contexts_[oldest].age.next);
    }
}

std::uint32_t Reassembler::open(const Fragment& f, std::uint64_t hash, core::Tick now) noexcept {
    auto from = source_of(f.source);
    if (from != none && sources_[from].count == contexts_of_a_source_) {
        evict(sources_[from].contexts.head);
    } else if (used_contexts_ == limits_.contexts) {
        evict(by_age_.head);
    }
    // Its only context may have been the evicted one.
    from = source_of(f.source);
    if (from == none) {
        from = free_sources_.back();
        free_sources_.pop_back();
        const auto source_hash = source_key(key_, f.source);
        sources_[from] = {.hash = source_hash};
        by_source_.insert(source_hash, from);
    }
    const auto index = free_contexts_.back();
    free_contexts_.pop_back();
    ++used_contexts_;
    auto& c = contexts_[index];
    c = {};
    c.source = f.source;
    c.destination = f.destination;
    c.id = f.id;
    c.protocol = protocol_of_key(f);
    c.hash = hash;
    c.deadline = now + limits_.timeout;
    c.from = from;
    by_hash_.insert(hash, index);
    append(by_age_, &Context::age, index);
    append(sources_[from].contexts, &Context::sibling, index);
    ++sources_[from].count;
    return index;
}

void Reassembler::close(std::uint32_t index) noexcept {
    const auto& c = contexts_[index];
    assert(c.pieces == 0);
    auto& source = sources_[c.from];
    by_hash_.erase(c.hash);
    remove(by_age_, &Context::age, index);
    remove(source.contexts, &Context::sibling, index);
    if (--source.count == 0) {
        by_source_.erase(source.hash);
        free_sources_.push_back(c.from);
    }
    free_contexts_.push_back(index);
    --used_contexts_;
}

std::uint32_t Reassembler::source_of(const core::IpAddress& address) noexcept {
    const auto* known = by_source_.find(source_key(key_, address));
    return known != nullptr ? *known : none;
}

void Reassembler::free_piece(std::uint32_t piece) noexcept {
    pieces_[piece] = {.next = free_piece_};
    free_piece_ = piece;
    --used_pieces_;
}

void Reassembler::append(Queue& q, Link Context::*link, std::uint32_t context) noexcept {
    contexts_[context].*link = {q.tail, none};
    (q.tail == none ? q.head : (contexts_[q.tail].*link).next) = context;
    q.tail = context;
}

void Reassembler::remove(Queue& q, Link Context::*link, std::uint32_t context) noexcept {
    const auto at = contexts_[context].*link;
    (at.previous == none ? q.head : (contexts_[at.previous].*link).next) = at.next;
    (at.next == none ? q.tail : (contexts_[at.next].*link).previous) = at.previous;
}

}  // namespace sipfront::dpdk

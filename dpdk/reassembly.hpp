// IP datagrams that arrive in fragments (RFC 791 3.2, RFC 8200 4.5, RFC 5722): those that are UDP to a listener of ours are put
// together, those of anyone else go on to the kernel as they came. Bounded in number, time, and what one source may take. Pure:
// frames are opaque pointers; what becomes of each is told to a Sink.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/endpoint.hpp"
#include "core/flat_table.hpp"
#include "core/hash.hpp"
#include "core/tick.hpp"
#include "core/types.hpp"
#include "dpdk/classify.hpp"
#include "dpdk/headers.hpp"
#include "dpdk/port_counters.hpp"

struct rte_mbuf;

namespace sipfront::dpdk {

struct ReassemblyLimits {
    core::Duration timeout = std::chrono::seconds{2};  // from a datagram's first fragment to arrive
    std::uint32_t contexts = 256;                      // datagrams at a time
    std::uint32_t buffers = 1024;                      // fragments held at a time; at least 2 * Reassembler::most_pieces
};

// One worker's. Nothing is allocated after construction, and nothing is logged: what arrives here is anybody's.
class Reassembler {
public:
    // Of one datagram: the largest at an MTU of 576 has 119.
    static constexpr std::uint32_t most_pieces = 128;
    static constexpr std::uint32_t longest_packet = 65'535;
    using Handle = rte_mbuf*;  // opaque here
    // One source (an address, of IPv6 the /64) has at most this part of the contexts and of the buffers.
    static constexpr std::uint32_t share_of_a_source = 4;

    // What becomes of frames; called from within add(), take(), expire() and clear(). Each frame is named exactly once.
    class Sink {
    public:
        virtual void to_kernel(rte_mbuf* frame) noexcept = 0;
        virtual void drop(rte_mbuf* frame, Drop why) noexcept = 0;
        virtual void done(rte_mbuf* frame) noexcept = 0;  // its octets were taken

    protected:
        ~Sink() = default;
    };

    // A datagram that has come whole, until take().
    struct Whole {
        std::uint32_t context = 0;
        std::uint32_t length = 0;   // from the UDP header to the packet's end
        rte_mbuf* first = nullptr;  // the frame of the first fragment
        core::IpAddress source, destination;
        core::ListenerId listener{};
    };

    // `key` hashes sources. `sink` and `counters` outlive the Reassembler.
    Reassembler(const ReassemblyLimits& limits, const core::SecretKey& key, Sink& sink, PortCounters& counters);
    Reassembler(const Reassembler&) = delete;
    Reassembler& operator=(const Reassembler&) = delete;

    // Takes the frame, whose octets `f` names. `hash`: FragmentLanes::hash() of it. `f.destination` has a listener.
    // A whole datagram must be taken before the next call of anything else.
    std::optional<Whole> add(const Fragment& f, std::uint64_t hash, rte_mbuf* frame, const ListenerTable& listeners,
                             core::Tick now) noexcept;
    // Copies the datagram, UDP header first, and is done with its frames. `out` has whole.length octets, or none: then nobody wants it.
    void take(const Whole& whole, std::span<std::uint8_t> out) noexcept;
    // Gives up what is due; a bounded number at a time. Cheap when nothing is.
    void expire(core::Tick now) noexcept;
    // Is done with every frame.
    void clear() noexcept;

    [[nodiscard]] std::uint32_t contexts() const noexcept { return used_contexts_; }
    [[nodiscard]] std::uint32_t held() const noexcept { return used_pieces_; }

private:
    static constexpr std::uint32_t none = 0xffffffff;

    enum class State : std::uint8_t {
        unknown,    // the first fragment, which names the port, has not come
        ours,       // it has, and this is UDP to a listener
        foreign,    // it has, and this is the kernel's: nothing is held
        discarded,  // hostile or hopeless: nothing is held, the rest is dropped (RFC 5722)
    };
    struct Link {
        std::uint32_t previous = none, next = none;
    };
    struct Queue {
        std::uint32_t head = none, tail = none;
    };
    struct Context {
        core::IpAddress source, destination;
        std::uint32_t id = 0;
        std::uint8_t protocol = 0;
        State state = State::unknown;
        Drop reason{};
        std::uint64_t hash = 0;
        core::Tick deadline{};
        std::uint32_t from = none;  // its source
        Link age, sibling;          // among all, oldest first, and among those of the source
        // In the order of arrival.
        std::uint32_t first_piece = none, last_piece = none, pieces = 0;
        std::uint32_t received = 0;  // octets; without repetitions, if ours
        std::uint32_t total = 0;     // 0: the last fragment has not come
        std::uint32_t lowest = 0, highest = 0;
        std::uint32_t udp_at = 0;
        core::ListenerId listener{};
        rte_mbuf* first = nullptr;
    };
    struct Piece {
        rte_mbuf* frame = nullptr;
        const std::uint8_t* data = nullptr;
        std::uint32_t offset = 0, length = 0;
        std::uint32_t next = none;
        bool more = false;
    };
    struct Source {
        std::uint64_t hash = 0;
        Queue contexts;
        std::uint32_t count = 0, pieces = 0;
    };
    enum class Fit : std::uint8_t { fits, duplicate, conflict };

    std::optional<Whole> add_to(std::uint32_t c, const Fragment& f, rte_mbuf* frame, const ListenerTable& listeners) noexcept;
    void pass_on(Context& c, std::uint32_t index, const Fragment& f, rte_mbuf* frame) noexcept;
    void judge(Context& c, std::uint32_t index, const Fragment& f, const ListenerTable& listeners) noexcept;
    bool place_held(Context& c) noexcept;
    [[nodiscard]] Fit fit(const Context& c, const Piece& p) const noexcept;
    void place(Context& c, std::uint32_t piece) noexcept;

    std::uint32_t open(const Fragment& f, std::uint64_t hash, core::Tick now) noexcept;
    void close(std::uint32_t context) noexcept;
    void hold(Context& c, const Fragment& f, rte_mbuf* frame) noexcept;
    void make_room(const Context& c) noexcept;
    void evict(std::uint32_t context) noexcept;
    void discard(Context& c, Drop why) noexcept;
    void hand_over(Context& c) noexcept;
    // f(frame) for every piece, oldest first; the context holds none any more.
    template <class F>
    void release_pieces(Context& c, F&& f) noexcept;
    std::uint32_t source_of(const core::IpAddress& address) noexcept;
    void free_piece(std::uint32_t piece) noexcept;

    void append(Queue& q, Link Context::*link, std::uint32_t context) noexcept;
    void remove(Queue& q, Link Context::*link, std::uint32_t context) noexcept;

    ReassemblyLimits limits_;
    core::HashKey key_;
    Sink& sink_;
    PortCounters& counters_;
    std::uint32_t contexts_of_a_source_, pieces_of_a_source_;
    std::vector<Context> contexts_;
    std::vector<Piece> pieces_;
    std::vector<Source> sources_;
    std::vector<std::uint32_t> free_contexts_, free_sources_;
    std::uint32_t free_piece_ = 0;  // chained by Piece::next
    std::uint32_t used_contexts_ = 0, used_pieces_ = 0;
    core::FlatTable<std::uint32_t> by_hash_, by_source_;
    Queue by_age_;
};

}  // namespace sipfront::dpdk

// One proxied request: the server transaction towards its sender and the client transaction towards its target, and the
// table that finds both. RFC 3261 §16.2 (stateful proxy), §17.1.3 and §17.2.3 (matching), §17 Table 4 (timers).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "core/byte_slab.hpp"
#include "core/flat_table.hpp"
#include "core/flow.hpp"
#include "core/hash.hpp"
#include "core/reservation.hpp"
#include "core/slab.hpp"
#include "core/tick.hpp"
#include "core/timer_wheel.hpp"
#include "sip/message.hpp"
#include "sip/residues.hpp"
#include "sip/token.hpp"
#include "sip/tx_fsm.hpp"

namespace sipfront::sip {

// Deadlines of a transaction. What the `_end` ones mean follows from the state: B/F, fr_timer or Timer C while a final is
// awaited, D/K/M afterwards on the client side; H, then I, or J, or L on the server side.
enum class Deadline : std::uint8_t { server_retransmit, server_end, client_retransmit, client_end, count_ };

struct Transaction {
    static constexpr std::size_t max_attempts = 8;

    enum class Kind : std::uint8_t {
        invite,
        request,  // any other proxied request
        cancel,   // our CANCEL of an INVITE's branch: client side only
        hang_up,  // our BYE to an answer that nobody waits for any more: client side only
        local,    // a request of our own (probe): client side only
        ping,     // our OPTIONS in a dialog: client side only
    };
    // How its target was chosen.
    enum class Route : std::uint8_t { fixed, balanced, dispatched };

    std::uint64_t server_key = 0;  // 0: no server side
    std::uint64_t dialog_key = 0;  // of the dialog that the request ends, for its index is asked for early; 0: none
    std::uint64_t call_id_hash = 0;
    std::uint64_t branch_mac = 0;  // of the current attempt
    std::uint64_t tag = 0;         // the caller's own mark of a local request
    std::uint64_t name = 0;        // what `target` is an address of, or what the request waits for; 0: no name
    core::Flow reply;              // where responses go
    core::Flow target;             // where the current attempt goes
    core::Tick started{};
    std::array<core::Tick, static_cast<std::size_t>(Deadline::count_)> due;
    core::Tick wake = core::Tick::max();  // when we are looked at; at or before the earliest deadline
    core::TimerId timer;                  // in the wheel; null: our first wake waits in its queue, or none is due
    core::Bytes request;                  // as forwarded; after a non-2xx final the ACK
    core::Bytes response;                 // the last one sent to the client
    core::Bytes reason;                   // Reason header lines of the client's CANCEL (RFC 3326)
    DialogHandle dialog;
    TransactionHandle cancels;  // INVITE: its CANCELs, newest first; CANCEL: the next older one
    std::uint32_t cseq = 0;
    std::uint32_t hung_up = 0;  // of the last late answer that got our BYE: a hash of its To tag
    std::uint32_t server_interval_ms = 0, client_interval_ms = 0;
    std::uint16_t top_length = 0;  // octets of Via and Record-Route that we put behind the start line
    std::array<core::DestinationId, max_attempts> tried{};
    // A word away from client_state: read as one, they would keep whoever has just written one of them waiting.
    fsm::State server_state = fsm::State::terminated;
    std::uint8_t attempt = 0;             // of the current branch
    std::uint8_t last_attempt = 0;        // tried[0..last_attempt] were used
    std::uint8_t cancelled_attempts = 0;  // bit a: a CANCEL went out for attempt a
    Kind kind = Kind::request;
    Route route = Route::fixed;
    Method method = Method::unknown;
    bool cancelled = false;         // the client wants it ended: no new attempt
    bool provisional_seen = false;  // above 100
    bool initial = false;           // creates a dialog (or is outside of any)
    bool record_routed = false;
    bool path = false;         // a REGISTER with our Path
    bool answered_up = false;  // a response above 100 was forwarded
    bool tagless = false;      // the request's To had no tag
    bool old_branch = false;   // the request's branch is RFC 2543's: responses do not lead back to its key
    bool waits = false;        // for its name: `request` is as it came, `target` where it came from
    bool ack_kept = false;     // `request` holds the ACK, for retransmitted finals
    bool by_size = false;      // over a stream for its size alone (§18.1.1)
    bool given_up = false;     // the client has our own final; what the host still says is ended politely
    fsm::State client_state = fsm::State::terminated;

    Transaction() {
        due.fill(core::Tick::max());
        tried.fill(core::no_destination);
    }
    [[nodiscard]] core::Tick& deadline(Deadline d) noexcept { return due[static_cast<std::size_t>(d)]; }
    // Whether there may be another target when the current one fails.
    [[nodiscard]] bool may_move() const noexcept { return route != Route::fixed || name != 0; }
    [[nodiscard]] bool is_invite() const noexcept { return kind == Kind::invite; }
    [[nodiscard]] bool ended() const noexcept { return server_state == fsm::State::terminated && client_state == fsm::State::terminated; }
};

// A transaction that is over but for repetitions, in as few octets as these need: an answered request whose final response is
// repeated (RFC 3261 §17.2.2, Completed until Timer J), or an INVITE with a 2xx, which absorbs its own repetitions and lets those
// of the 2xx through (RFC 6026 §7, Accepted until Timers L and M). All linger for 64*T1, so they end in the order they began.
struct Linger {
    std::uint64_t server_key;
    std::uint32_t due_ms;  // since the table's start, modulo 2^32
    std::uint32_t value;   // request: Residues::Id; INVITE: the address its responses go to, IPv4
    std::uint16_t port;    // INVITE: the port with it
    core::ListenerId listener;
    bool invite : 1;
    core::Zone reply_zone : 2;
    core::Zone target_zone : 2;
};
static_assert(sizeof(Linger) == 24);

// One worker's transactions: bounded, no allocation after construction.
class TransactionTable {
public:
    // `key`: secret, for remote parties choose what it hashes; of the pair, where branches are bound to keys of transactions. It
    // outlives the table.
    TransactionTable(std::uint32_t capacity, core::ByteSlab& bytes, const core::HashKey& key, core::Tick start);
    TransactionTable(const TransactionTable&) = delete;
    TransactionTable& operator=(const TransactionTable&) = delete;
    ~TransactionTable();

    // §17.2.3: branch, sent-by and method, where ACK and CANCEL look for the INVITE's when `as` says so; without the magic
    // cookie by Request-URI, From tag, Call-ID, CSeq and top Via (RFC 2543).
    [[nodiscard]] std::uint64_t server_key(const Message& m, Method as) const noexcept;

    // The same for a Via other than the top one: in a response, the Via of the request that came to us.
    [[nodiscard]] std::uint64_t server_key(const Message& m, const TopVia& via, Method as) const noexcept;
    // The same for a branch with the magic cookie, in a message that nobody parsed. `method_name` tells unknown methods apart.
    [[nodiscard]] std::uint64_t server_key(std::string_view wire, const TopVia& via, Method as,
                                           std::string_view method_name) const noexcept;

    // nullptr when full, or when `server_key` is taken. `server_key` 0: no server side.
    Transaction* create(std::uint64_t server_key);
    // By the key of its server side, in either form. At most one of the two is set; `linger` is good until expire().
    struct Found {
        Transaction* active = nullptr;
        const Linger* linger = nullptr;
    };
    [[nodiscard]] Found find_server(std::uint64_t key) noexcept;
    [[nodiscard]] Transaction* get(TransactionHandle h) noexcept { return slab_.get(h); }
    [[nodiscard]] const Transaction* get(TransactionHandle h) const noexcept { return slab_.get(h); }
    void prefetch(TransactionHandle h) const noexcept { slab_.prefetch(h); }
    [[nodiscard]] TransactionHandle handle_of(const Transaction& t) const noexcept { return slab_.handle_of(&t); }
    void prefetch_server(std::uint64_t key) const noexcept { servers_.prefetch(key); }

    // Images are kept in the byte slab; the old one is freed. False: no room, the image is then empty.
    bool keep(core::Bytes& image, std::string_view bytes) noexcept;
    void drop(core::Bytes& image) noexcept { bytes_.release(image); }

    // Whether a transaction can go on in the compact form; only what is sent to IPv4 over datagrams can.
    [[nodiscard]] bool may_linger(const Transaction& t) const noexcept;
    // Goes on in the compact form until `due`, which is the same for all that come together; `t` is gone then. False: no room,
    // nothing has changed. An INVITE in Accepted; or a request that is answered, with the residue of its response.
    bool linger(Transaction& t, Residues::Id residue, core::Tick due) noexcept;
    [[nodiscard]] Residues& residues() noexcept { return residues_; }
    // Ends those in the compact form whose time has come, at most `max`.
    void expire(core::Tick now, std::size_t max) noexcept {
        if (lingering_ > 0 && now >= expired_until_) expire_due(now, max);
    }

    // Call after deadlines or states changed: frees an ended transaction, else arms its one timer. `t` may be gone then.
    void settle(Transaction& t);
    // The same for one that has just begun, where `usual` is the earliest deadline that nearly all have then: now + T1. Most are over
    // before, so these wait in a queue out of which nobody takes them.
    void begin(Transaction& t, core::Tick usual);

    // Calls fire(Transaction&) for each one with a due deadline, at most `max` of them. The callee handles the deadlines that
    // are <= now and must call settle().
    template <class F>
    void advance(core::Tick now, F&& fire, std::size_t max) {
        const auto wake = [&](Transaction& t) {
            t.timer = {};
            t.wake = core::Tick::max();
            if (earliest(t) <= now) {
                fire(t);
            } else {
                settle(t);  // the deadline had moved: lazily armed
            }
        };
        for (; max > 0 && fresh_count_ > 0 && fresh(fresh_first_).wake <= now; --max) {
            const auto handle = fresh(fresh_first_).transaction;
            ++fresh_first_;
            --fresh_count_;
            if (auto* t = slab_.get(handle); t != nullptr && !t->timer) wake(*t);
        }
        wheel_.advance(
            now,
            [&](std::uint64_t payload, core::Tick) {
                if (auto* t = slab_.get({static_cast<std::uint32_t>(payload), static_cast<std::uint32_t>(payload >> 32)})) wake(*t);
            },
            max);
    }

    // Active and lingering ones.
    [[nodiscard]] std::size_t size() const noexcept { return slab_.size() + lingering(); }
    [[nodiscard]] std::size_t lingering() const noexcept { return lingering_; }
    // Those with a server side: what others asked of us, without our own probes and CANCELs.
    [[nodiscard]] std::size_t servers() const noexcept { return servers_.size(); }
    // Some of them of transactions that are over.
    [[nodiscard]] std::size_t timers() const noexcept { return wheel_.size() + fresh_count_; }

private:
    static core::Tick earliest(const Transaction& t) noexcept {
        return std::min(std::min(t.due[0], t.due[1]), std::min(t.due[2], t.due[3]));
    }
    void destroy(Transaction& t) noexcept;
    void expire_due(core::Tick now, std::size_t max) noexcept;

    // An active transaction's handle has an odd generation; 0 marks a place in the ring of lingering ones.
    static constexpr std::uint32_t in_ring = 0;

    [[nodiscard]] Linger& ring(std::uint32_t place) const noexcept { return static_cast<Linger*>(ring_memory_.data())[place]; }
    // So many places further on, `n` no more than the ring has.
    [[nodiscard]] std::uint32_t behind(std::uint32_t place, std::uint32_t n) const noexcept {
        return n < ring_size_ - place ? place + n : n - (ring_size_ - place);
    }
    [[nodiscard]] std::uint32_t milliseconds(core::Tick t) const noexcept {
        return static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::milliseconds>(t - start_).count());
    }

    // The first wakes of transactions that have begun, in the order of their instants. A ring: 4 MiB, for a quarter of a million begun
    // within T1; those beyond go into the wheel.
    struct Fresh {
        TransactionHandle transaction;
        core::Tick wake;
    };
    static constexpr std::uint32_t fresh_size = 1U << 18;
    [[nodiscard]] Fresh& fresh(std::uint32_t place) const noexcept { return static_cast<Fresh*>(fresh_memory_.data())[place % fresh_size]; }

    core::Slab<Transaction> slab_;
    core::FlatTable<TransactionHandle> servers_;
    Residues residues_;
    core::Tick start_;
    std::uint32_t ring_size_;
    std::uint32_t first_ = 0, lingering_ = 0;
    core::Reservation ring_memory_;
    core::Tick expired_until_ = core::Tick::min();  // before then no more of the ring is due
    std::uint32_t fresh_first_ = 0, fresh_count_ = 0;
    core::Tick fresh_last_ = core::Tick::min();  // the newest one's
    core::Reservation fresh_memory_{std::size_t{fresh_size} * sizeof(Fresh)};
    core::TimerWheel wheel_;
    core::ByteSlab& bytes_;
    const core::HashKey& key_;
};

}  // namespace sipfront::sip

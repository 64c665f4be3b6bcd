// Dialog records of one worker: who talks to whom through us, on which host the call counts, and what a request that lost its
// route set needs to find its way (RFC 3261 §12). One record a call; the route cookie carries its handle.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/byte_slab.hpp"
#include "core/endpoint.hpp"
#include "core/flat_table.hpp"
#include "core/flow.hpp"
#include "core/hash.hpp"
#include "core/slab.hpp"
#include "core/tick.hpp"
#include "core/types.hpp"
#include "sip/token.hpp"

namespace sipfront::sip {

// Numbers as in the `state` column of OpenSIPS' dialog table.
enum class DialogState : std::uint8_t { unconfirmed = 1, early = 2, confirmed_no_ack = 3, confirmed = 4, deleted = 5 };

// Why a dialog ended.
enum class DialogEnd : std::uint8_t {
    none,
    caller_bye,
    callee_bye,
    cancelled,
    failed,     // a final of 300 and more, or 408 of our own
    expired,    // `dialog_timeout`
    ghost,      // pings went unanswered, or were answered 481
    management  // dlg_end_dlg
};

// Texts that a dialog keeps, all in one block. Contacts are addr-specs; route sets are the Record-Route values beyond us on
// that side, in the order in which a request towards that side needs them.
enum class DialogText : std::uint8_t {
    call_id,
    caller_tag,
    callee_tag,
    caller_contact,
    callee_contact,
    caller_routes,
    callee_routes,
    from_uri,  // both parties' addr-specs, as the INVITE had them; kept where ProxyConfig::keep_parties asks for it
    to_uri,
    count_
};
using DialogTexts = std::array<std::string_view, static_cast<std::size_t>(DialogText::count_)>;

// What we know of a dialog that another life or another node made.
enum class DialogProof : std::uint8_t {
    whole,           // everything, as of all others
    adopted,         // an answered request has proved it; nobody has told when it began
    on_trial,        // by its cookie alone: `deleted` until the other side answers a request in it with success
    caller_hung_up,  // on trial, and over: that is told once the store's row has said when it began, or it is due
    callee_hung_up
};

struct Dialog {
    std::uint64_t key = 0;           // of (Call-ID, caller's tag)
    std::uint64_t call_id_hash = 0;  // the steering hash
    core::FarEnd host;               // the balanced host
    core::FarEnd client;             // the other side
    core::Tick started{};            // if that is unknown, when we heard of it; with a held end, when it ended
    core::Tick expires = core::Tick::max();
    core::Bytes text;
    std::array<std::uint16_t, static_cast<std::size_t>(DialogText::count_)> lengths{};
    std::uint16_t answered_after = 0;  // since `started`, in units of 10 ms and at most 655 s; 0: not answered
    std::uint32_t caller_cseq = 0, callee_cseq = 0;
    std::uint32_t older = 0xffffffff, newer = 0xffffffff;  // neighbours in its order of expiry
    core::DestinationId destination = core::no_destination;
    DialogState state : 3 = DialogState::unconfirmed;
    std::uint8_t retries : 4 = 0;  // hosts tried before this one; 15: that many or more
    bool counted : 1 = false;      // holds one unit of the destination's load
    bool caller_in_cluster : 1 = false;
    bool symmetric : 1 = false;  // the client is reached at its flow's address (NAT, streams)
    bool listed : 1 = false;     // stands in an order of expiry
    bool untold : 1 = false;     // its observer has missed a change
    bool pinged : 1 = false;     // our OPTIONS is on its way
    DialogProof proof : 3 = DialogProof::whole;

    [[nodiscard]] bool on_trial() const noexcept { return proof >= DialogProof::on_trial; }
    [[nodiscard]] bool start_unknown() const noexcept { return proof != DialogProof::whole; }
    // Of one that is over and not yet told.
    [[nodiscard]] DialogEnd held_end() const noexcept {
        if (proof == DialogProof::caller_hung_up) return DialogEnd::caller_bye;
        return proof == DialogProof::callee_hung_up ? DialogEnd::callee_bye : DialogEnd::none;
    }

    [[nodiscard]] std::string_view get(DialogText t) const noexcept {
        std::size_t off = 0;
        for (std::size_t i = 0; i < static_cast<std::size_t>(t); ++i) off += lengths[i];
        return {text.data + off, lengths[static_cast<std::size_t>(t)]};
    }
    [[nodiscard]] DialogTexts texts() const noexcept {
        DialogTexts all;
        const char* at = text.data;
        for (std::size_t i = 0; i < all.size(); at += lengths[i], ++i) all[i] = {at, lengths[i]};
        return all;
    }
};

static_assert(sizeof(Dialog) <= 144);  // with its texts and its place in the index: 512 octets (docs/PERFORMANCE.md)

// Bounded; no allocation after construction. `key`: of both nodes and each life of them, and secret, for remote parties choose
// what it hashes.
class DialogTable {
public:
    DialogTable(std::uint32_t capacity, core::ByteSlab& bytes, const core::SecretKey& key);
    DialogTable(const DialogTable&) = delete;
    DialogTable& operator=(const DialogTable&) = delete;
    ~DialogTable();

    // Where a dialog is found without its handle. `call_id_hash`: keyed, always the same for a Call-ID. In a request of the
    // callee the caller's tag is the To tag.
    [[nodiscard]] std::uint64_t key_of(std::uint64_t call_id_hash, std::string_view caller_tag) const noexcept;
    // Starts the memory access of a find(), create() or erase().
    void prefetch_key(std::uint64_t key) const noexcept { by_key_.prefetch(key); }

    // An empty handle when the table or the byte room is full. `key`: key_of() this hash and the caller's tag. `texts` are copied.
    DialogHandle create(std::uint64_t key, std::uint64_t call_id_hash, const DialogTexts& texts);
    DialogHandle create(std::uint64_t call_id_hash, const DialogTexts& texts) {
        return create(key_of(call_id_hash, texts[static_cast<std::size_t>(DialogText::caller_tag)]), call_id_hash, texts);
    }
    // nullptr when the dialog is gone.
    [[nodiscard]] Dialog* get(DialogHandle h) noexcept { return dialogs_.get(h); }
    [[nodiscard]] const Dialog* get(DialogHandle h) const noexcept { return dialogs_.get(h); }
    void prefetch(DialogHandle h) const noexcept { dialogs_.prefetch(h); }
    [[nodiscard]] Dialog* find(std::uint64_t call_id_hash, std::string_view caller_tag) noexcept;
    // Replaces texts; false (and the old ones stay) when there is no room.
    bool set_texts(Dialog& d, const DialogTexts& texts) noexcept;
    // Ends the dialog at `expires` unless erased before. Calls must come in the order of their instants.
    void expire_at(Dialog& d, core::Tick expires) noexcept { expire_in(d, expires, standing); }
    // The call is over; the record stays until then for requests that still look for it (a BYE after a failure). It no longer
    // counts, and gives way to a new dialog of its Call-ID and tag. The same order of instants as above, by itself.
    void linger_until(Dialog& d, core::Tick expires) noexcept;
    void erase(Dialog& d) noexcept;

    // One that lingers stands again, as `state`.
    void revive(Dialog& d, DialogState state) noexcept;

    // A dialog that is due, or nullptr. One that lingers has the state `deleted`.
    [[nodiscard]] Dialog* due(core::Tick now) noexcept { return now < soonest_ ? nullptr : find_due(now); }

    // For whoever keeps dialogs beyond this process: 63 bits, the same wherever the same key is.
    [[nodiscard]] std::uint64_t id_of(const Dialog& d) const noexcept;
    // nullptr: none, or the second record of a spiral, which only a walk finds.
    [[nodiscard]] Dialog* find_id(std::uint64_t id) noexcept;
    [[nodiscard]] DialogHandle handle_of(const Dialog& d) const noexcept { return dialogs_.handle_of(&d); }
    // By position, for whoever walks over all of them bit by bit: nullptr when none lives there. Positions are below extent().
    [[nodiscard]] Dialog* at(std::uint32_t position) noexcept { return dialogs_.at(position); }
    [[nodiscard]] std::uint32_t extent() const noexcept { return dialogs_.extent(); }
    // Without those that linger.
    [[nodiscard]] std::uint32_t size() const noexcept { return dialogs_.size() - lingering_; }
    template <class F>
    void for_each(F&& f) {
        dialogs_.for_each(std::forward<F>(f));
    }

private:
    static constexpr std::uint32_t nobody = 0xffffffff;

    // Two orders of expiry, since each is a queue: calls that stand, and those that are over.
    enum Order : std::uint8_t { standing, over, orders };
    struct Queue {
        DialogHandle oldest, newest;
    };

    [[nodiscard]] Queue& queue_of(const Dialog& d) noexcept { return queues_[d.state == DialogState::deleted ? over : standing]; }
    void expire_in(Dialog& d, core::Tick expires, Order order) noexcept;
    Dialog* find_due(core::Tick now) noexcept;
    void unlink(Dialog& d) noexcept;

    core::Slab<Dialog> dialogs_;
    core::FlatTable<DialogHandle> by_key_;
    core::ByteSlab& bytes_;
    core::HashKey key_;
    std::array<Queue, orders> queues_;
    core::Tick soonest_ = core::Tick::max();  // none is due before
    std::uint32_t lingering_ = 0;
};

}  // namespace sipfront::sip

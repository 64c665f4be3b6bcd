// What becomes of a dialog, told to whoever keeps dialogs beyond this process. The worker that owns the dialog tells it, on its own
// thread; nothing in an event points to anything, so that it crosses threads by copy together with its texts.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "core/flow.hpp"
#include "core/tick.hpp"
#include "core/types.hpp"
#include "sip/dialog.hpp"

namespace sipfront::sip {

enum class DialogChange : std::uint8_t {
    born,     // an INVITE left; the set-up texts are there, and with another host once more after failover
    state,    // no more than the fields of the event itself: ringing, acknowledged, CSeq, load, expiry
    changed,  // answered, a target refreshed, adopted, or asked for again: all texts of the dialog are there
    ended     // it is over; all texts are there where `cdr` asks for them
};

// Texts beside those of DialogText that an early dialog's row needs: CANCEL, the ACK to a failure and a repeated INVITE must be
// served by another node (RFC 3261 §9.1, §17.1.1.3, §17.2.3).
enum class SetupText : std::uint8_t { request_uri, client_via, branch, routes, count_ };

inline constexpr std::size_t dialog_texts = static_cast<std::size_t>(DialogText::count_);
inline constexpr std::size_t event_texts = dialog_texts + static_cast<std::size_t>(SetupText::count_);
// DialogText's first, then SetupText's.
using EventTexts = std::array<std::string_view, event_texts>;
constexpr std::size_t index_of(DialogText t) noexcept { return static_cast<std::size_t>(t); }
constexpr std::size_t index_of(SetupText t) noexcept { return dialog_texts + static_cast<std::size_t>(t); }

struct DialogEvent {
    std::uint64_t id = 0;  // 63 bits; the same on both nodes and in every life of them
    std::uint64_t call_id_hash = 0;
    core::Tick at{};       // when it happened
    core::Tick started{};  // when the INVITE came; with `start_unknown`: when we heard of the dialog
    core::Tick expires{};
    core::FarEnd host;
    core::FarEnd client;
    std::uint32_t answered_after_ms = 0;  // since `started`; 0: not answered
    std::uint32_t caller_cseq = 0, callee_cseq = 0;
    std::uint16_t texts = 0;  // a bit for each text that is told, an empty one too; the others stay as they were
    std::uint16_t code = 0;   // `ended`: the final response that did it, or 0
    core::DestinationId destination = core::no_destination;
    core::WorkerId worker{};
    DialogChange change = DialogChange::state;
    DialogState state = DialogState::unconfirmed;
    DialogEnd end = DialogEnd::none;
    std::uint8_t attempts = 0;  // hosts tried, the first one too
    bool counted = false;
    bool caller_in_cluster = false;
    bool symmetric = false;
    bool start_unknown = false;  // known by its cookie alone, and no row has told more
};
static_assert(std::is_trivially_copyable_v<DialogEvent>);

class DialogObserver {
public:
    virtual ~DialogObserver() = default;

    // Called on the worker's thread; copies what it needs and never waits. False: no room now. The proxy then marks the dialog and
    // tells it again by a `changed`; of an `ended` that is refused only the id matters, and the observer must remember that it has
    // missed one.
    virtual bool note(const DialogEvent& e, const EventTexts& texts) noexcept = 0;
};

}  // namespace sipfront::sip

// Questions of control about dialogs, and a worker's answers: plain records in memory that control has made ready.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/endpoint.hpp"
#include "sip/dialog_event.hpp"
#include "sip/proxy.hpp"

namespace sipfront::app {

// A dialog as it stands, with its texts; those that do not fit are cut at the end.
struct ListedDialog {
    sip::DialogEvent event;
    std::array<std::uint16_t, sip::dialog_texts> lengths{};
    std::array<char, 2048> text;

    [[nodiscard]] std::string_view get(sip::DialogText t) const noexcept {
        std::size_t off = 0;
        for (std::size_t i = 0; i < sip::index_of(t); ++i) off += lengths[i];
        return {text.data() + off, lengths[sip::index_of(t)]};
    }
};

// Made and freed by control, filled in by the one worker that it is sent to; `done` hands it back.
struct DialogListing {
    enum class Kind : std::uint8_t { walk, find, end };

    Kind kind = Kind::walk;
    std::uint32_t position = 0;      // walk: where to begin, and then where to go on
    std::uint64_t call_id_hash = 0;  // find: of this Call-ID and caller's tag
    std::string caller_tag;
    std::uint64_t id = 0;             // end: this dialog, by BYE both ways
    std::vector<ListedDialog> found;  // as many as there is room for
    std::size_t count = 0;
    bool complete = false;  // walk: the last position was reached
    std::atomic<bool> done = false;
};

// On the worker's thread. A walk looks at no more than `max_steps` positions.
inline void answer(DialogListing& q, sip::Proxy& proxy, core::Tick now) {
    constexpr std::uint32_t max_steps = 4096;
    auto& dialogs = proxy.dialogs();
    const auto take = [&](const sip::Dialog& d) {
        auto& out = q.found[q.count++];
        out.event = proxy.describe(d, sip::DialogChange::state, now);
        std::size_t used = 0;
        for (std::size_t i = 0; i < sip::dialog_texts; ++i) {
            const auto t = d.get(static_cast<sip::DialogText>(i)).substr(0, out.text.size() - used);
            std::copy(t.begin(), t.end(), out.text.begin() + static_cast<std::ptrdiff_t>(used));
            out.lengths[i] = static_cast<std::uint16_t>(t.size());
            used += t.size();
        }
    };
    switch (q.kind) {
        case DialogListing::Kind::find:
            if (const auto* d = dialogs.find(q.call_id_hash, q.caller_tag); d != nullptr && d->state != sip::DialogState::deleted) take(*d);
            break;
        case DialogListing::Kind::end:
            q.count = proxy.end_by_management(q.id, now) ? 1 : 0;
            break;
        case DialogListing::Kind::walk:
            for (std::uint32_t i = 0; i < max_steps && q.count < q.found.size() && q.position < dialogs.extent(); ++i, ++q.position)
                if (const auto* d = dialogs.at(q.position); d != nullptr && d->state != sip::DialogState::deleted) take(*d);
            q.complete = q.position >= dialogs.extent();
            break;
    }
    q.done.store(true, std::memory_order_release);
}

}  // namespace sipfront::app

// What control asks the workers about their dialogs. A worker answers within a poll or two; one that does not is not waited for.
#include <chrono>
#include <thread>

#include "app/control.hpp"
#include "ha/instant.hpp"

namespace sipfront::app {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t at_once = 64;
constexpr auto patience = 250ms;

DialogStatus status_of(const ListedDialog& l, std::size_t worker, const ha::Instant& now) {
    const auto& e = l.event;
    const auto text = [&](sip::DialogText t) { return std::string{l.get(t)}; };
    const auto seconds = [&](core::Tick t) { return now.unix_us_of(t) / 1'000'000; };
    using enum sip::DialogText;
    return {.id = e.id,
            .worker = worker,
            .state = e.state,
            .start = e.answered_after_ms == 0 ? 0 : seconds(e.started + std::chrono::milliseconds{e.answered_after_ms}),
            .timeout = e.expires == core::Tick::max() ? 0 : seconds(e.expires),
            .call_id = text(call_id),
            .from_uri = text(from_uri),
            .from_tag = text(caller_tag),
            .to_uri = text(to_uri),
            .to_tag = text(callee_tag),
            .caller_contact = text(caller_contact),
            .callee_contact = text(callee_contact),
            .caller_route_set = text(caller_routes),
            .callee_route_set = text(callee_routes),
            .caller_cseq = e.caller_cseq,
            .callee_cseq = e.callee_cseq,
            .host = e.host.remote,
            .client = e.client.remote,
            .destination = e.destination,
            .counted = e.counted,
            .caller_in_cluster = e.caller_in_cluster};
}

core::Error silent(std::size_t worker) { return {"worker " + std::to_string(worker) + " does not answer"}; }

}  // namespace

bool Control::ask(std::size_t worker, const std::shared_ptr<DialogListing>& q) {
    q->count = 0;
    q->done.store(false, std::memory_order_relaxed);
    if (!parts_.switchboard.commands(core::WorkerId{static_cast<std::uint8_t>(worker)})
             .try_post({.kind = WorkerCommand::Kind::list, .listing = q.get()}))
        return false;
    for (const auto until = std::chrono::steady_clock::now() + patience; std::chrono::steady_clock::now() < until;) {
        if (q->done.load(std::memory_order_acquire)) return true;
        std::this_thread::sleep_for(50us);
    }
    unanswered_.push_back(q);
    return false;
}

core::Result<std::vector<DialogStatus>> Control::dialogs(std::uint32_t index, std::uint32_t count) {
    std::vector<DialogStatus> all;
    auto q = std::make_shared<DialogListing>();
    q->found.resize(at_once);
    std::uint64_t seen = 0;
    for (std::size_t w = 0; w < parts_.switchboard.workers() && all.size() < count; ++w) {
        q->position = 0;
        q->complete = false;
        while (!q->complete && all.size() < count) {
            if (!ask(w, q)) return silent(w);
            const ha::Instant now{parts_.clock(), ha::unix_us_now()};
            for (std::size_t i = 0; i < q->count && all.size() < count; ++i)
                if (seen++ >= index) all.push_back(status_of(q->found[i], w, now));
        }
    }
    return all;
}

core::Result<std::vector<DialogStatus>> Control::dialogs_of(const std::string& call_id, const std::string& from_tag) {
    if (parts_.steering == nullptr) return core::Error{"no workers"};
    auto q = std::make_shared<DialogListing>();
    q->kind = DialogListing::Kind::find;
    q->call_id_hash = parts_.steering->hash(call_id);
    q->caller_tag = from_tag;
    q->found.resize(1);
    const std::size_t w = core::raw(parts_.steering->owner(q->call_id_hash));
    if (!ask(w, q)) return silent(w);
    std::vector<DialogStatus> all;
    if (q->count != 0) all.push_back(status_of(q->found[0], w, {parts_.clock(), ha::unix_us_now()}));
    return all;
}

core::Result<bool> Control::end_dialog(std::uint64_t id) {
    for (std::size_t w = 0; w < parts_.switchboard.workers(); ++w) {
        auto q = std::make_shared<DialogListing>();
        q->kind = DialogListing::Kind::end;
        q->id = id;
        if (!ask(w, q)) return silent(w);
        if (q->count != 0) return true;
    }
    return false;
}

}  // namespace sipfront::app

#include "app/dialog_recovery.hpp"

#include <algorithm>
#include <deque>

#include "core/log.hpp"
#include "ha/instant.hpp"

namespace sipfront::app {

using namespace std::chrono_literals;

// Rows and what points into them, until their workers have taken them in.
struct DialogRecovery::Page {
    static constexpr std::size_t size = 4096;

    std::deque<ha::DialogRow> rows;
    std::deque<sip::RecoveredDialog> dialogs;

    void clear() {
        rows.clear();
        dialogs.clear();
    }
};

DialogRecovery::DialogRecovery(Parts parts)
    : parts_{std::move(parts)}, started_us_{parts_.unix_us()}, started_{parts_.clock()}, thread_{[this] { run(); }} {}

DialogRecovery::~DialogRecovery() { stop(); }

void DialogRecovery::stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
}

void DialogRecovery::run() {
    while (!read_all())
        if (!pause(parts_.retry)) return;
    if (stopping_) return;
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(parts_.clock() - started_);
    parts_.stats.micros.set(static_cast<std::uint64_t>(took.count()));
    core::log().info("recovery: {} dialogs of {} in {} ms", parts_.stats.brought.get(), parts_.store->name(), took.count() / 1000);
    parts_.stats.done = true;
}

// True: done, or stopped.
bool DialogRecovery::read_all() {
    Page page;
    bool stopped = false;
    const auto read = parts_.store->read([&](ha::DialogRow&& row) {
        parts_.stats.rows.add();
        add(page, std::move(row));
        if (page.rows.size() >= Page::size && !bring(page)) stopped = true;
        return !stopped && !stopping_;
    });
    if (stopped || stopping_ || !bring(page) || read) return true;
    if (parts_.stats.failures.get() == 0)
        core::log().warn("recovery: {}: {}; trying again every {} ms", parts_.store->name(), read.error().text, parts_.retry.count());
    parts_.stats.failures.add();
    return false;
}

void DialogRecovery::add(Page& page, ha::DialogRow&& row) {
    if (row.state == sip::DialogState::deleted) return;
    if (row.node == parts_.node && row.version >= started_us_) return parts_.stats.own.add();
    const auto end_of = [&](const std::string& text, const std::string& local) -> std::optional<core::FarEnd> {
        const auto far = ha::parse_socket(text);
        const auto near = ha::parse_socket(local);
        if (!far) return std::nullopt;
        core::FarEnd end;
        end.remote = far->address;
        end.transport = far->transport;
        // The same socket if we still have it, else any of that transport and family.
        const sip::Listener* best = nullptr;
        for (const auto& l : parts_.proxy.listeners) {
            if (l.transport != far->transport || l.local.address.family() != far->address.address.family()) continue;
            if (best == nullptr || (near && l.local == near->address)) best = &l;
        }
        if (best == nullptr) return std::nullopt;
        end.listener = best->id;
        return end;
    };
    const auto host = end_of(row.host, row.caller_in_cluster ? row.caller_sock : row.callee_sock);
    const auto client = end_of(row.client, row.caller_in_cluster ? row.callee_sock : row.caller_sock);
    if (!host || !client || row.callid.empty() || row.from_tag.empty()) return parts_.stats.unusable.add();

    auto& r = page.rows.emplace_back(std::move(row));
    auto& d = page.dialogs.emplace_back();
    const ha::Instant now{parts_.clock(), parts_.unix_us()};
    d.id = r.dlg_id;
    d.call_id_hash = parts_.steering.hash(r.callid);
    using enum sip::DialogText;
    const auto put = [&](sip::DialogText t, const std::string& text) { d.texts[sip::index_of(t)] = text; };
    put(call_id, r.callid);
    put(caller_tag, r.from_tag);
    put(callee_tag, r.to_tag);
    put(caller_contact, r.caller_contact);
    put(callee_contact, r.callee_contact);
    put(caller_routes, r.caller_route_set);
    put(callee_routes, r.callee_route_set);
    if (parts_.proxy.keep_parties) {
        put(from_uri, r.from_uri);
        put(to_uri, r.to_uri);
    }
    d.host = *host;
    d.host.zone = core::Zone::cluster;
    d.client = *client;
    d.start_unknown = r.created == 0;
    d.started = d.start_unknown ? now.tick : now.tick_of(r.created);
    d.expires = std::max(now.tick_of(r.timeout * 1'000'000), now.tick);
    const bool answered = r.state >= sip::DialogState::confirmed_no_ack;
    const auto after = d.start_unknown ? 0 : (r.start_time * 1'000'000 - r.created) / 10'000;
    d.answered_after = answered ? static_cast<std::uint16_t>(std::clamp<std::int64_t>(after, 1, 0xffff)) : std::uint16_t{0};
    d.caller_cseq = r.caller_cseq;
    d.callee_cseq = r.callee_cseq;
    const auto known = parts_.destinations.find({r.group, r.destination});
    d.destination = known == parts_.destinations.end() ? core::no_destination : known->second;
    d.state = r.state;
    d.counted = !r.resource.empty();
    d.caller_in_cluster = r.caller_in_cluster;
    d.symmetric = r.symmetric;
}

bool DialogRecovery::bring(Page& page) {
    for (const auto& d : page.dialogs) {
        auto& box = parts_.switchboard.recovered(parts_.steering.owner(d.call_id_hash));
        while (!box.try_post(&d))
            if (!pause(200us)) return false;
        parts_.stats.brought.add();
    }
    for (std::uint32_t w = 0; w < parts_.switchboard.workers(); ++w) {
        auto& box = parts_.switchboard.recovered(core::WorkerId{static_cast<std::uint8_t>(w)});
        while (box.drained() != box.posted())
            if (!pause(200us)) return false;
    }
    page.clear();
    return true;
}

// False: stopped.
bool DialogRecovery::pause(std::chrono::microseconds d) const {
    const auto until = std::chrono::steady_clock::now() + d;
    while (!stopping_ && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(until - std::chrono::steady_clock::now(), 50ms));
    return !stopping_;
}

}  // namespace sipfront::app

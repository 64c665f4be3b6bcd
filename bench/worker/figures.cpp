#include "bench/worker/figures.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "sip/dialog.hpp"
#include "sip/transaction.hpp"

namespace sipfront::bench {
namespace {

constexpr double line = 64;

// Octets of a dialog that a call writes, and finds again when it ends: record, texts, its line of the index.
double dialog_octets(sip::DialogTable& dialogs) {
    double texts = 0;
    dialogs.for_each([&](sip::Dialog& d) { texts += d.text.size; });
    return dialogs.size() == 0 ? 0 : sizeof(sip::Dialog) + texts / dialogs.size() + line;
}

// Octets between memory and core that a call causes. Messages: once by the port and once by the core. State, which has left the caches
// when it is needed again: written and read. An answered transaction (two a call) stands in a ring and in a line of the index.
double memory_traffic(double message_octets, double dialog) {
    constexpr double transaction = 2 * (sizeof(sip::Linger) + line);
    return 2 * message_octets + 2 * dialog + 2 * transaction;
}

void row(std::string_view what, std::string_view value) { fmt::print("{:<48} {:>14}\n", what, value); }

}  // namespace

Figures gather(const Options& options, std::span<const std::unique_ptr<Seat>> seats, const Resident& before) {
    Figures f;
    std::chrono::nanoseconds busy{0}, busiest{0}, longest{0}, disturbed{0};
    double octets = 0, dialog = 0;
    const auto now = resident();
    for (const auto& seat : seats) {
        auto& s = *seat;
        const auto grown = s.since_mark();
        f.messages += grown.handled;
        f.steered += grown.steered;
        octets += static_cast<double>(grown.octets);
        f.completed += grown.completed;
        for (const auto phase : {std::uint8_t{0}, std::uint8_t{1}})
            f.failed += s.engine.stats(phase).failed() + s.engine.stats(phase).wrong();
        const auto said_no = s.engine.stats(1).outcomes[traffic::Outcome::rejected].get();
        f.refused += said_no;
        if (options.refuse) f.failed -= said_no + s.engine.stats(0).outcomes[traffic::Outcome::rejected].get();
        f.open += s.engine.open();
        f.dialogs += s.worker().proxy().dialogs().size();
        f.transactions += s.worker().proxy().transactions().size();
        f.lingering += s.worker().proxy().transactions().lingering();
        f.traffic_bytes += s.engine.memory();
        dialog = std::max(dialog, dialog_octets(s.worker().proxy().dialogs()));
        busy += s.busy;
        disturbed += s.disturbed;
        busiest = std::max(busiest, s.busy);
        longest = std::max(longest, s.longest);
        for (const auto& sample : s.engine.samples()) fmt::print(stderr, "{}\n", sample);
    }
    // In the steady state as many end as are placed; those in flight at either end of the measurement even out.
    f.calls = options.rate * options.seconds;
    f.ns_per_message = static_cast<double>(busy.count()) / static_cast<double>(f.messages);
    f.quiet_ns_per_message = static_cast<double>((busy - disturbed).count()) / static_cast<double>(f.messages);
    f.calls_per_second = 1e9 * f.calls / static_cast<double>(busiest.count());
    f.longest_poll_us = static_cast<double>(longest.count()) / 1e3;
    f.bytes_per_call = memory_traffic(octets / f.calls, dialog);
    f.resident_bytes = now.bytes;
    f.huge_bytes = now.huge;
    const auto others = before.bytes + f.traffic_bytes;
    f.worker_bytes = now.bytes > others ? now.bytes - others : 0;
    return f;
}

void show(const Options& options, const Figures& f) {
    const std::string_view kind = options.registrations ? "registrations" : "full calls";
    const auto whole = [](std::uint64_t n) { return fmt::format("{}", n); };
    const auto mebibytes = [](std::uint64_t n) { return fmt::format("{:.0f}", static_cast<double>(n) / (1 << 20)); };
    row("messages handled", whole(f.messages));
    row(fmt::format("{} completed", kind), whole(f.completed));
    if (options.refuse) row("refused", whole(f.refused));
    row("failed or wrong", whole(f.failed));
    row("open", whole(f.open));
    row("dialogs", whole(f.dialogs));
    row("transactions", whole(f.transactions));
    row("  of these lingering", whole(f.lingering));
    row("resident, MiB", mebibytes(f.resident_bytes));
    row("  in huge pages", mebibytes(f.huge_bytes));
    row("  of callers and hosts", mebibytes(f.traffic_bytes));
    row("  of the workers, since the first call", mebibytes(f.worker_bytes));
    if (f.mostly_lingering()) {
        row("  of the workers, octets a lingering transaction", fmt::format("{:.0f}", f.bytes_per_lingering()));
    } else if (f.dialogs > 0) {
        row("  of the workers, octets a dialog", fmt::format("{:.0f}", f.bytes_per_dialog()));
    }
    row("handed to another worker, share", fmt::format("{:.2f}", f.steered_fraction()));
    if (f.handoff)
        row("handing over: sender + receiver - at home, ns",
            fmt::format("{:.0f}+{:.0f}-{:.0f}", f.handoff->sender_ns, f.handoff->receiver_ns, f.handoff->home_ns));
    row("octets to and from memory a call", fmt::format("{:.0f}", f.bytes_per_call));
    row("longest poll, us", fmt::format("{:.0f}", f.longest_poll_us));
    row("ns per message", fmt::format("{:.1f}", f.ns_per_message));
    row("  without polls beyond a millisecond", fmt::format("{:.1f}", f.quiet_ns_per_message));
    row(fmt::format("{} per second", kind), fmt::format("{:.0f}", f.calls_per_second));
}

void write_json(const Options& options, const Figures& f) {
    nlohmann::json json{{"workers", options.workers},
                        {"steer", options.one_queue ? "one-queue" : "spread"},
                        {"invite_bytes", options.invite_bytes},
                        {"rate", options.rate},
                        {"hold", options.hold_s},
                        {"calls_per_second", f.calls_per_second},
                        {"ns_per_message", f.ns_per_message},
                        {"quiet_ns_per_message", f.quiet_ns_per_message},
                        {"messages_per_call", static_cast<double>(f.messages) / f.calls},
                        {"longest_poll_us", f.longest_poll_us},
                        {"steered_fraction", f.steered_fraction()},
                        {"bytes_per_call", f.bytes_per_call},
                        {"dialogs", f.dialogs},
                        {"lingering", f.lingering},
                        {"resident_bytes", f.resident_bytes},
                        {"huge_page_bytes", f.huge_bytes},
                        {"traffic_bytes", f.traffic_bytes},
                        {"worker_bytes", f.worker_bytes},
                        {"bytes_per_dialog", f.bytes_per_dialog()},
                        {"bytes_per_lingering", f.bytes_per_lingering()},
                        {"refused", f.refused},
                        {"failed", f.failed}};
    if (f.handoff) {
        json["handoff_ns"] = f.handoff->cost_ns();
        json["handoff"] = {{"sender_ns", f.handoff->sender_ns}, {"receiver_ns", f.handoff->receiver_ns}, {"home_ns", f.handoff->home_ns}};
    }
    std::ofstream file{options.json};
    file << json.dump(2) << '\n';
    if (!file.flush()) throw std::runtime_error{options.json + " cannot be written"};
}

}  // namespace sipfront::bench

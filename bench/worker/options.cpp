#include "bench/worker/options.hpp"

#include <CLI/CLI.hpp>

namespace sipfront::bench {

std::optional<Options> parse_options(int argc, char** argv, int& exit_status) {
    // RFC 3261 64*T1, for which answered transactions linger, and a second more.
    constexpr double linger = 33;
    Options o;
    std::string steer = "spread";
    CLI::App app{"Whole workers on memory I/O and a virtual clock", "bench_worker"};
    app.add_option("--rate", o.rate, "calls (or registrations) a second of virtual time, all workers together")
        ->check(CLI::Range(1.0, 1e7));
    auto* hold = app.add_option("--hold", o.hold_s, "seconds from ACK to BYE")->check(CLI::Range(0.0, 1e6));
    app.add_option("--delay", o.delay_s,
                   "seconds from callers and hosts to the worker: what a message needs has been out of use for so long")
        ->check(CLI::Range(0.0, 0.45));  // below T1, or everything is retransmitted
    app.add_option("--seconds", o.seconds, "virtual seconds measured")->check(CLI::Range(0.1, 1e6));
    auto* warm = app.add_option("--warm-up", o.warm_s, "virtual seconds before, until all timers hold their population")
                     ->check(CLI::Range(0.0, 1e6));
    app.add_option("--dialogs", o.dialogs, "calls held: sets --hold, and --warm-up so that all of them and what lingers stand")
        ->check(CLI::Range(1U, 50'000'000U))
        ->excludes(hold, warm);
    app.add_option("--calls-a-turn", o.at_once, "new calls that arrive together: how full the bursts are")->check(CLI::Range(1, 32));
    app.add_option("--workers", o.workers, "each on a thread of its own")->check(CLI::Range(1, 64));
    app.add_option("--steer", steer, "spread: packets come to any queue; one-queue: all to the first worker's")
        ->check(CLI::IsMember({"spread", "one-queue"}));
    app.add_option("--invite-bytes", o.invite_bytes, "length of the INVITE; from 1,100 or so with an Identity header")
        ->check(CLI::Range(0, 3000));
    app.add_flag("--long-texts", o.long_texts, "Call-IDs of 48 octets, tags of 32, Contacts of 90");
    app.add_flag("--register", o.registrations, "registrations in place of calls");
    app.add_flag("--refuse", o.refuse, "ports whose queues never run empty: all but the least share of new work is refused");
    app.add_flag("--journal", o.journal, "each change of a dialog is posted to a journal");
    app.add_flag("--small-pages", o.small_pages, "no huge pages, to show what they are worth");
    app.add_option("--json", o.json, "writes the figures to a file");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        exit_status = app.exit(e) == 0 ? 0 : 2;
        return std::nullopt;
    }
    o.one_queue = steer == "one-queue";
    if (o.dialogs > 0) {
        o.hold_s = o.dialogs / o.rate;
        o.warm_s = o.hold_s + linger;
    }
    return o;
}

}  // namespace sipfront::bench

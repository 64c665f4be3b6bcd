"""bench/cold: see its head."""

import argparse
import json
import statistics
import sys
from pathlib import Path

from . import build, worker
from .columns import cell, table
from .shell import LabError

KEYS = ("ns_per_message", "quiet_ns_per_message", "calls_per_second", "longest_poll_us", "dialogs", "lingering", "worker_bytes", "huge_page_bytes", "resident_bytes")
ROWS = [("ns_per_message", "ns/message", "{:,.0f}"), ("quiet_ns_per_message", "undisturbed", "{:,.0f}"),
        ("longest_poll_us", "longest poll, us", "{:,.0f}"), ("lingering", "lingering", "{:,.0f}")]


def arguments():
    own, passed_on = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, passed_on = own[:at], own[at + 1:]
    parser = argparse.ArgumentParser(prog="bench/cold", description="One worker on memory I/O: few dialogs, whose state stays in the caches, against "
                                     "many, whose state never is.", epilog="What follows -- goes to bench_worker: -- --invite-bytes 1300")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--dialogs", type=int, default=5_000_000, metavar="N", help="held in the large run (default: 5,000,000)")
    parser.add_argument("--few", type=int, default=1_000, metavar="N", help="held in the small one (default: 1,000)")
    parser.add_argument("--hold", type=float, default=250, metavar="S", help="virtual seconds of each call, in both (default: 250)")
    parser.add_argument("--delay", type=float, default=0.4, metavar="S", help="virtual seconds from callers and hosts to the worker (default: 0.4)")
    parser.add_argument("--calls", type=int, default=300_000, metavar="N", help="measured (default: 300,000)")
    parser.add_argument("--small-pages", action="store_true", help="the large run without huge pages, too")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args(own)
    if not 1 <= args.rounds <= 50 or not 1 <= args.few < args.dialogs <= 50_000_000 or not 1 <= args.hold <= 10_000 or args.calls < 1_000:
        parser.error("--rounds takes 1 to 50, --few less than --dialogs, --hold 1 to 10,000, --calls 1,000 and more")
    args.passed_on = passed_on
    return args


def measure(program: Path, dialogs: int, args, *options: str) -> dict:
    """Rate and dialogs grow together, so that what lingers and what is under way does, too: nothing but the size of the state differs.
    The delay makes a call's messages come apart, as they do on a network: in the large run a hundred thousand others come in between."""
    rate = dialogs / args.hold
    found = worker.run(program, "--rate", f"{rate:.9g}", "--dialogs", str(dialogs), "--seconds", f"{args.calls / rate:.9g}",
                       "--delay", str(args.delay), *options, *args.passed_on)
    return worker.numbers(found, KEYS, f"bench_worker --dialogs {dialogs}")


def main() -> int:
    args = arguments()
    program = build.program("bench_worker", "bench/worker", "BENCH_WORKER")
    variants = {f"{args.few:,} dialogs": (args.few,), f"{args.dialogs:,} dialogs": (args.dialogs,)}
    if args.small_pages:
        variants[f"{args.dialogs:,}, small pages"] = (args.dialogs, "--small-pages")
    results: dict[str, list[dict]] = {name: [] for name in variants}
    for number in range(args.rounds):
        for name in variants if number % 2 == 0 else reversed(variants):
            dialogs, *options = variants[name]
            results[name].append(measure(program, dialogs, args, *options))
            print(f"round {number + 1}: {name}: {results[name][-1]['quiet_ns_per_message']:,.0f} ns/message", flush=True)
    print()
    few = next(iter(results.values()))
    rows = [["", *(what for _, what, _ in ROWS), "to the first", "octets a dialog", "in huge pages"]]
    for name, runs in results.items():
        # Formed inside a round: the machine's bad minutes hit both.
        ratios = [run["quiet_ns_per_message"] / one["quiet_ns_per_message"] for run, one in zip(runs, few)]
        rows.append([name, *(cell([r[key] for r in runs], form) for key, _, form in ROWS), cell(ratios, "{:.2f}"),
                     cell([r["worker_bytes"] / r["dialogs"] for r in runs], "{:,.0f}") if runs is not few else "-",
                     f"{statistics.median(r['huge_page_bytes'] / r['resident_bytes'] for r in runs):.0%}"])
    table(rows)
    if args.json:
        Path(args.json).write_text(json.dumps({"hold": args.hold, "delay": args.delay, "calls": args.calls, "rounds": results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"cold: {error}")
    except KeyboardInterrupt:
        sys.exit(130)

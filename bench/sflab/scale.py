"""bench/scale: see its head."""

import argparse
import json
import math
import os
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from . import build, worker
from .columns import cell, table
from .shell import LabError

KEYS = ("calls_per_second", "ns_per_message", "steered_fraction", "handoff_ns", "bytes_per_call")
MODEL_CORES = (8, 16, 32, 64)


@dataclass(frozen=True)
class Inputs:
    """What the model starts from: measured, but for the three of the machine and of the store."""
    ns_per_message: float      # one worker, nothing steered
    messages_per_call: float   # received ones
    handoff_ns: float          # what one steered message costs over one that is not
    bytes_per_call: float      # to and from memory
    bandwidth: float           # bytes a second that memory gives all cores
    rows_per_call: float       # written to the store
    store_rows: float          # rows a second that one writer drains


def model(given: Inputs, cores: int) -> dict:
    """Calls a second of `cores` workers, each on a core of its own.

    Spread: packets come to any queue and calls belong to workers by Call-ID, so 1 - 1/N of the messages are handed over.
    One queue: one worker receives all. It handles its own N-th of the messages and hands over the rest, and the whole cost of
    a hand-over is laid on it; however many others there are, it cannot hand over more than one message in handoff_ns.
    Memory: all cores share its bandwidth.
    Store: rows that come faster than its writers drain wait, and the lag grows while they do.
    """
    per_message = 1e9 / given.messages_per_call  # ns of one core and second, for each message of a call
    steered = 1 - 1 / cores
    spread = cores * per_message / (given.ns_per_message + steered * given.handoff_ns)
    receiver = per_message / (given.ns_per_message / cores + steered * given.handoff_ns)
    others = cores * per_message / given.ns_per_message
    memory = given.bandwidth / given.bytes_per_call
    rows = min(spread, memory) * given.rows_per_call
    return {"cores": cores, "steered": steered, "spread": min(spread, memory), "one_queue": min(receiver, others, memory),
            "bound": "memory" if memory < spread else "cores", "store_writers": math.ceil(rows / given.store_rows),
            # Seconds behind after a minute at this rate, with one writer.
            "lag_after_minute": max(0.0, 60 * (rows / given.store_rows - 1))}


def arguments():
    own, passed_on = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, passed_on = own[:at], own[at + 1:]
    parser = argparse.ArgumentParser(prog="bench/scale", description="Workers 1 to N on memory I/O, and a model of 8 to 64 cores.",
                                     epilog="What follows -- goes to bench_worker: -- --rate 20000 --hold 10 --seconds 20")
    cpus = len(os.sched_getaffinity(0))
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--workers", type=int, default=cpus, metavar="N", help=f"most workers at once (default: one a CPU, {cpus} here)")
    parser.add_argument("--bandwidth", type=float, default=100, metavar="GB/S", help="of the modelled machine's memory (default: 100)")
    parser.add_argument("--rows-per-call", type=float, default=2, metavar="N", help="that the store is sent (default: 2, answered and ended)")
    parser.add_argument("--store-rows", type=float, default=50_000, metavar="N", help="rows a second of one writer (default: 50,000)")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args(own)
    if not 1 <= args.rounds <= 50 or not 1 <= args.workers <= 256 or min(args.bandwidth, args.rows_per_call, args.store_rows) <= 0:
        parser.error("--rounds takes 1 to 50, --workers 1 to 256, the others positive numbers")
    args.passed_on = passed_on
    return args


def measure(program: Path, workers: int, steer: str, passed_on: list[str]) -> dict:
    found = worker.run(program, "--workers", str(workers), "--steer", steer, *passed_on)
    if workers == 1:
        # Nothing is handed over by a worker that is alone.
        found |= {"steered_fraction": 0, "handoff_ns": 0}
    return worker.numbers(found, KEYS, f"bench_worker --workers {workers} --steer {steer}")


def median(runs: list[dict], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def measured_table(results: dict[tuple[int, str], list[dict]]):
    alone = results[1, "spread"]
    rows = [["workers", "packets", "calls/s", "to one worker", "ns/message", "steered", "hand-over, ns"]]
    for (workers, steer), runs in results.items():
        # Formed inside a round: the machine's bad minutes hit both.
        ratios = [run["calls_per_second"] / one["calls_per_second"] for run, one in zip(runs, alone)]
        rows.append([str(workers), steer, cell([r["calls_per_second"] for r in runs], "{:,.0f}"), cell(ratios, "{:.2f}"),
                     cell([r["ns_per_message"] for r in runs], "{:,.0f}"), cell([r["steered_fraction"] for r in runs], "{:.1%}"),
                     cell([r["handoff_ns"] for r in runs], "{:,.0f}")])
    table(rows)


def inputs(results: dict[tuple[int, str], list[dict]], args) -> Inputs:
    alone = results[1, "spread"]
    most = results[max(workers for workers, _ in results), "spread"]
    ns = median(alone, "ns_per_message")
    # On a busy machine the difference between handing over and not may vanish.
    handoff = max(1.0, median(most, "handoff_ns"))
    return Inputs(ns_per_message=ns, messages_per_call=1e9 / (ns * median(alone, "calls_per_second")), handoff_ns=handoff,
                  bytes_per_call=median(alone, "bytes_per_call"), bandwidth=args.bandwidth * 1e9, rows_per_call=args.rows_per_call,
                  store_rows=args.store_rows)


def model_table(given: Inputs):
    print(f"\nModel, from {given.ns_per_message:,.0f} ns a message, {given.messages_per_call:.2f} messages a call, "
          f"{given.handoff_ns:,.0f} ns a hand-over, {given.bytes_per_call:,.0f} bytes of memory traffic a call, {given.bandwidth / 1e9:,.0f} GB/s:")
    rows = [["cores", "steered", "calls/s, spread", "bound by", "calls/s, one queue", "store writers", "lag after 1 min, s"]]
    for cores in MODEL_CORES:
        m = model(given, cores)
        rows.append([str(cores), f"{m['steered']:.1%}", f"{m['spread']:,.0f}", m["bound"], f"{m['one_queue']:,.0f}", f"{m['store_writers']:,}",
                     f"{m['lag_after_minute']:,.0f}"])
    table(rows)


def main() -> int:
    args = arguments()
    program = build.program("bench_worker", "bench/worker", "BENCH_WORKER")
    variants = [(1, "spread")] + [(n, steer) for n in range(2, args.workers + 1) for steer in ("spread", "one-queue")]
    results: dict[tuple[int, str], list[dict]] = {variant: [] for variant in variants}
    for number in range(args.rounds):
        for workers, steer in variants if number % 2 == 0 else reversed(variants):
            found = measure(program, workers, steer, args.passed_on)
            results[workers, steer].append(found)
            print(f"round {number + 1}: {workers} workers, {steer}: {found['calls_per_second']:,.0f} calls/s", flush=True)
    print()
    measured_table(results)
    if len(variants) == 1:
        print("\nno model: one worker alone hands nothing over; it takes two CPUs (or --workers 2)")
        return 0
    given = inputs(results, args)
    model_table(given)
    if args.json:
        Path(args.json).write_text(json.dumps({"measured": [{"workers": w, "steer": s, "rounds": runs} for (w, s), runs in results.items()],
                                               "inputs": asdict(given), "model": [model(given, cores) for cores in MODEL_CORES]}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"scale: {error}")
    except KeyboardInterrupt:
        sys.exit(130)

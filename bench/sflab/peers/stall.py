"""A database that stands still under calls: Kamailio with its dialogs in it, and sipfront with the same one."""

import signal
import statistics
import time

from . import mariadb

BEFORE, AFTER = 10, 20  # seconds of calls around the stall
HOLD = 2


def run(bench, contestants: list, args) -> dict[str, list[dict]]:
    results: dict[str, list[dict]] = {peer.name: [] for peer in contestants}
    for number in range(args.rounds):
        for peer in contestants:
            found = once(bench, peer, args.rate, args.stall)
            results[peer.name].append(found)
            print(f"round {number + 1}: {line(peer.label, found)}", flush=True)
    return results


def once(bench, peer, rate: float, seconds: float) -> dict:
    with bench.loaded(peer, rate=rate, seconds=BEFORE + seconds + AFTER, warm_up=3, hold=HOLD) as generator:
        time.sleep(3 + BEFORE)
        database = mariadb.server().process
        database.send(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            database.send(signal.SIGCONT)
        report = generator.result()
    answer = report["latency_us"]["answer"]
    return {"placed": report["placed"], "failed": report["failed"] + report["wrong"], "answer_p50": answer["p50"], "answer_p99": answer["p99"]}


def line(label: str, found: dict) -> str:
    return (f"{label:<22} {found['placed']:>8,} calls, {found['failed']:>8,} failed ({found['failed'] / max(1, found['placed']):.1%}); "
            f"answered after p50 {found['answer_p50'] / 1e3:,.1f} ms, p99 {found['answer_p99'] / 1e3:,.1f} ms")


def report(results: dict[str, list[dict]], contestants: list, args):
    print(f"\n{args.rate} calls/s, {args.stall:g} s of {BEFORE + args.stall + AFTER:g} without the database; medians of {args.rounds} rounds")
    for peer in contestants:
        rounds = results[peer.name]
        print(line(peer.label, {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}))

"""bench/peers: see its head."""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from .. import build, lab, limit, memory, proc
from ..memif import FORWARDS_A_CALL
from ..shell import LabError, run
from . import cpu, generator, mariadb, measure, net, plan, stall, table
from .kamailio import Kamailio
from .memif import Memif
from .sipfront import PORTS, Sipfront

def arguments():
    parser = argparse.ArgumentParser(prog="bench/peers", description="Kamailio and sipfront, in turns, at the same job: record-routed calls balanced "
                                     "over four hosts, a dialog kept for each. The peer has one CPU, the generator another.")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--seconds", type=float, default=10, metavar="S", help="of each measured run, and of each step of the search")
    parser.add_argument("--quick", action="store_true", help="5 s runs, a coarse search, 20,000 held dialogs: some two minutes a peer and round")
    parser.add_argument("--with-db", action="store_true", help="Kamailio with its dialogs in MariaDB, too")
    parser.add_argument("--children", type=int, default=1, metavar="N", help="Kamailio's receivers, all on the one CPU")
    parser.add_argument("--rate", type=int, default=2_000, metavar="R", help="calls a second at which CPU and latency are taken")
    parser.add_argument("--ports", default="af_packet,af_xdp", metavar="LIST", help="of sipfront: " + ", ".join(PORTS))
    parser.add_argument("--no-memif", dest="memif", action="store_false", help="leave out sipfront over a memif (five minutes a round)")
    parser.add_argument("--with-limit", action="store_true", help="testpmd macswap on sipfront's ports in every round, and its share of that")
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="leave out the held dialogs (two minutes a peer)")
    parser.add_argument("--stall", type=float, metavar="S", help="instead: Kamailio and sipfront with their dialogs in MariaDB, which stands still "
                        "for so long under --rate calls a second")
    parser.add_argument("--json", metavar="FILE", help="everything measured, every round")
    args = parser.parse_args()
    args.ports = [port for port in args.ports.split(",") if port]
    if unknown := set(args.ports) - set(PORTS):
        parser.error(f"no port {', '.join(sorted(unknown))}: {', '.join(PORTS)}")
    if not 1 <= args.rounds <= 50 or not 3 <= args.seconds <= 600 or not 1 <= args.children <= 64 or not 100 <= args.rate <= 1_000_000:
        parser.error("--rounds takes 1 to 50, --seconds 3 to 600, --children 1 to 64, --rate 100 to 1,000,000")
    if args.stall is not None and not 1 <= args.stall <= 300:
        parser.error("--stall takes 1 to 300")
    return args


def settings(args) -> measure.Settings:
    if args.quick:
        return measure.Settings(seconds=5, warm_up=3, rate=args.rate, held=20_000, precision=1.06)
    return measure.Settings(seconds=args.seconds, warm_up=10, rate=args.rate, held=50_000, precision=1.02)


def peers(args, cpus: plan.Cpus, daemon: str) -> list:
    if args.stall:
        return [Kamailio(cpus, args.children, database=True), Sipfront(cpus, daemon, database=True)]
    found = [Kamailio(cpus, args.children)]
    found += [Sipfront(cpus, daemon, port) for port in args.ports]
    if args.memif:
        found.append(Memif(cpus, daemon))
    if args.with_db:
        found.append(Kamailio(cpus, args.children, database=True))
    return found


def clean():
    """Takes away what this run, or one that was killed, has left. What fails does not keep the rest from being tried."""
    wrong = []
    steps = [lambda p=process: p.stop(grace=1) for process in proc.every()]
    steps += [proc.reap, mariadb.remove, net.remove_all, net.untune, lambda: memory.clean("peer"), lambda: memory.clean("generator"), memory.release]
    for step in steps:
        try:
            step()
        except (LabError, OSError) as error:
            wrong.append(str(error))
    if wrong:
        # The record of what is not put back yet stays.
        raise LabError("cleaning up: " + "; ".join(wrong))
    shutil.rmtree(plan.STATE, ignore_errors=True)


def steady(bench: measure.Bench, peer, maximum: float, common: float) -> dict:
    """CPU and latency at the common rate; for a peer that cannot take it, and for one that it leaves idle, where it is half busy."""
    half = max(50, maximum / 2)
    if half < 10 * common:
        found = bench.steady(peer, min(common, half))
        return found | ({"common_cpu_us": found["cpu_us"]} if found["rate"] == common else {})
    return bench.steady(peer, half) | {"common_cpu_us": bench.steady(peer, common)["cpu_us"]}


def share_of_limit(bench: measure.Bench, peer: Sipfront, maximum: float) -> dict:
    """What testpmd forwards on a port of the same kind, of frames of a middle size, and what share of that the calls are."""
    frames = limit.over_port(peer.port, bench.program, 600, 5, (bench.cpus.proxy, bench.cpus.generator))["frames_per_second"]
    return {"macswap": frames, "share": maximum * FORWARDS_A_CALL / frames} if frames else {}


def compare(bench: measure.Bench, contestants: list, args, results: dict[str, list[dict]]):
    for number in range(args.rounds):
        # Forth and back, so that none is always the first after a pause.
        for peer in contestants if number % 2 == 0 else reversed(contestants):
            last = results[peer.name][-1]["calls_per_second"] if number else 0
            found = bench.maximum(peer, guess=last or getattr(peer, "guess", 2 * args.rate))
            found |= steady(bench, peer, found["calls_per_second"], args.rate)
            if args.with_limit and isinstance(peer, Sipfront):
                found |= share_of_limit(bench, peer, found["calls_per_second"])
            # Counted, not timed: once is enough, and once for a daemon on whatever port.
            if number == 0 and args.memory and not isinstance(peer, Memif):
                found |= bench.memory(peer)
            results[peer.name].append(found)
            print(f"round {number + 1}: {peer.label:<22} {found['calls_per_second']:>7,.0f} calls/s{'*' if found['bound'] == 'generator' else ' '}  "
                  f"at {found['rate']:,.0f}/s: {found['cpu_us']:>6.1f} us CPU a call, added p99 {found['added_p99']:>8,.0f} us", flush=True)


def machine() -> dict:
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": os.uname().release, "load": os.getloadavg(),
            "kamailio": run("kamailio", "-V", check=False).splitlines()[0]}


def report(results: dict, contestants: list, args, chosen: measure.Settings, started: float):
    labels = {peer.name: peer.label for peer in contestants}
    summary = table.summarize(results)
    print()
    for line in table.lines(summary, labels):
        print(line)
    print(f"median (least to most) of {args.rounds} rounds; at the maximum at most {chosen.max_failed:.2%} of the calls failed")
    if any(found["bound"] == "generator" for rounds in results.values() for found in rounds):
        print("* the generator was too slow for a higher rate")
    for line in table.ratios(results, labels, next(iter(results))):
        print(line)
    if cpu.excludes_softirq():
        print("this kernel keeps softirq time out of a process's account: Kamailio's CPU per call is more than it shows")
    if args.json:
        Path(args.json).write_text(json.dumps({"machine": machine(), "settings": vars(chosen) | {"rounds": args.rounds, "children": args.children},
                                               "elapsed_seconds": time.time() - started, "rounds": results, "summary": summary}, indent=1) + "\n")


def main() -> int:
    args = arguments()
    if os.geteuid() != 0:
        raise LabError("needs root: sudo bench/peers")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started, chosen, cpus = time.time(), settings(args), plan.Cpus()
    print("building the release preset ...", flush=True)
    daemon, program = build.daemon(), generator.binary()
    contestants = peers(args, cpus, str(daemon))
    results: dict[str, list[dict]] = {peer.name: [] for peer in contestants}
    with lab.exclusive():
        plan.observe_from(cpus.generator)
        clean()
        plan.STATE.mkdir(parents=True)
        try:
            net.tune()
            bench = measure.Bench(program, cpus, chosen)
            if args.stall:
                results = stall.run(bench, contestants, args)
            else:
                compare(bench, contestants, args, results)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            clean()
    if args.stall:
        stall.report(results, contestants, args)
    else:
        report(results, contestants, args, chosen, started)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"peers: {error}")
    except KeyboardInterrupt:
        sys.exit(130)

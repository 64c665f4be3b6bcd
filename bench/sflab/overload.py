"""bench/overload: see its head."""

import argparse
import json
import sys
from pathlib import Path

from . import bypass, memif
from .memif import HUGE_MB
from .shell import LabError

EXPLAINED = ("completed", "rejected")  # what may become of a call under overload


def parse(argv, doc: str):
    parser = argparse.ArgumentParser(prog="bench/overload", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = parser.add_mutually_exclusive_group(required=True)
    known.add_argument("--search", metavar="LO:HI", help="find the maximum in this range first")
    known.add_argument("--capacity", type=float, help="the maximum in calls a second, when it is known")
    parser.add_argument("--search-seconds", type=float, default=5, help="measured at each rate of the search (default 5)")
    parser.add_argument("--factor", type=float, default=3, help="offered, in multiples of the maximum (default 3)")
    own, rest = parser.parse_known_args(argv)
    given = memif.parse(["--rate", "1", *rest], doc)
    return own, rest, given.json


def at_rate(rate: float, options: list[str], programs: list[Path], pages, doc: str) -> dict:
    # Refusals are what is looked for: any number of them is within bounds.
    args = memif.parse(["--rate", str(rate), *options, "--max-failed", "1"], doc)
    return memif.drive(args, *programs, pages)[2]


def maximum(own, options: list[str], programs: list[Path], pages, doc: str) -> float:
    args = memif.parse(["--search", own.search, *options, "--seconds", str(own.search_seconds)], doc)
    status, table, report = memif.drive(args, *programs, pages)
    best = report["sipgen"].get("best_rate", 0)
    if status not in (0, 1) or best <= 0:
        raise LabError("no rate of the search passed:\n" + table)
    return best


def outcome(capacity: float, report: dict) -> dict:
    result, window = report["sipgen"]["result"], report["proxy"]["windows"][-1]
    others = {k: n for k, n in result["outcomes"].items() if n and k not in EXPLAINED}
    refusal = result["latency_us"]["refusal"]
    return {"maximum": capacity, "offered": result["rate"], "generator_kept_up": result["generator"]["kept_up"],
            "goodput": result["calls_per_second"], "goodput_share": result["calls_per_second"] / capacity, "placed": result["placed"],
            "completed": result["completed"], "refused": result["outcomes"]["rejected"], "lost_or_wrong": others,
            "client_retransmissions": result["events"]["client_retransmissions"], "refusal_p50_us": refusal["p50"], "refusal_p99_us": refusal["p99"],
            "added_p50_us": result["latency_us"]["added"]["p50"], "added_p99_us": result["latency_us"]["added"]["p99"],
            "bye_p99_us": result["latency_us"]["bye"]["p99"], "admission_share": window["admission_share"],
            "probe_failures": window["probe_failures"], "hosts_out": window["hosts_out"], "poll_core_use": window["poll_core_use"]}


def text_of(o: dict) -> str:
    others = ", ".join(f"{name} {n}" for name, n in o["lost_or_wrong"].items()) or "none"
    share = lambda n: f"{n / max(o['placed'], 1):.2%}"
    rows = [("maximum", f"{o['maximum']:.0f} calls/s"), ("offered", f"{o['offered']:.0f} calls/s, {o['offered'] / o['maximum']:.1f} times that"
             + ("" if o["generator_kept_up"] else " (the generator did not keep up)")),
            ("goodput", f"{o['goodput']:.0f} calls/s, {o['goodput_share']:.1%} of the maximum"),
            ("refused with 503", f"{o['refused']} ({share(o['refused'])}), after {o['refusal_p50_us']:.0f} us (p50), {o['refusal_p99_us']:.0f} us (p99)"),
            ("lost or wrong", f"{others} ({share(sum(o['lost_or_wrong'].values()))})"),
            ("client retransmissions", str(o["client_retransmissions"])),
            ("INVITE to the host", f"{o['added_p50_us']:.0f} us (p50), {o['added_p99_us']:.0f} us (p99); BYE to 200 {o['bye_p99_us']:.0f} us (p99)"),
            ("share admitted at the end", f"{o['admission_share']:.0%}"),
            ("probes without an answer", f"{o['probe_failures']:.0f}; hosts out of service: {o['hosts_out']:.0f}")]
    return "\n" + "".join(f"  {name:<26} {value}\n" for name, value in rows)


def main(argv, doc: str) -> int:
    own, options, file = parse(argv, doc)
    programs = bypass.programs("sipfrontd", "sipgen")
    with bypass.HugePages(sum(HUGE_MB.values()) + 32) as pages, bypass.place():
        capacity = own.capacity or maximum(own, options, programs, pages, doc)
        report = at_rate(own.factor * capacity, options, programs, pages, doc)
    report["overload"] = outcome(capacity, report)
    print(text_of(report["overload"]), end="", flush=True)
    if file:
        Path(file).write_text(json.dumps(report, indent=2) + "\n")
    return 0


def run(doc: str) -> int:
    try:
        return main(sys.argv[1:], doc)
    except LabError as error:
        print(f"overload: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130

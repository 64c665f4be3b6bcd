"""bench/demo: see its head."""

import argparse
import os
import signal
import sys
import time
from dataclasses import dataclass

from . import lab, metrics, net, plan, sipp
from .shell import LabError, wait_for

CALLS, CALL_RATE, HOLD_MS = 20_000, 1_000, 500
REGISTRATIONS, REGISTER_RATE = 2_000, 100
CUT_AT, MENDED_AT = 0.3, 0.6   # shares of the calls


@dataclass
class Outcome:
    calls: sipp.Result
    registrations: sipp.Result
    before: metrics.Page
    after: metrics.Page
    cuts: list[str]
    seconds: float


def page() -> metrics.Page:
    return metrics.fetch(plan.v4(plan.NODE_PARTS["lb1"]), timeout=10)


def by_host(of: metrics.Page, table: str) -> dict[str, float]:
    found = of.by("sipfront_destination_picks_total", "uri", table=table)
    return {name: next((n for uri, n in found.items() if uri.split(";")[0] in (f"sip:{address}", f"sip:{address}:5060")), 0)
            for name, address in plan.HOST_ADDRESSES.items()}


def grown(after: dict[str, float], before: dict[str, float]) -> dict[str, int]:
    return {name: int(n - before.get(name, 0)) for name, n in after.items()}


def active_member(of: metrics.Page) -> str:
    for sample in of.select("sipfront_bond_member_active"):
        if sample.value == 1:
            return next((m for m in plan.members("lb1") if f"iface={m}" in sample.labels["device"]), "")
    return ""


def occupancy(now: metrics.Page, before: metrics.Page) -> float:
    """Share of the workers' time spent on work, idle polls and sleep being the rest."""
    def spent(name: str) -> float:
        return now.sum(name) - before.sum(name)

    total = spent("sipfront_poll_cycles_total") + spent("sipfront_poll_sleep_cycles_total")
    return spent("sipfront_poll_busy_cycles_total") / total if total > 0 else 0.0


class Bond:
    """Cuts the active member when a share of the calls is placed, and mends it later."""

    def __init__(self):
        self.victim, self.cuts = "", []

    def step(self, share: float, now: metrics.Page) -> str:
        if share >= CUT_AT and not self.victim:
            self.victim = active_member(now)
            if not self.victim:
                raise LabError("no member of the bond is active")
            net.set_member(self.victim, up=False)
            self.cuts.append(self.victim)
            return f"cable of {self.victim} (active member of the bond) cut"
        if share >= MENDED_AT and self.victim in self.cuts and len(self.cuts) == 1:
            net.set_member(self.victim, up=True)
            self.cuts.append("")
            return f"cable of {self.victim} mended"
        return ""


def traffic() -> Outcome:
    before = page()
    bond = Bond()
    target = f"{plan.VIP}:{plan.SIP_PORT}"
    print(f"\n{CALLS} calls at {CALL_RATE}/s (sipp's uac) and {REGISTRATIONS} registrations at {REGISTER_RATE}/s to {target}\n")
    print(f"{'s':>3} {'calls/s':>8} {'done':>7} {'active':>7} {'failed':>7} {'regs':>6} {'core':>5}   calls on {', '.join(plan.HOST_PARTS)}")
    with sipp.Run("uac", target, source=plan.v4(2), calls=CALLS, rate=CALL_RATE, hold_ms=HOLD_MS, timeout=120, response_times=True) as calls, \
         sipp.Run(sipp.SCENARIOS / "register.xml", target, source=plan.v4(3), calls=REGISTRATIONS, rate=REGISTER_RATE, timeout=120) as phones:
        started, last, last_page = time.monotonic(), 0, before
        while calls.running or phones.running:
            time.sleep(1 - (time.monotonic() - started) % 1)
            now, count = page(), calls.count()
            load = {s.labels["uri"]: int(s.value) for s in now.select("sipfront_destination_load", table="load_balancer")}
            event = bond.step(count.placed / CALLS, now)
            print(f"{time.monotonic() - started:3.0f} {count.placed - last:8} {count.succeeded:7} {count.active:7} {count.failed:7} "
                  f"{phones.count().succeeded:6} {occupancy(now, last_page):5.0%}   {' '.join(f'{n:4}' for n in load.values())}"
                  + (f"   <- {event}" if event else ""), flush=True)
            last, last_page = count.placed, now
        outcome = Outcome(calls.wait(), phones.wait(), before, page(), bond.cuts, time.monotonic() - started)
    return outcome


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} us" if seconds < 0.01 else f"{seconds * 1e3:,.0f} ms"


def report(outcome: Outcome) -> list[str]:
    """Prints the table; returns what is wrong."""
    calls, phones, before, after = outcome.calls, outcome.registrations, outcome.before, outcome.after
    per_host = grown(by_host(after, "load_balancer"), by_host(before, "load_balancer"))
    requests = grown(by_host(after, "dispatcher"), by_host(before, "dispatcher"))
    mean = sum(per_host.values()) / len(per_host)
    spread = max(abs(n - mean) for n in per_host.values()) / mean if mean else 0.0

    def latency(name: str) -> str:
        return " / ".join(f"<= {microseconds(after.quantile(name, q, since=before))}" for q in (0.5, 0.99))

    rows = [
        ("calls placed", f"{calls.placed:,}"),
        ("calls answered", f"{calls.succeeded:,}"),
        ("calls failed", f"{calls.failed:,}"),
        ("registrations placed / failed", f"{phones.placed:,} / {phones.failed:,}"),
        ("answer time at the callers, p50 / p99", " / ".join(f"{sipp.quantile(calls.response_ms, q):.0f} ms" for q in (0.5, 0.99)) + "   (sipp's clock: 4 ms)"),
        ("INVITE to first response, p50 / p99", latency("sipfront_invite_first_response_seconds")),
        ("INVITE to 200, p50 / p99", latency("sipfront_invite_success_seconds")),
        *((f"calls on {name}", f"{n:,}") for name, n in per_host.items()),
        ("furthest from an even share", f"{spread:.2%}"),
        # A registration is two requests: the one that is challenged, and the answer.
        *((f"registrations on {name}", f"{n // 2:,}") for name, n in requests.items()),
        ("bond member cut, switches", f"{outcome.cuts[0] if outcome.cuts else 'none'}, "
                                      f"{after.sum('sipfront_bond_switches_total') - before.sum('sipfront_bond_switches_total'):.0f}"),
        ("poll core use, mean", f"{occupancy(after, before):.1%}"),
        # Polls that found work, the kernel's AF_PACKET sockets included; the registrations are charged to the calls.
        ("poll core time per call", microseconds(occupancy(after, before) * outcome.seconds / max(calls.succeeded, 1))),
    ]
    width = max(len(name) for name, _ in rows)
    print("\n" + "-" * (width + 34))
    for name, value in rows:
        print(f"{name:<{width}}   {value}")
    print("-" * (width + 34))

    wrong = []
    if (calls.placed, calls.succeeded, calls.failed) != (CALLS, CALLS, 0):
        wrong.append(f"calls: {calls.summary()}")
    if (phones.placed, phones.succeeded, phones.failed) != (REGISTRATIONS, REGISTRATIONS, 0):
        wrong.append(f"registrations: {phones.summary()}")
    if sum(per_host.values()) != CALLS or spread > 0.02:
        wrong.append(f"uneven: {per_host}")
    if not outcome.cuts or after.sum("sipfront_bond_switches_total") <= before.sum("sipfront_bond_switches_total"):
        wrong.append("the bond did not switch")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/demo", description="20,000 calls and 2,000 registrations through one node in the lab.")
    parser.add_argument("--keep", action="store_true", help="leave the lab up afterwards")
    keep = parser.parse_args().keep
    if os.geteuid() != 0:
        raise LabError("needs root: sudo bench/demo")
    # An end by SIGTERM cleans up as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print("building the release preset ...", flush=True)
    options = lab.prepare({})
    try:
        print("lab: one node with two bonded DPDK ports, four hosts, clients ...", flush=True)
        with lab.exclusive():
            lab.up(options)
        wait_for(lambda: len([s for s in page().select("sipfront_destination_state", table="load_balancer", state="active") if s.value == 1]) == 4,
                 "four active hosts", 20, every=0.2)
        wrong = report(traffic())
    finally:
        if not keep:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            with lab.exclusive():
                lab.down()
    for complaint in wrong:
        print(f"FAILED {complaint}", file=sys.stderr)
    if not wrong:
        print("every call and every registration succeeded")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)

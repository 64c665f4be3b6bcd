"""bench/memif: see its head."""

import argparse
import json
import sys
from contextlib import nullcontext
from pathlib import Path

from . import bypass, limit, memif_store, plan
from .bypass import STATE, Generator, Proxy
from .shell import LabError

# A call is six messages in and seven out (with 100 Trying); a forwarder's packet is one in and one out.
FORWARDS_A_CALL = 6.5
HUGE_MB = {"sipfrontd": 128, "sipgen": 128}


def parse(argv, doc: str):
    parser = argparse.ArgumentParser(prog="bench/memif", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    load = parser.add_mutually_exclusive_group(required=True)
    load.add_argument("--rate", type=float, help="calls a second")
    load.add_argument("--search", metavar="LO:HI", help="the highest rate with at most --max-failed")
    load.add_argument("--ramp", metavar="FROM:TO:STEP")
    load.add_argument("--bars", action="store_true", help="a steady rate, a search, half of what it found; the limit around each; one table")
    parser.add_argument("--half", action="store_true", help="after --search: also half of the rate that was found, for its latency")
    parser.add_argument("--seconds", type=float, default=30, help="measured, at each rate (default 30)")
    parser.add_argument("--warm-up", type=float, default=3, help="seconds before, at each rate (default 3)")
    parser.add_argument("--hold", type=float, default=1, help="seconds a call is up (default 1)")
    parser.add_argument("--mix", default="invite=1,register=0")
    parser.add_argument("--invite-bytes", type=int, default=0)
    parser.add_argument("--max-failed", type=float, default=1e-4)
    parser.add_argument("--core", type=int, default=0, help="CPU of the proxy's poll core (default 0)")
    parser.add_argument("--generator-core", type=int, default=1, help="CPU of sipgen (default 1)")
    parser.add_argument("--idle", choices=("poll", "adaptive"), default="poll", help="the proxy's idle policy (default poll)")
    parser.add_argument("--ring", type=int, default=10, metavar="LOG2", help="length of the memif's rings, as a power of two (default 10)")
    parser.add_argument("--copy", action="store_true", help="no zero copy on the proxy's side of the memif")
    parser.add_argument("--config", default="", metavar="FILE", help="TOML over the proxy's configuration")
    parser.add_argument("--with-limit", action="store_true", help="testpmd macswap on the same port before and after")
    parser.add_argument("--store", action="store_true", help="dialogs in a MariaDB of its own (in memory), and the journal's lag; with --rate")
    parser.add_argument("--nice", type=int, default=0, metavar="N", help="nice value of what is measured, on a machine with other work (-20 to 0)")
    parser.add_argument("--json", default="", metavar="FILE")
    parser.add_argument("--plot", default="", metavar="FILE")
    args = parser.parse_args(argv)
    if args.store and not args.rate:
        parser.error("--store goes with --rate")
    return args


def sipgen_options(args, load: list[str], result: Path) -> list[str]:
    hosts = [w for a in plan.HOST_ADDRESSES.values() for w in ("--host", a)]
    clients = [w for a in bypass.CLIENTS for w in ("--client", a)]
    options = ["--vdev", bypass.memif("server"), "--core", str(args.generator_core), "--memory", str(HUGE_MB["sipgen"]),
               "--file-prefix", bypass.PREFIXES[1], "--target", f"{plan.VIP}:{plan.SIP_PORT}", *clients, *hosts, *load,
               "--seconds", str(args.seconds), "--warm-up", str(args.warm_up), "--hold", str(args.hold), "--mix", args.mix,
               "--max-failed", str(args.max_failed), "--json", str(result)]
    if args.invite_bytes:
        options += ["--invite-bytes", str(args.invite_bytes)]
    return options + (["--plot", args.plot] if args.plot else [])


def highest(args) -> float:
    return max(float(n) for n in (args.search or args.ramp or str(args.rate)).split(":")[:2])


def load_options(args) -> list[str]:
    return next([f"--{k}", str(v)] for k, v in (("rate", args.rate), ("search", args.search), ("ramp", args.ramp)) if v)


def drive(args, daemon: Path, sipgen: Path, pages: bypass.HugePages,
          store: memif_store.Store | None = None) -> tuple[int, str, dict]:
    pages.top_up()
    huge = pages.given
    result = STATE / "sipgen.json"
    proxy = Proxy(bypass.memif("client", zero_copy=huge and not args.copy), args.core, args.idle, highest(args), args.hold, huge,
                  Path(args.config).read_text() if args.config else "", HUGE_MB["sipfrontd"])
    if store:
        proxy.overlay += store.overlay
        store.make_tables(daemon.with_name("sipfrontctl"), proxy.write_configs())
    generator = Generator(sipgen, *sipgen_options(args, load_options(args), result), *([] if huge else ["--no-huge"]), proxy=proxy)
    try:
        # The server side of a memif must be there first.
        bypass.wait_for_socket(generator)
        proxy.start(daemon)
        status, table = generator.wait(proxy.check)
        if status not in (0, 1):
            raise LabError("sipgen: " + "".join(generator.errors)[-1500:] + "\n" + "\n".join(proxy.log.read_text(errors="replace").splitlines()[-8:]))
        if store:
            store.settle(proxy)
    finally:
        generator.stop()
        proxy.stop()
    windows = [w.summary() for w in generator.windows if w.last]
    setup = {"idle": args.idle, "zero_copy": huge and not args.copy, "huge_pages": huge, "ring": 1 << args.ring, "core": args.core, "generator_core": args.generator_core}
    journal = {"journal": store.summary(generator.windows[-1])} if store and windows else {}
    return status, table, {"sipgen": bypass.load(result), "proxy": {"setup": setup, "windows": windows}, **journal}


def proxy_table(report: dict) -> str:
    setup = report["proxy"]["setup"]
    lines = [f"\nsipfrontd: 1 worker on CPU {setup['core']}, idle policy {setup['idle']}, "
             f"{'zero copy' if setup['zero_copy'] else 'copies'}, {'huge pages' if setup['huge_pages'] else 'ordinary pages'}",
             f"{'calls/s':>10} {'core use':>9} {'us/call':>8} {'ns/message':>11} {'transactions':>13} {'dialogs':>9} {'RSS MiB':>8} {'port drops':>11}"]
    lines += [f"{w['rate']:10.0f} {w['poll_core_use']:9.1%} {w['us_per_call']:8.2f} {w['ns_per_message']:11.0f} {w['transactions']:13.0f} "
              f"{w['dialogs']:9.0f} {w['resident_mib']:8.0f} {sum(w['port_drops'].values()):11.0f}" + "  " + ", ".join(f"{k} {n:.0f}" for k, n in w["port_drops"].items()) for w in report["proxy"]["windows"]]
    return "\n".join(lines) + "\n"


def limit_line(report: dict) -> str:
    runs = report["limit"]["runs"]
    calls = report["sipgen"].get("result", {}).get("calls_per_second", 0)
    mean = sum(r["frames_per_second"] for r in runs) / len(runs)
    report["limit"] |= {"frames_per_second": mean, "share": calls * FORWARDS_A_CALL / mean}
    taken = " and ".join(f"{r['frames_per_second'] / 1e6:.2f}" for r in runs)
    return (f"\ntestpmd macswap, {runs[0]['bytes']} octets, before and after: {taken} M frames/s; "
            f"{calls:.0f} calls/s x {FORWARDS_A_CALL} forwarded messages = {report['limit']['share']:.1%} of it\n")


STEADY, SEARCH, HALF = "steady", "search", "half of the highest"


def stages(args, reports: dict):
    """Names and arguments of the runs, in turn; half of a search's result is known when the search has ended."""
    def changed(**to):
        plain = {"rate": None, "search": None, "ramp": None}
        return argparse.Namespace(**vars(args) | plain | to)

    if args.bars:
        # With everything that lingers for 32 s before the first call counts.
        yield STEADY, changed(rate=150_000, seconds=90, warm_up=35)
        yield SEARCH, changed(search="100000:500000", seconds=15, warm_up=8)
    else:
        yield (SEARCH if args.search else STEADY), args
    if args.bars or (args.half and args.search):
        found = reports[SEARCH]["sipgen"].get("result", {}).get("calls_per_second", 0)
        if found:
            yield HALF, changed(rate=round(found / 2), seconds=30 if args.bars else args.seconds, warm_up=max(10.0, args.warm_up))


def plot_of(plot: str, name: str) -> str:
    """One file a run."""
    file = Path(plot)
    return str(file.with_stem(f"{file.stem}-{name.split()[0]}"))


def bars_table(reports: dict) -> str:
    def result(name: str) -> dict:
        return reports.get(name, {}).get("sipgen", {}).get("result", {})

    def use(name: str) -> str:
        windows = reports.get(name, {}).get("proxy", {}).get("windows", [])
        return f"{windows[-1]['poll_core_use']:.1%}" if windows else "-"

    steady, half = result(STEADY), result(HALF).get("latency_us", {}).get("added", {})
    rows = [("calls/s, steady for 90 s", f"{steady.get('calls_per_second', 0):,.0f}", "150,000"),
            ("  failed or wrong", f"{steady.get('failed', 0) + steady.get('wrong', 0):,}", "0"), ("  poll core in use", use(STEADY), "<= 65 %"),
            ("calls/s at the highest", f"{result(SEARCH).get('calls_per_second', 0):,.0f}", ">= 250,000"),
            ("added at half of it, p50, us", f"{half.get('p50', 0):.1f}", "<= 10"), ("added at half of it, p99, us", f"{half.get('p99', 0):.1f}", "<= 50")]
    rows += [(f"share of macswap, {name}", f"{r['limit']['share']:.1%}", "reported") for name, r in reports.items() if "limit" in r]
    return "\n" + "\n".join(f"{what:<40} {seen:>12} {bar:>12}" for what, seen, bar in [("", "seen", "bar"), *rows]) + "\n"


def main(argv, doc: str) -> int:
    args = parse(argv, doc)
    bypass.priority, bypass.ring = args.nice, args.ring
    daemon, sipgen, _ = bypass.programs("sipfrontd", "sipgen", "sipfrontctl")
    reports: dict[str, dict] = {}
    several, plot, worst = args.bars or args.half, args.plot, 0
    with bypass.HugePages(sum(HUGE_MB.values()) + 32) as pages, bypass.place(), (memif_store.Store() if args.store else nullcontext()) as store:
        def limits() -> list[dict]:
            return [limit.over_memif(sipgen, 600, 5, args.core, args.generator_core, pages)] if args.with_limit or args.bars else []

        before = limits()
        for name, of in stages(args, reports):
            of.plot = plot_of(plot, name) if plot and several else plot
            status, table, reports[name] = drive(of, daemon, sipgen, pages, store)
            worst = max(worst, status)
            after = limits()
            text = table + proxy_table(reports[name])
            if "journal" in reports[name]:
                text += memif_store.table(reports[name]["journal"])
            if after:
                reports[name]["limit"] = {"port": "memif", "runs": before + after}
                text += limit_line(reports[name])
            before = after
            print((f"\n== {name}\n" if args.bars or args.half else "") + text, end="", flush=True)
    if args.bars:
        print(bars_table(reports), end="")
    if args.json:
        Path(args.json).write_text(json.dumps(reports if several else next(iter(reports.values())), indent=2) + "\n")
    return worst


def run(doc: str) -> int:
    try:
        return main(sys.argv[1:], doc)
    except LabError as error:
        print(f"memif: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130

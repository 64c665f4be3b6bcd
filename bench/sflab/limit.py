"""bench/limit: see its head."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from . import bypass
from .bypass import NAMESPACE, STATE, Generator
from .shell import LabError, inside

HUGE_MB = 128  # of each of the two
DEVICES = ("limit0", "limit1")


def forwarder(port: str, core: int, huge: bool) -> subprocess.Popen:
    """dpdk-testpmd on the far end of the port, swapping MAC addresses on one core."""
    if shutil.which("dpdk-testpmd") is None:
        raise LabError("dpdk-testpmd is missing (package dpdk)")
    # Its main thread waits on the other CPUs, as sipfrontd's does.
    command = ["dpdk-testpmd", f"--lcores=0@({','.join(map(str, sorted(os.sched_getaffinity(0))))}),1@{core}", "--main-lcore=0", "--no-pci", "--no-telemetry",
               "--file-prefix", bypass.PREFIXES[2], *(["--in-memory", "--single-file-segments"] if huge else ["--no-huge", "--no-shconf"]),
               "-m", str(HUGE_MB), "--vdev", port, "--", "--forward-mode=macswap", "--auto-start", "--total-num-mbufs=8192", "--mbcache=256",
               "--nb-cores=1", "--rxd=1024", "--txd=1024", "--burst=32", "--stats-period=3600"]
    log = (STATE / "testpmd.log").open("wb")
    with log:
        return bypass.spawn(["ip", "netns", "exec", NAMESPACE, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


def finish(child: subprocess.Popen):
    child.send_signal(signal.SIGINT)
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def measure(sipgen: Path, near: str, far: str, size: int, seconds: float, cores: tuple[int, int], pages: bypass.HugePages, window: int) -> dict:
    """Frames a second that came back; the near end is made first."""
    pages.top_up()
    huge = pages.given
    result = STATE / "raw.json"
    options = ["--vdev", near, "--core", str(cores[1]), "--memory", str(HUGE_MB), "--file-prefix", bypass.PREFIXES[1], "--raw", str(size),
               "--raw-window", str(window), "--seconds", str(seconds), "--json", str(result), *([] if huge else ["--no-huge"])]
    prefix = Path(STATE / "run-sipgen")
    prefix.write_text(f"#!/bin/sh\nexec ip netns exec {NAMESPACE} {sipgen} \"$@\"\n")
    prefix.chmod(0o755)
    generator, child = Generator(prefix, *options), None
    try:
        if far.startswith("net_memif"):
            bypass.wait_for_socket(generator)
        child = forwarder(far, cores[0], huge)
        status, _ = generator.wait()
        if status != 0:
            log = "\n".join((STATE / "testpmd.log").read_text(errors="replace").splitlines()[-6:])
            raise LabError("sipgen: " + "".join(generator.errors)[-800:] + f"\ntestpmd: {log}")
    finally:
        generator.stop()
        if child:
            finish(child)
    return bypass.load(result)


def over_memif(sipgen: Path, size: int, seconds: float, core: int, generator_core: int, pages: bypass.HugePages, window: int = 512) -> dict:
    return measure(sipgen, bypass.memif("server"), bypass.memif("client", zero_copy=pages.given), size, seconds, (core, generator_core), pages, window)


@contextmanager
def veth():
    inside(NAMESPACE, "ip", "link", "add", DEVICES[0], "type", "veth", "peer", "name", DEVICES[1])
    for device in DEVICES:
        inside(NAMESPACE, "ethtool", "-K", device, "tx", "off", "rx", "off", "gso", "off", "tso", "off", "gro", "off")
        inside(NAMESPACE, "sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1")
        inside(NAMESPACE, "ip", "link", "set", device, "arp", "off", "up")
    try:
        yield
    finally:
        inside(NAMESPACE, "ip", "link", "del", DEVICES[0])


def device(port: str, end: int) -> str:
    if port == "af_xdp":
        return f"net_af_xdp{end},iface={DEVICES[end]}"
    return f"net_af_packet{end},iface={DEVICES[end]},framesz=2048,framecnt=4096,blocksz=65536"


def over_port(port: str, sipgen: Path, size: int, seconds: float, cores: tuple[int, int], window: int = 512) -> dict:
    """A measurement by itself: huge pages and namespace are made for it and taken away."""
    with bypass.HugePages(2 * HUGE_MB + 32) as pages, bypass.place():
        if port == "memif":
            return over_memif(sipgen, size, seconds, *cores, pages, window)
        with veth():
            return measure(sipgen, device(port, 0), device(port, 1), size, seconds, cores, pages, window)


def parse(argv, doc: str):
    parser = argparse.ArgumentParser(prog="bench/limit", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", choices=("memif", "af_xdp", "af_packet"), default="memif")
    parser.add_argument("--bytes", type=int, action="append", help="of a frame; repeatable (default 600)")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--window", type=int, default=512, help="frames under way (default 512)")
    parser.add_argument("--core", type=int, default=0, help="CPU of testpmd (default 0)")
    parser.add_argument("--generator-core", type=int, default=1, help="CPU of sipgen (default 1)")
    parser.add_argument("--nice", type=int, default=0, metavar="N", help="nice value of what is measured, on a machine with other work (-20 to 0)")
    parser.add_argument("--json", default="", metavar="FILE")
    return parser.parse_args(argv)


def main(argv, doc: str) -> int:
    args = parse(argv, doc)
    bypass.priority = args.nice
    (sipgen,) = bypass.programs("sipgen")
    runs = []
    with bypass.HugePages(2 * HUGE_MB + 32) as pages, bypass.place():
        for size in args.bytes or [600]:
            if args.port == "memif":
                runs.append(over_memif(sipgen, size, args.seconds, args.core, args.generator_core, pages, args.window))
            else:
                with veth():
                    runs.append(measure(sipgen, device(args.port, 0), device(args.port, 1), size, args.seconds, (args.core, args.generator_core), pages, args.window))
            print(f"{args.port}, {size} octets: {runs[-1]['frames_per_second']:,.0f} frames/s forwarded by testpmd macswap, {runs[-1]['lost']:,} lost", flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps({"port": args.port, "window": args.window, "huge_pages": pages.given, "runs": runs}, indent=2) + "\n")
    return 0


def run(doc: str) -> int:
    try:
        return main(sys.argv[1:], doc)
    except LabError as error:
        print(f"limit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130

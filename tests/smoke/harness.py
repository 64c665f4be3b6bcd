"""What the smoke tests share: a lab that is up and whole, sipp runs that must succeed, metrics that must add up.

Each test file runs alone too: sudo python3 tests/smoke/calls.py. The lab stays up afterwards; bench/lab down ends it.
"""

import fcntl
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = Path(__file__).with_name("scenarios")
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "bench"))

from sflab import hosts, lab, memory, metrics, net, node, plan, proc, sip, sipp  # noqa: E402, F401
from sflab.shell import LabError, wait_for  # noqa: E402

# Of the sanitizer builds: slower, and their memory grows by quarantine.
INSTRUMENTED = bool(os.environ.get("SIPFRONT_INSTRUMENTED"))
SKIPPED = 77

FAST_JOURNAL = '[journal]\nflush_interval = "5ms"\n'
# A database that gives up soon. Files that use this lab run one after the other, so that it is built once.
MYSQL_LAB = {"store": "mysql", "overlay": FAST_JOURNAL + '[database]\nread_timeout = "2s"\nwrite_timeout = "2s"\n'}


def scenario(name: str) -> Path:
    return SCENARIOS / f"{name}.xml"


def page() -> metrics.Page:
    return metrics.fetch(plan.v4(plan.NODE_PARTS["lb1"]), timeout=10)


def control(*command: str) -> subprocess.CompletedProcess:
    """What sipfrontctl says; of the first node, where the command is a daemon's."""
    tool = Path(lab.current().daemon).with_name("sipfrontctl")
    return subprocess.run([str(tool), "--socket", f"{plan.STATE}/lb1.sock", *command], capture_output=True, text=True, timeout=30)


def ctl(*command: str) -> dict:
    """An answer of the node's management; fails the test when it is an error."""
    done = control("--json", *command)
    if done.returncode != 0:
        raise LabError(f"sipfrontctl {' '.join(command)}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def host_of(uri: str) -> str:
    """fs1 for sip:10.77.0.103."""
    return next((name for name, address in plan.HOST_ADDRESSES.items() if address in uri), uri)


def picks(of: metrics.Page, table: str) -> dict[str, float]:
    return {host_of(uri): n for uri, n in of.by("sipfront_destination_picks_total", "uri", table=table).items()}


def states(of: metrics.Page, table: str = "load_balancer") -> dict[str, str]:
    return {host_of(s.labels["uri"]): s.labels["state"] for s in of.select("sipfront_destination_state", table=table) if s.value == 1}


def grown(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {key: value - before.get(key, 0) for key, value in after.items()}


class LabCase(unittest.TestCase):
    """A class of tests on one lab; `options` as bench/lab up takes them."""

    options: dict = {}
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.bring_up()

    @classmethod
    def bring_up(cls, **more):
        options = lab.prepare({**cls.options, **more})
        with lab.exclusive():
            lab.up(options)

    def setUp(self):
        # Whatever a test did to hosts, links and configuration is undone before the next one.
        self.mend()

    def mend(self):
        options = lab.current()
        for name in options.node_names:
            for member in plan.members(name)[:1 if options.single else 2]:
                net.set_member(member, up=True)
            running = proc.find(name)
            # Calls that an earlier test left standing would count on the hosts for hours.
            if running and running.alive and metrics.fetch(plan.v4(plan.NODE_PARTS[name])).sum("sipfront_dialogs_active") > 0:
                running.kill()
            if not running or not running.alive:
                lab.start(name)
        if options.uas:
            hosts.restore()
            self.wait_for_states({name: "active" for name in plan.HOST_PARTS})

    def wait_for_states(self, wanted: dict[str, str], seconds: float = 20, table: str = "load_balancer"):
        def reached():
            seen = states(page(), table)
            return all(seen.get(name) == state for name, state in wanted.items())

        wait_for(reached, f"hosts to be {wanted}", seconds, every=0.2)

    def hosts_play(self, *options: str):
        """All four hosts run another sipp scenario until the next test."""
        for name in plan.HOST_PARTS:
            hosts.stop(name)
        hosts.start_all(*options)
        self.wait_for_states({name: "active" for name in plan.HOST_PARTS})

    def grown(self, before: metrics.Page, name: str, **labels) -> float:
        return page().sum(name, **labels) - before.sum(name, **labels)

    def assert_all_succeed(self, result: sipp.Result, calls: int):
        self.assertEqual((result.placed, result.succeeded, result.failed, result.status), (calls, calls, 0, 0), result.summary())

    def call(self, which, *, calls: int = 20, rate: int = 20, source: str = plan.v4(2), **options) -> sipp.Result:
        target = f"[{plan.VIP6}]:{plan.SIP_PORT}" if ":" in source else f"{plan.VIP}:{plan.SIP_PORT}"
        result = sipp.call(which, options.pop("target", target), source=source, calls=calls, rate=rate, **options)
        self.assert_all_succeed(result, calls)
        return result

    def assert_no_dialog_left(self, seconds: float = 15):
        """Nothing counts on any host, and no dialog stays behind."""
        def clean():
            now = page()
            return now.sum("sipfront_dialogs_active") == 0 and now.sum("sipfront_destination_load") == 0

        try:
            wait_for(clean, "dialogs to end", seconds, every=0.2)
        except LabError:
            now = page()
            self.fail(f"dialogs {now.sum('sipfront_dialogs_active')}, load {now.by('sipfront_destination_load', 'uri')}")


def main():
    if os.geteuid() != 0:
        print("needs root: network namespaces")
        sys.exit(SKIPPED)
    # The lab's namespaces and addresses are the machine's: two runs at once would take it from each other.
    with open("/run/lock/sipfront-smoke", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unittest.main(verbosity=2)

"""What is measured of one peer. Every measurement starts the peer anew."""

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import proc, sip
from ..shell import LabError, wait_for
from . import cpu, generator, plan
from .memif import Memif


@dataclass(frozen=True)
class Settings:
    seconds: float      # of a step of the search, and of the run at a fixed rate
    warm_up: float      # before each: lingering transactions reach their population
    rate: int           # the fixed, moderate one
    held: int           # dialogs held while memory is read
    precision: float    # ratio of the lowest rate that failed to the highest that passed
    lowest: int = 100   # of the search, calls a second; the peer has the highest
    max_failed: float = 0.0001


@contextmanager
def running(peer):
    """The peer at work, on a port that ends in the kernel."""
    process = peer.start()
    try:
        wait_for(lambda: _answers(process), f"{peer.label} to answer", 30)
        yield
        if not process.alive:
            raise LabError(f"{peer.label} died:\n{proc.tail(process.name)}")
    finally:
        peer.stop()


def _answers(process: proc.Process) -> bool:
    proc.ensure_alive(process)
    with sip.Agent(plan.LOAD, plan.CLIENT) as agent:
        reply = agent.ask(agent.request("OPTIONS", f"sip:{plan.VIP}"), plan.VIP, timeout=0.3)
    return reply is not None and reply.status == 200


class Search:
    """The highest rate that passes, by halving the ratio of the bounds. A rate that fails narrowly is tried once more. Pure."""

    def __init__(self, lowest: float, highest: float, precision: float, guess: float):
        self._limits, self._precision = (lowest, highest), precision
        self._passed = self._failed = None
        self._second_try = False
        self._width = 1.2
        self.next: float | None = guess

    @property
    def best(self) -> float:
        return self._passed or 0.0

    def learn(self, passed: bool, narrow: bool = False):
        if not passed and narrow and not self._second_try:
            self._second_try = True
            return
        self._second_try = False
        if passed:
            self._passed = self.next
        else:
            self._failed = self.next
        self.next = self._choose()

    def _choose(self) -> float | None:
        lowest, highest = self._limits
        if self._passed and self._failed:
            return math.sqrt(self._passed * self._failed) if self._failed / self._passed > self._precision else None
        # One side is open: outwards, further each time.
        self._width **= 1.7
        if self._passed:
            return min(highest, self._passed * self._width) if self._passed < highest else None
        return max(lowest, self._failed / self._width) if self._failed > lowest else None


class Bench:
    def __init__(self, program: Path, cpus: plan.Cpus, settings: Settings):
        self.program, self.cpus, self._settings = program, cpus, settings
        self._softirq = cpu.softirq_threads()

    @contextmanager
    def loaded(self, peer, **options):
        """The peer started anew, and the generator's run against it."""
        options |= {"program": self.program, "cpu": self.cpus.generator, "max_failed": self._settings.max_failed}
        if isinstance(peer, Memif):
            with peer.loaded(**options) as run:
                yield run
        else:
            with running(peer), generator.Run(**options) as run:
                yield run

    def maximum(self, peer, guess: float) -> dict:
        """The highest rate with at most max_failed of the calls failed. Every step has a peer without a past."""
        s = self._settings
        search, bound = Search(s.lowest, peer.highest, s.precision, guess), "peer"
        while search.next:
            with self.loaded(peer, rate=search.next, seconds=s.seconds, warm_up=s.warm_up) as run:
                report = run.result()
            if not report["passed"]:
                # The last to fail is the lowest to fail.
                bound = "peer" if report["generator"]["kept_up"] else "generator"
            search.learn(report["passed"], narrow=report["failed_share"] < 0.01)
        return {"calls_per_second": search.best, "bound": bound}

    def steady(self, peer, rate: float) -> dict:
        """CPU per call and latency at a fixed rate."""
        s = self._settings
        with self.loaded(peer, rate=rate, seconds=s.seconds, warm_up=s.warm_up) as run:
            # A second inside both ends of the measured time.
            time.sleep(s.warm_up + 1)
            first = self._sample(peer)
            time.sleep(s.seconds - 2)
            second = self._sample(peer)
            report = run.result()
        grown = {key: tuple(b - a for a, b in zip(first[key], second[key])) if isinstance(second[key], tuple) else second[key] - first[key]
                 for key in second}
        latency = report["latency_us"]
        return {"rate": rate, **self._per_call(grown, rate * grown["wall"] / 1e9),
                "generator_us": report["generator"]["busy_share"] * 1e6 / rate, "failed": report["failed"] + report["wrong"],
                **{f"{name}_{p}": latency[name][p] for name in ("added", "answer") for p in ("p50", "p99")}}

    def _sample(self, peer) -> dict:
        return {"wall": time.monotonic_ns(), "softirq": cpu.nanoseconds(self._softirq), **peer.sample()}

    @staticmethod
    def _per_call(grown: dict, calls: float) -> dict:
        out = {"softirq_us": grown["softirq"] / calls / 1e3}
        if "busy_cycles" in grown:
            # Cycles go on while somebody else has the CPU: no more than the scheduler gave.
            busy = min(grown["busy_cycles"] / grown["all_cycles"] * grown["wall"], grown["worker_cpu"])
            out["cpu_us"] = (busy + grown["other_cpu"]) / calls / 1e3
            out["polling_us"] = (grown["worker_cpu"] + grown["other_cpu"]) / calls / 1e3
        else:
            out["cpu_us"] = grown["cpu"] / calls / 1e3
            user, kernel = grown["ticks"]
            out["kernel_share"] = kernel / max(1, user + kernel)
        if "database_cpu" in grown:
            out["database_us"] = grown["database_cpu"] / calls / 1e3
            out["database_writes"] = grown["database_writes"] / calls
        return out

    def memory(self, peer) -> dict:
        """Bytes that a held dialog takes, everything counted.

        Calls are placed and none ends. From `linger` on, transactions end as fast as they begin, so what memory grows by is dialogs.
        """
        rate = peer.memory_rate
        seconds = peer.linger + self._settings.held / rate
        with self.loaded(peer, rate=rate, seconds=seconds + 2, hold=seconds + 60):
            time.sleep(peer.linger)
            dialogs, used = peer.dialogs(), peer.memory()
            time.sleep(seconds - peer.linger)
            dialogs, used = peer.dialogs() - dialogs, peer.memory() - used
        if dialogs < self._settings.held / 2:
            raise LabError(f"{peer.label} came to hold {dialogs} dialogs more, not {self._settings.held}")
        return {"dialogs_held": dialogs, "bytes_per_dialog": used / dialogs}

"""bench/sipgen: clients and hosts in one process on a CPU of its own, with kernel sockets or on a DPDK port."""

import json
from pathlib import Path

from .. import build, proc
from ..shell import LabError, wait_for
from . import plan

# Seconds beyond the hold time that calls may take to end: a lost BYE is sent again for so long and longer.
DRAIN = 4


def binary() -> Path:
    return build.program("sipgen", "bench/sipgen", "SIPGEN")


# It spins: a generator that sleeps must be woken by whoever sends to it, and would be on the peer's account.
SOCKETS = ("--sockets", "--spin")
_PATIENCE = 45  # seconds for starting and ending


class Run:
    """One run of the generator at one rate. `stop` ends it early; `result` waits for its end and gives what it wrote."""

    def __init__(self, program: Path, cpu: int, *, rate: float, seconds: float, warm_up: float = 0, hold: float = 0, max_failed: float = 0.0001,
                 port: tuple[str, ...] = SOCKETS):
        self._report = plan.STATE / "sipgen.json"
        self._report.unlink(missing_ok=True)
        self._deadline = warm_up + seconds + hold + DRAIN + _PATIENCE
        hosts = [word for address in plan.HOSTS for word in ("--host", f"{address}:{plan.SIP_PORT}")]
        self.process = proc.start("sipgen", plan.LOAD, [
            *plan.on_cpu(cpu), str(program), *port, "--quiet", "--core", str(cpu), "--client", f"{plan.CLIENT}:{plan.CLIENT_PORT}",
            *hosts, "--target", f"{plan.VIP}:{plan.SIP_PORT}", "--rate", f"{rate:g}", "--seconds", f"{seconds:g}", "--warm-up", f"{warm_up:g}",
            "--hold", f"{hold:g}", "--drain", str(DRAIN), "--max-failed", f"{max_failed:g}", "--json", str(self._report)])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.stop(grace=2)
        proc.forget("sipgen")

    def result(self) -> dict:
        """Of the measured time: `passed`, `placed`, `failed`, `wrong`, `latency_us`, ... as sipgen writes it."""
        def ended() -> bool:
            proc.reap()
            return not self.process.alive

        wait_for(ended, "sipgen to end", self._deadline, every=0.1)
        try:
            return json.loads(self._report.read_text())["result"]
        except (FileNotFoundError, ValueError, KeyError):
            raise LabError(f"sipgen wrote no result; its log says:\n{proc.tail('sipgen')}") from None

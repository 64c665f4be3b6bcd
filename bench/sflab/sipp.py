"""sipp as the callers of the lab."""

import csv
import itertools
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from . import plan, proc
from .shell import LabError, wait_for

# Socket buffers, so that a burst waits instead of being lost (the kernel clamps it to net.core.rmem_max).
BUFFER = "1000000"
SCENARIOS = Path(__file__).with_name("scenarios")
_serial = itertools.count(1)


@dataclass
class Count:
    placed: int = 0
    succeeded: int = 0
    failed: int = 0
    active: int = 0
    retransmissions: int = 0


@dataclass
class Result(Count):
    status: int = 0
    errors: str = ""
    response_ms: list[float] = field(default_factory=list)

    def summary(self) -> str:
        return f"{self.placed} placed, {self.succeeded} succeeded, {self.failed} failed, exit {self.status}\n{self.errors[:2000]}"


class Run:
    """One sipp at work. `scenario` is sipp's own name for an embedded one, or a file."""

    def __init__(self, scenario: str | Path, target: str, *, source: str, calls: int, rate: int = 10, port: int = 5061, namespace: str = plan.CLIENTS,
                 hold_ms: int | None = None, timeout: int = 60, response_times: bool = False, extra: tuple[str, ...] = ()):
        self.name = f"sipp-{next(_serial)}"
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=_runs()))
        which = ("-sn", str(scenario)) if isinstance(scenario, str) else ("-sf", str(scenario))
        self.command = ["sipp", *which, *([target] if target else []), "-i", source, "-p", str(port), "-bind_local", "-m", str(calls), "-r", str(rate), "-l", str(calls),
                        "-nostdin", "-skip_rlimit", "-buff_size", BUFFER, "-timeout", str(timeout), "-timeout_error",
                        "-trace_err", "-error_file", str(self.folder / "errors"),
                        "-trace_stat", "-stf", str(self.folder / "stat.csv"), "-fd", "1",
                        *(("-trace_rtt", "-rtt_freq", "1000") if response_times else ()),
                        *(("-d", str(hold_ms)) if hold_ms is not None else ()), *extra]
        self.timeout = timeout
        with (self.folder / "screen").open("wb") as screen:
            self.child = subprocess.Popen(["ip", "netns", "exec", namespace, *self.command], cwd=self.folder, stdin=subprocess.DEVNULL,
                                          stdout=screen, stderr=subprocess.STDOUT)
        self.process = proc.record(self.name, self.child.pid, namespace, self.command)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def running(self) -> bool:
        return self.child.poll() is None

    def wait_listening(self):
        """Until its socket is bound: a server may be called from then on."""
        port = f":{int(self.command[self.command.index('-p') + 1]):04X} "

        def bound():
            if not self.running:
                raise LabError(f"{self.name} ended: {(self.folder / 'screen').read_text(errors='replace')[-1000:]}")
            return any(port in Path(f"/proc/{self.child.pid}/net/{table}").read_text() for table in ("udp", "udp6"))

        wait_for(bound, f"{self.name} to listen", 10)

    def stop(self):
        if self.running:
            self.child.kill()
        self.child.wait()
        proc.forget(self.name)

    def count(self) -> Count:
        """As of sipp's last second."""
        try:
            with (self.folder / "stat.csv").open(newline="") as file:
                rows = list(csv.DictReader(file, delimiter=";"))
        except FileNotFoundError:
            return Count()
        # The last line may be half written.
        rows = [row for row in rows if row.get("FailedCall(C)") and row.get("SuccessfulCall(C)")]
        if not rows:
            return Count()
        last = rows[-1]
        number = lambda key: int(last.get(key) or 0)  # noqa: E731
        return Count(number("TotalCallCreated"), number("SuccessfulCall(C)"), number("FailedCall(C)"), number("CurrentCall"),
                     number("Retransmissions(C)"))

    def wait(self) -> Result:
        try:
            status = self.child.wait(self.timeout + 40)
        except subprocess.TimeoutExpired:
            self.stop()
            raise LabError(f"{self.name} did not end: {' '.join(self.command)}") from None
        proc.forget(self.name)
        errors = self.folder / "errors"
        text = errors.read_text(errors="replace") if errors.exists() else ""
        if status not in (0, 1):
            text += (self.folder / "screen").read_text(errors="replace")[-1500:]
        return Result(**vars(self.count()), status=status, errors=text, response_ms=self._response_times())

    def _response_times(self) -> list[float]:
        times = []
        for file in self.folder.glob("*_rtt.csv"):
            for line in file.read_text().splitlines():
                parts = line.split(";")
                if len(parts) == 3 and re.fullmatch(r"[\d.]+", parts[1]):
                    times.append(float(parts[1]))
        return sorted(times)


def _runs() -> Path:
    folder = plan.STATE / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def quantile(ordered: list[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0


def call(scenario, target: str = plan.VIP, **options) -> Result:
    with Run(scenario, target, **options) as run:
        return run.wait()

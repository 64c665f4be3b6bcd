"""The processes of the lab: one record a process in the state directory, with the start time, so that a pid used again is never taken for ours."""

import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from . import plan
from .shell import LabError, wait_for


def start_time(pid: int) -> int:
    """Of a living process, in clock ticks since boot; 0 when there is none. A zombie is not alive, unless threads of it still are."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        gone = fields[0] in "ZX" and len(list(Path(f"/proc/{pid}/task").iterdir())) <= 1
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if gone else int(fields[19])


@dataclass(frozen=True)
class Process:
    name: str
    pid: int
    started: int
    namespace: str
    command: list[str]

    @property
    def alive(self) -> bool:
        return self.pid > 0 and start_time(self.pid) == self.started

    def send(self, number: signal.Signals) -> bool:
        if not self.alive:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def stop(self, grace: float = 5):
        """SIGTERM, then SIGKILL after `grace` seconds; returns when it is gone."""
        if self.send(signal.SIGTERM):
            try:
                wait_for(lambda: not self.alive, f"{self.name} to end", grace)
            except LabError:
                self.kill()

    def kill(self):
        if self.send(signal.SIGKILL):
            wait_for(lambda: not self.alive, f"{self.name} to die", 5)


def _directory() -> Path:
    return plan.STATE / "processes"


def log_file(name: str) -> Path:
    return plan.STATE / "logs" / f"{name}.log"


def record(name: str, pid: int, namespace: str, command: list[str]) -> Process:
    process = Process(name, pid, start_time(pid), namespace, command)
    _directory().mkdir(parents=True, exist_ok=True)
    (_directory() / f"{name}.json").write_text(json.dumps(asdict(process)))
    return process


def forget(name: str):
    (_directory() / f"{name}.json").unlink(missing_ok=True)


def find(name: str) -> Process | None:
    try:
        return Process(**json.loads((_directory() / f"{name}.json").read_text()))
    except FileNotFoundError:
        return None


def every() -> list[Process]:
    return [p for p in (find(file.stem) for file in sorted(_directory().glob("*.json"))) if p]


def start(name: str, namespace: str, command: list[str], *, cwd: Path | None = None, env: dict | None = None) -> Process:
    """Detached, in a session of its own; its output goes to its log, whose last run is kept as NAME.log.1."""
    log = log_file(name)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    with log.open("wb") as out:
        child = subprocess.Popen(["ip", "netns", "exec", namespace, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                 cwd=cwd or log.parent, env={**os.environ, **(env or {})}, start_new_session=True)
    # `ip netns exec` replaces itself by the command, so the pid is the command's own.
    process = record(name, child.pid, namespace, command)
    _children.append(child)
    return process


def resident(process: Process) -> int:
    """Octets in memory, huge pages included."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":" in line)
    return sum(int(fields[key].split()[0]) for key in ("VmRSS", "HugetlbPages")) * 1024


_children: list[subprocess.Popen] = []  # reaped here, or by init when this program ends first


def reap():
    for child in _children:
        child.poll()


def exit_status(process: Process) -> int | None:
    """Of a process that this program started; None while it runs, or when another program did."""
    return next((child.poll() for child in _children if child.pid == process.pid), None)


def tail(name: str, lines: int = 20) -> str:
    try:
        return "\n".join(log_file(name).read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def ensure_alive(process: Process, seconds: float = 0):
    """Raises with the end of its log when the process dies within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        reap()
        if not process.alive:
            raise LabError(f"{process.name} ended at once; its log says:\n{tail(process.name)}")
        if time.monotonic() >= deadline:
            return
        time.sleep(0.02)

"""Scheduler accounting: nanoseconds on a CPU, system calls and the softirq work done inside them included."""

import gzip
import os
from pathlib import Path


def tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def nanoseconds(pids: list[int]) -> int:
    """Of all threads of the processes."""
    total = 0
    for pid in pids:
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def ticks(pids: list[int]) -> tuple[int, int]:
    """(user, kernel) clock ticks: sampled, so good for shares only."""
    user = kernel = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        user, kernel = user + int(fields[11]), kernel + int(fields[12])
    return user, kernel


def softirq_threads() -> list[int]:
    """ksoftirqd of every CPU: softirq work that was too much for the moment that raised it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "comm").read_text().startswith("ksoftirqd/"):
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def excludes_softirq() -> bool:
    """With CONFIG_IRQ_TIME_ACCOUNTING the scheduler takes softirq time out of what it charges to a process."""
    for file, read in (("/proc/config.gz", gzip.open), (f"/boot/config-{os.uname().release}", open)):
        try:
            with read(file, "rt") as config:
                return "CONFIG_IRQ_TIME_ACCOUNTING=y" in config.read()
        except OSError:
            continue
    return False

"""Commands, files and waiting."""

import ctypes
import os
import subprocess
import sys
import time
from contextlib import contextmanager


class LabError(Exception):
    """Something the user is told in one line."""


def run(*argv: str, quiet: bool = False, check: bool = True, timeout: float = 60) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip() or done.returncode}")
    if not quiet and not check and done.returncode != 0:
        print(done.stderr.strip(), file=sys.stderr)
    return done.stdout


def inside(namespace: str, *argv: str, **options) -> str:
    return run("ip", "netns", "exec", namespace, *argv, **options)


def wait_for(condition, what: str, seconds: float, every: float = 0.05):
    """Returns the first true value of condition(); raises LabError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise LabError(f"waited {seconds:g} s for {what}")
        time.sleep(every)


CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def network(namespace: str):
    """Sockets opened by this thread inside the block belong to `namespace`, for good."""
    def enter(fd: int):
        if _libc.setns(fd, CLONE_NEWNET) != 0:
            raise LabError(f"cannot enter namespace {namespace}: {os.strerror(ctypes.get_errno())}")

    try:
        there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    except FileNotFoundError:
        raise LabError(f"no namespace {namespace}: the lab is down") from None
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        enter(there)
        try:
            yield
        finally:
            enter(here)
    finally:
        os.close(there)
        os.close(here)

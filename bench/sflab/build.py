"""Programs of the release build, built if they are missing or stale."""

import os
import subprocess
import sys
from pathlib import Path

from . import plan
from .shell import LabError


def daemon(quiet: bool = False) -> Path:
    return program("sipfrontd", "app", "SIPFRONTD", quiet)


def program(target: str, folder: str, variable: str, quiet: bool = False) -> Path:
    """The program to run: what the environment variable names as it is, else the release build's, brought up to date."""
    given = os.environ.get(variable)
    if given:
        if not os.access(given, os.X_OK):
            raise LabError(f"{variable}={given} cannot be run")
        return Path(given)
    tree = plan.ROOT / "build" / "release"
    if not (tree / "build.ninja").exists():
        _run(["cmake", "--preset", "release"], quiet)
    _run(["cmake", "--build", str(tree), "--target", target], quiet)
    return tree / folder / target


def _run(command: list[str], quiet: bool):
    done = subprocess.run(command, cwd=plan.ROOT, stdout=subprocess.PIPE if quiet else sys.stderr, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)} failed" + (":\n" + done.stdout[-4000:] if quiet else ""))

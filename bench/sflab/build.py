"""The daemon, built if it is missing or stale."""

import os
import subprocess
import sys
from pathlib import Path

from . import plan
from .shell import LabError


def daemon(quiet: bool = False) -> Path:
    """The daemon to run: $SIPFRONTD as it is, else the release build, brought up to date."""
    given = os.environ.get("SIPFRONTD")
    if given:
        if not os.access(given, os.X_OK):
            raise LabError(f"SIPFRONTD={given} cannot be run")
        return Path(given)
    tree = plan.ROOT / "build" / "release"
    if not (tree / "build.ninja").exists():
        _run(["cmake", "--preset", "release"], quiet)
    _run(["cmake", "--build", str(tree), "--target", "sipfrontd"], quiet)
    return tree / "app" / "sipfrontd"


def _run(command: list[str], quiet: bool):
    done = subprocess.run(command, cwd=plan.ROOT, stdout=subprocess.PIPE if quiet else sys.stderr, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)} failed" + (":\n" + done.stdout[-4000:] if quiet else ""))

"""bench_worker as a child: what it writes as JSON."""

import json
import subprocess
import tempfile
from pathlib import Path

from .shell import LabError

PATIENCE = 1800  # seconds


def run(program: Path, *options: str) -> dict:
    with tempfile.TemporaryDirectory(prefix="sipfront-worker-") as folder:
        file = Path(folder) / "result.json"
        command = [str(program), *options, "--json", str(file)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise LabError(f"no end within half an hour: {' '.join(command)}") from None
        if done.returncode != 0:
            raise LabError(f"{' '.join(command)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}")
        try:
            return json.loads(file.read_text())
        except (FileNotFoundError, ValueError) as error:
            raise LabError(f"{' '.join(command)} wrote no JSON: {error}") from None


def numbers(found: dict, keys: tuple[str, ...], what: str) -> dict:
    """Those keys of it; raises when one is missing or no number."""
    wrong = [key for key in keys if not isinstance(found.get(key), (int, float)) or isinstance(found.get(key), bool)]
    if wrong:
        raise LabError(f"{what}: no number for {', '.join(wrong)} in its JSON (it has: {', '.join(sorted(found))})")
    return {key: found[key] for key in keys}

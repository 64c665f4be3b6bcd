"""Huge pages for the nodes, as far as this machine gives them; what was changed is put back."""

import json
import shutil
import subprocess
from pathlib import Path

from . import plan

NODE_MEMORY_MB = 256
_COUNT = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
_FREE = _COUNT.with_name("free_hugepages")
_MOUNT = Path("/dev/hugepages")


def _mounted() -> bool:
    return any(line.split()[2] == "hugetlbfs" for line in Path("/proc/mounts").read_text().splitlines())


def _record() -> Path:
    return plan.STATE / "memory.json"


def reserve(nodes: int) -> bool:
    """Whether the nodes have huge pages now; without, they run all the same. What is changed is written down first, for release()."""
    pages = nodes * (NODE_MEMORY_MB // 2 + 8)
    try:
        before, free = int(_COUNT.read_text()), int(_FREE.read_text())
        added = max(pages - free, 0)
        _record().write_text(json.dumps({"added": added, "mounted": _mounted()}))
        if added:
            _COUNT.write_text(str(before + added))
        if int(_FREE.read_text()) >= pages:
            if not _mounted():
                _MOUNT.mkdir(exist_ok=True)
                subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", str(_MOUNT)], capture_output=True)
            if _mounted():
                return True
    except OSError:
        pass
    release()
    return False


def release():
    """Gives back as many pages as reserve() added: by difference, for others may have added theirs in between."""
    try:
        found = json.loads(_record().read_text())
        if found["added"]:
            _COUNT.write_text(str(max(int(_COUNT.read_text()) - found["added"], 0)))
        if _mounted() and not found["mounted"] and int(_COUNT.read_text()) == 0:
            subprocess.run(["umount", str(_MOUNT)], capture_output=True)
    except (OSError, ValueError, KeyError):
        return
    _record().unlink()


def file_prefix(node: str) -> str:
    return f"sipfront-lab-{node}"


def clean(node: str):
    """What a killed daemon leaves: huge-page files and the run-time directory of its prefix."""
    for mount in (line.split() for line in Path("/proc/mounts").read_text().splitlines()):
        if mount[2] == "hugetlbfs":
            for file in Path(mount[1]).glob(f"{file_prefix(node)}map_*"):
                file.unlink(missing_ok=True)
    shutil.rmtree(Path("/var/run/dpdk") / file_prefix(node), ignore_errors=True)

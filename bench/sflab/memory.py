"""Huge pages for the nodes, as far as this machine gives them; what was changed is put back."""

import shutil
import subprocess
from pathlib import Path

NODE_MEMORY_MB = 256
_COUNT = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
_FREE = _COUNT.with_name("free_hugepages")
_MOUNT = Path("/dev/hugepages")


def _mounted() -> bool:
    return any(line.split()[2] == "hugetlbfs" for line in Path("/proc/mounts").read_text().splitlines())


def reserve(nodes: int) -> dict:
    """What was done, for release(); {"huge": False} when the nodes must do without."""
    pages = nodes * (NODE_MEMORY_MB // 2 + 8)
    done = {"huge": False, "count": None, "mounted": False}
    try:
        before, free = int(_COUNT.read_text()), int(_FREE.read_text())
        if free < pages:
            done["count"] = before
            _COUNT.write_text(str(before + pages - free))
        if int(_FREE.read_text()) < pages:
            release(done)
            return {"huge": False, "count": None, "mounted": False}
        if not _mounted():
            _MOUNT.mkdir(exist_ok=True)
            done["mounted"] = subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", str(_MOUNT)]).returncode == 0
        done["huge"] = _mounted()
    except OSError:
        release(done)
        return {"huge": False, "count": None, "mounted": False}
    return done


def release(done: dict):
    if done.get("mounted"):
        subprocess.run(["umount", str(_MOUNT)], capture_output=True)
    if done.get("count") is not None:
        try:
            _COUNT.write_text(str(done["count"]))
        except OSError:
            pass


def file_prefix(node: str) -> str:
    return f"sipfront-lab-{node}"


def clean(node: str):
    """What a killed daemon leaves: huge-page files and the run-time directory of its prefix."""
    for mount in (line.split() for line in Path("/proc/mounts").read_text().splitlines()):
        if mount[2] == "hugetlbfs":
            for file in Path(mount[1]).glob(f"{file_prefix(node)}map_*"):
                file.unlink(missing_ok=True)
    shutil.rmtree(Path("/var/run/dpdk") / file_prefix(node), ignore_errors=True)

"""One sipfrontd and one generator on DPDK ports of this machine: huge pages, namespace, configuration, measuring the daemon while it works."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import metrics, plan
from .shell import LabError, inside, run, wait_for

STATE = Path("/run/sipfront-memif")
NAMESPACE = "sipfront-memif"
PREFIXES = ("sipfront-memif", "sipfront-memif-sipgen", "sipfront-memif-testpmd")  # of DPDK's run-time directories
OWN, CLIENTS = plan.v4(plan.NODE_PARTS["lb1"]), [plan.v4(2), plan.v4(3), plan.v4(4), plan.v4(5)]
_PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


class HugePages:
    """So many free MiB of 2 MiB pages while it lasts; `given` is False when the machine does not give them."""

    def __init__(self, megabytes: int):
        self.wanted, self.added, self.given = megabytes // 2, 0, False

    def top_up(self):
        """Before a process starts that takes some: others on the machine may have taken what was free."""
        count, free = _PAGES / "nr_hugepages", int((_PAGES / "free_hugepages").read_text())
        if free < self.wanted:
            count.write_text(str(int(count.read_text()) + self.wanted - free))
            self.added += self.wanted - free
        self.given = int((_PAGES / "free_hugepages").read_text()) >= self.wanted

    def __enter__(self):
        self.top_up()
        return self

    def __exit__(self, *_):
        # Relative to what is there now, and only what is free: others have theirs.
        count, free = _PAGES / "nr_hugepages", int((_PAGES / "free_hugepages").read_text())
        count.write_text(str(max(0, int(count.read_text()) - min(self.added, free))))


def programs(*names: str) -> list[Path]:
    """Of the build in $SIPFRONT_BUILD, else the release preset, brought up to date."""
    tree = Path(os.environ.get("SIPFRONT_BUILD", plan.ROOT / "build" / "release"))
    if "SIPFRONT_BUILD" not in os.environ:
        if not (tree / "build.ninja").exists():
            run("cmake", "--preset", "release", "-S", str(plan.ROOT), timeout=300)
        print("building ...", file=sys.stderr, flush=True)
        run("cmake", "--build", str(tree), "--target", *names, timeout=3600)
    found = [next((f for pattern in (f"app/{n}", f"bench/*/{n}") for f in tree.glob(pattern) if f.is_file()), None) for n in names]
    if not all(found):
        raise LabError(f"{', '.join(names)} not in {tree}")
    return found


priority = 0  # nice value of the measured processes: set where a machine has other work


def spawn(command: list[str], **options) -> subprocess.Popen:
    """In a session of its own, which the kernel's autogrouping weighs as one task: the nice value counts for the session, too."""
    def favour():
        if priority:
            os.nice(priority)
            group = Path("/proc/self/autogroup")
            if group.exists():
                group.write_text(str(priority))

    return subprocess.Popen(command, start_new_session=True, preexec_fn=favour, **options)


ring = 10  # binary logarithm of a memif ring's length


def memif(role: str, zero_copy: bool = False) -> str:
    # The path, since abstract sockets end at a namespace's border.
    copy = ",zero-copy=yes" if zero_copy else ""
    return f"net_memif0,role={role},id=0,socket={STATE}/memif.sock,socket-abstract=no,rsize={ring}{copy}"


@dataclass
class Proxy:
    """How sipfrontd is set up for a run."""
    device: str
    core: int
    idle: str            # poll or adaptive
    rate: float          # highest that will be offered: sizes its tables
    hold: float
    huge: bool
    overlay: str = ""
    memory_mb: int = 128
    log: Path = STATE / "sipfrontd.log"
    child: subprocess.Popen | None = None

    def config_text(self) -> str:
        text = f"""# Written by bench/memif.
[node]
drain_timeout = "1s"

[database]
engine = "none"

[data_plane]
ports = ["{self.device}"]
cores = [{self.core}]
# Small, so that the buffers stay in the cache.
mbufs = {4 << ring}
huge_pages = {str(self.huge).lower()}
memory = "{self.memory_mb}MiB"
file_prefix = "{PREFIXES[0]}"
adaptive_idle = {str(self.idle == "adaptive").lower()}

[data_plane.bond]
mode = "none"

[kernel]
interface = "{plan.TAP}"
device = "tap"
addresses = ["{OWN}/{plan.V4_LENGTH}"]
virtual_addresses = ["{plan.VIP}/{plan.V4_LENGTH}"]

[sip]
max_transactions = {int(self.rate * 75) + 65_536}
max_dialogs = {int(self.rate * (self.hold + 10)) + 65_536}
image_bytes = "8GiB"

[metrics]
listen = ":{plan.METRICS_PORT}"

[admin]
socket = "{STATE}/admin.sock"

[balancer.probe]
interval = "1s"
timeout = "500ms"
"""
        for address in plan.HOST_ADDRESSES.values():
            text += f"""
[[load_balancer]]
dst_uri = "sip:{address}"
resources = "pstn=100000000"

[[dispatcher]]
destination = "sip:{address}"
"""
        return text

    def write_configs(self) -> list[Path]:
        files = [STATE / "sipfrontd.toml", STATE / "overlay.toml"]
        files[0].write_text(self.config_text())
        files[1].write_text("# What the user adds.\n" + self.overlay)
        return files

    def start(self, daemon: Path):
        files = self.write_configs()
        command = ["ip", "netns", "exec", NAMESPACE, str(daemon), "--foreground", *(w for f in files for w in ("--config", str(f)))]
        with self.log.open("wb") as out:
            self.child = spawn(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)

    def check(self):
        if self.child.poll() is not None:
            raise LabError(f"sipfrontd ended with {self.child.returncode}; its log says:\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-15:]))

    def stop(self):
        if self.child is None:
            return
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(15)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def resident(self) -> int:
        """KiB, huge pages apart."""
        for line in Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def page(self) -> metrics.Page:
        return metrics.parse(metrics.get(NAMESPACE, OWN, plan.METRICS_PORT, "/metrics"))


@contextmanager
def place():
    """The state directory and the namespace of a run; one run at a time."""
    if STATE.exists():
        owner = STATE / "owner"
        pid = int(owner.read_text()) if owner.exists() else 0
        if pid and Path(f"/proc/{pid}").exists():
            raise LabError(f"another run is at work (process {pid})")
    _clear()
    STATE.mkdir(parents=True)
    (STATE / "owner").write_text(str(os.getpid()))
    try:
        run("ip", "netns", "add", NAMESPACE)
        inside(NAMESPACE, "ip", "link", "set", "lo", "up")
        yield
    finally:
        _clear()


def _clear():
    run("ip", "netns", "del", NAMESPACE, quiet=True, check=False)
    for folder in (STATE, *(Path("/var/run/dpdk") / p for p in PREFIXES)):
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Window:
    """The daemon's counters at the ends of one rate's measured time."""
    rate: float
    first: metrics.Page
    last: metrics.Page | None = None
    began: float = field(default_factory=time.monotonic)
    ended: float = 0
    resident: int = 0  # KiB

    def grown(self, name: str, **labels) -> float:
        return (self.last or self.first).sum(name, **labels) - self.first.sum(name, **labels)

    def summary(self) -> dict:
        total = self.grown("sipfront_poll_cycles_total") + self.grown("sipfront_poll_sleep_cycles_total")
        busy = self.grown("sipfront_poll_busy_cycles_total") / total if total else 0.0
        seconds = max(self.ended - self.began, 1e-9)
        messages = self.grown("sipfront_port_received_datagrams_total")
        last = self.last or self.first
        return {"rate": self.rate, "seconds": round(seconds, 2), "poll_core_use": busy, "messages": messages,
                "ns_per_message": 1e9 * busy * seconds / messages if messages else 0.0,
                "us_per_call": 1e6 * busy / self.rate if self.rate else 0.0,
                "admission_share": last.sum("sipfront_overload_admission_share"),
                "probe_failures": self.grown("sipfront_destination_failures_total"),
                "hosts_out": len(last.select("sipfront_destination_state", state="active")) - last.sum("sipfront_destination_state", state="active"),
                "transactions": last.sum("sipfront_transactions_active"), "dialogs": last.sum("sipfront_dialogs_active"),
                "port_drops": {k: n - self.first.by("sipfront_port_drops_total", "reason").get(k, 0)
                               for k, n in last.by("sipfront_port_drops_total", "reason").items() if n > self.first.by("sipfront_port_drops_total", "reason").get(k, 0)}, "resident_mib": round(self.resident / 1024)}


class Generator:
    """sipgen as a child; its progress lines tell when to look at the daemon."""
    _LINE = re.compile(r"^\s*\d+\s+(\d+)\s")

    def __init__(self, program: Path, *options: str, proxy: Proxy | None = None):
        self.proxy, self.windows, self.errors = proxy, [], []
        self.child = spawn([str(program), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self):
        for line in self.child.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            match = self._LINE.match(line)
            if not match:
                self.errors.append(line)
            elif self.proxy and "(not counted)" not in line:
                self._look(float(match.group(1)))

    def _look(self, rate: float):
        try:
            page = self.proxy.page()
        except (OSError, LabError):
            return
        if not self.windows or self.windows[-1].rate != rate:
            self.windows.append(Window(rate, page))
        else:
            self.windows[-1].last, self.windows[-1].ended = page, time.monotonic()
        self.windows[-1].resident = self.proxy.resident()

    def wait(self, watch=lambda: None) -> tuple[int, str]:
        """Until it ends; `watch` raises when there is nothing to wait for."""
        while self.child.poll() is None:
            watch()
            time.sleep(0.1)
        self.thread.join()
        return self.child.returncode, self.child.stdout.read()

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()


def load(file: Path) -> dict:
    try:
        return json.loads(file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def wait_for_socket(generator: Generator):
    def there():
        if generator.child.poll() is not None:
            generator.thread.join(1)
            raise LabError("sipgen ended at once: " + "".join(generator.errors)[-1500:])
        return (STATE / "memif.sock").exists()

    wait_for(there, "sipgen's memif socket", 30)

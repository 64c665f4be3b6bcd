"""sipfrontd as a peer, in its kernel-path form: one worker on a DPDK port that ends in the kernel."""

from pathlib import Path

from .. import memory, metrics, proc, store
from ..shell import LabError
from . import mariadb, net, plan

_METRICS_PORT = 9090
# Ring of an AF_PACKET port: 4096 frames, so that a burst waits as it may in a socket's buffer.
PORTS = {"af_packet": f"net_af_packet0,iface={plan.DEVICE},qpairs=1,framesz=2048,framecnt=4096,blocksz=65536",
         "af_xdp": f"net_af_xdp0,iface={plan.DEVICE},queue_count=1"}


class Sipfront:
    highest = 60_000           # calls a second that are tried
    _seen_from = plan.LOAD     # namespace from which the metrics are read

    def __init__(self, cpus: plan.Cpus, daemon: str, port: str = "af_packet", database: bool = False):
        self.name, self.label = f"sipfront-{port}", f"sipfront, {port.upper()}"
        if database:
            self.name, self.label = "sipfront+db", "sipfront + MariaDB"
        self._cpus, self._daemon, self.port, self._database = cpus, daemon, port, database
        self.memory_rate = 1_000  # calls a second that it takes with ease
        self.linger = 40       # seconds after which no transaction lingers any more: 32 s of RFC 3261 and RFC 6026
        self._process: proc.Process | None = None

    def start(self):
        net.add()
        net.give_to_dpdk()
        memory.clean("peer")
        return self._launch(PORTS[self.port], memory.reserve(1), self._database_config() if self._database else "")

    def _database_config(self) -> str:
        mariadb.running(self._cpus.database)
        mariadb.server().sql(f"DROP DATABASE IF EXISTS {store.NAME}; CREATE DATABASE {store.NAME}")
        return store.mysql_config(mariadb.SOCKET)

    def _launch(self, device: str, huge: bool, more: str = "") -> proc.Process:
        overlay = plan.STATE / "sipfront.toml"
        overlay.write_text(f"""[data_plane]
ports = ["{device}"]
cores = [{self._cpus.proxy}]
huge_pages = {str(huge).lower()}
file_prefix = "{memory.file_prefix("peer")}"
{more}
[admin]
socket = "{plan.STATE}/sipfront.sock"
""")
        if self._database:
            store.make_tables(Path(self._daemon).with_name("sipfrontctl"), [plan.CONFIGS / "sipfront.toml", overlay], plan.PROXY)
        # The other threads share the worker's CPU, as all of Kamailio's processes share one.
        command = plan.on_cpu(self._cpus.proxy, self._daemon, "--config", str(plan.CONFIGS / "sipfront.toml"), "--config", str(overlay))
        self._process = proc.start("sipfront", plan.PROXY, command)
        return self._process

    def stop(self):
        if self._process:
            self._process.stop(grace=5)
        memory.clean("peer")
        memory.release()
        net.remove()

    def _page(self) -> metrics.Page:
        return metrics.parse(metrics.get(self._seen_from, plan.OWN, _METRICS_PORT, "/metrics"))

    def memory(self) -> int:
        """Bytes resident, huge pages included."""
        return proc.resident(self._process)

    def dialogs(self) -> int:
        return int(self._page().sum("sipfront_dialogs_active"))

    def _worker_and_others(self) -> tuple[int, int]:
        worker = others = 0
        for task in Path(f"/proc/{self._process.pid}/task").iterdir():
            try:
                spent = int((task / "schedstat").read_text().split()[0])
                name = (task / "comm").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if name.startswith(("rte-worker", "lcore-worker", "worker")):
                worker += spent
            else:
                others += spent
        if not worker:
            raise LabError("sipfrontd has no worker thread")
        return worker, others

    def sample(self) -> dict:
        """Counters to be subtracted from later ones; ns unless named otherwise."""
        page = self._page()
        worker, others = self._worker_and_others()
        return {"busy_cycles": page.sum("sipfront_poll_busy_cycles_total"),
                "all_cycles": page.sum("sipfront_poll_cycles_total") + page.sum("sipfront_poll_sleep_cycles_total"),
                "worker_cpu": worker, "other_cpu": others}

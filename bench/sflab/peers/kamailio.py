"""Debian's Kamailio as a peer."""

import signal
import subprocess
from pathlib import Path

from .. import proc
from ..shell import LabError, wait_for
from . import cpu, mariadb, net, plan

SHARED_MB, PRIVATE_MB = 2048, 32  # a lingering transaction takes 17 KB
RECEIVE_BUFFER = 4 << 20


class Kamailio:
    highest = 60_000  # calls a second that are tried

    def __init__(self, cpus: plan.Cpus, children: int = 1, database: bool = False):
        self.name = ("kamailio+db" if database else "kamailio") + (f"/{children}" if children > 1 else "")
        self.label = f"Kamailio{' + MariaDB' if database else ''}" + (f", {children} children" if children > 1 else "")
        self.children, self.database, self._cpus = children, database, cpus
        self.memory_rate = 500 if database else 1_000  # calls a second that it takes with ease
        self.linger = 10       # seconds after which no transaction lingers any more: tm waits 5 s
        self._process: proc.Process | None = None
        self._database: proc.Process | None = None

    def start(self):
        net.add()
        net.give_to_kernel()
        options = ["-A", f'DISPATCHER_LIST="{plan.CONFIGS}/dispatcher.list"', "-A", f'CTL_SOCKET="unixs:{self._socket}"']
        environment = {}
        if self.database:
            self._database = mariadb.running(self._cpus.database)
            mariadb.forget_dialogs()
            options += ["-A", f'DIALOG_DB="mysql://root@localhost/{mariadb.DATABASE}"']
            environment["MYSQL_UNIX_PORT"] = str(mariadb.SOCKET)
        command = [*plan.on_cpu(self._cpus.proxy), "kamailio", "-DD", "-E", "-f", str(plan.CONFIGS / "kamailio.cfg"),
                   "-l", f"udp:{plan.VIP}:{plan.SIP_PORT}", "-n", str(self.children), "-x", "fm", "-X", "fm", "-m", str(SHARED_MB),
                   "-M", str(PRIVATE_MB), "-b", str(RECEIVE_BUFFER), "-Y", str(plan.STATE), *options]
        self._process = proc.start("kamailio", plan.PROXY, command, env=environment)
        return self._process

    def stop(self):
        if self._process:
            # Asked to end, it would write and free every call one by one. The last to die gives gigabytes back, which takes a moment.
            left = [proc.Process("kamailio", pid, proc.start_time(pid), plan.PROXY, []) for pid in cpu.tree(self._process.pid)]
            for process in left:
                process.send(signal.SIGKILL)
            wait_for(lambda: not any(process.alive for process in left), "kamailio to die", 30)
            proc.forget("kamailio")
        net.remove()

    @property
    def _socket(self) -> Path:
        return plan.STATE / "kamailio.ctl"

    def _ask(self, *command: str) -> dict[str, str]:
        done = subprocess.run(["kamcmd", "-s", f"unix:{self._socket}", *command], capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            raise LabError(f"kamcmd {' '.join(command)}: {done.stderr.strip()}")
        pairs = (line.strip().split(":", 1) for line in done.stdout.splitlines() if ":" in line)
        return {key.strip(): value.strip() for key, value in pairs}

    def memory(self) -> int:
        """Bytes of shared memory in use, the allocator's own per-fragment overhead included."""
        return int(self._ask("core.shmmem")["real_used"])

    def dialogs(self) -> int:
        return int(self._ask("dlg.stats_active")["all"])

    def sample(self) -> dict:
        """Counters to be subtracted from later ones; ns unless named otherwise."""
        pids = cpu.tree(self._process.pid)
        out = {"cpu": cpu.nanoseconds(pids), "ticks": cpu.ticks(pids)}
        if self._database:
            out["database_cpu"] = cpu.nanoseconds([self._database.pid])
            out["database_writes"] = mariadb.writes()
        return out

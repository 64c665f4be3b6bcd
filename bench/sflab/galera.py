"""Three MariaDB nodes with Galera on the loopback of lb1's namespace.

The scripts by which a node gets the state of the others are in the package mariadb-server, which would start a service of the system: it
is unpacked, not installed."""

import os
import re
import shutil
import subprocess

from . import plan, proc
from .mariadb import Server
from .shell import LabError, wait_for
from .store import FOLDER, NAME

_SCRIPTS = FOLDER / "scripts"
_PROVIDER = "/usr/lib/galera/libgalera_smm.so"
_SQL_PORT, _GROUP_PORT = 3311, 4571  # of the first; the next ones follow, group ports by ten


class Node(Server):
    def __init__(self, number: int):
        super().__init__(f"galera{number}", FOLDER / f"galera{number}", plan.node_namespace("lb1"))
        self.number = number
        self.port = _SQL_PORT + number

    def options(self) -> list[str]:
        group = _GROUP_PORT + 10 * self.number
        peers = ",".join(f"127.0.0.1:{_GROUP_PORT + 10 * n}" for n in range(3))
        provider = f"base_port={group};ist.recv_addr=127.0.0.1:{group + 1};gcache.size=64M"
        return [*self._common(), f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.folder}/pid",
                "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=128M", "--innodb-autoinc-lock-mode=2", "--skip-name-resolve",
                "--performance-schema=off", "--binlog-format=ROW", "--wsrep-on=ON", f"--wsrep-provider={_PROVIDER}",
                f"--wsrep-cluster-address=gcomm://{peers}", "--wsrep-cluster-name=sipfront-lab", f"--wsrep-node-name={self.name}",
                f"--wsrep-node-address=127.0.0.1:{group}", "--wsrep-sst-method=rsync", f"--wsrep-provider-options={provider}"]

    def _environment(self) -> dict:
        return {**super()._environment(), "PATH": f"{_SCRIPTS}/usr/bin:{os.environ['PATH']}"}

    def begin(self, *more: str):
        process = proc.start(self.name, self.namespace, ["mariadbd", *self.options(), *more], env=self._environment())
        wait_for(lambda: self._answers(process) and self.ready, f"{self.name} to be synced", 60, every=0.2)

    @property
    def ready(self) -> bool:
        return "ON" in self.sql("SHOW STATUS LIKE 'wsrep_ready'")

    def open_for_transfer(self):
        """The receiving rsync of a server that runs as root writes as nobody."""
        for folder in (FOLDER, self.folder):
            folder.chmod(0o711)
        for path in [self.folder / "data", *(self.folder / "data").rglob("*")]:
            shutil.chown(path, "nobody", "nogroup")

    def rejoin(self):
        """After a kill: from the position that InnoDB has, by what the others have written since."""
        found = subprocess.run(["mariadbd", *self.options(), "--wsrep-recover", "--skip-networking"], capture_output=True, text=True, timeout=60,
                               env=self._environment())
        position = re.search(r"Recovered position:? (\S+)", found.stderr + found.stdout)
        if not position:
            raise LabError(f"{self.name}: no position: {(found.stderr or found.stdout)[-800:]}")
        self.open_for_transfer()
        self.begin(f"--wsrep-start-position={position[1]}")


def _unpack_scripts():
    _SCRIPTS.mkdir(parents=True, exist_ok=True)
    for command in (["apt-get", "download", "mariadb-server"], ["sh", "-c", "dpkg-deb -x mariadb-server_*.deb . && rm mariadb-server_*.deb"]):
        done = subprocess.run(command, cwd=_SCRIPTS, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")


class Cluster:
    def __init__(self):
        self.nodes = [Node(n) for n in range(3)]

    def config_text(self) -> str:
        """For the nodes of the lab: the TOML that leads to this cluster."""
        hosts = ", ".join(f'"127.0.0.1:{n.port}"' for n in self.nodes)
        return (f'[database]\nengine = "mysql"\nhosts = [{hosts}]\nuser = "sipfront"\nname = "{NAME}"\nread_timeout = "2s"\nwrite_timeout = "2s"\n'
                f'destination_cache = "{FOLDER}/galera-destinations.json"\n')

    def up(self, make_tables):
        """`make_tables()` is called once the first node answers."""
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        _unpack_scripts()
        first = self.nodes[0]
        first.install()
        first.begin("--wsrep-new-cluster")
        first.sql(f"CREATE DATABASE {NAME}; CREATE USER sipfront@'%'; GRANT ALL ON {NAME}.* TO sipfront@'%'")
        make_tables()
        for node in self.nodes[1:]:
            node.remove()
            (node.folder / "data").mkdir(parents=True)
            node.open_for_transfer()
            node.begin()

    def rows(self, number: int) -> int:
        return int(self.nodes[number].sql("SELECT COUNT(*) FROM dialog", NAME))

    def kill(self, number: int):
        self.nodes[number].process.kill()

    def start(self, number: int):
        self.nodes[number].rejoin()

    def down(self):
        for node in reversed(self.nodes):
            node.remove()

"""A MariaDB of our own: own data directory in memory, own socket, no network, nothing of the system's."""

import os
import shutil
import subprocess
from pathlib import Path

from . import proc
from .shell import LabError, wait_for


class Server:
    """One a name; the process is found again by it, also by another program."""

    def __init__(self, name: str, folder: Path, namespace: str, prefix: tuple[str, ...] = ()):
        self.name, self.folder, self.namespace, self.prefix = name, folder, namespace, prefix
        self.socket = folder / "socket"

    def _environment(self) -> dict:
        # No [client] or [mysqld] section of the system's configuration files.
        return {**os.environ, "MYSQL_HOME": str(self.folder), "HOME": str(self.folder)}

    def sql(self, text: str, *options: str) -> str:
        done = subprocess.run(["mariadb", "--no-defaults", f"--socket={self.socket}", "-u", "root", "-N", *options], input=text, text=True,
                              capture_output=True, timeout=30)
        if done.returncode != 0:
            raise LabError(f"mariadb: {done.stderr.strip()}")
        return done.stdout

    @property
    def process(self) -> proc.Process | None:
        process = proc.find(self.name)
        return process if process and process.alive else None

    def create(self):
        """An empty server, and it runs."""
        self.install()
        self.start()

    def install(self):
        """An empty server."""
        self.remove()
        (self.folder / "data").mkdir(parents=True)
        self.folder.chmod(0o700)
        made = subprocess.run(["mariadb-install-db", *self._common(), "--auth-root-authentication-method=normal", "--skip-test-db"],
                              capture_output=True, text=True, timeout=120, env=self._environment())
        if made.returncode != 0:
            raise LabError(f"mariadb-install-db: {(made.stderr or made.stdout)[-800:]}")

    def _common(self) -> list[str]:
        return ["--no-defaults", f"--datadir={self.folder}/data", "--user=root"]

    def start(self):
        # A commit waits for no disk, as administrators of such a table choose; all else is MariaDB's default.
        process = proc.start(self.name, self.namespace, [*self.prefix, "mariadbd", *self._common(), f"--socket={self.socket}", "--skip-networking",
                                                         f"--pid-file={self.folder}/pid", "--innodb-flush-log-at-trx-commit=2",
                                                         "--innodb-buffer-pool-size=256M", "--skip-name-resolve", "--performance-schema=off"],
                             env=self._environment())
        wait_for(lambda: self._answers(process), "MariaDB to answer", 60, every=0.2)

    def _answers(self, process: proc.Process) -> bool:
        proc.ensure_alive(process)
        if not self.socket.exists():
            return False
        try:
            self.sql("SELECT 1")
        except LabError:
            return False
        return True

    def remove(self):
        process = proc.find(self.name)
        if process:
            process.stop(grace=10)
        shutil.rmtree(self.folder, ignore_errors=True)

"""A MariaDB of our own for the dialog table: own data directory, own socket, no network, nothing of the system's."""

import os
import shutil
import subprocess
from pathlib import Path

from .. import proc
from ..shell import LabError, wait_for
from . import net, plan

# In memory: the comparison is not of disks. (Kamailio's own SQL for its tables.)
_FOLDER = Path("/dev/shm/sipfront-peers-mariadb")
_TABLES = Path("/usr/share/kamailio/mysql")
SOCKET = _FOLDER / "socket"
DATABASE = "kamailio"


def _clean_environment() -> dict:
    # No [client] or [mysqld] section of the system's configuration files.
    return {**os.environ, "MYSQL_HOME": str(_FOLDER), "HOME": str(_FOLDER)}


def _sql(text: str, *options: str) -> str:
    done = subprocess.run(["mariadb", "--no-defaults", f"--socket={SOCKET}", "-u", "root", "-N", *options], input=text, text=True,
                          capture_output=True, timeout=30)
    if done.returncode != 0:
        raise LabError(f"mariadb: {done.stderr.strip()}")
    return done.stdout


def running(cpu: int) -> proc.Process:
    """The server, started if it is not up: once for the whole comparison."""
    process = proc.find("mariadb")
    return process if process and process.alive else _start(cpu)


def _start(cpu: int) -> proc.Process:
    remove()
    net.add_database()
    data = _FOLDER / "data"
    data.mkdir(parents=True)
    _FOLDER.chmod(0o700)
    common = ["--no-defaults", f"--datadir={data}", "--user=root"]
    made = subprocess.run(["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
                          capture_output=True, text=True, timeout=120, env=_clean_environment())
    if made.returncode != 0:
        raise LabError(f"mariadb-install-db: {(made.stderr or made.stdout)[-800:]}")
    # A commit waits for no disk, as administrators of such a table choose; all else is MariaDB's default.
    process = proc.start("mariadb", plan.DATABASE, [*plan.on_cpu(cpu), "mariadbd", *common, f"--socket={SOCKET}", "--skip-networking",
                                                 f"--pid-file={_FOLDER}/pid", "--innodb-flush-log-at-trx-commit=2",
                                                 "--innodb-buffer-pool-size=256M", "--skip-name-resolve", "--performance-schema=off"],
                         env=_clean_environment())
    wait_for(lambda: _answers(process), "MariaDB to answer", 60, every=0.2)
    tables = "".join((_TABLES / f"{name}-create.sql").read_text() for name in ("standard", "dialog"))
    _sql(f"CREATE DATABASE {DATABASE}; USE {DATABASE};\n{tables}")
    return process


def _answers(process: proc.Process) -> bool:
    proc.ensure_alive(process)
    if not SOCKET.exists():
        return False
    try:
        _sql("SELECT 1")
    except LabError:
        return False
    return True


def dialogs() -> int:
    return int(_sql("SELECT COUNT(*) FROM dialog", DATABASE))


def writes() -> int:
    """Statements that changed a table since the server started."""
    rows = _sql("SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_insert', 'Com_update', 'Com_delete')")
    return sum(int(line.split()[1]) for line in rows.splitlines())


def forget_dialogs():
    _sql("TRUNCATE dialog; TRUNCATE dialog_vars;", DATABASE)


def remove():
    process = proc.find("mariadb")
    if process:
        process.stop(grace=10)
    shutil.rmtree(_FOLDER, ignore_errors=True)

"""MariaDB for Kamailio's dialog table."""

from pathlib import Path

from .. import proc
from ..mariadb import Server
from . import net, plan

# In memory: the comparison is not of disks. (Kamailio's own SQL for its tables.)
_FOLDER = Path("/dev/shm/sipfront-peers-mariadb")
_TABLES = Path("/usr/share/kamailio/mysql")
_server = Server("mariadb", _FOLDER, plan.DATABASE)
SOCKET = _server.socket
DATABASE = "kamailio"


def server() -> Server:
    return _server


def running(cpu: int) -> proc.Process:
    """The server, started if it is not up: once for the whole comparison."""
    return _server.process or _start(cpu)


def _start(cpu: int) -> proc.Process:
    net.add_database()
    _server.prefix = tuple(plan.on_cpu(cpu))
    _server.create()
    tables = "".join((_TABLES / f"{name}-create.sql").read_text() for name in ("standard", "dialog"))
    _server.sql(f"CREATE DATABASE {DATABASE}; USE {DATABASE};\n{tables}")
    return _server.process


def dialogs() -> int:
    return int(_server.sql("SELECT COUNT(*) FROM dialog", DATABASE))


def writes() -> int:
    """Statements that changed a table since the server started."""
    rows = _server.sql("SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_insert', 'Com_update', 'Com_delete')")
    return sum(int(line.split()[1]) for line in rows.splitlines())


def forget_dialogs():
    _server.sql("TRUNCATE dialog; TRUNCATE dialog_vars;", DATABASE)


def remove():
    _server.remove()

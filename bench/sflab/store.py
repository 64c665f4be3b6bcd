"""The lab's dialog store: a SQLite file of each node, or one MariaDB that the nodes share."""

import shutil
import sqlite3
import subprocess
from pathlib import Path

from . import plan
from .mariadb import Server
from .shell import LabError

NAME = "opensips"
# Memory: commits of the lab are not about disks.
FOLDER = Path("/dev/shm/sipfront-lab")
server = Server("mariadb", FOLDER / "mariadb", plan.NET)


def sqlite_file(node: str) -> Path:
    return FOLDER / f"{node}.db"


def mysql_config(socket: Path) -> str:
    return f'''
[database]
engine = "mysql"
socket = "{socket}"
user = "root"
name = "{NAME}"
'''


def config_text(node: str, engine: str) -> str:
    if not engine:
        return '\n[database]\nengine = "none"\n'
    where = mysql_config(server.socket) if engine == "mysql" else f'\n[database]\nengine = "{engine}"\npath = "{sqlite_file(node)}"\n'
    return f'{where}destination_cache = "{FOLDER}/{node}-destinations.json"\n'


def up(engine: str):
    if not engine:
        return
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    if engine == "mysql":
        server.create()
        server.sql(f"CREATE DATABASE {NAME}")


def make_tables(sipfrontctl: Path, configs: list[Path], namespace: str = plan.node_namespace("lb1")):
    files = [argument for config in configs for argument in ("--config", str(config))]
    done = subprocess.run(["ip", "netns", "exec", namespace, str(sipfrontctl), *files, "db", "create"], capture_output=True, text=True,
                          timeout=60)
    if done.returncode != 0:
        raise LabError(f"sipfrontctl db create: {done.stdout}{done.stderr}")


def down():
    server.remove()
    shutil.rmtree(FOLDER, ignore_errors=True)


def query(engine: str, text: str, node: str = "lb1") -> list[tuple]:
    if engine == "mysql":
        return [tuple(line.split("\t")) for line in server.sql(text, NAME).splitlines()]
    try:
        connection = sqlite3.connect(f"file:{sqlite_file(node)}?mode=ro", uri=True, timeout=5)
    except sqlite3.Error as error:
        raise LabError(f"{sqlite_file(node)}: {error}") from None
    try:
        return connection.execute(text).fetchall()
    finally:
        connection.close()


def dialogs(engine: str) -> int:
    return int(query(engine, "SELECT COUNT(*) FROM dialog")[0][0])

"""The lab as a whole: up, down and what is in between. Every step may be repeated, and `down` works on what any crash left."""

import fcntl
import json
import os
import shutil
import signal
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from . import build, hosts, memory, net, node, plan, proc, sip, store
from .shell import LabError, wait_for


@dataclass(frozen=True)
class Options:
    nodes: int = 1
    single: bool = False
    cores: int = 1
    uas: bool = True
    store: str = ""    # of dialogs: sqlite or mysql; empty: none
    overlay: str = ""  # TOML text over the configuration of every node
    daemon: str = ""

    @property
    def node_names(self) -> list[str]:
        return list(plan.NODE_PARTS)[:self.nodes]


def _state_file() -> Path:
    return plan.STATE / "lab.json"


def _state() -> dict | None:
    try:
        return json.loads(_state_file().read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def current() -> Options:
    state = _state()
    if not state:
        raise LabError("the lab is down")
    return Options(**state["options"])


@contextmanager
def exclusive():
    """One command changes the lab at a time."""
    if os.geteuid() != 0:
        raise LabError("needs root: it makes network namespaces")
    path = plan.STATE.with_suffix(".lock")
    with open(path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError("another lab command is at work") from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def up(options: Options):
    state = _state()
    if state and Options(**state["options"]) == options and state["complete"]:
        _revive(options)
        return
    down()
    try:
        _build_up(options)
    except BaseException:
        logs = keep_logs()
        down()
        if logs:
            print(f"lab: logs of the failed start are in {logs}")
        raise


def _build_up(options: Options):
    plan.STATE.mkdir(parents=True, exist_ok=True)
    _save(options, complete=False)
    huge = memory.reserve(options.nodes)
    net.add_core()
    for name in options.node_names:
        net.add_node(name, options.single)
    store.up(options.store)
    node.write_config(asdict(options), huge)
    if options.store == "mysql":
        store.make_tables(Path(options.daemon).with_name("sipfrontctl"), [node.config_file("lb1")])
    if options.uas:
        hosts.start_all()
    for name in options.node_names:
        node.start(name, options.daemon)
    if options.uas:
        wait_for(lambda: accepts_calls("lb1"), "the VIP to find its hosts", 20)
    _save(options, complete=True)


def _save(options: Options, complete: bool):
    _state_file().write_text(json.dumps({"options": asdict(options), "complete": complete}))


def _revive(options: Options):
    """The lab is up: only what died is started again."""
    if options.store == "mysql" and not store.server.process:
        store.server.start()
    if options.uas:
        hosts.restore()
    for name in options.node_names:
        process = proc.find(name)
        if not process or not process.alive:
            node.start(name, options.daemon)


def accepts_calls(name: str) -> bool:
    target = plan.VIP if name == "lb1" else plan.v4(plan.NODE_PARTS[name])
    reply = sip.options(plan.CLIENTS, target, timeout=0.5)
    return reply is not None and reply.status == 200


def keep_logs() -> str:
    source = plan.STATE / "logs"
    if not source.exists():
        return ""
    kept = Path("/tmp/sipfront-lab-logs")
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(source, kept)
    return str(kept)


def down():
    others = [process for process in proc.every() if process.name not in plan.NODE_PARTS]
    for process in others:
        process.send(signal.SIGTERM)
    for name in plan.NODE_PARTS:
        node.stop(name)
    for process in others:
        process.stop(grace=1)
    proc.reap()
    store.down()
    net.remove_all()
    memory.release()
    shutil.rmtree(plan.STATE, ignore_errors=True)


def status() -> list[str]:
    lines = []
    for process in proc.every():
        if process.name.startswith("exec-") and not process.alive:
            proc.forget(process.name)
            continue
        lines.append(f"{process.name:<12} {'running' if process.alive else 'dead':<8} {process.pid:>8}  {process.namespace}")
    return lines


def kill(name: str):
    process = proc.find(name)
    if not process:
        raise LabError(f"no process '{name}' (see bench/lab status)")
    process.kill()


def start(name: str):
    options = current()
    process = proc.find(name)
    if process and process.alive:
        return
    if name in options.node_names:
        node.start(name, options.daemon)
    elif name in plan.HOST_PARTS:
        hosts.start(name)
    else:
        raise LabError(f"no process '{name}' in this lab")


def execute(where: str, command: list[str]):
    """Becomes the command. It is recorded first, so that `down` ends it too."""
    namespace = plan.namespace_of(where)
    current()
    if namespace not in net.namespaces():
        raise LabError(f"this lab has no {where}")
    proc.record(f"exec-{os.getpid()}", os.getpid(), namespace, command)
    os.execvp("ip", ["ip", "netns", "exec", namespace, *command])


def prepare(options: dict) -> Options:
    """The options with the daemon they mean, built if need be."""
    return Options(**options, daemon=str(build.daemon()))


__all__ = ["Options", "accepts_calls", "current", "down", "exclusive", "execute", "kill", "prepare", "start", "status", "up"]

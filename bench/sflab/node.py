"""A sipfront node: its configuration and its daemon."""

import secrets
import signal
from pathlib import Path

from . import memory, plan, proc, sip, store
from .shell import LabError, wait_for

# Ring of an AF_PACKET port: 4096 frames, so that a daemon that must wait for a CPU of a small machine loses nothing.
_AF_PACKET = "framesz=2048,framecnt=4096,blocksz=65536"


def ports(node: str, single: bool, cores: int) -> list[str]:
    first, second = plan.members(node)
    if single:
        return [f"net_af_xdp0,iface={first},queue_count={cores}"]
    return [f"net_af_packet{i},iface={member},qpairs={cores},{_AF_PACKET}" for i, member in enumerate((first, second))]


def _list(values) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def config_text(node: str, options: dict, huge: bool) -> str:
    number = 1 + list(plan.NODE_PARTS).index(node)
    part = plan.NODE_PARTS[node]
    devices = ports(node, options["single"], options["cores"])
    # The nodes do not yet agree on who is active, so one of them alone has the VIP.
    virtual = [f"{plan.VIP}/{plan.V4_LENGTH}", f"{plan.VIP6}/{plan.V6_LENGTH}"] if number == 1 else []
    text = f"""# Written by bench/lab.
[node]
id = {number}
key_file = "{plan.STATE}/cluster.keys"
drain_timeout = "5s"

[data_plane]
ports = {_list(devices)}
workers = {options["cores"]}
huge_pages = {str(huge).lower()}
memory = "{memory.NODE_MEMORY_MB}MiB"
file_prefix = "{memory.file_prefix(node)}"

[data_plane.bond]
mode = "{"none" if options["single"] else "active_backup"}"
monitor_interval = "100ms"

[kernel]
interface = "{plan.TAP}"
addresses = {_list([f"{plan.v4(part)}/{plan.V4_LENGTH}", f"{plan.v6(part)}/{plan.V6_LENGTH}"])}
virtual_addresses = {_list(virtual)}

[metrics]
listen = ":{plan.METRICS_PORT}"

[admin]
socket = "{plan.STATE}/{node}.sock"

[balancer]
lb_resource = "pstn"
lb_algorithm = "relative"

[balancer.probe]
interval = "1s"
timeout = "500ms"
from_uri = "sip:probe@{plan.v4(part)}"
"""
    text += store.config_text(node, options["store"])
    for name, address in plan.HOST_ADDRESSES.items():
        text += f"""
[[load_balancer]]
dst_uri = "sip:{address}"
resources = "pstn=10000"
description = "{name}"

[[dispatcher]]
destination = "sip:{address}"
description = "{name}"
"""
    return text


def config_file(node: str) -> Path:
    return plan.STATE / "conf" / f"{node}.toml"


def overlay_file() -> Path:
    """What the user adds to every node's configuration; a reload reads it again."""
    return plan.STATE / "conf" / "overlay.toml"


def write_overlay(text: str):
    overlay_file().write_text("# What bench/lab up --config adds.\n" + text)


def write_config(options: dict, huge: bool):
    config_file("x").parent.mkdir(parents=True, exist_ok=True)
    keys = plan.STATE / "cluster.keys"
    if not keys.exists():
        keys.touch(mode=0o600)
        keys.write_text(f"1 {secrets.token_hex(16)} sign\n")
    write_overlay(options["overlay"])
    for node in list(plan.NODE_PARTS)[:options["nodes"]]:
        config_file(node).write_text(config_text(node, options, huge))


def start(node: str, daemon: str) -> proc.Process:
    memory.clean(node)
    command = [daemon, "--config", str(config_file(node)), "--config", str(overlay_file())]
    process = proc.start(node, plan.node_namespace(node), command)
    wait_ready(process)
    return process


def wait_ready(process: proc.Process, seconds: float = 30):
    """Until the daemon answers OPTIONS on the addresses it serves and its metrics can be read, through its DPDK ports."""
    node = process.name
    own = plan.v4(plan.NODE_PARTS[node])

    def ready():
        proc.ensure_alive(process)
        targets = [plan.VIP, own] if node == "lb1" else [own]
        return all(sip.options(plan.CLIENTS, target, timeout=0.3) for target in targets) and _metrics_reachable(own)

    wait_for(ready, f"{node} to answer (see bench/lab logs {node})", seconds)


def _metrics_reachable(address: str) -> bool:
    from . import metrics
    try:
        metrics.fetch(address)
        return True
    except (OSError, LabError):
        return False


def reload(node: str):
    process = proc.find(node)
    if not process or not process.send(signal.SIGHUP):
        raise LabError(f"{node} does not run")


def stop(node: str):
    process = proc.find(node)
    if process:
        # Its own drain ends after drain_timeout.
        process.stop(grace=10)
    memory.clean(node)



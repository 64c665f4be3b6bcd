"""One veth pair between two namespaces, made anew for every run."""

import json
from pathlib import Path

from .. import net as lab
from ..shell import inside
from . import plan

# As for a busy SIP server: a burst waits in a socket or a backlog instead of being lost.
_TUNED = {"net.core.rmem_max": 4 << 20, "net.core.wmem_max": 4 << 20, "net.core.netdev_max_backlog": 10_000}


def _sysctl_file(key: str) -> Path:
    return Path("/proc/sys") / key.replace(".", "/")


def tune():
    """Raises limits of the whole machine for the time of the comparison; what they were is written down first."""
    found = {key: int(_sysctl_file(key).read_text()) for key in _TUNED}
    record = plan.STATE / "sysctl.json"
    record.write_text(json.dumps(found))
    for key, wanted in _TUNED.items():
        if found[key] < wanted:
            _sysctl_file(key).write_text(str(wanted))


def untune():
    try:
        found = json.loads((plan.STATE / "sysctl.json").read_text())
    except (FileNotFoundError, ValueError):
        return
    for key, value in found.items():
        _sysctl_file(key).write_text(str(value))


def add():
    remove()
    for namespace in (plan.LOAD, plan.PROXY):
        lab.add_namespace(namespace)
    inside(plan.PROXY, "ip", "link", "add", "name", plan.DEVICE, "type", "veth", "peer", "name", plan.DEVICE, "netns", plan.LOAD)
    for namespace in (plan.LOAD, plan.PROXY):
        lab.no_offloads(namespace, plan.DEVICE)
        # The same port speaks IPv4 only, whoever drives it.
        inside(namespace, "sysctl", "-qw", f"net.ipv6.conf.{plan.DEVICE}.disable_ipv6=1")
        inside(namespace, "ip", "link", "set", plan.DEVICE, "txqueuelen", "10000", "up")
    for address in (plan.CLIENT, *plan.HOSTS):
        inside(plan.LOAD, "ip", "addr", "add", f"{address}/{plan.PREFIX}", "dev", plan.DEVICE)


def give_to_kernel():
    """The peer is a program with sockets: the kernel has the address."""
    inside(plan.PROXY, "ip", "addr", "add", f"{plan.VIP}/{plan.PREFIX}", "dev", plan.DEVICE)


def give_to_dpdk():
    """The peer drives the port itself; the kernel must not act on the copies it sees."""
    lab.isolate(plan.PROXY, plan.DEVICE)


def remove():
    lab.remove_namespaces(plan.LOAD, plan.PROXY)


def add_database():
    lab.add_namespace(plan.DATABASE)


def remove_all():
    lab.remove_namespaces(plan.LOAD, plan.PROXY, plan.DATABASE)

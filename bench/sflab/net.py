"""Namespaces, links and addresses.

The ports of a node are veth ends in its own namespace, driven by AF_PACKET: the kernel of that namespace gets a copy of
every frame too and must not act on it, since the node's addresses sit on the TAP behind the daemon. Hence `isolate`.
"""

import os
import signal

from . import plan
from .shell import inside, run


def namespaces() -> set[str]:
    return {line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.strip()}


def _sysctl(namespace: str, **values):
    inside(namespace, "sysctl", "-qw", *[f"{key.replace('__', '.')}={value}" for key, value in values.items()])


def no_offloads(namespace: str, device: str):
    # Frames of a veth carry partial checksums and super-frames otherwise, which no DPDK port understands.
    inside(namespace, "ethtool", "-K", device, "tx", "off", "rx", "off", "gso", "off", "tso", "off", "gro", "off")


def add_namespace(name: str):
    run("ip", "netns", "add", name)
    # No duplicate address detection: addresses are usable at once.
    _sysctl(name, net__ipv6__conf__all__accept_dad=0, net__ipv6__conf__default__accept_dad=0,
            net__ipv6__conf__default__router_solicitations=0)
    inside(name, "ip", "link", "set", "lo", "up")


def _wire(namespace: str, device: str, bridge_end: str):
    inside(namespace, "ip", "link", "add", "name", device, "type", "veth", "peer", "name", bridge_end, "netns", plan.NET)
    no_offloads(namespace, device)
    no_offloads(plan.NET, bridge_end)
    _sysctl(plan.NET, **{f"net__ipv6__conf__{bridge_end}__disable_ipv6": 1})
    inside(plan.NET, "ip", "link", "set", bridge_end, "master", plan.BRIDGE, "up")


def _access(namespace: str, parts):
    _wire(namespace, plan.ACCESS, f"p-{namespace[3:]}")
    batch = "".join(f"addr add {plan.v4(p)}/{plan.V4_LENGTH} dev {plan.ACCESS}\naddr add {plan.v6(p)}/{plan.V6_LENGTH} dev {plan.ACCESS} nodad\n"
                    for p in parts)
    _batch(namespace, batch + f"link set {plan.ACCESS} up\n")
    # A burst of calls must not die in a socket or device queue: the lab measures sipfront.
    _sysctl(namespace, net__ipv4__ip_local_port_range="20000 60999")


def _batch(namespace: str, commands: str):
    import subprocess
    subprocess.run(["ip", "-n", namespace, "-batch", "-"], input=commands, text=True, check=True)


def isolate(namespace: str, device: str):
    """The kernel drops what it sees on a port: no ARP, no IPv6, and IPv4 fails the reverse path filter (the route back is the TAP)."""
    _sysctl(namespace, **{f"net__ipv6__conf__{device}__disable_ipv6": 1, f"net__ipv4__conf__{device}__arp_ignore": 8,
                          f"net__ipv4__conf__{device}__rp_filter": 1})
    inside(namespace, "ip", "link", "set", device, "arp", "off", "up")


def add_core():
    add_namespace(plan.NET)
    inside(plan.NET, "ip", "link", "add", "name", plan.BRIDGE, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
    _sysctl(plan.NET, **{f"net__ipv6__conf__{plan.BRIDGE}__disable_ipv6": 1})
    inside(plan.NET, "ip", "link", "set", plan.BRIDGE, "up")
    for namespace, parts in ((plan.CLIENTS, plan.CLIENT_PARTS), (plan.HOSTS, plan.HOST_PARTS.values())):
        add_namespace(namespace)
        _access(namespace, parts)


def add_node(node: str, single: bool):
    namespace = plan.node_namespace(node)
    add_namespace(namespace)
    for member in plan.members(node)[:1 if single else 2]:
        _wire(namespace, member, plan.far_end(member))
        isolate(namespace, member)


def set_member(member: str, up: bool):
    """Cuts or mends the link behind a node's port: the port loses its carrier."""
    inside(plan.NET, "ip", "link", "set", plan.far_end(member), "up" if up else "down")


def remove_namespaces(*names: str):
    """Whatever runs in these namespaces is ours: a crash may have left it."""
    for name in set(names) & namespaces():
        for pid in map(int, run("ip", "netns", "pids", name).split()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        run("ip", "netns", "del", name)


def remove_all():
    for name in {plan.NET, plan.CLIENTS, plan.HOSTS, *map(plan.node_namespace, plan.NODE_PARTS)} & namespaces():
        run("ip", "netns", "del", name)

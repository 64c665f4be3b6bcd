"""Names and addresses of the lab; the host parts are those of the classic deployment."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE = Path("/run/sipfront-lab")

V4, V6 = "10.77.0.", "fd77::"
V4_LENGTH, V6_LENGTH = 24, 64
SIP_PORT = 5060
METRICS_PORT = 9090

NET, CLIENTS, HOSTS = "sf-net", "sf-clients", "sf-fs"
BRIDGE = "br0"
ACCESS = "eth0"          # the one interface of clients and of hosts
TAP = "sf0"              # kernel interface of a node
CLIENT_PARTS = range(2, 61)

VIP_PART = 100
NODE_PARTS = {"lb1": 101, "lb2": 102}
HOST_PARTS = {f"fs{i}": 102 + i for i in range(1, 5)}


def v4(part: int) -> str:
    return f"{V4}{part}"


def v6(part: int) -> str:
    # The host part is spelt as in IPv4: fd77::100 for 10.77.0.100.
    return f"{V6}{part}"


VIP, VIP6 = v4(VIP_PART), v6(VIP_PART)
HOST_ADDRESSES = {name: v4(part) for name, part in HOST_PARTS.items()}


def node_namespace(node: str) -> str:
    return f"sf-{node}"


def members(node: str) -> list[str]:
    """The node's ends of its two links; `far_end` gives the bridge's ends."""
    return [f"{node}a", f"{node}b"]


def far_end(member: str) -> str:
    return f"p-{member}"


def namespace_of(where: str) -> str:
    """The namespace that `lab exec WHERE` means."""
    known = {"clients": CLIENTS, "fs": HOSTS, "net": NET}
    if where in known:
        return known[where]
    if where in NODE_PARTS:
        return node_namespace(where)
    raise SystemExit(f"lab: no such place '{where}' (clients, fs, lb1, lb2, net)")

"""One veth pair between the far ends and a proxy, and a tap on what the far ends receive."""

import select
import socket
import struct
import threading
import time

from .. import net as lab
from ..shell import inside, network
from . import plan

_ETH_P_ALL, _PACKET_OUTGOING = 3, 4


def add(proxy: str):
    remove(proxy)
    ends, inner = plan.ends(proxy), plan.namespace(proxy)
    for namespace in (ends, inner):
        lab.add_namespace(namespace)
    inside(inner, "ip", "link", "add", "name", plan.DEVICE, "type", "veth", "peer", "name", plan.DEVICE, "netns", ends)
    for namespace in (ends, inner):
        lab.no_offloads(namespace, plan.DEVICE)
        inside(namespace, "sysctl", "-qw", f"net.ipv6.conf.{plan.DEVICE}.disable_ipv6=1")
        inside(namespace, "ip", "link", "set", plan.DEVICE, "up")
    for address in (plan.CALLER, *plan.HOSTS.values()):
        inside(ends, "ip", "addr", "add", f"{address}/{plan.PREFIX}", "dev", plan.DEVICE)


def remove(proxy: str):
    lab.remove_namespaces(plan.ends(proxy), plan.namespace(proxy))


def _datagram(packet: bytes) -> tuple[str, bytes] | None:
    """Destination and octets of a UDP datagram."""
    if len(packet) < 28 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP:
        return None
    udp = (packet[0] & 15) * 4
    length = struct.unpack_from("!H", packet, udp + 4)[0]
    return socket.inet_ntoa(packet[16:20]), packet[udp + 8:udp + length]


class Tap:
    """Every datagram that reaches a far end, in the order of arrival, whether anybody there wants it or not; and when one was last seen."""

    def __init__(self, proxy: str):
        with network(plan.ends(proxy)):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._socket.bind((plan.DEVICE, _ETH_P_ALL))
        self._seen: list[tuple[str, bytes]] = []
        self._ended = False
        self._last_activity = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ended:
            if not select.select([self._socket], [], [], 0.1)[0]:
                continue
            packet, where = self._socket.recvfrom(65535)
            if datagram := _datagram(packet):
                self._last_activity = time.monotonic()
                if where[2] != _PACKET_OUTGOING:
                    self._seen.append(datagram)

    def seen(self) -> list[tuple[str, bytes]]:
        return list(self._seen)

    def silent(self, since: float, seconds: float) -> bool:
        """Whether neither side has sent anything for so long, after something was sent behind `since`."""
        last = self._last_activity
        return last > since and time.monotonic() > last + seconds

    def close(self):
        self._ended = True
        self._thread.join()
        self._socket.close()

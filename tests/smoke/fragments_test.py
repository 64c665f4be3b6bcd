"""Messages beyond the path's MTU arrive as IP fragments, in any order; fragments that are not SIP reach the node's kernel.

IPv4 needs the AF_XDP port: of an AF_PACKET one the kernel puts the fragments together itself (PACKET_FANOUT_FLAG_DEFRAG), into frames that no ring slot holds.
"""

import ipaddress
import itertools
import socket
import struct

from harness import LabCase, main, page, plan, sip
from sflab.shell import network

_ids = itertools.count(4000)


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF or 0xFFFF


def udp(source: tuple[str, int], target: tuple[str, int], payload: bytes) -> bytes:
    length = 8 + len(payload)
    pseudo = b"".join(ipaddress.ip_address(a).packed for a in (source[0], target[0])) + struct.pack("!HH", socket.IPPROTO_UDP, length)
    ports = struct.pack("!HHH", source[1], target[1], length)
    return ports + struct.pack("!H", checksum(pseudo + ports + b"\0\0" + payload)) + payload


def fragments(source: tuple[str, int], target: tuple[str, int], payload: bytes, step: int = 1200) -> list[bytes]:
    """IP packets that make up one datagram."""
    packet, number = udp(source, target, payload), next(_ids)
    addresses = b"".join(ipaddress.ip_address(a).packed for a in (source[0], target[0]))
    parts = []
    for at in range(0, len(packet), step):
        data, more = packet[at:at + step], at + step < len(packet)
        if ":" in source[0]:
            parts.append(struct.pack("!IHBB", 6 << 28, 8 + len(data), 44, 64) + addresses + struct.pack("!BBHI", 17, 0, at | more, number) + data)
        else:
            # The kernel fills in the checksum.
            parts.append(struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), number, more << 13 | at // 8, 64, 17, 0) + addresses + data)
    return parts


def send_raw(packets: list[bytes], target: str):
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with network(plan.CLIENTS):
        raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with raw:
        for packet in packets:
            raw.sendto(packet, (target, 0))


def padding(octets: int) -> tuple[str, ...]:
    return tuple(f"X-Padding-{i}: " + "p" * 1000 for i in range(octets // 1000))


class Fragments(LabCase):
    families = (6,)
    orders = {"in order": lambda parts: parts, "in reverse": lambda parts: parts[::-1], "repeated": lambda parts: parts[1:] + parts[1:] + parts[:1]}

    def clients(self):
        for family in self.families:
            source, vip = (plan.v6(50), plan.VIP6) if family == 6 else (plan.v4(50), plan.VIP)
            with sip.Agent(plan.CLIENTS, source) as agent:
                yield family, agent, vip

    def call_with(self, agent: sip.Agent, vip: str, octets: int, send):
        """A call whose INVITE leaves by send(bytes); the host's answer, ACK and BYE as any other."""
        ids = {"call_id": sip.unique("c"), "tag": sip.unique("t")}
        invite = agent.request("INVITE", f"sip:x@{sip.host(vip)}", headers=padding(octets), **ids)
        self.assertGreater(len(invite), octets)
        answer = None
        for _ in range(4):  # as a client repeats it that got no answer
            send(invite)
            while answer is None and (message := agent.receive(1)):
                answer = message if message.status >= 200 and message.get("Call-ID") == ids["call_id"] else None
            if answer:
                break
        self.assertIsNotNone(answer, "the call was not answered")
        self.assertEqual(answer.status, 200, answer.text)
        inside = {**ids, "to": answer.get("To"), "headers": tuple(f"Route: {route}" for route in answer.list("Record-Route")[::-1])}
        contact = answer.get("Contact").partition("<")[2].partition(">")[0]
        agent.send(agent.request("ACK", contact, cseq=1, **inside), vip)
        bye = agent.ask(agent.request("BYE", contact, cseq=2, **inside), vip)
        self.assertIsNotNone(bye, "no answer to BYE")
        self.assertEqual(bye.status, 200)

    def test_the_kernel_of_a_client_cuts_a_large_invite(self):
        before = page()
        calls = 0
        for family, agent, vip in self.clients():
            for octets in (2_000, 5_000, 60_000):
                with self.subTest(family=family, octets=octets):
                    self.call_with(agent, vip, octets, lambda data: agent.send(data, vip))
                    calls += 1
        after = page()
        self.assertGreaterEqual(after.sum("sipfront_port_reassembled_total") - before.sum("sipfront_port_reassembled_total"), calls)
        self.assert_no_dialog_left()

    def test_fragments_in_other_orders_make_the_same_call(self):
        for family, agent, vip in self.clients():
            for name, order in self.orders.items():
                with self.subTest(family=family, order=name):
                    self.call_with(agent, vip, 5_000, lambda data: send_raw(
                        order(fragments((agent.address, agent.port), (vip, plan.SIP_PORT), data)), vip))
        self.assert_no_dialog_left()

    def test_other_fragments_reach_a_socket_of_the_node(self):
        part = plan.NODE_PARTS["lb1"]
        payload = bytes(range(256)) * 20
        for family in self.families:
            source, address = (plan.v6(50), plan.v6(part)) if family == 6 else (plan.v4(50), plan.v4(part))
            for order in (list, reversed):
                with self.subTest(family=family, order=order.__name__), sip.Agent(plan.node_namespace("lb1"), address, 7001) as node:
                    before = page().sum("sipfront_port_fragments_to_kernel_total")
                    send_raw(list(order(fragments((source, 7002), (address, 7001), payload))), address)
                    node.socket.settimeout(5)
                    data, sender = node.socket.recvfrom(65535)
                    self.assertEqual((data, sender[:2]), (payload, (source, 7002)))
                    self.assertGreaterEqual(page().sum("sipfront_port_fragments_to_kernel_total") - before, 5)

    def test_overlapping_fragments_are_dropped_together(self):
        for family, agent, vip in self.clients():
            before = page()
            parts = fragments((agent.address, agent.port), (vip, plan.SIP_PORT), agent.request("OPTIONS", f"sip:{sip.host(vip)}", headers=padding(3_000)))
            other = fragments((agent.address, agent.port), (vip, plan.SIP_PORT), b"x" * 3_000, step=800)[1]
            # The same identification: the second packet of another cut reaches into two of the first.
            at = 40 if family == 6 else 0
            identification = slice(at + 4, at + 8) if family == 6 else slice(4, 6)
            other = other[:identification.start] + parts[0][identification] + other[identification.stop:]
            send_raw([parts[0], other, *parts[1:]], vip)
            self.assertIsNone(agent.receive(1))
            after = page()
            self.assertEqual(after.sum("sipfront_port_reassembly_overlaps_total") - before.sum("sipfront_port_reassembly_overlaps_total"), 1)
            self.assertIsNotNone(sip.options(plan.CLIENTS, vip))


class FragmentsOverOnePort(Fragments):
    """AF_XDP: both families."""

    options = {"single": True}
    families = (4, 6)


class FragmentsOverTwoWorkers(Fragments):
    """The queues of two workers, each datagram in one worker's hands."""

    options = {"cores": 2}

    def test_many_calls_with_large_invites(self):
        for _, agent, vip in self.clients():
            for _ in range(20):
                self.call_with(agent, vip, 4_200, lambda data: agent.send(data, vip))
        self.assertEqual(page().sum("sipfront_port_drops_total", reason="fragment_steering"), 0)
        self.assert_no_dialog_left()


if __name__ == "__main__":
    main()

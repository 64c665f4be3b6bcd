"""Nobody outside makes sipfront send anything to a third party. The third party is an address of the lab; a packet socket sees whatever reaches it."""

import ipaddress
import socket
import struct
import time

from harness import LabCase, hosts, main, page, plan, sip, states
from sflab.shell import network

ATTACKER, ATTACKER6 = plan.v4(50), plan.v6(50)
THIRD, THIRD6 = plan.v4(60), plan.v6(60)
ETH_P_ALL = 3


class Sniffer:
    """IP packets that sipfront's node sends to the third party, on the wire of the clients."""

    def __init__(self):
        with network(plan.CLIENTS):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.socket.bind((plan.ACCESS, 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.victims = {ipaddress.ip_address(a) for a in (THIRD, THIRD6)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def caught(self, seconds: float) -> list[str]:
        """Everything within the time that was addressed to the victims, neighbour discovery aside."""
        found = []
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                frame, (_, _, kind, *_) = self.socket.recvfrom(65535)
            except TimeoutError:
                break
            if kind != socket.PACKET_OUTGOING and (text := self.describe(frame)):
                found.append(text)
        return found

    def describe(self, frame: bytes) -> str:
        (kind,) = struct.unpack_from("!H", frame, 12)
        if kind == 0x0800:
            source, target = (ipaddress.ip_address(frame[at:at + 4]) for at in (26, 30))
            protocol, payload = frame[23], frame[14 + 4 * (frame[14] & 15):]
        elif kind == 0x86DD:
            source, target = (ipaddress.ip_address(frame[at:at + 16]) for at in (22, 38))
            protocol, payload = frame[20], frame[54:]
        else:
            return ""
        if target not in self.victims or (protocol == 58 and payload[0] in range(133, 138)):
            return ""
        return f"{source} -> {target} protocol {protocol}: {payload[8:200]!r}"


class Relay(LabCase):
    def setUp(self):
        super().setUp()
        # fs1 is played here: it takes calls and shows what it was sent; the other hosts are out of the way.
        for name in plan.HOST_PARTS:
            hosts.stop(name)
        self.host = self.enterContext(sip.Agent(plan.HOSTS, plan.HOST_ADDRESSES["fs1"], plan.SIP_PORT))
        self.attacker = self.enterContext(sip.Agent(plan.CLIENTS, ATTACKER, 5060))
        self.attacker6 = self.enterContext(sip.Agent(plan.CLIENTS, ATTACKER6, 5060))
        self.victims = [self.enterContext(sip.Agent(plan.CLIENTS, *where)) for where in ((THIRD, 5060), (THIRD, 7777), (THIRD6, 5060))]
        self.play_until(lambda: self.only_fs1_is_up(), 20)

    def only_fs1_is_up(self) -> bool:
        now = states(page())
        return now["fs1"] == "active" and all(state != "active" for name, state in now.items() if name != "fs1")

    def play_until(self, condition, seconds: float):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, "the lab did not settle")
            self.play(0.3)

    def play(self, seconds: float) -> list[sip.Message]:
        """The host answers OPTIONS 200, a call 200, all else 200; returns what it was sent besides OPTIONS."""
        seen = []
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            message = self.host.receive(left)
            if message is None:
                break
            if message.method and message.method != "ACK":
                self.host.reply(message, "200 OK", f"Contact: <sip:host@{self.host.sent_by}>")
            if message.method and message.method != "OPTIONS":
                seen.append(message)
        return seen

    def call(self) -> dict:
        """A call of the attacker that stands: its ids, tags and route set."""
        ids = {"call_id": sip.unique("c"), "tag": sip.unique("t")}
        self.attacker.send(self.attacker.request("INVITE", f"sip:x@{plan.VIP}", **ids), plan.VIP)
        self.play(0.3)
        answer = self.drain(self.attacker, want=200)
        self.assertIsNotNone(answer, "the call was not answered")
        routes = answer.list("Record-Route")[::-1]
        self.assertTrue(routes)
        call = {**ids, "to": answer.get("To"), "routes": routes}
        self.attacker.send(self.in_dialog(call, "ACK", routes, cseq=1), plan.VIP)
        self.play(0.1)
        return call

    @staticmethod
    def drain(agent: sip.Agent, want: int = 0) -> sip.Message | None:
        found = None
        while message := agent.receive(0.2):
            if message.status == want:
                found = message
                break
        return found

    def in_dialog(self, call: dict, method: str, routes: list[str], uri: str = "", cseq: int = 2, **more) -> bytes:
        headers = tuple(f"Route: {route}" for route in routes) + more.pop("headers", ())
        return self.attacker.request(method, uri or f"sip:host@{self.host.sent_by}", headers=headers, cseq=cseq,
                                     **{**{key: call[key] for key in ("call_id", "tag", "to")}, **more})

    def attempts(self, call: dict) -> dict[str, bytes]:
        own = call["routes"]
        third, vip = f"<sip:{THIRD}:5060;lr>", f"<sip:{plan.VIP};lr>"
        forged = own[0].replace("<sip:", "<sip:forged", 1) if "@" in own[0] else own[0]
        changed = self.flip(own[0])
        cookie_to_third = own[0].replace(plan.VIP, THIRD)
        new = self.attacker.request
        target = f"sip:{THIRD}:5060"
        fresh = {"call_id": sip.unique("f"), "tag": sip.unique("t")}

        def dialog(method, routes, **more):
            return self.in_dialog(call, method, routes, **more)

        def bare(method, routes, uri=target, to=f"<sip:x@{THIRD}>;tag=abc", **more):
            return new(method, uri, to=to, headers=tuple(f"Route: {r}" for r in routes) + more.pop("headers", ()), **more)

        return {
            # Initial requests that name somebody else.
            "INVITE to a foreign Request-URI": new("INVITE", f"sip:x@{THIRD}:5060"),
            "REGISTER at a foreign registrar": new("REGISTER", target),
            "OPTIONS to a foreign Request-URI": new("OPTIONS", target),
            "MESSAGE to a foreign Request-URI": new("MESSAGE", target),
            "unknown method to a foreign Request-URI": new("FROBNICATE", target),
            "INVITE with a foreign Route": new("INVITE", f"sip:x@{plan.VIP}", headers=(f"Route: {third}",)),
            "INVITE with our Route and a foreign one": new("INVITE", f"sip:x@{plan.VIP}", headers=(f"Route: {vip}, {third}",)),
            "INVITE with our Route and a foreign one on two lines": new("INVITE", f"sip:x@{plan.VIP}", headers=(f"Route: {vip}", f"Route: {third}")),
            "INVITE with maddr in the Request-URI": new("INVITE", f"sip:x@{plan.VIP};maddr={THIRD}"),
            "INVITE with maddr in our Route": new("INVITE", f"sip:x@{plan.VIP}", headers=(f"Route: <sip:{plan.VIP};maddr={THIRD};lr>",)),
            "REGISTER with a foreign Route": new("REGISTER", f"sip:{plan.VIP}", headers=(f"Route: {third}",)),
            "REGISTER with a Path and a foreign Route": new("REGISTER", f"sip:{plan.VIP}", headers=(f"Path: {third}", f"Route: {vip}", f"Route: {third}")),
            # A To tag and no dialog.
            "BYE out of nowhere to a foreign Request-URI": bare("BYE", []),
            "BYE with our plain Route to a foreign Request-URI": bare("BYE", [vip]),
            "ACK with our plain Route to a foreign Request-URI": bare("ACK", [vip]),
            "INVITE with a To tag and a foreign Route": bare("INVITE", [third]),
            "strict router: our address in the Request-URI, the third party as Route": bare("BYE", [third], uri=f"sip:{plan.VIP};lr"),
            "IPv6 third party behind our plain Route": bare("BYE", [vip], uri=f"sip:[{THIRD6}]:5060"),
            # A true cookie, used for another way.
            "own cookie, foreign Request-URI, BYE": dialog("BYE", own, uri=target),
            "own cookie, foreign Request-URI, ACK": dialog("ACK", own, uri=target),
            "own cookie, foreign Request-URI, INFO": dialog("INFO", own, uri=f"sip:{THIRD}:7777"),
            "own cookie, maddr in the Request-URI": dialog("INFO", own, uri=f"sip:host@{self.host.sent_by};maddr={THIRD}"),
            "second, foreign Route behind a true cookie": dialog("INFO", [*own, third]),
            "foreign Route before a true cookie": dialog("INFO", [third, *own]),
            "true cookie and a foreign Route in one line": dialog("INFO", [", ".join([*own, third])]),
            "true cookie with maddr added": dialog("INFO", [own[0].replace(";lr", f";maddr={THIRD};lr", 1), *own[1:]]),
            "true cookie with another host part": dialog("INFO", [cookie_to_third, *own[1:]], uri=target),
            "cookie with one character changed": dialog("INFO", [changed, *own[1:]], uri=target),
            "cookie with a user part added": dialog("INFO", [forged, *own[1:]], uri=target),
            "another call's cookie": new("BYE", target, to=call["to"], headers=tuple(f"Route: {r}" for r in own), **fresh),
            "another caller's tag": new("BYE", target, to=call["to"], headers=tuple(f"Route: {r}" for r in own), call_id=call["call_id"]),
            "re-INVITE with a foreign Request-URI": dialog("INVITE", own, uri=target, cseq=3),
            "REFER within the dialog to a foreign Request-URI": dialog("REFER", own, uri=target, cseq=4),
            "UPDATE with a sips third party": dialog("UPDATE", own, uri=f"sips:{THIRD}:5060", cseq=5),
            "TCP third party in the Request-URI": dialog("INFO", own, uri=f"sip:{THIRD}:5060;transport=tcp", cseq=6),
            # Via: where a reply would go.
            "Via of a third party": new("OPTIONS", f"sip:{plan.VIP}", via=f"SIP/2.0/UDP {THIRD}:5060;branch=z9hG4bK{sip.unique()}"),
            "Via with received": new("OPTIONS", f"sip:{plan.VIP}",
                                     via=f"SIP/2.0/UDP {self.attacker.sent_by};received={THIRD};rport=5060;branch=z9hG4bK{sip.unique()}"),
            "Via with maddr": new("OPTIONS", f"sip:{plan.VIP}", via=f"SIP/2.0/UDP {self.attacker.sent_by};maddr={THIRD};ttl=1;branch=z9hG4bK{sip.unique()}"),
            "INVITE with a Via of a third party and maddr": new("INVITE", f"sip:x@{plan.VIP}",
                                                                via=f"SIP/2.0/UDP {THIRD}:7777;maddr={THIRD};branch=z9hG4bK{sip.unique()}"),
            "two Vias, the lower of a third party": new("INVITE", f"sip:x@{plan.VIP}", headers=(f"Via: SIP/2.0/UDP {THIRD}:5060;branch=z9hG4bKlow",)),
            "malformed request with a Via of a third party": f"INVITE sip:{plan.VIP} SIP/2.0\r\nVia: SIP/2.0/UDP {THIRD}:5060;branch=z9hG4bK{sip.unique()}\r\n"
                                                             f"Call-ID: {sip.unique()}\r\nCSeq: 1 BYE\r\n\r\n".encode(),
            # Responses nobody asked for.
            "response with our Via and a foreign one": self.response([f"{plan.VIP}:5060;branch=z9hG4bK{sip.unique()}", f"{THIRD}:5060;branch=z9hG4bKx"]),
            "response with a foreign Via alone": self.response([f"{THIRD}:5060;branch=z9hG4bKx"]),
            "response to a CANCEL of a third party": self.response([f"{plan.VIP}:5060;branch=z9hG4bK1", f"{THIRD}:7777;received={THIRD};rport=7777;branch=z9hG4bKx"],
                                                                   method="CANCEL"),
        }

    @staticmethod
    def flip(route: str) -> str:
        """A character of the cookie changed: the one in the middle of the longest parameter."""
        longest = max(route.split(";"), key=len)
        middle = len(longest) // 2
        other = "A" if longest[middle] != "A" else "B"
        return route.replace(longest, longest[:middle] + other + longest[middle + 1:])

    def response(self, vias: list[str], method: str = "INVITE") -> bytes:
        lines = ["SIP/2.0 200 OK", *(f"Via: SIP/2.0/UDP {via}" for via in vias), f"From: <sip:a@{THIRD}>;tag=a", f"To: <sip:b@{plan.VIP}>;tag=b",
                 f"Call-ID: {sip.unique()}", f"CSeq: 1 {method}", "Content-Length: 0", "", ""]
        return "\r\n".join(lines).encode()

    def test_no_attempt_reaches_a_third_party(self):
        call = self.call()
        attempts = self.attempts(call)
        self.assertGreaterEqual(len(attempts), 30)
        refused = page().sum("sipfront_events_total", event="relay_refused")
        with Sniffer() as sniffer:
            for shape, datagram in attempts.items():
                with self.subTest(shape):
                    self.attacker.send(datagram, plan.VIP)
                    self.play(0.1)
                    self.drain(self.attacker)
                    self.assertEqual(sniffer.caught(0.05), [])
            # Retransmissions and failover have their turn too.
            for _ in range(20):
                self.play(0.2)
                self.assertEqual(sniffer.caught(0.1), [])
        for victim in self.victims:
            self.assertIsNone(victim.receive(0.01))
        self.assertGreater(page().sum("sipfront_events_total", event="relay_refused"), refused)

    def test_the_same_over_ipv6(self):
        with Sniffer() as sniffer:
            for headers, uri in (((f"Route: <sip:[{THIRD6}];lr>",), f"sip:x@[{plan.VIP6}]"), ((), f"sip:x@[{THIRD6}]"),
                                 ((f"Route: <sip:[{plan.VIP6}];lr>, <sip:[{THIRD6}];lr>",), f"sip:x@[{plan.VIP6}]"),
                                 ((f"Route: <sip:[{plan.VIP6}];lr>",), f"sip:x@{THIRD}")):
                for method in ("INVITE", "MESSAGE", "BYE"):
                    self.attacker6.send(self.attacker6.request(method, uri, headers=headers, to="<sip:a@b>;tag=1" if method == "BYE" else ""), plan.VIP6)
                    self.play(0.1)
                    self.assertEqual(sniffer.caught(0.05), [], f"{method} {uri} {headers}")
            self.assertEqual(sniffer.caught(1), [])

    def test_the_sniffer_sees_what_reaches_the_third_party(self):
        """The control: a datagram from elsewhere to the third party is caught."""
        with Sniffer() as sniffer:
            self.host.send(b"hello", THIRD, 7777)
            self.assertEqual(len(sniffer.caught(1)), 1)
        self.assertIsNotNone(self.victims[1].receive(1))

    def test_the_legitimate_way_still_works(self):
        call = self.call()
        self.attacker.send(self.in_dialog(call, "BYE", call["routes"]), plan.VIP)
        self.assertEqual([m.method for m in self.play(0.5)], ["BYE"])
        self.assertIsNotNone(self.drain(self.attacker, want=200))


if __name__ == "__main__":
    main()

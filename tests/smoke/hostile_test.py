"""Datagrams that no well-bred client sends: counted by reason, survived, and forgotten."""

import random
import time
from pathlib import Path

from harness import INSTRUMENTED, ROOT, LabCase, main, metrics, page, plan, proc, sip

SEED = 20_260_701
VALID = ("INVITE sip:x@10.77.0.100 SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.0.50:5060;branch=z9hG4bK{0}\r\nMax-Forwards: 70\r\n"
         "From: <sip:a@10.77.0.50>;tag=t{0}\r\nTo: <sip:b@10.77.0.100>\r\nCall-ID: {0}@lab\r\nCSeq: 1 INVITE\r\n"
         "Contact: <sip:a@10.77.0.50>\r\nContent-Length: 0\r\n\r\n")


def resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def counted(before: metrics.Page, after: metrics.Page, name: str, label: str) -> dict[str, float]:
    old, new = before.by(name, label), after.by(name, label)
    return {key: value - old.get(key, 0) for key, value in new.items() if value > old.get(key, 0)}


class Hostile(LabCase):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.node = proc.find("lb1")
        self.agent = self.enterContext(sip.Agent(plan.CLIENTS, plan.v4(50), 5060))

    def tearDown(self):
        self.assertTrue(self.node.alive, "the daemon died; see bench/lab logs lb1")
        self.call("uac", calls=20, rate=20, hold_ms=50)

    def shower(self, datagrams, pause_every: int = 200):
        """Sends them all, and lets the port keep up: what is lost on the way would test nothing."""
        for number, datagram in enumerate(datagrams, 1):
            self.agent.send(datagram, plan.VIP)
            if number % pause_every == 0:
                time.sleep(0.01)
        # An answer to what was sent last says that all of it was read.
        self.assertIsNotNone(sip.options(plan.CLIENTS, plan.VIP, timeout=5))

    def noise(self, count: int):
        for _ in range(count):
            yield self.random.randbytes(self.random.randint(5, 1400))

    def broken(self, count: int):
        """Requests that look like SIP and lack what makes them so."""
        cuts = [("Via: ", "Viaa: "), ("CSeq: 1 INVITE", "CSeq: 1 BYE"), ("CSeq: 1", "CSeq: 99999999999"), ("Call-ID: ", "Call-Idd: "),
                ("From: ", "Fro: "), ("To: ", "Too: "), ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), ("SIP/2.0/UDP", "SIP/2.0/"),
                ("Content-Length: 0", "Content-Length: -1"), ("Content-Length: 0", "Content-Length: 5000"), ("Max-Forwards: 70", "Max-Forwards: many"),
                ("<sip:b@10.77.0.100>", "<sip:b@10.77.0.100"), ("INVITE sip:x@10.77.0.100", "INVITE  "), ("\r\n\r\n", "")]
        for number in range(count):
            old, new = cuts[number % len(cuts)]
            yield VALID.format(sip.unique()).replace(old, new, 1).encode()

    def mutated(self, count: int):
        for _ in range(count):
            data = bytearray(VALID.format(sip.unique()).encode())
            for _ in range(self.random.randint(1, 8)):
                at = self.random.randrange(len(data))
                action = self.random.randrange(3)
                if action == 0:
                    data[at] = self.random.randrange(256)
                elif action == 1:
                    del data[at:at + self.random.randint(1, 20)]
                else:
                    data[at:at] = self.random.randbytes(self.random.randint(1, 20))
                if not data:
                    data = bytearray(b"x")
            yield bytes(data)

    def test_malformed_is_counted_by_reason_and_memory_is_flat(self):
        before = page()
        self.shower(self.noise(2_000))
        self.shower(self.broken(5_000))
        after = page()
        reasons = counted(before, after, "sipfront_parse_errors_total", "reason")
        self.assertGreaterEqual(len(reasons), 5, reasons)
        self.assertGreaterEqual(sum(reasons.values()), 5_000, reasons)
        warm = resident_kb(self.node.pid)
        for _ in range(3):
            self.shower(self.noise(3_000))
            self.shower(self.broken(7_000))
        growth = resident_kb(self.node.pid) - warm
        self.assertLess(growth, 300_000 if INSTRUMENTED else 4_096, f"grew by {growth} kB over 30,000 datagrams")

    def test_mutated_calls(self):
        before = page()
        self.shower(self.mutated(5_000))
        after = page()
        told = counted(before, after, "sipfront_requests_received_total", "method")
        errors = counted(before, after, "sipfront_parse_errors_total", "reason")
        self.assertGreater(sum(told.values()) + sum(errors.values()), 4_500, (told, errors))

    def test_torture_messages(self):
        """The corpus of the parser's tests (RFC 4475, RFC 5118 and more), over the wire."""
        files = sorted((ROOT / "tests" / "corpus").glob("*.sip"))
        self.assertGreater(len(files), 40)
        self.shower([file.read_bytes()[:1472] or b"\0" for file in files])

    def test_keepalives_are_swallowed(self):
        before = page()
        stun = bytes.fromhex("000100002112a442") + self.random.randbytes(12)
        for datagram in (b"\r\n\r\n", b"\r\n", b"\0", b"\0\0\0\0", stun):
            for _ in range(10):
                self.agent.send(datagram, plan.VIP)
        self.assertIsNotNone(sip.options(plan.CLIENTS, plan.VIP))
        drops = counted(before, page(), "sipfront_drops_total", "reason")
        self.assertEqual(sum(drops.values()), 50, drops)
        self.assertGreaterEqual(drops.get("keepalive", 0), 40, drops)
        self.assertIsNone(self.agent.receive(0.2), "a keep-alive was answered")

    def test_empty_datagrams_and_oversized_ones(self):
        for size in (0, 1, 1472, 1473, 4000, 20_000, 65_000):
            self.agent.send(self.random.randbytes(size), plan.VIP)
        body = "x" * 5_000
        call = self.agent.request("OPTIONS", f"sip:{plan.VIP}", headers=("Content-Type: text/plain",), body=body)
        self.agent.send(call, plan.VIP)

    def test_flood_of_one_branch(self):
        """One request again and again is one transaction."""
        before = page()
        call = VALID.format(sip.unique()).encode()
        self.shower([call] * 2_000)
        after = page()
        self.assertLessEqual(after.sum("sipfront_transactions_created_total") - before.sum("sipfront_transactions_created_total"), 20)


if __name__ == "__main__":
    main()

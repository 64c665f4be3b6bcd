"""A SIP user agent in a few lines: enough to ask whether somebody is there, and to send what no well-bred client would."""

import itertools
import os
import random
import re
import socket
import time

from . import plan
from .shell import network

_serial = itertools.count(1)


def unique(prefix: str = "") -> str:
    return f"{prefix}{os.getpid()}-{next(_serial)}-{random.getrandbits(48):x}"


def host(address: str) -> str:
    """As a URI or Via writes it."""
    return f"[{address}]" if ":" in address else address


class Message:
    """A received message; header names in any case."""

    def __init__(self, data: bytes, source: tuple[str, int] = ("", 0)):
        self.source = source
        self.text = data.decode(errors="replace")
        head, _, self.body = self.text.partition("\r\n\r\n")
        self.first, *lines = head.split("\r\n")
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines if ":" in line]
        status = re.match(r"SIP/2\.0 (\d{3})", self.first)
        self.status = int(status.group(1)) if status else 0
        self.method = "" if status else self.first.split(" ", 1)[0]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def list(self, name: str) -> list[str]:
        """Name-addrs one by one, however they are spread over lines and commas."""
        return [part.strip() for value in self.all(name) for part in re.findall(r"[^,<]*<[^>]*>[^,]*", value)]

    def get(self, name: str) -> str:
        return next(iter(self.all(name)), "")


class Agent:
    """One UDP socket at `address` inside `namespace`."""

    def __init__(self, namespace: str, address: str, port: int = 0):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with network(namespace):
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        self.address, self.port = address, self.socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    @property
    def sent_by(self) -> str:
        return f"{host(self.address)}:{self.port}"

    def request(self, method: str, uri: str, *, headers: tuple[str, ...] = (), to: str = "", call_id: str = "", tag: str = "", cseq: int = 1,
                via: str = "", branch: str = "", body: str = "", contact: bool = True) -> bytes:
        via = via or f"SIP/2.0/UDP {self.sent_by};branch=z9hG4bK{branch or unique()}"
        lines = [f"{method} {uri} SIP/2.0", f"Via: {via}", "Max-Forwards: 70", f"From: <sip:lab@{self.sent_by}>;tag={tag or unique('t')}",
                 f"To: {to or f'<{uri}>'}", f"Call-ID: {call_id or unique('c')}", f"CSeq: {cseq} {method}", *headers]
        if contact:
            lines.append(f"Contact: <sip:lab@{self.sent_by}>")
        lines.append(f"Content-Length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def send(self, data: bytes, address: str, port: int = plan.SIP_PORT):
        self.socket.sendto(data, (address, port))

    def receive(self, timeout: float) -> Message | None:
        self.socket.settimeout(timeout)
        try:
            data, source = self.socket.recvfrom(65535)
        except TimeoutError:
            return None
        return Message(data, source[:2])

    def reply(self, request: "Message", status: str, *headers: str, tag: str = "host"):
        """Answers a request where it came from."""
        lines = [f"SIP/2.0 {status}"]
        for name, value in request.headers:
            if name.lower() in ("via", "from", "to", "call-id", "cseq", "record-route"):
                to_tag = f";tag={tag}" if name.lower() == "to" and ";tag=" not in value else ""
                lines.append(f"{name}: {value}{to_tag}")
        self.send(("\r\n".join([*lines, *headers, "Content-Length: 0"]) + "\r\n\r\n").encode(), *request.source)

    def ask(self, data: bytes, address: str, timeout: float = 2, port: int = plan.SIP_PORT) -> Message | None:
        """Sends, and sends again as RFC 3261 17.1.2.2 does, until a final reply comes."""
        call_id = Message(data).get("Call-ID")
        deadline, interval = time.monotonic() + timeout, 0.5
        while (left := deadline - time.monotonic()) > 0:
            self.send(data, address, port)
            again = time.monotonic() + min(interval, left)
            while (wait := again - time.monotonic()) > 0:
                reply = self.receive(wait)
                if reply and reply.status >= 200 and reply.get("Call-ID") == call_id:
                    return reply
            interval = min(2 * interval, 4)
        return None


def options(namespace: str, target: str, timeout: float = 1, port: int = plan.SIP_PORT) -> Message | None:
    source = plan.v6(2) if ":" in target else plan.v4(2)
    if namespace == plan.HOSTS:
        source = plan.v6(103) if ":" in target else plan.v4(103)
    with Agent(namespace, source) as agent:
        return agent.ask(agent.request("OPTIONS", f"sip:{host(target)}:{port}"), target, timeout, port)

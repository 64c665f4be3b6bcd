"""Reads a node's Prometheus page through its DPDK port."""

import re
import socket
from dataclasses import dataclass

from . import plan
from .shell import LabError, network

_SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Sample:
    name: str
    labels: dict
    value: float


class Page(list):
    def select(self, name: str, **labels) -> list[Sample]:
        return [s for s in self if s.name == name and all(s.labels.get(k) == v for k, v in labels.items())]

    def sum(self, name: str, **labels) -> float:
        return sum(s.value for s in self.select(name, **labels))

    def by(self, name: str, label: str, **labels) -> dict[str, float]:
        out: dict[str, float] = {}
        for s in self.select(name, **labels):
            key = s.labels.get(label, "")
            out[key] = out.get(key, 0) + s.value
        return out

    def quantile(self, name: str, q: float, since: "Page | None" = None, **labels) -> float:
        """Upper bound of the histogram bucket that holds the quantile; of the growth since an earlier page, when given."""
        buckets = self.by(name + "_bucket", "le", **labels)
        for le, count in (since.by(name + "_bucket", "le", **labels) if since else {}).items():
            buckets[le] = buckets.get(le, 0) - count
        ordered = sorted((float(le), count) for le, count in buckets.items())
        if not ordered or ordered[-1][1] <= 0:
            return 0.0
        wanted = q * ordered[-1][1]
        return next(le for le, count in ordered if count >= wanted)


def parse(text: str) -> Page:
    page = Page()
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match:
            labels = {k: v.replace('\\"', '"').replace("\\\\", "\\") for k, v in _LABEL.findall(match.group(2) or "")}
            page.append(Sample(match.group(1), labels, float(match.group(3))))
    return page


def get(namespace: str, address: str, port: int, path: str, timeout: float = 5) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with network(namespace):
        connection = socket.socket(family, socket.SOCK_STREAM)
    with connection:
        connection.settimeout(timeout)
        connection.connect((address, port))
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    status = head.split(b"\r\n", 1)[0].split(b" ")
    if len(status) < 2 or status[1] != b"200":
        raise LabError(f"http://{address}:{port}{path} says {head[:60]!r}")
    return body.decode()


def fetch(address: str, timeout: float = 5) -> Page:
    return parse(get(plan.CLIENTS, address, plan.METRICS_PORT, "/metrics", timeout))

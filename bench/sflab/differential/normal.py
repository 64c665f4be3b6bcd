"""A received message with what every proxy writes differently taken out of it, and nothing else."""

import re
from collections import defaultdict
from dataclasses import dataclass, field

from . import plan

# Names by which a header field may also be written; the spelling itself is compared as part of the line.
_COMPACT = {"a": "accept-contact", "b": "referred-by", "c": "content-type", "e": "content-encoding", "f": "from", "i": "call-id", "k": "supported",
            "l": "content-length", "m": "contact", "o": "event", "r": "refer-to", "s": "subject", "t": "to", "u": "allow-events", "v": "via"}
_TAGS = ("caller", "host", "fork", "gone")   # of the scenarios; any other one is the proxy's

_OWN_BRANCH = re.compile(rf"(SIP/2\.0/UDP {re.escape(plan.VIP)}(?::\d+)?[^,]*;branch=)[^;,\s]+")
_OWN_URI = re.compile(rf"<sip:(?:[^@<>\s]+@)?{re.escape(plan.VIP)}(?::\d+)?(;[^>]*)?>")
_TAG = re.compile(r";tag=([^;\s]+)")


@dataclass
class Message:
    start: str
    headers: dict[str, list[str]]     # by long lower-case name, whole lines in their order
    body: bytes
    label: str                        # "INVITE 1", or "180 INVITE 1"
    order: list[str] = field(default_factory=list, compare=False)


def _lines(head: str) -> list[str]:
    """Header fields, each with the lines that continue it."""
    found: list[str] = []
    for line in head.split("\r\n"):
        if line[:1] in " \t" and found:
            found[-1] += "\r\n" + line
        else:
            found.append(line)
    return found


def _own_uri(match: re.Match) -> str:
    # What a proxy keeps in its own URI is its business: parameters of the standard stay, all others are one word.
    kept, opaque = [], False
    for parameter in (match.group(1) or "").split(";")[1:]:
        if parameter.split("=")[0] in ("lr", "ftag", "transport", "maddr"):
            kept.append(parameter)
        else:
            opaque = True
    port = re.search(rf"{re.escape(plan.VIP)}(:\d+)?", match.group(0)).group(1) or ""
    user = "<user>@" if "@" in match.group(0).split(";")[0] else ""
    return f"<sip:{user}{plan.VIP}{port}" + "".join(f";{p}" for p in sorted(kept)) + (";<state>" if opaque else "") + ">"


def _tag(match: re.Match) -> str:
    return match.group(0) if match.group(1) in _TAGS else ";tag=<proxy>"


def _value(name: str, line: str) -> str:
    if name == "via":
        return _OWN_BRANCH.sub(r"\1<branch>", line)
    if name in ("record-route", "route", "path"):
        return _OWN_URI.sub(_own_uri, line)
    if name in ("to", "from"):
        return _TAG.sub(_tag, line)
    if name == "retry-after":
        return re.sub(r":\s*([1-9]|10)$", ": <1 to 10>", line)
    return line


def parse(octets: bytes) -> Message:
    head, _, body = octets.partition(b"\r\n\r\n")
    start, *lines = _lines(head.decode("utf-8", "backslashreplace"))
    headers: dict[str, list[str]] = defaultdict(list)
    order = []
    for line in lines:
        name = line.split(":", 1)[0].strip().lower()
        name = _COMPACT.get(name, name)
        headers[name].append(_value(name, line))
        order.append(name)
    cseq = " ".join(headers.get("cseq", ["CSeq: ? ?"])[0].split(":", 1)[-1].split())
    number, _, method = cseq.partition(" ")
    label = f"{start.split()[1]} {method} {number}" if start.startswith("SIP/") else f"{start.split()[0]} {number}"
    return Message(start, dict(headers), body, label, order)

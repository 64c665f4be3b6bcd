"""Scenarios of sipp in a few words: the steps of a caller and of the hosts, written out as sipp's XML.

Call-ID, tags, branches and ports are the same in every run, so that what two proxies make of them can be compared.
"""

import re
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from . import plan

SERVICE = f"sip:service@{plan.VIP}"
SDP = """v=0
o=- 1 1 IN IP4 192.0.2.7
s=-
c=IN IP4 192.0.2.7
t=0 0
m=audio 4000 RTP/AVP 0
"""
NAMES = {"caller": "<sip:alice@example.net>", "host": "<sip:service@example.net>"}


@dataclass(frozen=True)
class Scenario:
    name: str
    caller: tuple[str, ...]
    fs1: tuple[str, ...] = ()
    fs2: tuple[str, ...] = ()
    counted: bool = False    # how often a message is repeated matters
    silence: float = 2.5     # seconds without any message after which nothing more is to come

    @property
    def scripts(self) -> dict[str, tuple[str, ...]]:
        return {end: steps for end, steps in (("fs1", self.fs1), ("fs2", self.fs2), ("caller", self.caller)) if steps}


def slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)


def xml(name: str, steps: tuple[str, ...]) -> str:
    # Two scenarios with the same branch would be one transaction.
    text = "\n".join(steps).replace("z9hG4bK-", f"z9hG4bK-{slug(name)}-")
    learned = sorted({variable for group in re.findall(r'assign_to="([^"]+)"', text) for variable in group.split(",")})
    # A variable that nothing reads is an error for sipp.
    reference = [f'<Reference variables="{",".join(learned)}"/>'] if learned else []
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', f"<scenario name={quoteattr(name)}>", text, *reference, "</scenario>", ""])


# -- steps

def send(text: str) -> str:
    return f"<send><![CDATA[\n{text}\n]]></send>"


def expect(what: str | int, *, routes: bool = False, keep: bool = False, optional: bool = False) -> str:
    """A request or a response. `routes`: the route set is learned from it. `keep`: its Vias and Record-Route, for a later final."""
    kind = "response" if isinstance(what, int) else "request"
    attributes = f'{kind}="{what}"' + (' rrs="true"' if routes else "") + (' optional="true"' if optional else "")
    actions = "".join(_ereg(".*", header, variable, occurrence) for variable, header, occurrence in _KEPT) if keep else ""
    return f"<recv {attributes}>" + (f"<action>{actions}</action>" if actions else "") + "</recv>"


def learn_proxy(status: int) -> str:
    """[$proxy] is the URI by which the proxy record-routed itself, [$target] the far end's Contact."""
    actions = _ereg("<([^>]*)>", "Record-Route:", "all,proxy") + _ereg("<([^>]*)>", "Contact:", "all,target")
    return f'<recv response="{status}"><action>{actions}</action></recv>'


def _ereg(expression: str, header: str, variable: str, occurrence: int = 1) -> str:
    return (f'<ereg regexp={quoteattr(expression)} search_in="hdr" header={quoteattr(header)} occurrence="{occurrence}" '
            f'assign_to={quoteattr(variable)}/>')


_KEPT = (("via1", "Via:", 1), ("via2", "Via:", 2), ("rr", "Record-Route:", 1))


def perhaps(status: int) -> str:
    return expect(status, optional=True)


def pause(milliseconds: int) -> str:
    return f'<pause milliseconds="{milliseconds}"/>'


# -- messages

def _payload(lines: list[str], body: str, kind: str, length: bool) -> str:
    if body and kind:
        lines.append(f"Content-Type: {kind}")
    if length:
        lines.append("Content-Length: [len]")
    return "\n".join(lines) + "\n\n" + body


def request(method: str, uri: str = SERVICE, *extra: str, cseq: int = 1, sender: str = "caller", to: str = "", branch: str = "",
            vias: tuple[str, ...] = (), hops: str = "Max-Forwards: 70", contact: bool = True, routes: bool = False, body: str = "",
            kind: str = "application/sdp", length: bool = True) -> str:
    peer = "host" if sender == "caller" else "caller"
    vias = vias or (f"Via: SIP/2.0/UDP [local_ip]:[local_port];branch=z9hG4bK-{branch or f'{sender}-{cseq}-{method}'}",)
    lines = [f"{method} {uri} SIP/2.0", *vias, *([hops] if hops else []), *(["[routes]"] if routes else []),
             f"From: {NAMES[sender]};tag={sender}", to or f"To: {NAMES[peer]}", "Call-ID: [call_id]", f"CSeq: {cseq} {method}"]
    if contact:
        lines.append(f"Contact: <sip:{sender}@[local_ip]:[local_port]>")
    return _payload([*lines, *extra], body, kind, length)


def inside(method: str, *extra: str, sender: str = "caller", cseq: int, **more) -> str:
    """A request in the dialog, along its route set."""
    peer = "host" if sender == "caller" else "caller"
    return request(method, "[next_url]", *extra, sender=sender, cseq=cseq, routes=True, to=f"To: {NAMES[peer]};tag={peer}", **more)


def invite(*extra: str, cseq: int = 1, uri: str = SERVICE, body: str = SDP, **more) -> str:
    return request("INVITE", uri, *extra, cseq=cseq, body=body, **more)


def refused(*, cseq: int = 1, uri: str = SERVICE) -> str:
    """The ACK to a failure."""
    return request("ACK", uri, cseq=cseq, branch=f"caller-{cseq}-INVITE", to="[last_To:]", contact=False)


def reply(status: str, *extra: str, body: str = "", kept: bool = False, via: str = "Via:[$via2]", to: str = "[last_To:];tag=host") -> str:
    """A host's, to the last request; `kept`: to the INVITE whose header fields were kept, `via` being the caller's."""
    if kept:
        lines = ["Via:[$via1]", via, "Record-Route:[$rr]", f"From: {NAMES['caller']};tag=caller", f"To: {NAMES['host']};tag=host",
                 "Call-ID: [call_id]", "CSeq: 1 INVITE"]
    else:
        lines = ["[last_Via:]", "[last_Record-Route:]", "[last_From:]", to, "[last_Call-ID:]", "[last_CSeq:]"]
    if status[0] in "12":
        lines.append("Contact: <sip:host@[local_ip]:[local_port]>")
    return _payload([f"SIP/2.0 {status}", *lines, *extra], body, "application/sdp", True)


def answer(status: str, *extra: str, body: str = "") -> str:
    """To the last request in the dialog, whose To has its tag; by either end."""
    lines = ["[last_Via:]", "[last_Record-Route:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", "[last_CSeq:]"]
    return _payload([f"SIP/2.0 {status}", *lines, *extra], body, "application/sdp", True)

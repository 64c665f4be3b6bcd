"""What is sent through both proxies. Each scenario is one caller and the hosts that the balancer tries, fs1 first."""

from . import plan
from .script import NAMES, SDP, SERVICE, Scenario, answer, expect, inside, invite, learn_proxy, pause, perhaps, refused, reply, request, send

ACK = send(inside("ACK", cseq=1))
RINGS_AND_ANSWERS = (send(reply("180 Ringing")), send(reply("200 OK", body=SDP)), expect("ACK"))
# The caller's side up to the established call, the host's side likewise.
PLACED = (perhaps(100), expect(180), expect(200, routes=True), ACK)
TAKEN = (expect("INVITE", routes=True), *RINGS_AND_ANSWERS)
HANGS_UP = (send(inside("BYE", cseq=2)), expect(200))
IS_LEFT = (expect("BYE"), send(answer("200 OK")))
CALLER_VIA = f"SIP/2.0/UDP {plan.CALLER}:{plan.CALLER_PORT};branch=z9hG4bK-caller-1-INVITE"
FOLD = "\n\\x20"
CONTACT_OF_HOST = "Contact: <sip:host@[local_ip]:[local_port]>"
CONTACT_OF_CALLER = "Contact: <sip:caller@[local_ip]:[local_port]>"


def call(name: str, first: str, **more) -> Scenario:
    """A whole call that begins with this INVITE; the caller hangs up."""
    return Scenario(name, caller=(send(first), *PLACED, *HANGS_UP), fs1=(*TAKEN, *IS_LEFT), **more)


def within(name: str, caller: tuple[str, ...], host: tuple[str, ...], **more) -> Scenario:
    """Steps in an established call, and its end."""
    return Scenario(name, caller=(send(invite()), *PLACED, *caller, send(inside("BYE", cseq=9)), expect(200)), fs1=(*TAKEN, *host, *IS_LEFT), **more)


def failing(name: str, status: str, *extra: str, invitation: str = "") -> Scenario:
    """The host refuses the call."""
    return Scenario(name, caller=(send(invitation or invite()), perhaps(100), expect(int(status.split()[0])), send(refused())),
                    fs1=(expect("INVITE"), send(reply(status, *extra)), expect("ACK")))


def refused_shape(name: str, invitation: str, via: str) -> Scenario:
    """A call that is refused, with header fields in a shape that sipp's own host could not read back."""
    return Scenario(name, caller=(send(invitation), perhaps(100), expect(486), send(refused())),
                    fs1=(expect("INVITE", keep=True), send(reply("486 Busy Here", kept=True, via=via)), expect("ACK")))


def at_the_proxy(name: str, text: str, status: int, *, ack: bool = False, uri: str = SERVICE) -> Scenario:
    """No host takes part. (If one is asked all the same, the tap sees it.)"""
    return Scenario(name, caller=(send(text), perhaps(100), expect(status), *((send(refused(uri=uri)),) if ack else ())), silence=1)


def outside_of_calls(name: str, text: str, *response: str) -> Scenario:
    """One request to a host, and its answer."""
    status, *extra = response or ("200 OK",)
    method = text.split(" ", 1)[0]
    return Scenario(name, caller=(send(text), expect(int(status.split()[0]))), fs1=(expect(method), send(reply(status, *extra))))


CALLS = (
    call("call, caller hangs up", invite()),
    Scenario("call, host hangs up", caller=(send(invite()), *PLACED, expect("BYE"), send(answer("200 OK"))),
             fs1=(*TAKEN, send(inside("BYE", sender="host", cseq=101)), expect(200))),
    Scenario("cancel while ringing",
             caller=(send(invite()), perhaps(100), expect(180),
                     send(request("CANCEL", SERVICE, 'Reason: SIP;cause=200;text="Call completed elsewhere"', branch="caller-1-INVITE", contact=False)),
                     perhaps(200), expect(487), send(refused())),
             fs1=(expect("INVITE", keep=True), send(reply("180 Ringing")), expect("CANCEL"), send(reply("200 OK")),
                  send(reply("487 Request Terminated", kept=True)), expect("ACK"))),
    Scenario("cancel before the host has answered",
             caller=(send(invite()), expect(100), send(request("CANCEL", branch="caller-1-INVITE", contact=False)), perhaps(200), perhaps(180),
                     expect(487), send(refused())),
             fs1=(expect("INVITE", keep=True), pause(300), send(reply("180 Ringing")), expect("CANCEL"), send(reply("200 OK")),
                  send(reply("487 Request Terminated", kept=True)), expect("ACK"))),
    Scenario("cancel behind the answer",
             caller=(send(invite()), perhaps(100), expect(180), expect(200, routes=True), send(request("CANCEL", branch="caller-1-INVITE", contact=False)),
                     expect(200), ACK, *HANGS_UP), fs1=(*TAKEN, *IS_LEFT)),
    failing("busy", "486 Busy Here", "Retry-After: 30"),
    failing("declined", "603 Decline"),
    failing("moved", "302 Moved Temporarily", "Contact: <sip:elsewhere@192.0.2.30>;q=0.7, <sip:other@192.0.2.31>;q=0.3"),
    failing("not found, with a reason of the network", "404 Not Found", 'Reason: Q.850;cause=1;text="Unallocated"', "Warning: 399 fs1 \"no such user\""),
    Scenario("call with a challenge of the host",
             caller=(send(invite()), perhaps(100), expect(407), send(refused()),
                     send(invite('Proxy-Authorization: Digest username="alice", realm="a", nonce="1", uri="sip:service@10.78.0.100", response="0"',
                                 'Proxy-Authorization: Digest username="alice", realm="b", nonce="2", uri="sip:service@10.78.0.100", response="1"', cseq=2)),
                     perhaps(100), expect(180), expect(200, routes=True), send(inside("ACK", cseq=2)), send(inside("BYE", cseq=3)), expect(200)),
             fs1=(expect("INVITE"), send(reply("407 Proxy Authentication Required", 'Proxy-Authenticate: Digest realm="a", nonce="1"',
                                               'Proxy-Authenticate: Digest realm="b", nonce="2"')),
                  expect("ACK"), *TAKEN, *IS_LEFT)),
    failing("call with a 401 of the host", "401 Unauthorized", 'WWW-Authenticate: Digest realm="a", nonce="1", qop="auth"'),
    Scenario("late offer",
             caller=(send(invite(body="")), perhaps(100), expect(180), expect(200, routes=True), send(inside("ACK", cseq=1, body=SDP)), *HANGS_UP),
             fs1=(*TAKEN, *IS_LEFT)),
    Scenario("early media", caller=(send(invite()), perhaps(100), expect(183), *PLACED[1:], *HANGS_UP),
             fs1=(expect("INVITE", routes=True), send(reply("183 Session Progress", body=SDP)), *RINGS_AND_ANSWERS, *IS_LEFT)),
)

IN_CALLS = (
    within("re-INVITE of the caller",
           (send(inside("INVITE", CONTACT_OF_CALLER, cseq=2, body=SDP, contact=False)), perhaps(100), expect(200), send(inside("ACK", cseq=2))),
           (expect("INVITE"), send(answer("200 OK", CONTACT_OF_HOST, body=SDP)), expect("ACK"))),
    within("re-INVITE of the host",
           (expect("INVITE"), send(answer("200 OK", CONTACT_OF_CALLER, body=SDP)), expect("ACK")),
           (send(inside("INVITE", sender="host", cseq=101, body=SDP)), perhaps(100), expect(200), send(inside("ACK", sender="host", cseq=101)))),
    within("re-INVITE of the host, refused",
           (expect("INVITE"), send(answer("488 Not Acceptable Here")), expect("ACK")),
           (send(inside("INVITE", sender="host", cseq=101, body=SDP)), perhaps(100), expect(488),
            send(inside("ACK", sender="host", cseq=101, branch="host-101-INVITE", contact=False)))),
    within("INFO both ways",
           (send(inside("INFO", cseq=2, body="Signal=5\n", kind="application/dtmf-relay")), expect(200), expect("INFO"), send(answer("200 OK"))),
           (expect("INFO"), send(answer("200 OK")), send(inside("INFO", sender="host", cseq=101, body="Signal=6\n", kind="application/dtmf-relay")),
            expect(200))),
    within("OPTIONS in a call", (send(inside("OPTIONS", cseq=2)), expect(200)), (expect("OPTIONS"), send(answer("200 OK", "Allow: INVITE")))),
    within("UPDATE of the host with session timers",
           (expect("UPDATE"), send(answer("200 OK", CONTACT_OF_CALLER, "Session-Expires: 1800;refresher=uac", "Require: timer"))),
           (send(inside("UPDATE", "Session-Expires: 1800;refresher=uac", "Supported: timer", sender="host", cseq=101)), expect(200))),
    Scenario("UPDATE in the early dialog",
             caller=(send(invite()), perhaps(100), expect(183, routes=True), send(inside("UPDATE", cseq=2, body=SDP)), expect(200),
                     expect(200), send(inside("ACK", cseq=1)), send(inside("BYE", cseq=3)), expect(200)),
             fs1=(expect("INVITE", routes=True, keep=True), send(reply("183 Session Progress", body=SDP)), expect("UPDATE"),
                  send(answer("200 OK", CONTACT_OF_HOST, body=SDP)), send(reply("200 OK", kept=True, body=SDP)), expect("ACK"), *IS_LEFT)),
    Scenario("PRACK",
             caller=(send(invite("Supported: 100rel")), perhaps(100), expect(183, routes=True), send(inside("PRACK", "RAck: 7 1 INVITE", cseq=2)),
                     expect(200), expect(200), send(inside("ACK", cseq=1)), send(inside("BYE", cseq=3)), expect(200)),
             fs1=(expect("INVITE", routes=True, keep=True), send(reply("183 Session Progress", "Require: 100rel", "RSeq: 7", body=SDP)),
                  expect("PRACK"), send(answer("200 OK")), send(reply("200 OK", kept=True)), expect("ACK"), *IS_LEFT)),
    within("REFER and NOTIFY",
           (send(inside("REFER", "Refer-To: <sip:carol@example.net>", cseq=2)), expect(202), expect("NOTIFY"), send(answer("200 OK"))),
           (expect("REFER"), send(answer("202 Accepted", CONTACT_OF_HOST)),
            send(inside("NOTIFY", "Event: refer;id=2", "Subscription-State: terminated;reason=noresource", sender="host", cseq=101,
                        body="SIP/2.0 200 OK\n", kind="message/sipfrag")), expect(200))),
    Scenario("early BYE",
             caller=(send(invite()), perhaps(100), expect(180, routes=True), send(inside("BYE", cseq=2)), expect(200), expect(487), send(refused())),
             fs1=(expect("INVITE", routes=True, keep=True), send(reply("180 Ringing")), expect("BYE"), send(answer("200 OK")),
                  send(reply("487 Request Terminated", kept=True)), expect("ACK"))),
    Scenario("BYE again",
             caller=(send(invite()), *PLACED, *HANGS_UP, send(inside("BYE", cseq=2)), expect(200)), fs1=(*TAKEN, *IS_LEFT), counted=True),
    Scenario("INVITE again while it rings",
             caller=(send(invite()), perhaps(100), expect(180), send(invite()), expect(180), pause(200),
                     send(request("CANCEL", branch="caller-1-INVITE", contact=False)), perhaps(200), expect(487), send(refused())),
             fs1=(expect("INVITE", keep=True), send(reply("180 Ringing")), expect("CANCEL"), send(reply("200 OK")),
                  send(reply("487 Request Terminated", kept=True)), expect("ACK")), counted=True),
    Scenario("ACK is lost and the 200 comes again",
             caller=(send(invite()), perhaps(100), expect(180), expect(200), expect(200, routes=True), ACK, *HANGS_UP),
             fs1=(expect("INVITE", routes=True, keep=True), send(reply("180 Ringing")), send(reply("200 OK", kept=True, body=SDP)), pause(100),
                  send(reply("200 OK", kept=True, body=SDP)), expect("ACK"), *IS_LEFT), counted=True),
    Scenario("two finals of forks below",
             caller=(send(invite()), perhaps(100), expect(200), expect(200, routes=True), ACK, *HANGS_UP),
             fs1=(expect("INVITE", routes=True, keep=True), send(reply("200 OK", body=SDP, to="[last_To:];tag=fork")),
                  send(reply("200 OK", kept=True, body=SDP)), expect("ACK"), *IS_LEFT)),
    Scenario("BYE by a strict router's rules",
             caller=(send(invite()), perhaps(100), expect(180), learn_proxy(200),
                     send(request("ACK", "[$proxy]", "Route: <[$target]>", to=f"To: {NAMES['host']};tag=host")),
                     send(request("BYE", "[$proxy]", "Route: <[$target]>", cseq=2, to=f"To: {NAMES['host']};tag=host")), expect(200)),
             fs1=(*TAKEN, *IS_LEFT)),
    Scenario("BYE without its route set",
             caller=(send(invite()), *PLACED, send(request("BYE", cseq=2, to=f"To: {NAMES['host']};tag=host")), expect(200)),
             fs1=(*TAKEN, *IS_LEFT)),
)

OTHER_METHODS = (
    at_the_proxy("OPTIONS to the proxy", request("OPTIONS", f"sip:{plan.VIP}"), 200),
    Scenario("REGISTER with a challenge",
             caller=(send(request("REGISTER", "sip:example.net", "Expires: 600", to=f"To: {NAMES['caller']}")), expect(401),
                     send(request("REGISTER", "sip:example.net", "Expires: 600",
                                  'Authorization: Digest username="alice", realm="a", nonce="1", uri="sip:example.net", response="0"',
                                  cseq=2, to=f"To: {NAMES['caller']}")), expect(200)),
             fs1=(expect("REGISTER"), send(reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="a", nonce="1"')),
                  expect("REGISTER"), send(reply("200 OK", "[last_Path:]", "Service-Route: <sip:10.78.0.100;lr>", "Expires: 600")))),
    outside_of_calls("REGISTER with a Path already", request("REGISTER", "sip:example.net", "Path: <sip:edge.example.net;lr>", "Supported: path")),
    Scenario("SUBSCRIBE and NOTIFY",
             caller=(send(request("SUBSCRIBE", SERVICE, "Event: presence", "Expires: 600")), expect(202, routes=True), expect("NOTIFY"),
                     send(answer("200 OK"))),
             fs1=(expect("SUBSCRIBE", routes=True), send(reply("202 Accepted", "Expires: 600")),
                  send(inside("NOTIFY", "Event: presence", "Subscription-State: active", sender="host", cseq=101)), expect(200))),
    outside_of_calls("MESSAGE", request("MESSAGE", body="hello\n", kind="text/plain", contact=False)),
    outside_of_calls("PUBLISH", request("PUBLISH", SERVICE, "Event: presence", "Expires: 600", contact=False)),
    outside_of_calls("method that nobody knows", request("CHEER", SERVICE, "X-Loud: yes")),
    at_the_proxy("NOTIFY that nobody asked for", request("NOTIFY", SERVICE, "Event: message-summary", "Subscription-State: active"), 405),
    Scenario("MESSAGE again", caller=(send(request("MESSAGE", contact=False)), expect(200), send(request("MESSAGE", contact=False)), expect(200)),
             fs1=(expect("MESSAGE"), send(reply("200 OK"))), counted=True),
    Scenario("MESSAGE with a 100 and a 408 of the host", caller=(send(request("MESSAGE", contact=False)), pause(300)),
             fs1=(expect("MESSAGE"), send(reply("100 Trying")), send(reply("408 Request Timeout")))),
)

FAILOVER = (
    Scenario("503 of the first host", caller=(send(invite()), *PLACED, *HANGS_UP),
             fs1=(expect("INVITE"), send(reply("503 Service Unavailable", "Retry-After: 120")), expect("ACK")), fs2=(*TAKEN, *IS_LEFT)),
    Scenario("503 of both hosts", caller=(send(invite()), perhaps(100), expect(503), send(refused())),
             fs1=(expect("INVITE"), send(reply("503 Service Unavailable", "Retry-After: 120")), expect("ACK")),
             fs2=(expect("INVITE"), send(reply("503 Service Unavailable", "Retry-After: 120")), expect("ACK"))),
    Scenario("503 in a call", caller=(send(invite()), *PLACED, send(inside("INVITE", cseq=2, body=SDP)), perhaps(100), expect(500),
                                      send(inside("ACK", cseq=2, branch="caller-2-INVITE", contact=False)), send(inside("BYE", cseq=3)), expect(200)),
             fs1=(*TAKEN, expect("INVITE"), send(answer("503 Service Unavailable", "Retry-After: 120")), expect("ACK"), *IS_LEFT)),
    Scenario("first host is silent", caller=(send(invite()), *PLACED, *HANGS_UP), fs1=(expect("INVITE"), pause(2600)),
             fs2=(*TAKEN, *IS_LEFT), counted=True, silence=4),
)

SHAPES = (
    refused_shape("compact header names", "\n".join([
        f"INVITE {SERVICE} SIP/2.0", f"v: {CALLER_VIA}", "Max-Forwards: 70", f"f: {NAMES['caller']};tag=caller", f"t: {NAMES['host']}", "i: [call_id]",
        "CSeq: 1 INVITE", "m: <sip:caller@[local_ip]:[local_port]>", "k: 100rel,timer", "s: a subject", "c: application/sdp", "l: [len]"]) + "\n\n" + SDP,
        via=f"v: {CALLER_VIA}"),
    refused_shape("folded lines", "\n".join([
        f"INVITE {SERVICE} SIP/2.0", f"Via: {CALLER_VIA}", "MAX-FORWARDS: 0070", "fRom:", "\\x20\\x20\"Alice", "\\x20Smith\" <sip:alice@example.net>",
        "\\x09;tag=caller", f"To: {NAMES['host']}", "Call-ID: [call_id]", "CSeq: 1 INVITE", "Contact: <sip:caller@[local_ip]:[local_port]>",
        "Subject: first", "\\x20\\x20second", "Content-Type: application/sdp", "Content-Length: [len]"]) + "\n\n" + SDP, via=f"Via: {CALLER_VIA}"),
    refused_shape("blanks before colons, a folded Via", "\n".join([
        f"INVITE {SERVICE} SIP/2.0", f"Via  :  {CALLER_VIA.replace(';', FOLD + ';')}", "Max-Forwards : 70", f"From: {NAMES['caller']};tag=caller",
        f"To: {NAMES['host']}", "Call-ID: [call_id]", "CSeq: 1 INVITE", "Contact : <sip:caller@[local_ip]:[local_port]>",
        "Content-Type: application/sdp", "Content-Length : [len]"]) + "\n\n" + SDP, via=f"Via: {CALLER_VIA}"),
    call("several Vias in one line", invite(vias=("Via: SIP/2.0/UDP [local_ip]:[local_port];branch=z9hG4bK-list, SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK-below",
                                                  "Via: SIP/2.0/UDP client.example.net;branch=z9hG4bK-client;received=192.0.2.10"))),
    failing("Record-Routes of proxies upstream", "486 Busy Here", invitation=invite(
        "Record-Route: <sip:192.0.2.20;lr>, <sip:192.0.2.21;lr;x=1>", "Record-Route: <sip:p3.example.net;lr>")),
    call("Via with rport", invite(vias=("Via: SIP/2.0/UDP [local_ip]:[local_port];rport;branch=z9hG4bK-rport",))),
    call("Via of another address", invite(vias=("Via: SIP/2.0/UDP 192.0.2.77:5070;rport;branch=z9hG4bK-other",))),
    call("headers that nobody knows, in their order", invite("X-One: 1", "X-Two: 2", "X-One: 3", "P-Asserted-Identity: <sip:alice@example.net>",
                                                            "Privacy: none", "Require: nonsense", "Allow: INVITE,ACK", "Date: yesterday")),
    call("trust headers of an outsider", invite("X-AUTH-IP: 192.0.2.1", "x-auth-ip : 192.0.2.2", "X-AUTH-PORT: 1")),
    call("Max-Forwards absent", invite(hops="")),
    call("Max-Forwards 1", invite(hops="Max-Forwards: 1")),
    call("Max-Forwards above the usual", invite(hops="Max-Forwards: 200")),
    call("no Content-Length", invite(length=False)),
    call("body of odd octets", invite(body="v=0\\x0d\\x0a\\x01\\x7f\\xff\\xfe--\\x0dlone\\x09tab: SIP/2.0\\x0a\\x0a", kind="application/octet-stream")),
    call("octets behind the body", invite("Content-Length: 5", body="12345and more", kind="text/plain", length=False)),
    call("user part with escapes", invite(uri=f"sip:%61lice%20;x=1:pw@{plan.VIP};user=phone;transport=udp")),
    call("Timestamp", invite("Timestamp: 54.2")),
    call("tel URI", invite(uri="tel:+49-30-1234;phone-context=example.net")),
    call("Request-URI of another domain", invite(uri="sip:service@example.net")),
)

REFUSALS = (
    at_the_proxy("Max-Forwards 0", invite(hops="Max-Forwards: 0"), 483, ack=True),
    at_the_proxy("Max-Forwards 0 of OPTIONS", request("OPTIONS", f"sip:{plan.VIP}", hops="Max-Forwards: 0"), 483),
    at_the_proxy("Max-Forwards too large", invite(hops="Max-Forwards: 300"), 400, ack=True),
    at_the_proxy("Max-Forwards is no number", invite(hops="Max-Forwards: many"), 400, ack=True),
    at_the_proxy("Proxy-Require", invite("Proxy-Require: foo, bar", "Proxy-Require: baz"), 420, ack=True),
    at_the_proxy("unknown scheme", invite(uri="nobody:knows.this"), 416, ack=True, uri="nobody:knows.this"),
    at_the_proxy("another version of SIP", invite().replace("SIP/2.0", "SIP/7.0", 1), 505, ack=True),
    Scenario("CSeq of another method", caller=(send(invite().replace("CSeq: 1 INVITE", "CSeq: 1 MESSAGE")), pause(300))),
    at_the_proxy("Content-Length too large", invite("Content-Length: 4000", length=False), 400, ack=True),
    at_the_proxy("two To header fields", invite("To: <sip:other@example.net>"), 400, ack=True),
    Scenario("no CSeq", caller=(send(invite().replace("CSeq: 1 INVITE\n", "")), pause(300))),
    at_the_proxy("Route to a third party", invite("Route: <sip:192.0.2.99;lr>"), 403, ack=True),
    at_the_proxy("CANCEL of nothing", request("CANCEL", contact=False), 481),
    at_the_proxy("BYE of nothing", request("BYE", cseq=2, to=f"To: {NAMES['host']};tag=gone"), 481),
    at_the_proxy("INVITE in no call", invite(to=f"To: {NAMES['host']};tag=gone"), 481, ack=True),
    Scenario("ACK of nothing", caller=(send(request("ACK", to=f"To: {NAMES['host']};tag=gone")), pause(200))),
)

# Its requests are repeated long after it: no scenario with hosts may follow.
LAST = (
    Scenario("MESSAGE to silent hosts", caller=(send(request("MESSAGE", contact=False)), pause(4700)), fs1=(expect("MESSAGE"), pause(4500)),
             fs2=(expect("MESSAGE"), pause(2400)), silence=3),
)

ALL = (*CALLS, *IN_CALLS, *OTHER_METHODS, *FAILOVER, *SHAPES, *REFUSALS, *LAST)

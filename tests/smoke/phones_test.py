"""Two phones (baresip) registered through the VIP at a registrar (Kamailio) that plays the hosts, calling each other."""

import json
import socket
import tempfile
from pathlib import Path

from harness import LabCase, hosts, main, page, plan, proc, SCENARIOS
from sflab.shell import network, wait_for

CONFIG = """\
poll_method epoll
sip_listen {address}:{port}
call_max_calls 4
audio_player aubridge,{name}
audio_source aubridge,{name}
audio_alert aubridge,{name}
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""
ACCOUNT = "<sip:{name}@{vip}>;auth_user={name};auth_pass=secret;regint=60;answermode={mode}\n"


class Phone:
    """One baresip; what it says comes as events, in netstrings of JSON."""

    def __init__(self, case: LabCase, name: str, part: int, mode: str = "auto"):
        self.name, self.uri, control = name, f"sip:{name}@{plan.VIP}", 4400 + part
        home = tempfile.TemporaryDirectory()
        case.addCleanup(home.cleanup)
        Path(home.name, "config").write_text(CONFIG.format(address=plan.v4(part), port=plan.SIP_PORT, name=name, control=control))
        Path(home.name, "accounts").write_text(ACCOUNT.format(name=name, vip=plan.VIP, mode=mode))
        self.process = proc.start(f"baresip-{name}", plan.CLIENTS, ["baresip", "-f", home.name])
        case.addCleanup(self.process.stop)
        self.events: list[dict] = []
        self.rest = b""
        self.socket = None
        wait_for(lambda: self._connect(control), f"{name} to listen", 10)
        case.addCleanup(self.socket.close)

    def _connect(self, control: int) -> bool:
        proc.ensure_alive(self.process)
        try:
            with network(plan.CLIENTS):
                self.socket = socket.create_connection(("127.0.0.1", control), timeout=2)
        except OSError:
            return False
        self.socket.setblocking(False)
        return True

    def tell(self, command: str, params: str = ""):
        text = json.dumps({"command": command, "params": params})
        self.socket.sendall(f"{len(text)}:{text},".encode())

    def wait_registered(self):
        # The event may have come before anybody listened.
        wait_for(lambda: f"{self.name}@{plan.VIP}: {{0/UDP/v4}} 200 OK" in proc.tail(self.process.name), f"{self.name} to be registered", 15)

    def _listen(self):
        try:
            while data := self.socket.recv(65536):
                self.rest += data
        except BlockingIOError:
            pass
        while b":" in self.rest:
            length, _, text = self.rest.partition(b":")
            if len(text) < int(length) + 1:
                return
            self.events.append(json.loads(text[:int(length)]))
            self.rest = text[int(length) + 1:]

    def wait_for(self, event: str, seconds: float = 15) -> dict:
        def come():
            self._listen()
            return any(e.get("type") == event for e in self.events)

        wait_for(come, f"{self.name}: {event}\n{proc.tail(self.process.name)}", seconds)
        found = next(i for i, e in enumerate(self.events) if e.get("type") == event)
        return self.events.pop(found)


class Phones(LabCase):
    options = {"uas": False}

    def setUp(self):
        super().setUp()
        sockets = [word for address in plan.HOST_ADDRESSES.values() for word in ("-l", f"udp:{address}:{plan.SIP_PORT}")]
        self.registrar = proc.start("registrar", plan.HOSTS, ["kamailio", "-DD", "-E", "-f", str(SCENARIOS / "registrar.cfg"),
                                                              *sockets, "-n", "1", "-m", "32", "-M", "8"])
        self.addCleanup(self.registrar.stop)
        # Not the states alone: a host counts as active until its first probe says otherwise.
        for address in plan.HOST_ADDRESSES.values():
            hosts.wait_answering(self.registrar, address)
        for table in ("dispatcher", "load_balancer"):
            self.wait_for_states({name: "active" for name in plan.HOST_PARTS}, 30, table)
        self.alice, self.bob = Phone(self, "alice", 21), Phone(self, "bob", 22)
        for phone in (self.alice, self.bob):
            phone.wait_registered()

    def hold_a_call(self, caller: Phone, callee: Phone):
        before = page().sum("sipfront_events_total", event="flow_followed")
        caller.tell("dial", callee.uri)
        for phone in (caller, callee):
            phone.wait_for("CALL_ESTABLISHED")
        self.assertEqual(page().sum("sipfront_events_total", event="flow_followed") - before, 1, "the registrar calls along the Path")

    def test_calls_both_ways_and_either_side_hangs_up(self):
        for caller, callee in ((self.alice, self.bob), (self.bob, self.alice)):
            for ends in (caller, callee):
                with self.subTest(caller=caller.name, ends=ends.name):
                    self.hold_a_call(caller, callee)
                    ends.tell("hangup")
                    for phone in (caller, callee):
                        phone.wait_for("CALL_CLOSED")
                    self.assert_no_dialog_left()

    def test_a_user_who_is_not_there(self):
        self.alice.tell("dial", f"sip:nobody@{plan.VIP}")
        closed = self.alice.wait_for("CALL_CLOSED")
        self.assertIn("404", closed.get("param", ""))
        self.assert_no_dialog_left()


if __name__ == "__main__":
    main()

"""Signals: SIGHUP takes new destinations under load, SIGTERM ends what stands and then the process, SIGKILL leaves nothing that hinders a start."""

import re
import signal
import subprocess
import threading
import time

from harness import LabCase, grown, hosts, lab, main, node, page, picks, plan, proc, sip, sipp, states
from sflab.shell import LabError, wait_for


def rows(*names: str) -> str:
    text = ""
    for name in names:
        uri = f"sip:{plan.HOST_ADDRESSES[name]}"
        text += f'[[load_balancer]]\ndst_uri = "{uri}"\nresources = "pstn=10000"\n[[dispatcher]]\ndestination = "{uri}"\n'
    return text


class Control(LabCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.reload, "")

    def reload(self, overlay: str, result: str = "ok"):
        before = page().sum("sipfront_config_reloads_total", result=result)
        node.write_overlay(overlay)
        node.reload("lb1")
        wait_for(lambda: page().sum("sipfront_config_reloads_total", result=result) > before, f"a reload that is {result}", 10, every=0.1)

    def test_reload_takes_hosts_away_and_brings_them_back_under_load(self):
        with sipp.Run("uac", f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(2), calls=4_000, rate=400, hold_ms=1_000, timeout=90) as run:
            wait_for(lambda: run.count().succeeded > 200, "calls to flow", 30, every=0.2)
            self.reload(rows("fs1", "fs2"))
            before = picks(page(), "load_balancer")
            seen = run.count().succeeded
            wait_for(lambda: run.count().succeeded > seen + 600, "calls to go on", 30, every=0.2)
            spread = grown(picks(page(), "load_balancer"), before)
            self.assertEqual({name for name, calls in spread.items() if calls > 0}, {"fs1", "fs2"}, spread)
            self.reload("")
            self.wait_for_states({name: "active" for name in plan.HOST_PARTS})
            before = picks(page(), "load_balancer")
            wait_for(lambda: not run.running or all(n > 20 for n in grown(picks(page(), "load_balancer"), before).values()),
                     "all four to get calls", 30, every=0.2)
            self.assert_all_succeed(run.wait(), 4_000)
        self.assert_no_dialog_left()

    def test_broken_configuration_is_refused_and_changes_nothing(self):
        before = page().by("sipfront_destination_capacity", "uri", table="load_balancer")
        self.reload('[[load_balancer]]\ndst_uri = "sip:not an address"\nresources = "pstn=1"\n[balancer]\nlb_algoritm = "relative"\n', "failed")
        self.assertEqual(page().by("sipfront_destination_capacity", "uri", table="load_balancer"), before)
        self.call("uac", calls=20, rate=20, hold_ms=50)

    def test_capacity_is_respected(self):
        """Two hosts of five calls each: ten stand, the next one gets 503 with Retry-After, and its place is free again after a BYE."""
        overlay = rows("fs1", "fs2").replace("pstn=10000", "pstn=5")
        self.reload(overlay)
        with sip.Agent(plan.CLIENTS, plan.v4(5)) as agent:
            calls = [self.stand(agent) for _ in range(10)]
            reply = agent.ask(agent.request("INVITE", f"sip:x@{plan.VIP}"), plan.VIP)
            self.assertEqual(reply.status, 503, reply.text)
            self.assertRegex(reply.get("Retry-After"), r"^([1-9]|10)$")
            load = page().by("sipfront_destination_load", "uri", table="load_balancer")
            self.assertEqual(sorted(load.values())[-2:], [5, 5], load)
            self.hang_up(agent, calls.pop())
            calls.append(self.stand(agent))
            for call in calls:
                self.hang_up(agent, call)
        self.assert_no_dialog_left()

    def stand(self, agent: sip.Agent) -> dict:
        ids = {"call_id": sip.unique("c"), "tag": sip.unique("t")}
        reply = agent.ask(agent.request("INVITE", f"sip:x@{plan.VIP}", **ids), plan.VIP, timeout=5)
        self.assertIsNotNone(reply)
        self.assertEqual(reply.status, 200, reply.text)
        call = {**ids, "to": reply.get("To"), "uri": re.search(r"<(.*?)>", reply.get("Contact")).group(1),
                "headers": tuple(f"Route: {route}" for route in reversed(reply.list("Record-Route")))}
        agent.send(agent.request("ACK", **{**call, "cseq": 1}), plan.VIP)
        return call

    def hang_up(self, agent: sip.Agent, call: dict):
        reply = agent.ask(agent.request("BYE", **{**call, "cseq": 2}), plan.VIP, timeout=5)
        self.assertIsNotNone(reply)
        self.assertEqual(reply.status, 200, reply.text)

    def test_sigterm_drains(self):
        """The calls that stand end in peace, new ones are refused, and the process ends by itself."""
        # Started from here, so that its exit status can be read.
        node.stop("lb1")
        lab.start("lb1")
        self.wait_for_states({name: "active" for name in plan.HOST_PARTS})
        running = proc.find("lb1")
        with sipp.Run("uac", f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(2), calls=50, rate=100, hold_ms=3_000, timeout=30) as run:
            wait_for(lambda: page().sum("sipfront_dialogs_active") == 50, "the calls to stand", 10, every=0.1)
            running.send(signal.SIGTERM)
            with sip.Agent(plan.CLIENTS, plan.v4(6)) as agent:
                def refused():
                    reply = agent.ask(agent.request("INVITE", f"sip:x@{plan.VIP}"), plan.VIP, timeout=1)
                    return reply is not None and reply.status == 503
                wait_for(refused, "new calls to be refused", 3, every=0.05)
            self.assert_all_succeed(run.wait(), 50)
        wait_for(lambda: proc.exit_status(running) is not None, "the daemon to end", 15)
        self.assertEqual(proc.exit_status(running), 0, proc.tail("lb1"))
        lab.start("lb1")

    def test_sigkill_and_start(self):
        """A killed node starts again on what it left: huge pages, TAP, sockets."""
        for _ in range(2):
            lab.kill("lb1")
            lab.start("lb1")
        self.wait_for_states({name: "active" for name in plan.HOST_PARTS})
        self.call("uac", calls=20, rate=20, hold_ms=50)

    def test_cookie_survives_a_restart(self):
        """A call set up before a SIGKILL ends after it: its route set is enough."""
        with sip.Agent(plan.CLIENTS, plan.v4(5)) as agent:
            call = self.stand(agent)
            lab.kill("lb1")
            lab.start("lb1")
            self.hang_up(agent, call)

    def test_answers_to_a_former_life_reach_nobody_else(self):
        """A host answers late what the killed process had sent it. The new process has other calls where the old one had that one."""
        for name in plan.HOST_PARTS:
            hosts.stop(name)
        host = self.enterContext(sip.Agent(plan.HOSTS, plan.HOST_ADDRESSES["fs1"], plan.SIP_PORT))
        before, after = (self.enterContext(sip.Agent(plan.CLIENTS, plan.v4(part))) for part in (5, 6))
        self.begin_life(host)
        old = [self.ring(before, host) for _ in range(60)]
        self.begin_life(host)
        new = [self.ring(after, host) for _ in range(100)]
        for request in old:
            host.reply(request, "200 OK", f"Contact: <sip:{host.sent_by}>")
        for request in new:
            host.reply(request, "486 Busy Here")
        ours = {request.get("Call-ID") for request in new}
        busy = set()
        while message := after.receive(1):
            self.assertIn(message.get("Call-ID"), ours, f"an answer to somebody else's call:\n{message.text}")
            if message.status == 486:
                busy.add(message.get("Call-ID"))
        self.assertEqual(busy, ours)

    def begin_life(self, host: sip.Agent):
        lab.kill("lb1")
        starter = threading.Thread(target=lab.start, args=("lb1",))
        starter.start()
        self.answer_probes(host, until=lambda: not starter.is_alive())
        self.answer_probes(host, until=lambda: [name for name, state in states(page()).items() if state == "active"] == ["fs1"])

    def answer_probes(self, host: sip.Agent, until):
        deadline = time.monotonic() + 30
        while not until():
            self.assertLess(time.monotonic(), deadline, "the lab did not settle")
            while (message := host.receive(0.2)) is not None:
                if message.method == "OPTIONS":
                    host.reply(message, "200 OK")

    def ring(self, caller: sip.Agent, host: sip.Agent) -> sip.Message:
        """A call that rings at the host; returns its INVITE as the host got it."""
        call_id = sip.unique("c")
        caller.send(caller.request("INVITE", f"sip:x@{plan.VIP}", call_id=call_id), plan.VIP)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            message = host.receive(1)
            if message and message.method == "OPTIONS":
                host.reply(message, "200 OK")
            elif message and message.method == "INVITE" and message.get("Call-ID") == call_id:
                host.reply(message, "180 Ringing")
                return message
        self.fail("the call did not reach the host")

    def test_tables_are_committed_at_start(self):
        """Their memory is there before the first call. A start that finds less than it wants says so and ends."""
        bounds = "[sip]\nmax_dialogs = 100000\nmax_transactions = 100000\n"
        self.addCleanup(self.restart, "")
        self.restart(f'{bounds}image_bytes = "256MiB"\n')
        as_needed = proc.resident(proc.find("lb1"))
        self.restart(f'{bounds}image_bytes = "256MiB"\ncommit_tables = true\n')
        self.assertGreater(proc.resident(proc.find("lb1")), as_needed + (256 << 20))
        self.wait_for_states({name: "active" for name in plan.HOST_PARTS})
        self.call("uac", calls=20, rate=20, hold_ms=50)

        with self.assertRaisesRegex(LabError, "tables of worker 0 .* 1048576 MiB is to be committed .* sip.commit_tables = false"):
            self.restart(f'{bounds}image_bytes = "1TiB"\ncommit_tables = true\n')
        self.assertEqual(proc.exit_status(proc.find("lb1")), 1)

    def restart(self, overlay: str):
        node.stop("lb1")
        node.write_overlay(overlay)
        lab.start("lb1")

    def test_check_tells_all_errors_at_once(self):
        bad = plan.STATE / "conf" / "bad.toml"
        bad.write_text('[data_plane]\nports = []\nworkres = 2\n[kernel]\naddresses = ["nonsense"]\n')
        done = subprocess.run([lab.current().daemon, "--check", "--config", str(bad)], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        text = done.stdout + done.stderr
        for part in ("workres", "workers", "nonsense"):
            self.assertIn(part, text)
        good = subprocess.run([lab.current().daemon, "--check", "--config", str(node.config_file("lb1"))], capture_output=True, text=True, timeout=30)
        self.assertEqual(good.returncode, 0, good.stdout + good.stderr)


if __name__ == "__main__":
    main()

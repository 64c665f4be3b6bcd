"""A host dies under load and comes back; a host that hears and never speaks."""

import re

from harness import LabCase, grown, hosts, main, page, picks, plan, scenario, sip, sipp, states
from sflab.shell import wait_for

VICTIM = "fs2"


def uri_of(name: str) -> str:
    return f"sip:{plan.HOST_ADDRESSES[name]}:{plan.SIP_PORT}"


class Hosts(LabCase):
    def test_killed_host_costs_only_its_own_calls(self):
        """500 calls a second, one of four hosts dies and comes back. Only calls that stood or rang there may fail."""
        with sipp.Run("uac", f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(2), calls=10_000, rate=500, hold_ms=200, timeout=120) as run:
            wait_for(lambda: run.count().succeeded > 1_500, "calls to flow", 30, every=0.2)
            there = page().sum("sipfront_destination_load", uri=uri_of(VICTIM))
            self.assertGreater(there, 0)
            hosts.stop(VICTIM)
            wait_for(lambda: states(page())[VICTIM] != "active", f"{VICTIM} to be out", 20, every=0.1)
            # From here on nothing new goes there; what the host had when it died has until Timer F to fail.
            out = picks(page(), "load_balancer")[VICTIM]
            done = run.count().succeeded
            wait_for(lambda: not run.running or run.count().succeeded > done + 2_500, "calls to go on", 60, every=0.2)
            self.assertEqual(picks(page(), "load_balancer")[VICTIM], out, "a dead host was picked")
            hosts.start(VICTIM)
            self.wait_for_states({VICTIM: "active"})
            wait_for(lambda: not run.running or picks(page(), "load_balancer")[VICTIM] > out, "the host to get calls again", 30, every=0.2)
            result = run.wait()
        self.assertGreater(picks(page(), "load_balancer")[VICTIM], out, "back in rotation")
        self.assertEqual(result.placed, 10_000)
        self.assertEqual(result.succeeded + result.failed, 10_000, result.summary())
        # What stood at the host when it died, and what was set up there between that reading and the kill.
        self.assertLessEqual(result.failed, there + 100, result.summary())
        self.assertEqual(self.failures_of_new_calls(result.errors), [], "a call that had no answer yet failed")

    @staticmethod
    def failures_of_new_calls(errors: str) -> list[str]:
        """Calls whose INVITE was refused: sipp was still waiting for its answer (no 180 from the dead host came before)."""
        failed = re.findall(r"while expecting '(\d+)' \(index (\d+)\), received 'SIP/2\.0 (\d+)(.*?)(?=Aborting call|\Z)", errors, re.DOTALL)
        return [f"{status}{rest[:300]}" for _, _, status, rest in failed if re.search(r"CSeq: *\d+ INVITE", rest)]

    def test_silent_host_is_passed_over(self):
        """It answers OPTIONS and ignores calls: each of its calls goes to another host after fr_timer, unseen by the caller."""
        hosts.stop(VICTIM)
        hosts.start(VICTIM, "-sf", str(scenario("host_silent")), "-aa")
        self.wait_for_states({name: "active" for name in plan.HOST_PARTS})
        before = page()
        self.call("uac", calls=40, rate=20, hold_ms=100)
        after = page()
        self.assertGreater(after.sum("sipfront_events_total", event="failover"), before.sum("sipfront_events_total", event="failover"))
        self.assert_no_dialog_left()

    def test_full_host_is_passed_over(self):
        """503 from one host: the call goes to another one, and the host keeps its place for the calls it has."""
        hosts.stop(VICTIM)
        hosts.start(VICTIM, "-sf", str(scenario("host_refuses")), "-aa")
        self.wait_for_states({name: "active" for name in plan.HOST_PARTS})
        before = picks(page(), "load_balancer")
        self.call("uac", calls=100, rate=50, hold_ms=100)
        self.assertGreater(grown(picks(page(), "load_balancer"), before)[VICTIM], 0)
        self.assert_no_dialog_left()

    def test_the_last_living_host_stays_in_use(self):
        """Three of four are dead: what their probes do not answer says nothing about the fourth one."""
        for name in ("fs2", "fs3", "fs4"):
            hosts.stop(name)
        wait_for(lambda: [name for name, state in states(page()).items() if state == "active"] == ["fs1"], "three hosts to be out", 20, every=0.1)
        before = page().sum("sipfront_destination_failures_total", uri=uri_of("fs1"))
        self.call("uac", calls=300, rate=50, hold_ms=100)
        self.assertEqual(states(page())["fs1"], "active")
        self.assertEqual(page().sum("sipfront_destination_failures_total", uri=uri_of("fs1")), before)

    def test_no_host_left(self):
        """All four dead: callers get 503 or 500 with our Retry-After, OPTIONS says 503; all come back."""
        for name in plan.HOST_PARTS:
            hosts.stop(name)
        wait_for(lambda: all(state != "active" for state in states(page()).values()), "all hosts to be out", 20, every=0.2)
        with sip.Agent(plan.CLIENTS, plan.v4(4)) as agent:
            reply = agent.ask(agent.request("OPTIONS", f"sip:{plan.VIP}"), plan.VIP)
            self.assertEqual(reply.status, 503, reply.text)
            call = agent.request("INVITE", f"sip:x@{plan.VIP}")
            reply = agent.ask(call, plan.VIP, timeout=5)
            self.assertIsNotNone(reply)
            self.assertEqual(reply.status, 503, reply.text)
            self.assertRegex(reply.get("Retry-After"), r"^([1-9]|10)$")
        self.mend()
        self.call("uac", calls=20, rate=20, hold_ms=100)


if __name__ == "__main__":
    main()

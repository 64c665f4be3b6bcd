"""Calls of every outcome through the VIP, with sipp on both sides."""

import time

from harness import LabCase, grown, hosts, lab, main, page, picks, plan, proc, scenario, sip, sipp

INTEGRATED_UAS = ("-sn", "uas", "-aa")  # -aa: it answers our OPTIONS, which the scenario does not know


class Calls(LabCase):
    options = {"overlay": '[sip.timers]\nfr_inv_timer = "3s"\n'}

    def play(self, name: str):
        self.hosts_play("-sf", str(scenario(name)), "-aa")

    def test_integrated_uac_to_integrated_uas(self):
        """sipp's own scenarios, unmodified: no Route in ACK and BYE, no Record-Route in the replies."""
        self.hosts_play(*INTEGRATED_UAS)
        self.call("uac", calls=200, rate=50, hold_ms=200)
        self.assert_no_dialog_left()

    def test_regexp_scenario(self):
        self.call("regexp", calls=50, rate=50)
        self.assert_no_dialog_left()

    def test_caller_with_a_route_set(self):
        before = page()
        self.call(scenario("caller_routes"), calls=100, rate=50, hold_ms=100)
        self.assertEqual(page().sum("sipfront_events_total", event="route_repaired"), before.sum("sipfront_events_total", event="route_repaired"))
        self.assert_no_dialog_left()

    def test_host_hangs_up(self):
        self.play("host_hangs_up")
        self.call(scenario("caller_is_left"), calls=50, rate=25)
        self.assert_no_dialog_left()

    def test_busy(self):
        self.play("host_busy")
        self.call(scenario("caller_busy"), calls=50, rate=25)
        self.assert_no_dialog_left()

    def test_cancel_while_ringing(self):
        """The host's own 487 ends it, not the timer that gives up on a host which does not heed the CANCEL."""
        self.play("host_rings")
        before = page()
        self.call(scenario("caller_gives_up"), calls=50, rate=25)
        self.assert_no_dialog_left()
        self.assertEqual(self.grown(before, "sipfront_events_total", event="transaction_timeout"), 0)

    def test_call_that_nobody_answers_ends(self):
        """180 and then nothing until fr_inv_timer: the host gets CANCEL, the caller 408."""
        self.play("host_rings")
        self.call(scenario("caller_waits"), calls=20, rate=20)
        self.assert_no_dialog_left()

    def test_credentials_for_a_call_reach_the_host_that_asked(self):
        """407 and the INVITE that answers it: only the host whose nonce it is accepts it."""
        self.play("host_protected")
        before = picks(page(), "load_balancer")
        self.call(scenario("caller_with_credentials"), calls=100, rate=25, hold_ms=100)
        spread = grown(picks(page(), "load_balancer"), before)
        self.assertTrue(all(n > 0 for n in spread.values()), spread)
        self.assert_no_dialog_left()

    def test_all_hosts_full_is_a_503_of_ours(self):
        """Every host says 503: each is tried, and the caller hears no Retry-After of a host."""
        self.play("host_refuses")
        self.call(scenario("caller_refused"), calls=20, rate=20)
        self.assert_no_dialog_left()

    def test_call_from_a_host_to_a_phone(self):
        """A request from the cluster follows its Request-URI to the phone; it is never balanced back."""
        before = sum(picks(page(), "load_balancer").values())
        phone = plan.v4(20)
        with sipp.Run(scenario("phone"), "", source=phone, port=5060, calls=20, timeout=40) as answering:
            answering.wait_listening()
            result = sipp.call(scenario("host_calls"), f"{phone}:5060", source=plan.HOST_ADDRESSES["fs1"], port=5090, namespace=plan.HOSTS,
                               calls=20, rate=20, hold_ms=100, extra=("-rsa", f"{plan.VIP}:{plan.SIP_PORT}", "-key", "callee", f"{phone}:5060"))
            self.assert_all_succeed(result, 20)
            self.assert_all_succeed(answering.wait(), 20)
        self.assertEqual(sum(picks(page(), "load_balancer").values()), before)

    def test_calls_over_ipv6_clients(self):
        """Callers on IPv6, hosts on IPv4: two Record-Routes, both ways."""
        self.call(scenario("caller_routes"), calls=50, rate=25, hold_ms=100, source=plan.v6(2))
        self.assert_no_dialog_left()

    def test_options_to_the_vip(self):
        for target in (plan.VIP, plan.VIP6):
            reply = sip.options(plan.CLIENTS, target)
            self.assertIsNotNone(reply, target)
            self.assertEqual(reply.status, 200, reply.text)

    def test_methods_without_a_policy_are_refused_with_allow(self):
        with sip.Agent(plan.CLIENTS, plan.v4(3)) as agent:
            for method in ("SUBSCRIBE", "MESSAGE", "PUBLISH", "FROBNICATE"):
                reply = agent.ask(agent.request(method, f"sip:x@{plan.VIP}"), plan.VIP)
                self.assertIsNotNone(reply, method)
                self.assertEqual(reply.status, 405, reply.text)
                self.assertIn("INVITE", reply.get("Allow"))

    def test_trust_headers_are_ours_alone(self):
        """What a client claims in X-AUTH-IP never arrives; the client's real address does."""
        hosts.stop("fs1")
        with sip.Agent(plan.HOSTS, plan.HOST_ADDRESSES["fs1"], 5060) as host, sip.Agent(plan.CLIENTS, plan.v4(7)) as client:
            seen = self.receive_invite(host, client, ("X-AUTH-IP: 1.2.3.4", "x-auth-ip : 5.6.7.8", "X-Auth-Port: 9"))
            self.assertEqual(seen.all("X-AUTH-IP"), [plan.v4(7)], seen.text)
            self.assertEqual(seen.all("X-AUTH-PORT"), [str(client.port)], seen.text)

    def receive_invite(self, host: sip.Agent, client: sip.Agent, headers: tuple[str, ...]) -> sip.Message:
        """Sends calls until one reaches `host`, which answers every one 486 and every OPTIONS 200."""
        deadline = time.monotonic() + 20
        next_call = 0.0
        while time.monotonic() < deadline:
            if time.monotonic() >= next_call:
                client.send(client.request("INVITE", f"sip:x@{plan.VIP}", headers=headers), plan.VIP)
                next_call = time.monotonic() + 0.3
            message = host.receive(0.1)
            if message and message.method == "OPTIONS":
                host.reply(message, "200 OK")
            elif message and message.method == "INVITE":
                host.reply(message, "486 Busy Here")
                return message
        self.fail("no INVITE reached the host")


class SpiralOfScenarios(LabCase):
    """branchc and branchs keep one Call-ID for a REGISTER and an INVITE, so they need a cluster of one host."""

    options = {"overlay": f'[[load_balancer]]\ndst_uri = "sip:{plan.HOST_ADDRESSES["fs1"]}"\nresources = "pstn=10000"\n'
                          f'[[dispatcher]]\ndestination = "sip:{plan.HOST_ADDRESSES["fs1"]}"\n'}

    def mend(self):
        options = lab.current()
        if not (running := proc.find("lb1")) or not running.alive:
            lab.start(options.node_names[0])

    def test_branchc_to_branchs(self):
        hosts.stop("fs1")
        hosts.start("fs1", "-sn", "branchs", "-aa")
        self.wait_for_states({"fs1": "active"})
        self.call("branchc", calls=30, rate=10)


if __name__ == "__main__":
    main()

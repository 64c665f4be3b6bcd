"""Hosts call names: NAPTR, SRV and address records of a real name server, the next address when one is silent, names that do not exist."""

import json

from harness import LabCase, main, page, plan, proc, scenario, sip, sipp
from sflab.shell import inside, run, wait_for

SERVER, FIRST, SECOND = plan.v4(53), plan.v4(30), plan.v4(31)
RECORDS = (
    "--naptr-record=carrier.example,10,10,s,SIP+D2U,,_sip._udp.carrier.example",
    f"--srv-host=_sip._udp.carrier.example,gw1.carrier.example,{plan.SIP_PORT},1,10",
    f"--srv-host=_sip._udp.carrier.example,gw2.carrier.example,{plan.SIP_PORT},2,10",
    f"--host-record=gw1.carrier.example,{FIRST}",
    f"--host-record=gw2.carrier.example,{SECOND}",
)


class Names(LabCase):
    options = {"overlay": f'[resolver]\nservers = ["{SERVER}"]\nfailure_ttl = "1s"\n'}

    def setUp(self):
        super().setUp()
        self.dns = proc.start("dnsmasq", plan.CLIENTS, [
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--no-resolv", "--no-hosts", "--no-poll",
            "--bind-interfaces", f"--listen-address={SERVER}", "--local=/example/", "--local-ttl=60", *RECORDS])
        self.addCleanup(self.dns.stop)
        wait_for(lambda: ":0035 " in inside(plan.CLIENTS, "cat", "/proc/net/udp"), "the name server to listen", 10)

    def call_carrier(self, calls: int, gateway: str) -> sipp.Result:
        with sipp.Run(scenario("phone"), "", source=gateway, port=plan.SIP_PORT, calls=calls, timeout=40) as answering:
            answering.wait_listening()
            result = sipp.call(scenario("host_calls"), f"{plan.VIP}:{plan.SIP_PORT}", source=plan.HOST_ADDRESSES["fs1"], port=5090, namespace=plan.HOSTS,
                               calls=calls, rate=20, hold_ms=100, extra=("-key", "callee", "carrier.example"))
            self.assert_all_succeed(result, calls)
            self.assert_all_succeed(answering.wait(), calls)
        self.assert_no_dialog_left()
        return result

    @staticmethod
    def known() -> dict:
        daemon = proc.find("lb1").command[0]
        answer = run(daemon.replace("sipfrontd", "sipfrontctl"), "--socket", f"{plan.STATE}/lb1.sock", "--json", "resolver")
        return {name["host"]: name for name in json.loads(answer)["Names"]}

    def test_a_host_calls_a_name(self):
        """The first of two gateways takes all calls; the name server is asked for the first one only."""
        self.call_carrier(20, FIRST)
        asked = page().sum("sipfront_resolver_total", what="queries")
        self.call_carrier(20, FIRST)
        self.assertEqual(page().sum("sipfront_resolver_total", what="queries"), asked)
        carrier = self.known()["carrier.example"]
        self.assertEqual(carrier["state"], "found")
        self.assertEqual([target["address"] for target in carrier["targets"]], [f"{FIRST}:{plan.SIP_PORT}", f"{SECOND}:{plan.SIP_PORT}"])

    def test_a_silent_gateway_is_passed_over(self):
        before = page().sum("sipfront_events_total", event="failover")
        with sip.Agent(plan.CLIENTS, FIRST, plan.SIP_PORT):
            self.call_carrier(5, SECOND)
        self.assertEqual(page().sum("sipfront_events_total", event="failover") - before, 5)

    def test_a_name_that_does_not_exist(self):
        with sip.Agent(plan.HOSTS, plan.HOST_ADDRESSES["fs2"]) as host:
            reply = host.ask(host.request("MESSAGE", "sip:user@nowhere.example"), plan.VIP, timeout=5)
        self.assertIsNotNone(reply)
        self.assertEqual(reply.status, 478, reply.text)
        self.assertEqual(self.known()["nowhere.example"]["state"], "absent")

    def test_a_dead_name_server(self):
        """The request is answered in a bounded time; calls to addresses go on."""
        self.dns.stop()
        with sip.Agent(plan.HOSTS, plan.HOST_ADDRESSES["fs2"]) as host:
            reply = host.ask(host.request("MESSAGE", "sip:user@late.example"), plan.VIP, timeout=8)
        self.assertIsNotNone(reply)
        self.assertEqual(reply.status, 500, reply.text)
        self.call("uac", calls=20, rate=20, hold_ms=50)


if __name__ == "__main__":
    main()

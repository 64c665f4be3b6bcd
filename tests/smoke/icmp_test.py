"""ICMP errors of real kernels: a host without a socket is left at once, a path that takes less gets shorter packets; forged ones do nothing."""

import random
import socket
import struct

from fragments_test import checksum, udp
from harness import LabCase, hosts, main, page, plan, sip
from sflab.shell import inside, network, run, wait_for

VICTIM = "fs2"
FAR = "sf-far"
# Another client each time: a node that stayed up knows the path to the last one.
FAR_NET, FAR_ROUTER, FAR_CLIENT = "fd88::/64", "fd88::1", f"fd88::2:{random.randrange(1, 0xffff):x}"


class Icmp(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Linux sends six errors to an address at once and then one a second; a busy machine takes the host out of rotation too late for that.
        cls.addClassCleanup(inside, plan.HOSTS, "sysctl", "-qw", "net.ipv4.icmp_ratelimit=1000")
        inside(plan.HOSTS, "sysctl", "-qw", "net.ipv4.icmp_ratelimit=0")

    def test_a_host_without_a_socket_is_left_at_once(self):
        """Its kernel says that nobody listens: the calls go to other hosts, and none of them waited for fr_timer."""
        before = page()
        hosts.stop(VICTIM)
        self.call("uac", calls=60, rate=120, hold_ms=300)
        self.assertGreaterEqual(self.grown(before, "sipfront_port_icmp_errors_total", result="unreachable"), 1)
        self.assertGreaterEqual(self.grown(before, "sipfront_events_total", event="transport_error"), 1)
        self.assertGreaterEqual(self.grown(before, "sipfront_events_total", event="failover"), 1)
        self.assertEqual(self.grown(before, "sipfront_events_total", event="fr_timer"), 0)
        self.assert_no_dialog_left()
        # The probes end by it as well, so the host is soon out.
        self.wait_for_states({VICTIM: "probing"})

    def test_forged_errors_end_no_call(self):
        """Whoever cannot see our branches can make us probe a host, and no more."""
        before = page()
        quote = (b"INVITE sip:x@10.77.0.104 SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.0.100:5060;branch=z9hG4bK" + b"A" * 32 +
                 b"\r\nCall-ID: forged@lab\r\nCSeq: 1 INVITE\r\n\r\n")
        datagram = udp((plan.VIP, plan.SIP_PORT), (plan.HOST_ADDRESSES[VICTIM], plan.SIP_PORT), quote)
        addresses = b"".join(socket.inet_aton(a) for a in (plan.VIP, plan.HOST_ADDRESSES[VICTIM]))
        packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 64, 17, 0) + addresses + datagram
        message = struct.pack("!BBHI", 3, 3, 0, 0) + packet
        message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
        with network(plan.CLIENTS):
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        with raw:
            for n in range(1, 4):
                raw.sendto(message, (plan.VIP, 0))
                raw.sendto(message[:-1] + b"!", (plan.VIP, 0))
                wait_for(lambda: self.grown(before, "sipfront_worker_messages_total", what="unproven") == n, "an error to be read", 10)
                wait_for(lambda: self.grown(before, "sipfront_port_icmp_errors_total", result="checksum") == n, "a spoilt one to be counted", 10)
        self.assertGreaterEqual(self.grown(before, "sipfront_worker_messages_total", what="suspicions"), 1)
        self.assertEqual(self.grown(before, "sipfront_events_total", event="transport_error"), 0)
        self.call("uac", calls=40, rate=40, hold_ms=100)
        self.assert_no_dialog_left()


class PathMtu(LabCase):
    """A client behind a router whose next link takes 1280 octets, the least of IPv6."""

    router = plan.v6(50)
    node = plan.node_namespace("lb1")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(cls.remove)
        cls.remove()
        run("ip", "netns", "add", FAR)
        inside(plan.CLIENTS, "ip", "link", "add", "far0", "mtu", "1280", "type", "veth", "peer", "name", "eth0", "mtu", "1280", "netns", FAR)
        for namespace, device, address in ((plan.CLIENTS, "far0", FAR_ROUTER), (FAR, "eth0", FAR_CLIENT)):
            inside(namespace, "ip", "address", "add", f"{address}/64", "dev", device, "nodad")
            inside(namespace, "ip", "link", "set", device, "up")
        inside(plan.CLIENTS, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        inside(FAR, "ip", "-6", "route", "add", "default", "via", FAR_ROUTER)
        inside(cls.node, "ip", "-6", "route", "add", FAR_NET, "via", cls.router)

    @classmethod
    def remove(cls):
        inside(plan.CLIENTS, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=0")
        inside(cls.node, "ip", "-6", "route", "flush", FAR_NET)
        if FAR in run("ip", "netns", "list").split():
            run("ip", "netns", "del", FAR)  # and with it the link

    def test_the_repetition_of_an_answer_that_was_too_long_arrives(self):
        with sip.Agent(FAR, FAR_CLIENT) as agent:
            wait_for(lambda: agent.ask(agent.request("OPTIONS", f"sip:[{plan.VIP6}]"), plan.VIP6, timeout=0.5), "a way to the far client", 10)
            before = page()
            ids = {"call_id": sip.unique("c"), "tag": sip.unique("t")}
            long_name = b'From: "' + b"p" * 600 + b'" <'
            invite = agent.request("INVITE", f"sip:x@[{plan.VIP6}]", **ids).replace(b"From: <", long_name)
            agent.send(invite, plan.VIP6)
            answers = []
            while message := agent.receive(5):
                answers.append(message)
                if message.status >= 200:
                    break
            self.assertTrue(answers and answers[-1].status == 200, [a.text for a in answers])
            self.assertGreater(len(answers[-1].text), 1280 - 48, "it must not have fitted")
            after = page()
            self.assertGreaterEqual(after.sum("sipfront_port_icmp_errors_total", result="packet_too_big") -
                                    before.sum("sipfront_port_icmp_errors_total", result="packet_too_big"), 1)
            self.assertGreaterEqual(after.sum("sipfront_port_path_mtus_total") - before.sum("sipfront_port_path_mtus_total"), 1)
            self.assertGreater(after.sum("sipfront_port_sent_fragmented_total"), before.sum("sipfront_port_sent_fragmented_total"))
            ok = answers[-1]
            inside_dialog = {**ids, "to": ok.get("To"), "headers": tuple(f"Route: {route}" for route in ok.list("Record-Route")[::-1])}
            contact = ok.get("Contact").partition("<")[2].partition(">")[0]
            agent.send(agent.request("ACK", contact, cseq=1, **inside_dialog), plan.VIP6)
            bye = agent.ask(agent.request("BYE", contact, cseq=2, **inside_dialog), plan.VIP6)
            self.assertIsNotNone(bye, "no answer to BYE")
            self.assertEqual(bye.status, 200, bye.text)
        self.assert_no_dialog_left()


if __name__ == "__main__":
    main()

"""What is not SIP reaches the kernel behind the DPDK ports, both ways, and the kernel sees nothing twice."""

import re
import socket
import subprocess
import threading

from harness import LabCase, main, metrics, plan
from sflab.shell import inside, network


class Network(LabCase):
    node = plan.v4(plan.NODE_PARTS["lb1"])
    node6 = plan.v6(plan.NODE_PARTS["lb1"])

    def ping(self, namespace: str, target: str, *options: str, count: int = 5):
        out = inside(namespace, "ping", "-n", "-c", str(count), "-i", "0.2", "-W", "2", *options, target, check=False, quiet=True)
        self.assertRegex(out, rf"{count} packets transmitted, {count} received,", out)
        self.assertNotIn("DUP!", out)
        self.assertNotIn("duplicates", out)

    def test_node_answers_ping(self):
        self.ping(plan.CLIENTS, self.node)
        self.ping(plan.CLIENTS, self.node6)

    def test_virtual_address_answers_ping(self):
        self.ping(plan.CLIENTS, plan.VIP)
        self.ping(plan.CLIENTS, plan.VIP6)

    def test_hosts_reach_the_node(self):
        self.ping(plan.HOSTS, self.node)

    def test_node_reaches_out(self):
        self.ping(plan.node_namespace("lb1"), plan.v4(2))
        self.ping(plan.node_namespace("lb1"), plan.v6(2))

    def test_fragmented_ping_passes(self):
        self.ping(plan.CLIENTS, self.node6, "-s", "4000", count=3)
        # An AF_PACKET port gets IPv4 fragments put together by the kernel (PACKET_FANOUT_FLAG_DEFRAG), and a TAP drops what then exceeds its MTU by more than a tag.
        self.ping(plan.CLIENTS, self.node, "-s", "1480", count=3)

    def test_one_answer_to_an_arp_broadcast(self):
        for target in (self.node, plan.VIP):
            out = inside(plan.CLIENTS, "arping", "-b", "-c", "3", "-w", "5", "-I", plan.ACCESS, target, check=False, quiet=True)
            sent = int(re.search(r"Sent (\d+) probes", out).group(1))
            self.assertEqual(int(re.search(r"Received (\d+) response", out).group(1)), sent, out)
            self.assertEqual(len(set(re.findall(r"\[([0-9A-F:]{17})\]", out))), 1, f"one MAC address: {out}")

    def test_metrics_by_curl(self):
        out = inside(plan.CLIENTS, "curl", "-s", "--max-time", "5", f"http://{self.node}:{plan.METRICS_PORT}/metrics")
        self.assertGreater(len(metrics.parse(out)), 100)
        self.assertIn("sipfront_build_info", out)

    def test_bulk_tcp_through_the_kernel_interface(self):
        """2 MB from the node's kernel to a client and back: nothing lost, nothing doubled."""
        payload = bytes(range(256)) * 8192
        with network(plan.node_namespace("lb1")):
            server = socket.create_server((self.node, 7000))
        with network(plan.CLIENTS):
            client = socket.socket()
        with server, client:
            client.settimeout(20)
            client.connect((self.node, 7000))
            peer, _ = server.accept()
            with peer:
                peer.settimeout(20)
                self.assertEqual(self.transfer(client, peer, payload), payload)
                self.assertEqual(self.transfer(peer, client, payload), payload)

    @staticmethod
    def transfer(sender: socket.socket, receiver: socket.socket, payload: bytes) -> bytes:
        thread = threading.Thread(target=sender.sendall, args=(payload,))
        thread.start()
        got = bytearray()
        while len(got) < len(payload):
            chunk = receiver.recv(65536)
            if not chunk:
                break
            got += chunk
        thread.join()
        return bytes(got)

    def test_ports_of_the_kernel_stay_silent(self):
        """The kernel of the node must not answer on the ports themselves: it has no address there."""
        for member in plan.members("lb1"):
            out = subprocess.run(["ip", "-n", plan.node_namespace("lb1"), "-o", "addr", "show", "dev", member], capture_output=True, text=True).stdout
            self.assertEqual(out.strip(), "")


if __name__ == "__main__":
    main()

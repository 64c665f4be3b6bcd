"""The other shapes of the lab: several workers, one AF_XDP port, two nodes."""

from harness import LabCase, lab, main, net, page, plan, sip, sipp


class SeveralWorkers(LabCase):
    options = {"cores": 2}

    def test_calls_and_registrations_over_two_workers(self):
        self.call("uac", calls=2_000, rate=250, hold_ms=200)
        self.call(sipp.SCENARIOS / "register.xml", calls=200, rate=100)
        handled = {s.labels["worker"]: s.value for s in page().select("sipfront_worker_messages_total", what="handled")}
        self.assertEqual(len(handled), 2)
        self.assertTrue(all(count > 1_000 for count in handled.values()), handled)
        # Every message was handled by its call's owner, and none was lost on the way there.
        self.assertEqual(page().sum("sipfront_worker_messages_total", what="steer_drop"), 0)
        self.assert_no_dialog_left()


class SinglePort(LabCase):
    options = {"single": True}

    def test_calls_through_one_af_xdp_port(self):
        self.call("uac", calls=1_000, rate=200, hold_ms=200)
        self.assert_no_dialog_left()


class TwoNodes(LabCase):
    options = {"nodes": 2}

    def test_both_nodes_serve_on_their_own_addresses(self):
        for name, part in plan.NODE_PARTS.items():
            reply = sip.options(plan.CLIENTS, plan.v4(part))
            self.assertIsNotNone(reply, name)
        result = sipp.call("uac", f"{plan.v4(102)}:{plan.SIP_PORT}", source=plan.v4(2), calls=100, rate=50, hold_ms=100)
        self.assert_all_succeed(result, 100)
        self.call("uac", calls=100, rate=50, hold_ms=100)

    def test_one_node_dies_and_the_other_one_goes_on(self):
        lab.kill("lb1")
        result = sipp.call("uac", f"{plan.v4(102)}:{plan.SIP_PORT}", source=plan.v4(2), calls=100, rate=50, hold_ms=100)
        self.assert_all_succeed(result, 100)
        self.assertIn(plan.node_namespace("lb2"), net.namespaces())


if __name__ == "__main__":
    main()

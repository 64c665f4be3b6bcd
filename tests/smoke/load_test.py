"""20,000 calls at 1,000 a second over the bond: none fails, and the hosts get equal shares. Also with a member cut meanwhile."""

from harness import LabCase, grown, main, net, page, picks, plan, sipp
from sflab.shell import wait_for

CALLS, RATE = 20_000, 1_000


class Load(LabCase):
    def place(self, calls: int, rate: int, meanwhile=None) -> dict[str, float]:
        before = picks(page(), "load_balancer")
        with sipp.Run("uac", f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(2), calls=calls, rate=rate, hold_ms=500, timeout=120) as run:
            if meanwhile:
                meanwhile(run)
            self.assert_all_succeed(run.wait(), calls)
        return grown(picks(page(), "load_balancer"), before)

    def test_twenty_thousand_calls_spread_evenly(self):
        spread = self.place(CALLS, RATE)
        self.assertEqual(sum(spread.values()), CALLS, spread)
        for name, calls in spread.items():
            self.assertAlmostEqual(calls, CALLS / 4, delta=CALLS / 4 * 0.02, msg=f"{name}: {spread}")
        self.assert_no_dialog_left()

    def active_member(self) -> int:
        """0 or 1: which member carries the traffic."""
        active = [s.labels["device"] for s in page().select("sipfront_bond_member_active") if s.value == 1]
        self.assertEqual(len(active), 1, active)
        return next(i for i, member in enumerate(plan.members("lb1")) if f"iface={member}," in active[0] + ",")

    def test_active_member_cut_mid_run(self):
        """The carrier of the active member goes, comes back, and then the other one's goes."""
        cuts = []

        def cut_both_in_turn(run: sipp.Run):
            for _ in range(2):
                seen = run.count().succeeded
                wait_for(lambda: not run.running or run.count().succeeded > seen + 1500, "calls to go on", 40, every=0.2)
                victim = self.active_member()
                net.set_member(plan.members("lb1")[victim], up=False)
                wait_for(lambda: self.active_member() != victim, "the other member to take over", 10, every=0.1)
                seen = run.count().succeeded
                wait_for(lambda: not run.running or run.count().succeeded > seen + 1500, "calls to go on", 40, every=0.2)
                net.set_member(plan.members("lb1")[victim], up=True)
                cuts.append(victim)

        switches = page().sum("sipfront_bond_switches_total")
        self.place(CALLS // 2, RATE, cut_both_in_turn)
        self.assertEqual(len(cuts), 2)
        self.assertGreaterEqual(page().sum("sipfront_bond_switches_total") - switches, 2)
        self.assert_no_dialog_left()


if __name__ == "__main__":
    main()

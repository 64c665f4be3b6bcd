"""Steady calls and registrations for a while: nothing fails, nothing grows, nothing stays. Usage: soak.py MINUTES"""

import sys

from harness import LabCase, page, plan, proc, sipp
from hostile_test import resident_kb

MINUTES = int(sys.argv.pop(1)) if len(sys.argv) > 1 else 10
CALLS_PER_SECOND, REGISTRATIONS_PER_SECOND = 300, 30


class Soak(LabCase):
    def round(self, seconds: int):
        with sipp.Run("uac", f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(2), calls=CALLS_PER_SECOND * seconds, rate=CALLS_PER_SECOND,
                      hold_ms=2_000, timeout=seconds + 60) as calls, \
             sipp.Run(sipp.SCENARIOS / "register.xml", f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(3), calls=REGISTRATIONS_PER_SECOND * seconds,
                      rate=REGISTRATIONS_PER_SECOND, timeout=seconds + 60) as registrations:
            self.assert_all_succeed(calls.wait(), CALLS_PER_SECOND * seconds)
            self.assert_all_succeed(registrations.wait(), REGISTRATIONS_PER_SECOND * seconds)

    def test_soak(self):
        node = proc.find("lb1")
        # Transactions linger for 32 s: memory is level after a minute.
        self.round(60)
        level = resident_kb(node.pid)
        for minute in range(MINUTES):
            self.round(60)
            now = resident_kb(node.pid)
            print(f"minute {minute + 1}: {now} kB, {int(page().sum('sipfront_dialogs_active'))} dialogs", flush=True)
            self.assertLess(now, level * 1.05 + 2_048, "memory grows")
        self.assert_no_dialog_left(40)
        self.assertEqual(proc.find("lb1").pid, node.pid)
        self.assertTrue(all(p.alive for p in (proc.find(name) for name in plan.HOST_PARTS)))


if __name__ == "__main__":
    import unittest
    unittest.main(verbosity=2)

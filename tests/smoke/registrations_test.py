"""Registrations through the VIP: challenged by a host, answered to the same host, spread over all of them."""

from harness import LabCase, grown, main, page, picks, plan, scenario, sip, sipp

REGISTER = sipp.SCENARIOS / "register.xml"


class Registrations(LabCase):
    def test_register_with_credentials(self):
        """401 and its answer reach one host: no other one knows the challenge."""
        before = picks(page(), "dispatcher")
        self.call(REGISTER, calls=400, rate=100)
        spread = grown(picks(page(), "dispatcher"), before)
        self.assertEqual(sum(spread.values()), 800, spread)
        # 400 users by hash on four hosts: each has its share, within four standard deviations.
        for name, requests in spread.items():
            self.assertAlmostEqual(requests / 2, 100, delta=35, msg=f"{name}: {spread}")

    def test_wrong_password_is_the_hosts_answer(self):
        self.call(scenario("register_wrong_password"), calls=20, rate=20)

    def test_refresh_reaches_the_same_host(self):
        """The same user again and again, each time a new Call-ID: sticky by address of record."""
        before = picks(page(), "dispatcher")
        with sip.Agent(plan.CLIENTS, plan.v4(9)) as phone:
            for _ in range(10):
                request = phone.request("REGISTER", f"sip:{plan.VIP}", to=f"<sip:mary@{plan.VIP}>", headers=("Expires: 60",))
                reply = phone.ask(request, plan.VIP)
                self.assertIsNotNone(reply)
                self.assertEqual(reply.status, 401, reply.text)
        spread = grown(picks(page(), "dispatcher"), before)
        self.assertEqual(sorted(spread.values()), [0, 0, 0, 10], spread)

    def test_ipv6_phone(self):
        self.call(REGISTER, calls=50, rate=50, source=plan.v6(9))


if __name__ == "__main__":
    main()

"""Registrations through the VIP: challenged by a host, answered to the same host, spread over all of them."""

from harness import LabCase, grown, hosts, main, page, picks, plan, scenario, sip, sipp

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

    def test_path_names_the_vip(self):
        """The host stores a Path that leads back through the VIP, and it is no promise we ask others to keep."""
        hosts.stop("fs1")
        with sip.Agent(plan.HOSTS, plan.HOST_ADDRESSES["fs1"], 5060) as host, sip.Agent(plan.CLIENTS, plan.v4(9)) as phone:
            for user in range(40):
                phone.send(phone.request("REGISTER", f"sip:{plan.VIP}", to=f"<sip:path{user}@{plan.VIP}>"), plan.VIP)
            while message := host.receive(2):
                if message.method == "OPTIONS":
                    host.reply(message, "200 OK")
                elif message.method == "REGISTER":
                    host.reply(message, "200 OK")
                    self.assertIn(plan.VIP, message.get("Path"), message.text)
                    self.assertNotIn("path", message.get("Require").lower())
                    return
        self.fail("no REGISTER reached fs1")

    def test_ipv6_phone(self):
        self.call(REGISTER, calls=50, rate=50, source=plan.v6(9))


if __name__ == "__main__":
    main()

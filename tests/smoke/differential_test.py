"""What callers and hosts receive through sipfront and through Kamailio at the same job: every difference is listed and justified."""

import unittest

from harness import ROOT, main
from sflab import build
from sflab.differential import plan, run
from sflab.differential.compare import Listed, compare
from sflab.differential.normal import parse
from sflab.differential.script import Scenario

ENTRY = """
[[difference]]
title = "port"
kamailio = "no"
sipfront = "yes"
because = "choice"
[[difference.where]]
scenarios = "a *"
what = "via"
kamailio = 'Via: SIP/2\\.0/UDP 10\\.78\\.0\\.100;branch=<branch>(?P<rest>.*)'
sipfront = 'Via: SIP/2\\.0/UDP 10\\.78\\.0\\.100:5060;branch=<branch>(?P=rest)'
"""


def invite(via: str = "10.78.0.100", *, branch: str = "z9hG4bKx", below: str = "1", to_tag: str = "", body: str = "") -> bytes:
    return (f"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch={branch}\r\nVia: SIP/2.0/UDP 10.78.0.2;branch={below}\r\n"
            f"To: <sip:b>{to_tag}\r\nCSeq: 1 INVITE\r\n\r\n{body}").encode()


def found(kamailio: list[bytes], sipfront: list[bytes], **options) -> list[tuple[str, str]]:
    differences = compare(Scenario("a call", (), **options), {"kamailio": {"fs1": kamailio}, "sipfront": {"fs1": sipfront}})
    return [(d.message, d.what) for d in differences]


class Comparison(unittest.TestCase):
    def test_what_every_proxy_chooses_for_itself_is_no_difference(self):
        self.assertEqual(found([invite(to_tag=";tag=abc")], [invite(branch="z9hG4bKy;rport", to_tag=";tag=def")]), [("INVITE 1", "via")])
        self.assertEqual(found([invite(to_tag=";tag=abc")], [invite(branch="z9hG4bKy", to_tag=";tag=def")]), [])
        self.assertEqual(parse(b"BYE sip:a SIP/2.0\r\nRoute: <sip:u@10.78.0.100:5060;sf=1;lr;ftag=caller>, <sip:b;x=1>\r\n\r\n").headers["route"],
                         ["Route: <sip:<user>@10.78.0.100:5060;ftag=caller;lr;<state>>, <sip:b;x=1>"])

    def test_anything_else_is(self):
        self.assertEqual(found([invite()], [invite(below="2")]), [("INVITE 1", "via")])
        self.assertEqual(found([invite(to_tag=";tag=host")], [invite()]), [("INVITE 1", "to")])
        self.assertEqual(found([invite(body="x")], [invite(body="y")]), [("INVITE 1", "(body)")])
        self.assertEqual(found([invite()], []), [("INVITE 1", "(message)")])
        self.assertEqual(found([invite(), invite(body="x")], [invite()]), [("INVITE 1 #2", "(message)")])
        self.assertEqual(found([invite(), invite()], [invite()]), [])
        self.assertEqual(found([invite(), invite()], [invite()], counted=True), [("INVITE 1", "(copies)")])

    def test_an_unlisted_difference_and_a_stale_entry_are_told(self):
        listed = Listed(ENTRY)
        scenario = Scenario("a call", ())
        known = compare(scenario, {"kamailio": {"fs1": [invite()]}, "sipfront": {"fs1": [invite("10.78.0.100:5060")]}})
        self.assertEqual(len(listed.stale()), 1)
        self.assertEqual(listed.unlisted(known), [])
        self.assertEqual(listed.stale(), [])
        other = compare(scenario, {"kamailio": {"fs1": [invite()]}, "sipfront": {"fs1": [invite("10.78.0.100:5060", below="2")]}})
        self.assertEqual(listed.unlisted(other), other)
        self.assertIn("fs1 receives INVITE 1: via", str(other[0]))

    def test_an_entry_without_a_reason_is_refused(self):
        with self.assertRaisesRegex(ValueError, "port"):
            Listed(ENTRY.replace('because = "choice"', 'because = " "'))


class BesideKamailio(unittest.TestCase):
    def test_every_difference_is_listed_and_every_entry_is_seen(self):
        outcome = run.run(build.daemon(), Listed.read(plan.DIFFERENCES))
        self.assertEqual(outcome.wrong, "", f"\n{outcome.wrong}")

    def test_the_documentation_prints_the_list(self):
        text = (ROOT / "docs" / "CONFORMANCE.md").read_text()
        self.assertIn("\n".join(Listed.read(plan.DIFFERENCES).table()) + "\n", text, "bench/differential --table prints what belongs there")


if __name__ == "__main__":
    main()

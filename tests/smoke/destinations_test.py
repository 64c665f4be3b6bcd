"""Hosts that come from a database: the classic deployment's own statements, rows that come and go, bad ones, and a database that is away."""

import re
import sqlite3
from contextlib import closing

from harness import MYSQL_LAB, LabCase, control, ctl, grown, lab, main, node, page, picks, plan, proc, sip, sipp

from sflab import store

# As they stand in the guide that people followed ("Enterprise deployment OpenSIPS", FreeSWITCH wiki); the lab has the same host parts.
CLASSIC_NETWORK = "100.100.100."
CLASSIC_INSERTS = """
insert into load_balancer (group_id, dst_uri, resources, description) values (1,'sip:100.100.100.103', 'pstn=32', 'FS1');
insert into load_balancer (group_id, dst_uri, resources, description) values (1,'sip:100.100.100.104', 'pstn=32', 'FS2');
insert into load_balancer (group_id, dst_uri, resources, description) values (1,'sip:100.100.100.105', 'pstn=32', 'FS3');
insert into load_balancer (group_id, dst_uri, resources, description) values (1,'sip:100.100.100.106', 'pstn=32', 'FS4');
"""
# There for opensipsctl.
CLASSIC_GATEWAYS = """
dispatcher addgw 1 sip:100.100.100.103 0 'FS1'
dispatcher addgw 1 sip:100.100.100.104 0 'FS2'
dispatcher addgw 1 sip:100.100.100.105 0 'FS3'
dispatcher addgw 1 sip:100.100.100.106 0 'FS4'
"""
ALL = sorted(plan.HOST_PARTS)


class Mysql:
    """A database that nobody has made yet, on the lab's server."""

    name = "classic"
    config = f'name = "{name}"\n'

    def remove(self):
        store.server.sql(f"DROP DATABASE IF EXISTS {self.name}")

    def sql(self, text: str):
        store.server.sql(text, self.name)

    def take_away(self):
        store.server.process.kill()

    def give_back(self):
        store.server.start()


class Sqlite:
    file = store.FOLDER / "classic.db"
    config = f'engine = "sqlite"\npath = "{file}"\nsocket = ""\n'

    def remove(self):
        for file in store.FOLDER.glob(f"{self.file.name}*"):
            file.unlink()

    def sql(self, text: str):
        with closing(sqlite3.connect(self.file, timeout=5)) as connection:
            connection.executescript(text)

    # A file cannot be stopped, but it can be what no reader understands.
    def take_away(self):
        self.sql("ALTER TABLE load_balancer RENAME COLUMN dst_uri TO somewhere")

    def give_back(self):
        self.sql("ALTER TABLE load_balancer RENAME COLUMN somewhere TO dst_uri")


class Destinations(LabCase):
    options = MYSQL_LAB

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        own = node.config_file("lb1").read_text()

        def restore():
            proc.find("lb1").kill()
            node.config_file("lb1").write_text(own)
            node.write_overlay(cls.options["overlay"])

        cls.addClassCleanup(restore)
        # The hosts alone are left out; all else is the lab's configuration.
        cls.without_hosts = own[:own.index("\n[[load_balancer]]")]

    def tool(self, *command: str):
        files = (node.config_file("lb1"), node.overlay_file())
        done = control(*(word for file in files for word in ("--config", str(file))), *command)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def begin(self, database):
        """The guide, from an empty server to a running proxy."""
        # Nothing of it is worth the wait for a drain.
        proc.find("lb1").kill()
        database.remove()
        node.config_file("lb1").write_text(self.without_hosts)
        node.write_overlay(f'{self.options["overlay"]}{database.config}destinations = "database"\n'
                           f'destination_cache = "{store.FOLDER}/classic-destinations.json"\n')
        self.tool("db", "create")
        database.sql(CLASSIC_INSERTS.replace(CLASSIC_NETWORK, plan.V4))
        lab.start("lb1")
        self.wait_for_states({name: "active" for name in ALL})

    def assert_calls_reach(self, hosts: list[str]):
        before = picks(page(), "load_balancer")
        self.call("uac", calls=80, rate=200, hold_ms=200)
        spread = {name: n for name, n in grown(picks(page(), "load_balancer"), before).items() if n > 0}
        self.assertEqual(sorted(spread), hosts)
        # Each call goes where fewest are; what ends meanwhile makes them differ a little.
        self.assertLess(max(spread.values()) - min(spread.values()), 20, spread)

    def check(self, database):
        self.begin(database)
        self.assert_calls_reach(ALL)

        with sip.Agent(plan.CLIENTS, plan.v4(9)) as phone:
            nowhere = phone.ask(phone.request("REGISTER", f"sip:{plan.VIP}", to=f"<sip:mary@{plan.VIP}>"), plan.VIP)
            self.assertEqual(nowhere.status, 503, "no gateway yet")
        for line in CLASSIC_GATEWAYS.replace(CLASSIC_NETWORK, plan.V4).replace("'", "").splitlines()[1:]:
            self.tool(*line.split())
        self.tool("lb", "rm", "4")
        database.sql("insert into load_balancer (group_id, dst_uri, resources) values (1, 'sip:fs9:port', 'pstn=32')")
        (bad,) = ctl("reload")["warnings"]
        said = re.fullmatch(r'load_balancer row (\d+), dst_uri: "sip:fs9:port" .+; .+', bad)
        self.assertTrue(said, bad)
        self.assertEqual(page().sum("sipfront_destination_rows_skipped"), 1)
        self.call(sipp.SCENARIOS / "register.xml", calls=20, rate=100)
        self.assert_calls_reach(ALL[:3])

        self.tool("lb", "rm", said[1])
        self.tool("lb", "add", "1", f"sip:{plan.HOST_ADDRESSES['fs4']}", "pstn=32", "FS4")
        self.assertEqual(ctl("reload").get("warnings", []), [])
        self.wait_for_states({"fs4": "active"})
        database.take_away()
        try:
            refused = control("reload")
            self.assertEqual(refused.returncode, 1, refused.stdout)
            self.assertIn("those in force stay", refused.stderr)
            self.assertGreater(page().sum("sipfront_destination_readings_total", result="failed"), 0)
            self.assert_calls_reach(ALL)
        finally:
            database.give_back()
        ctl("reload")
        self.assertEqual(ctl("db_status").get("error", ""), "")
        self.assert_no_dialog_left()

    def test_hosts_come_from_mysql(self):
        self.check(Mysql())

    def test_hosts_come_from_sqlite(self):
        self.check(Sqlite())


if __name__ == "__main__":
    main()

"""Dialogs beyond the process: rows follow calls, a killed node finds its calls again, and a database that stands still holds up nobody."""

import json
import signal
import sqlite3
import subprocess
from contextlib import closing

from harness import FAST_JOURNAL, MYSQL_LAB, LabCase, LabError, ctl, lab, main, node, page, plan, proc, scenario, sipp, wait_for

from sflab import store

CDR = store.FOLDER / "cdr.json"


class Replication(LabCase):
    engine = ""

    def rows(self) -> int:
        return store.dialogs(self.engine)

    def wait_rows(self, wanted: int, seconds: float = 20):
        try:
            wait_for(lambda: self.rows() == wanted, "the rows of the store", seconds, every=0.1)
        except LabError:
            now = page()
            self.fail(f"{self.rows()} rows instead of {wanted}; {now.sum('sipfront_dialogs_active')} dialogs, "
                      f"journal {now.by('sipfront_journal_total', 'what')}")

    def callers(self, calls: int, hold_ms: int, **options) -> sipp.Run:
        return sipp.Run(scenario("caller_routes"), f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(2), calls=calls, hold_ms=hold_ms,
                        **{"rate": 100, "timeout": 90, **options})

    def wait_up(self, calls: int):
        wait_for(lambda: page().sum("sipfront_dialogs_active") - page().sum("sipfront_dialogs_early") >= calls, f"{calls} calls to stand", 30, every=0.1)

    def check_rows_follow_calls(self):
        with self.callers(100, 4_000) as run:
            self.wait_up(100)
            self.wait_rows(100)
            states = {int(state) for (state,) in store.query(self.engine, "SELECT DISTINCT state FROM dialog")}
            self.assertLessEqual(states, {3, 4})
            hosts = store.query(self.engine, "SELECT sf_destination, COUNT(*) FROM dialog GROUP BY sf_destination")
            self.assertEqual(len(hosts), 4, hosts)
            (row,) = store.query(self.engine, "SELECT from_uri, to_uri, callee_contact, sf_client, sf_resource FROM dialog LIMIT 1")
            self.assertTrue(all(row), row)
            self.assert_all_succeed(run.wait(), 100)
        self.wait_rows(0)
        self.assert_no_dialog_left()

    def check_a_killed_node_finds_its_calls(self):
        with self.callers(300, 12_000, rate=150) as run:
            self.wait_up(300)
            self.wait_rows(300)
            process = proc.find("lb1")
            process.kill()
            lab.start("lb1")
            wait_for(lambda: page().sum("sipfront_recovery_done") == 1, "the end of recovery", 20, every=0.1)
            now = page()
            self.assertEqual(now.sum("sipfront_dialogs_active"), 300)
            self.assertEqual(now.sum("sipfront_destination_load"), 300)
            self.assertEqual(now.sum("sipfront_recovery_rows_total", what="brought"), 300)
            self.assert_all_succeed(run.wait(), 300)
        self.assert_no_dialog_left()
        self.wait_rows(0)


class Sqlite(Replication):
    engine = "sqlite"
    options = {"store": "sqlite", "overlay": FAST_JOURNAL + f'[cdr]\nfile = "{CDR}"\ntable = true\nsync_interval = "0s"\n'}

    def test_rows_follow_calls(self):
        self.check_rows_follow_calls()

    def test_a_killed_node_finds_its_calls(self):
        self.check_a_killed_node_finds_its_calls()

    def test_each_call_has_its_record(self):
        before = len(CDR.read_text().splitlines()) if CDR.exists() else 0
        self.call(scenario("caller_routes"), calls=20, rate=20, hold_ms=200)
        wait_for(lambda: CDR.exists() and len(CDR.read_text().splitlines()) == before + 20, "20 records", 10, every=0.1)
        records = [json.loads(line) for line in CDR.read_text().splitlines()[before:]]
        self.assertEqual(len({r["call_id"] for r in records}), 20)
        for r in records:
            self.assertEqual(r["reason"], "caller_bye", r)
            self.assertEqual(r["code"], 200, r)
            self.assertIn(plan.v4(2), r["client"])
            self.assertTrue(r["from_uri"].startswith("sip:"), r)
            self.assertLess(r["start"], r["end"])
            self.assertNotIn("partial", r)
        ids = ", ".join(f"'{r['call_id']}'" for r in records)
        wait_for(lambda: len(store.query(self.engine, f"SELECT id FROM acc WHERE callid IN ({ids})")) == 20, "20 rows", 10, every=0.1)
        rows = store.query(self.engine, f"SELECT DISTINCT method, sip_code, sip_reason, sf_partial FROM acc WHERE callid IN ({ids})")
        self.assertEqual(rows, [("INVITE", "200", "caller_bye", 0)])
        now = page()
        for target in ("file", "table"):
            self.assertGreaterEqual(now.sum("sipfront_cdr_total", target=target, what="written"), 20)
            self.assertEqual(now.sum("sipfront_cdr_total", target=target, what="errors"), 0)

    def test_a_full_disk_holds_up_no_call(self):
        """A file system of its own without an octet of room; once there is room again, the table equals the true set."""
        folder = store.FOLDER / "small"
        folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "sipfront-small", str(folder)], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", str(folder)], check=True)
        self.addCleanup(node.write_overlay, self.options["overlay"])
        self.addCleanup(lambda: proc.find("lb1").kill())
        proc.find("lb1").kill()
        node.write_overlay(f'{self.options["overlay"]}[database]\npath = "{folder}/lb1.db"\n')
        lab.start("lb1")

        def rows(table: str) -> int:
            with closing(sqlite3.connect(f"file:{folder}/lb1.db?mode=ro", uri=True, timeout=5)) as connection:
                return connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]

        with self.callers(50, 1_000) as first:
            self.wait_up(50)
            wait_for(lambda: rows("dialog") == 50, "50 rows", 10, every=0.1)
            with (folder / "filler").open("wb", buffering=0) as filler:
                try:
                    while True:
                        filler.write(bytes(4_096))
                except OSError:
                    pass
            with self.callers(600, 3_500, rate=300, port=5071) as second:
                self.assert_all_succeed(first.wait(), 50)
                self.wait_up(600)
                wait_for(lambda: page().sum("sipfront_journal_errors_total", kind="refused") > 0, "the disk to be full", 10, every=0.1)
                self.assertGreater(page().sum("sipfront_journal_pending"), 0)
                (folder / "filler").unlink()
                wait_for(lambda: rows("dialog") == page().sum("sipfront_dialogs_active"), "the rows of the calls that stand", 15, every=0.1)
                self.assert_all_succeed(second.wait(), 600)
        self.assert_no_dialog_left()
        wait_for(lambda: rows("dialog") == 0 and page().sum("sipfront_journal_pending") == 0, "an empty table", 15, every=0.1)
        wait_for(lambda: rows("acc") == 650, "a record of each call", 15, every=0.1)

    def test_management_lists_and_ends_calls(self):
        with self.callers(5, 8000, rate=5) as run:
            self.wait_up(5)
            dialogs = ctl("dlg_list")["Dialogs"]
            self.assertEqual(len(dialogs), 5)
            one = ctl("dlg_list", dialogs[0]["callid"], dialogs[0]["caller_tag"])["Dialogs"]
            self.assertEqual([d["ID"] for d in one], [dialogs[0]["ID"]])
            ctl("dlg_end_dlg", dialogs[0]["ID"])
            wait_for(lambda: page().sum("sipfront_dialogs_active") == 4, "the call to end", 5, every=0.1)
            self.wait_rows(4)
            run.wait()
        self.assert_no_dialog_left()


class MySql(Replication):
    engine = "mysql"
    options = MYSQL_LAB

    def test_rows_follow_calls(self):
        self.check_rows_follow_calls()

    def test_a_killed_node_finds_its_calls(self):
        self.check_a_killed_node_finds_its_calls()

    def test_a_database_that_stands_still_holds_up_no_call(self):
        database = store.server.process
        with self.callers(600, 2000, rate=60) as run:
            self.wait_up(60)
            self.wait_rows_at_least(60)
            database.send(signal.SIGSTOP)
            try:
                wait_for(lambda: page().sum("sipfront_journal_pending") > 100, "changes to wait", 20, every=0.1)
                wait_for(lambda: page().sum("sipfront_journal_errors_total") > 0, "the writers to give up", 20, every=0.1)
            finally:
                database.send(signal.SIGCONT)
            self.assert_all_succeed(run.wait(), 600)
        self.wait_rows(0, seconds=30)
        self.assert_no_dialog_left()
        self.assertEqual(page().sum("sipfront_journal_pending"), 0)

    def wait_rows_at_least(self, n: int):
        wait_for(lambda: self.rows() >= n, f"{n} rows", 20, every=0.1)

    def test_a_killed_database_gets_what_it_missed(self):
        with self.callers(100, 7_000) as run:
            self.wait_up(100)
            store.server.process.kill()
            with self.callers(50, 14_000, port=5071, rate=50) as later:
                self.wait_up(150)
                store.server.start()
                self.wait_rows(150, seconds=30)
                self.assert_all_succeed(run.wait(), 100)
                self.wait_rows(50)
                self.assert_all_succeed(later.wait(), 50)
        self.wait_rows(0)
        self.assert_no_dialog_left()

    def test_a_node_starts_without_its_database(self):
        store.server.process.kill()
        node.stop("lb1")
        lab.start("lb1")
        with self.callers(20, 8000, rate=20) as run:
            self.wait_up(20)
            store.server.start()
            self.wait_rows(20, seconds=30)
            wait_for(lambda: page().sum("sipfront_recovery_done") == 1, "the end of recovery", 20, every=0.1)
            self.assertEqual(page().sum("sipfront_destination_load"), 20)
            self.assert_all_succeed(run.wait(), 20)
        self.wait_rows(0)


if __name__ == "__main__":
    main()

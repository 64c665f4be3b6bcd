"""Dialog stores at length: a database that stands still, is slow or has a full disk, a node killed under ten thousand calls, a Galera node that dies,
a million rows. Usage: soak_store.py"""

import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from harness import LabCase, lab, main, node, page, plan, proc, scenario, sipp, wait_for

from sflab import store
from sflab.galera import Cluster


class Stall(LabCase):
    options = {"store": "mysql"}
    rate, seconds = 1_000, 60

    def test_half_a_minute_without_the_database(self):
        """Nothing fails, memory is bounded, and the store catches up."""
        database = store.server.process
        calls = self.rate * self.seconds

        def setup_ms(since) -> str:
            return " and ".join(f"p{q * 100:g} <= {1e3 * page().quantile('sipfront_invite_success_seconds', q, since):g} ms" for q in (0.5, 0.99))

        with sipp.Run("uac", f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(2), calls=calls, rate=self.rate, hold_ms=3_000,
                      timeout=self.seconds + 60) as run:
            started = page()
            wait_for(lambda: run.count().placed > 10 * self.rate, "calls", 60)
            before = setup_ms(started)
            database.send(signal.SIGSTOP)
            stopped = page()
            time.sleep(30)
            during, pending = setup_ms(stopped), page().sum("sipfront_journal_pending_bytes")
            database.send(signal.SIGCONT)
            self.assert_all_succeed(run.wait(), calls)
        print(f"{pending / 1e6:.1f} MB waited; calls set up in {before} before, {during} meanwhile")
        self.assertLess(pending, 64e6)
        self.assert_no_dialog_left(40)
        wait_for(lambda: store.dialogs("mysql") == 0, "the store to catch up", 60, every=0.2)


class Delay:
    """A way to a Unix socket on which every request takes its time."""

    def __init__(self, path: Path, target: Path, seconds: float):
        self.target, self.seconds = target, seconds
        self.server = socket.socket(socket.AF_UNIX)
        path.unlink(missing_ok=True)
        self.server.bind(str(path))
        self.server.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self.target))
            threading.Thread(target=self._forward, args=(client, server, self.seconds), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, 0), daemon=True).start()

    @staticmethod
    def _forward(source: socket.socket, sink: socket.socket, seconds: float):
        # A request may come in several pieces of up to 1 MiB; what follows within the delay belongs to it.
        try:
            while data := source.recv(1 << 20):
                time.sleep(seconds)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            # The other one is the other thread's.
            source.close()

    def close(self):
        self.server.close()


class Slow(LabCase):
    path = store.FOLDER / "slow.sock"
    options = {"store": "mysql", "overlay": f'[database]\nsocket = "{path}"\n'}
    rate, calls = 200, 4_000

    def test_three_quarters_of_a_second_for_each_statement(self):
        """Nothing fails, set-up takes no longer than with a quick database, and the table becomes the true set."""
        delay = Delay(self.path, store.server.socket, 0.75)
        self.addCleanup(delay.close)
        before = page()
        with sipp.Run("uac", f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(2), calls=self.calls, rate=self.rate, hold_ms=5_000, timeout=90) as run, \
                sipp.Run(scenario("caller_routes"), f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(3), calls=300, rate=50, hold_ms=60_000, timeout=120,
                         port=5071) as standing:
            self.assert_all_succeed(run.wait(), self.calls)
            now = page()
            self.assertLess(now.sum("sipfront_journal_pending_bytes"), 64e6)
            self.assertLess(now.quantile("sipfront_invite_success_seconds", 0.99, before), 0.1)
            wait_for(lambda: store.dialogs("mysql") == 300, "the calls that stand alone", 40, every=0.5)
            print(f"lag p50 {page().quantile('sipfront_journal_lag_seconds', 0.5):.1f} s")
            self.assert_all_succeed(standing.wait(), 300)
        self.assert_no_dialog_left()
        wait_for(lambda: store.dialogs("mysql") == 0, "an empty table", 60, every=0.5)


class FullDisk(LabCase):
    options = {"store": "mysql"}
    folder = store.FOLDER / "small"

    def test_no_room_for_the_table(self):
        """The dialog table alone on a file system that fills up."""
        self.folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "sipfront-small", str(self.folder)], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.folder)], check=True)
        # Whose database has lost its table by then.
        self.addCleanup(lab.down)
        # Its mounts are those of its start.
        store.server.process.stop(grace=20)
        store.server.start()
        made = store.server.sql("SHOW CREATE TABLE dialog", store.NAME, "--raw").split("\t", 1)[1].strip()
        store.server.sql(f"DROP TABLE dialog; {made} DATA DIRECTORY='{self.folder}'", store.NAME)
        self.assertTrue(list(self.folder.glob("*/dialog.ibd")))
        filler = self.folder / "filler"
        with sipp.Run("uac", f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(2), calls=12_000, rate=400, hold_ms=12_000, timeout=120) as run:
            wait_for(lambda: store.dialogs("mysql") > 100, "rows", 20, every=0.1)
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4_096))
                except OSError:
                    pass
            wait_for(lambda: page().sum("sipfront_journal_errors_total", kind="refused") > 0, "the table to be full", 40, every=0.2)
            time.sleep(5)
            pending = page().sum("sipfront_journal_pending")
            filler.unlink()
            self.assertGreater(pending, 0)
            wait_for(lambda: page().sum("sipfront_journal_pending") < 200 and
                     abs(store.dialogs("mysql") - page().sum("sipfront_dialogs_active")) < 200, "the table to have all calls", 40, every=0.2)
            print(f"{pending:.0f} dialogs waited for room")
            self.assert_all_succeed(run.wait(), 12_000)
        self.assert_no_dialog_left()
        wait_for(lambda: store.dialogs("mysql") == 0, "an empty table", 60, every=0.5)


class Held(LabCase):
    options = {"store": "mysql"}
    calls = 10_000

    def test_a_node_killed_under_ten_thousand_calls(self):
        """Every one of them ends with a 200 to its BYE, and the loads are right as soon as the rows are read."""
        with sipp.Run(scenario("caller_routes"), f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(2), calls=self.calls, rate=500, hold_ms=50_000,
                      timeout=150) as run:
            wait_for(lambda: page().sum("sipfront_dialogs_active") == self.calls and page().sum("sipfront_dialogs_early") == 0, "the calls to stand", 45,
                     every=0.2)
            wait_for(lambda: store.dialogs("mysql") == self.calls, "their rows", 20, every=0.2)
            proc.find("lb1").kill()
            lab.start("lb1")
            wait_for(lambda: page().sum("sipfront_recovery_done") == 1, "the end of recovery", 30, every=0.1)
            now = page()
            print(f"{now.sum('sipfront_recovery_rows_total', what='brought'):.0f} dialogs in {now.sum('sipfront_recovery_seconds'):.2f} s")
            self.assertEqual(now.sum("sipfront_dialogs_active"), self.calls)
            self.assertEqual(now.sum("sipfront_destination_load"), self.calls)
            self.assert_all_succeed(run.wait(), self.calls)
        self.assert_no_dialog_left()
        wait_for(lambda: store.dialogs("mysql") == 0, "an empty table", 30, every=0.2)


class Galera(LabCase):
    """The nodes of the cluster die one after the other; what the others have is complete."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        # The node comes first: the cluster lives in its namespace.
        cls.bring_up(overlay=cls.cluster.config_text())
        cls.addClassCleanup(cls.cluster.down)
        cls.cluster.up(lambda: store.make_tables(Path(lab.current().daemon).with_name("sipfrontctl"), [node.config_file("lb1"), node.overlay_file()]))
        wait_for(lambda: page().sum("sipfront_recovery_done") == 1, "the node to find the cluster", 30, every=0.2)

    def test_any_node_may_die(self):
        with sipp.Run(scenario("caller_routes"), f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(2), calls=6_000, rate=100, hold_ms=10_000,
                      timeout=150) as run:
            for victim in range(3):
                wait_for(lambda: self.cluster.rows((victim + 1) % 3) > 500, "rows", 60, every=0.2)
                self.cluster.kill(victim)
                survivor = (victim + 1) % 3

                def complete():
                    active = page().sum("sipfront_dialogs_active")
                    return abs(self.cluster.rows(survivor) - active) < 60 and page().sum("sipfront_journal_pending") < 60

                wait_for(complete, "the survivors to have all dialogs", 40, every=0.2)
                self.cluster.start(victim)
            self.assert_all_succeed(run.wait(), 6_000)
        self.assert_no_dialog_left(40)
        wait_for(lambda: self.cluster.rows(0) == 0, "the table to be empty", 60, every=0.2)


class Million(LabCase):
    options = {"store": "mysql", "overlay": "[sip]\nmax_dialogs = 2000000\n"}
    rows = 1_000_000

    def test_rows_come_back_while_calls_are_served(self):
        empty = proc.resident(proc.find("lb1"))
        proc.find("lb1").stop(grace=10)
        store.server.sql(f"""INSERT INTO dialog (dlg_id, callid, from_uri, from_tag, to_uri, to_tag, caller_cseq, callee_cseq, caller_route_set, callee_route_set,
            caller_contact, callee_contact, caller_sock, callee_sock, state, start_time, timeout, sf_destination, sf_group, sf_resource, sf_node, sf_epoch,
            sf_version, sf_created, sf_host, sf_client, sf_caller_in_cluster, sf_symmetric, sf_request_uri, sf_client_via, sf_branch, sf_routes)
            SELECT seq, CONCAT('stored-call-', seq, '@198.51.100.7'), 'sip:alice@example.com', CONCAT('tag', seq), 'sip:service@{plan.VIP}', CONCAT('callee', seq), 1, 0, '', '',
            'sip:alice@10.77.0.2:5061', 'sip:host@10.77.0.103:5060', 'udp:{plan.VIP}:5060', 'udp:{plan.VIP}:5060', 4, UNIX_TIMESTAMP() - 60, UNIX_TIMESTAMP() + 36000,
            'sip:10.77.0.103:5060', 1, 'pstn', 1, 0, (UNIX_TIMESTAMP() - 60) * 1000000, (UNIX_TIMESTAMP() - 63) * 1000000,
            'udp:10.77.0.103:5060', 'udp:10.77.0.2:5061', 0, 0, '', '', '', '' FROM seq_1_to_{self.rows}""", store.NAME)
        lab.start("lb1")
        with sipp.Run("uac", f"{plan.VIP}:{plan.SIP_PORT}", source=plan.v4(2), calls=15_000, rate=500, hold_ms=1_000, timeout=120) as run:
            wait_for(lambda: page().sum("sipfront_recovery_done") == 1, "recovery", 180, every=0.5)
            now = page()
            print(f"{now.sum('sipfront_recovery_rows_total', what='brought'):.0f} dialogs in {now.sum('sipfront_recovery_seconds'):.1f} s; "
                  f"{(proc.resident(proc.find('lb1')) - empty) / self.rows:.0f} octets a dialog")
            self.assertEqual(now.sum("sipfront_recovery_rows_total", what="brought"), self.rows)
            self.assert_all_succeed(run.wait(), 15_000)
        wait_for(lambda: page().sum("sipfront_dialogs_active") == self.rows, "the stored calls alone", 40, every=0.2)
        self.assertEqual(page().sum("sipfront_destination_load"), self.rows)


if __name__ == "__main__":
    main()

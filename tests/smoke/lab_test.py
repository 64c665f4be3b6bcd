"""The lab itself: idempotent, recovers from crashes, never kills a stranger, leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from harness import ROOT, LabCase, lab, main, memory, net, plan, proc
from sflab.shell import LabError, wait_for

HUGE_PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
LAB = ROOT / "bench" / "lab"


def command(*argv: str, check: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run([sys.executable, str(LAB), *argv], capture_output=True, text=True, timeout=120)
    if check and done.returncode != 0:
        raise AssertionError(f"lab {' '.join(argv)}: {done.stdout}{done.stderr}")
    return done


class Lab(LabCase):
    def test_up_again_changes_nothing(self):
        before = {p.name: p.pid for p in proc.every()}
        command("up")
        self.assertEqual({p.name: p.pid for p in proc.every()}, before)

    def test_status_has_a_line_for_each_process(self):
        lines = [line.split() for line in command("status").stdout.splitlines()]
        self.assertEqual({line[0] for line in lines}, {"fs1", "fs2", "fs3", "fs4", "lb1"})
        for name, state, pid, namespace in lines:
            self.assertEqual(state, "running")
            self.assertEqual(namespace, "sf-lb1" if name == "lb1" else "sf-fs")
            self.assertIn(pid, subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True).stdout.split())

    def test_kill_and_start(self):
        for name in ("lb1", "fs3"):
            command("kill", name)
            self.assertRegex(command("status").stdout, rf"{name} +dead")
            command("start", name)
            self.assertRegex(command("status").stdout, rf"{name} +running")

    def test_exec_runs_in_the_namespace_and_passes_the_exit_status(self):
        self.assertIn("10.77.0.60/24", command("exec", "clients", "--", "ip", "-4", "addr").stdout)
        self.assertIn(plan.TAP, command("exec", "lb1", "--", "ip", "link").stdout)
        self.assertEqual(command("exec", "fs", "--", "sh", "-c", "exit 7", check=False).returncode, 7)
        self.assertNotEqual(command("exec", "lb2", "--", "true", check=False).returncode, 0)

    def test_logs(self):
        self.assertTrue(command("logs", "lb1").stdout.strip())
        self.assertIn("no log", command("logs", "nobody", check=False).stderr)

    def test_down_leaves_nothing_and_ends_what_exec_started(self):
        sleeper = subprocess.Popen([sys.executable, str(LAB), "exec", "clients", "--", "sleep", "1000"])
        wait_for(lambda: proc.find(f"exec-{sleeper.pid}"), "exec to be recorded", 5)
        pids = [p.pid for p in proc.every()]
        pages = int(HUGE_PAGES.read_text()) - json.loads((plan.STATE / "memory.json").read_text())["added"]
        command("down")
        self.assertEqual(int(HUGE_PAGES.read_text()), pages)
        self.assertEqual(sleeper.wait(5), -signal.SIGTERM)
        self.assert_nothing_left(pids)
        self.assertEqual(command("status").stdout, "")
        command("down")
        self.bring_up()

    def assert_nothing_left(self, pids: list[int]):
        self.assertFalse(plan.STATE.exists())
        self.assertEqual({n for n in net.namespaces() if n.startswith("sf-")}, set())
        self.assertEqual([pid for pid in pids if proc.start_time(pid)], [])
        self.assertFalse(os.path.exists(f"/var/run/dpdk/{memory.file_prefix('lb1')}"))

    def test_a_record_of_a_pid_that_is_somebody_elses_kills_nobody(self):
        stranger = subprocess.Popen(["sleep", "1000"])
        try:
            record = proc.record("impostor", stranger.pid, plan.CLIENTS, ["sleep"])
            # The same pid, another start: ours is long dead.
            other = proc.Process(record.name, record.pid, record.started - 1, record.namespace, record.command)
            self.assertFalse(other.alive)
            other.kill()
            other.stop()
            self.assertIsNone(stranger.poll())
            self.assertTrue(record.alive)
        finally:
            proc.forget("impostor")
            stranger.kill()
            stranger.wait()

    def test_up_after_the_state_is_lost(self):
        """As after a crash of the machine's /run or of the lab itself: leftovers are found by what they are, not by the record."""
        (plan.STATE / "lab.json").unlink()
        command("up")
        self.assertEqual(len([p for p in proc.every() if p.alive]), 5)

    def test_failed_start_says_why_and_leaves_nothing(self):
        options = lab.Options(daemon="/bin/false")
        with lab.exclusive(), self.assertRaises(LabError) as raised:
            lab.up(options)
        self.assertIn("lb1 ended at once", str(raised.exception))
        self.assert_nothing_left([])
        self.bring_up()


if __name__ == "__main__":
    main()

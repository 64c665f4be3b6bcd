"""One scenario through one proxy: sipp plays caller and hosts, the tap records what reaches them."""

import signal
import subprocess
import tempfile
import time
from pathlib import Path

from ..shell import wait_for
from . import plan
from .script import Scenario, slug, xml

ADDRESSES = {"caller": plan.CALLER, **plan.HOSTS}
PATIENCE_MS = 5_000   # for a message that a scenario waits for


def call_id(scenario: Scenario) -> str:
    return f"{slug(scenario.name)}@differential"


class _Player:
    def __init__(self, proxy: str, scenario: Scenario, end: str, folder: Path):
        file = folder / f"{end}.xml"
        file.write_text(xml(scenario.name, scenario.scripts[end]))
        target, port = ([f"{plan.VIP}:{plan.SIP_PORT}"], plan.CALLER_PORT) if end == "caller" else ([], plan.SIP_PORT)
        # -nr: what is repeated is repeated by the scenario or by the proxy.
        command = ["sipp", "-sf", str(file), *target, "-i", ADDRESSES[end], "-p", str(port), "-bind_local", "-m", "1", "-nr", "-default_behaviors", "none",
                   "-cid_str", call_id(scenario), "-recv_timeout", str(PATIENCE_MS), "-timeout", str(3 * PATIENCE_MS // 1000), "-nostdin", "-skip_rlimit",
                   "-trace_err", "-error_file", str(folder / f"{end}.errors")]
        self._port = port
        with (folder / f"{end}.screen").open("wb") as screen:
            self._child = subprocess.Popen(["ip", "netns", "exec", plan.ends(proxy), *command], cwd=folder, stdin=subprocess.DEVNULL,
                                           stdout=screen, stderr=subprocess.STDOUT)
        self._folder, self._end = folder, end

    def wait_listening(self):
        port = f":{self._port:04X} "

        def bound() -> bool:
            if self._child.poll() is not None:
                raise RuntimeError(f"sipp refused the script of {self._end}: {(self._folder / f'{self._end}.screen').read_text(errors='replace')[-600:]}")
            return any(port in line for line in Path(f"/proc/{self._child.pid}/net/udp").read_text().splitlines())

        wait_for(bound, f"{self._end} to listen", 10, every=0.01)

    def ended(self) -> bool:
        return self._child.poll() is not None

    def complaint(self) -> str:
        """What kept it from playing its part to the end; empty when nothing did."""
        if self._child.returncode == 0:
            return ""
        errors = self._folder / f"{self._end}.errors"
        return errors.read_text(errors="replace") if errors.exists() else f"exit {self._child.returncode}"

    def stop(self):
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGKILL)
        self._child.wait()


def _wait_for_the_end(players: list[_Player], scenario: Scenario, tap):
    started = time.monotonic()
    while not all(player.ended() for player in players):
        if tap.silent(started, scenario.silence) or time.monotonic() > started + 3 * PATIENCE_MS / 1000:
            break
        time.sleep(0.01)
    # What a far end's last message makes the proxy send.
    time.sleep(0.1)


def play(proxy: str, scenario: Scenario, tap) -> tuple[dict[str, list[bytes]], dict[str, str]]:
    """The messages of each far end in their order, and what each far end had to complain about."""
    with tempfile.TemporaryDirectory(dir=plan.STATE) as folder:
        players: dict[str, _Player] = {}
        try:
            for end in scenario.scripts:
                if end == "caller":
                    for host in players.values():
                        host.wait_listening()
                players[end] = _Player(proxy, scenario, end, Path(folder))
            _wait_for_the_end(list(players.values()), scenario, tap)
        finally:
            for player in players.values():
                player.stop()
        complaints = {end: text for end, player in players.items() if (text := player.complaint())}
    ends = {address: end for end, address in ADDRESSES.items()}
    received: dict[str, list[bytes]] = {end: [] for end in ADDRESSES}
    for address, octets in tap.seen():
        if call_id(scenario).encode() in octets and address in ends:
            received[ends[address]].append(octets)
    return received, complaints

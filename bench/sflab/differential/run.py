"""All scenarios through both proxies, at the same time, each in its own network."""

import fcntl
import fnmatch
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..shell import LabError
from . import network, plan, proxies, scenarios
from .compare import Difference, Listed, compare
from .play import play
from .script import Scenario


@dataclass
class Heard:
    """Of one scenario."""

    scenario: Scenario
    messages: dict[str, dict[str, list[bytes]]]   # by proxy and far end
    complaints: dict[str, str]                    # of the far ends of sipfront

    @property
    def count(self) -> int:
        return sum(len(received) for ends in self.messages.values() for received in ends.values())

    def differences(self) -> list[Difference]:
        return compare(self.scenario, self.messages)

    def __str__(self) -> str:
        return "\n".join(f"-- {self.scenario.name}: {end} through {proxy}\n{octets.decode('utf-8', 'backslashreplace')}"
                         for proxy, ends in self.messages.items() for end, received in ends.items() for octets in received)


@dataclass
class Outcome:
    heard: list[Heard]
    wrong: str   # for a person to read; empty when nothing is wrong

    def differences(self) -> list[Difference]:
        return [difference for one in self.heard for difference in one.differences()]


@contextmanager
def _alone():
    """One run at a time: names and files are the machine's."""
    plan.STATE.mkdir(parents=True, exist_ok=True)
    with open("/run/lock/sipfront-differential", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _through(proxy: proxies.Proxy, chosen: list[Scenario], heard: dict, complaints: dict, failures: list[BaseException]):
    try:
        with proxy:
            tap = network.Tap(proxy.name)
            try:
                for scenario in chosen:
                    heard[scenario.name], complaints[scenario.name] = play(proxy.name, scenario, tap)
                    proxy.ensure_alive()
            finally:
                tap.close()
    except BaseException as error:  # noqa: BLE001 - of a thread: raised again by who waits for it
        failures.append(error)


def _play(daemon: Path, chosen: list[Scenario]) -> list[Heard]:
    asked = [proxies.Kamailio(), proxies.Sipfront(daemon)]
    heard: dict[str, dict] = {proxy.name: {} for proxy in asked}
    complaints: dict[str, dict] = {proxy.name: {} for proxy in asked}
    failures: list[BaseException] = []
    threads = [threading.Thread(target=_through, args=(proxy, chosen, heard[proxy.name], complaints[proxy.name], failures)) for proxy in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return [Heard(s, {proxy.name: heard[proxy.name][s.name] for proxy in asked}, complaints["sipfront"][s.name]) for s in chosen]


def _faults(listed: Listed, one: Heard) -> list[str]:
    return [*(f"unlisted: {difference}" for difference in listed.unlisted(one.differences())),
            *(f"{one.scenario.name}: through sipfront {end} did not get to its end: {text[:600]}" for end, text in one.complaints.items())]


def run(daemon: Path, listed: Listed, only: str = "*") -> Outcome:
    """Stale entries are looked for when all scenarios are run."""
    chosen = [scenario for scenario in scenarios.ALL if fnmatch.fnmatchcase(scenario.name, only)]
    if not chosen:
        raise LabError(f"no scenario is named {only}")
    with _alone():
        heard = {one.scenario.name: one for one in _play(daemon, chosen)}
        # A far end that waits too long for a CPU makes a proxy repeat itself or give a host up. A difference of the proxies shows again.
        for _ in range(2):
            doubtful = [one.scenario for one in heard.values() if _faults(listed, one)]
            if not doubtful:
                break
            heard |= {one.scenario.name: one for one in _play(daemon, doubtful)}
    listed.forget()
    wrong = [fault for one in heard.values() for fault in _faults(listed, one)]
    if only == "*":
        wrong += [f"no scenario shows any more: {entry}" for entry in listed.stale()]
    return Outcome(list(heard.values()), "\n\n".join(wrong))

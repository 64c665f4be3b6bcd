"""Names, addresses and CPUs of the comparison. It shares nothing with a lab that may be up at the same time."""

import os
from pathlib import Path

from .. import plan as lab

STATE = Path("/run/sipfront-peers")
# Processes, logs and the record of borrowed huge pages: the lab's helpers keep them where its plan says.
lab.STATE = STATE

CONFIGS = lab.ROOT / "bench" / "peers-configs"

LOAD, PROXY = "sfp-load", "sfp-proxy"   # namespaces: the generator (clients and hosts), the peer under test
DATABASE = "sfp-db"                     # the database: it is reached through a Unix socket only
DEVICE = "eth0"                         # both ends of the veth pair
PREFIX = 24

VIP, OWN, CLIENT = "10.78.0.100", "10.78.0.101", "10.78.0.2"
HOSTS = [f"10.78.0.{part}" for part in range(103, 107)]
SIP_PORT = 5060
CLIENT_PORT = 5062


class Cpus:
    """Everything of the peer on one CPU, the generator on another.

    The database has a third where there is one, else the peer's: Kamailio waits for it anyway, and the generator never sleeps.
    """

    def __init__(self):
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            raise SystemExit("peers: needs two CPUs: one for the peer, one for the generator")
        self.proxy, self.generator = allowed[-1], allowed[0]
        self.database = allowed[1] if len(allowed) > 2 else self.proxy


# Before other programs of the machine, all parts of the comparison alike; who reads their counters, and mostly sleeps, before them.
_NICE, _NICE_OBSERVER = -10, -12


def observe_from(cpu: int):
    """This program off the peer's CPU, and never long behind the generator, which never sleeps."""
    os.sched_setaffinity(0, {cpu})
    os.setpriority(os.PRIO_PROCESS, 0, _NICE_OBSERVER)


def on_cpu(cpu: int, *command: str) -> list[str]:
    """The command on that CPU alone."""
    return ["nice", "-n", str(_NICE - os.getpriority(os.PRIO_PROCESS, 0)), "taskset", "-c", str(cpu), *command]

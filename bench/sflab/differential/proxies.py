"""The two proxies, each in its own network."""

import os
from pathlib import Path

from .. import net, proc, sip
from ..shell import LabError, inside, wait_for
from . import network, plan


class Proxy:
    name = ""
    _process: proc.Process | None = None

    def __enter__(self):
        network.add(self.name)
        try:
            self._process = self._start()
            wait_for(self._answers, f"{self.name} to answer", 30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        network.remove(self.name)
        proc.reap()
        proc.forget(self.name)

    def _start(self) -> proc.Process:
        raise NotImplementedError

    def _answers(self) -> bool:
        proc.ensure_alive(self._process)
        with sip.Agent(plan.ends(self.name), plan.CALLER) as agent:
            reply = agent.ask(agent.request("OPTIONS", f"sip:{plan.VIP}"), plan.VIP, timeout=0.3)
        return reply is not None and reply.status == 200

    def ensure_alive(self):
        if not self._process.alive:
            raise LabError(f"{self.name} died:\n{proc.tail(self.name)}")


class Kamailio(Proxy):
    name = "kamailio"

    def _start(self) -> proc.Process:
        inside(plan.namespace(self.name), "ip", "addr", "add", f"{plan.VIP}/{plan.PREFIX}", "dev", plan.DEVICE)
        return proc.start(self.name, plan.namespace(self.name), [
            "kamailio", "-DD", "-E", "-f", str(plan.CONFIGS / "kamailio.cfg"), "-l", f"udp:{plan.VIP}:{plan.SIP_PORT}", "-n", "1",
            "-Y", str(plan.STATE), "-A", f'DISPATCHER_LIST="{plan.CONFIGS}/dispatcher.list"', "-A", f'CTL_SOCKET="unixs:{plan.STATE}/kamailio.ctl"'])


class Sipfront(Proxy):
    name = "sipfront"

    def __init__(self, daemon: Path):
        self._daemon = daemon

    def _start(self) -> proc.Process:
        net.isolate(plan.namespace(self.name), plan.DEVICE)
        overlay = plan.STATE / "sipfront.toml"
        overlay.write_text(f"""[data_plane]
ports = ["net_af_packet0,iface={plan.DEVICE},qpairs=1,framesz=2048,framecnt=4096,blocksz=65536"]
cores = [{max(os.sched_getaffinity(0))}]
file_prefix = "sipfront-differential"

[admin]
socket = "{plan.STATE}/sipfront.sock"
""")
        return proc.start(self.name, plan.namespace(self.name),
                          [str(self._daemon), "--config", str(plan.CONFIGS / "sipfront.toml"), "--config", str(overlay)])

    def __enter__(self):
        super().__enter__()
        # The neighbours are known before the first call, or its INVITE waits for them.
        for address in (plan.CALLER, *plan.HOSTS.values()):
            inside(plan.namespace(self.name), "ping", "-c", "1", "-W", "2", address)
        return self

    def __exit__(self, *_):
        if self._process:
            self._process.stop(grace=5)
        super().__exit__()

"""sipfrontd over a memif: the same daemon and job on a port that does not end in the kernel. The generator has the other end."""

from contextlib import contextmanager
from pathlib import Path

from .. import memory, net, proc
from ..shell import LabError, wait_for
from . import generator, plan
from . import net as wire
from .sipfront import Sipfront

_RING = 10             # binary logarithm of the rings' length
_MBUFS = 4 << _RING    # small, so that the buffers stay in the cache
_LINGER = 75           # transactions of a call that linger (two, 32 s each), and some room, over calls a second


class Memif(Sipfront):
    highest = 600_000
    guess = 150_000        # calls a second that the search begins with
    _seen_from = plan.PROXY  # nobody of the kernel is on the other end of the wire

    def __init__(self, cpus: plan.Cpus, daemon: str):
        super().__init__(cpus, daemon, "memif")
        self.label = "sipfront, memif"

    @property
    def _socket(self) -> Path:
        return plan.STATE / "memif.sock"

    def _device(self, role: str, zero_copy: bool = False) -> str:
        # A path: abstract sockets end at a namespace's border.
        return f"net_memif0,role={role},id=0,socket={self._socket},socket-abstract=no,rsize={_RING}" + (",zero-copy=yes" if zero_copy else "")

    @contextmanager
    def loaded(self, *, rate: float, hold: float = 0, **options):
        """Daemon and generator, which has the server's end and must be there first. Calls have begun when it yields."""
        wire.remove()
        for name in (plan.LOAD, plan.PROXY):
            net.add_namespace(name)
        self._clean()
        self._socket.unlink(missing_ok=True)
        huge = memory.reserve(2)
        port = ("--vdev", self._device("server"), "--memory", "128", "--file-prefix", memory.file_prefix("generator"), *(() if huge else ("--no-huge",)))
        try:
            with generator.Run(rate=rate, hold=hold, port=port, **options) as run:
                wait_for(lambda: self._alive(run.process) and self._socket.exists(), "sipgen's memif socket", 30)
                self._launch(self._device("client", zero_copy=huge), huge, f"""mbufs = {_MBUFS}

[sip]
max_transactions = {int(rate * _LINGER) + 65_536}
max_dialogs = {int(rate * (hold + 10)) + 65_536}
image_bytes = "8GiB"
""")
                wait_for(lambda: self._alive(self._process) and self._alive(run.process) and self._busy(), "the first calls", 30)
                yield run
                self._alive(self._process)
        finally:
            self.stop()

    @staticmethod
    def _alive(process: proc.Process) -> bool:
        proc.ensure_alive(process)
        return True

    def _busy(self) -> bool:
        try:
            return self._page().sum("sipfront_port_received_datagrams_total") > 0
        except (OSError, LabError):
            return False

    def _clean(self):
        memory.clean("peer")
        memory.clean("generator")

    def stop(self):
        if self._process:
            self._process.stop(grace=5)
            self._process = None
        self._clean()
        memory.release()
        wire.remove()

"""fs1..fs4: sipp as the media servers of the lab."""

from pathlib import Path

from . import plan, proc, sip
from .sipp import BUFFER
from .shell import wait_for

SCENARIO = Path(__file__).with_name("scenarios") / "host.xml"


def start(name: str, *scenario: str, port: int = plan.SIP_PORT, address: str = "") -> proc.Process:
    """With the lab's own scenario, or with sipp's options for another one (`-sn uas -aa`). OPTIONS must be answered: the nodes probe."""
    process = _launch(name, *scenario, port=port, address=address)
    wait_answering(process, address or plan.HOST_ADDRESSES[name], port)
    return process


def start_all(*scenario: str, names=tuple(plan.HOST_PARTS)):
    """Side by side: most of the time that one takes is waiting."""
    for process in [_launch(name, *scenario) for name in names]:
        wait_answering(process, plan.HOST_ADDRESSES[process.name])


def _launch(name: str, *scenario: str, port: int = plan.SIP_PORT, address: str = "") -> proc.Process:
    address = address or plan.HOST_ADDRESSES[name]
    # Calls that ended are forgotten at once: a Call-ID may come again, as that of a probe may.
    command = ["sipp", *(scenario or ("-sf", str(SCENARIO))), "-i", address, "-p", str(port), "-bind_local", "-nostdin", "-deadcall_wait", "0",
               "-skip_rlimit", "-buff_size", BUFFER, "-trace_err", "-error_file", str(proc.log_file(name + "-errors"))]
    return proc.start(name, plan.HOSTS, command)


def wait_answering(process: proc.Process, address: str, port: int = plan.SIP_PORT):
    def answers():
        proc.ensure_alive(process)
        return sip.options(plan.CLIENTS, address, timeout=0.2, port=port)

    wait_for(answers, f"{process.name} to answer at {address}", 10)


def stop(name: str):
    process = proc.find(name)
    if process:
        process.kill()


def restore():
    """All four with the lab's own scenario, whatever ran there before."""
    def plays(process: proc.Process | None) -> bool:
        return bool(process and process.alive and str(SCENARIO) in process.command)

    others = [name for name in plan.HOST_PARTS if not plays(proc.find(name))]
    for name in others:
        stop(name)
    start_all(names=others)

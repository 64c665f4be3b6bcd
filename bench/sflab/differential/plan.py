"""Names and addresses. Each proxy has a network of its own with the same addresses, so both may be asked at the same time."""

from pathlib import Path

from .. import plan as lab

STATE = Path("/run/sipfront-differential")
# Processes and logs: the lab's helpers keep them where its plan says.
lab.STATE = STATE

CONFIGS = lab.ROOT / "bench" / "differential-configs"
DIFFERENCES = CONFIGS / "differences.toml"

DEVICE, PREFIX = "eth0", 24
VIP, OWN, CALLER = "10.78.0.100", "10.78.0.101", "10.78.0.2"
HOSTS = {"fs1": "10.78.0.103", "fs2": "10.78.0.104"}
SIP_PORT, CALLER_PORT = 5060, 5062


def ends(proxy: str) -> str:
    """The namespace of caller and hosts."""
    return f"sfd-{proxy}-ends"


def namespace(proxy: str) -> str:
    return f"sfd-{proxy}"

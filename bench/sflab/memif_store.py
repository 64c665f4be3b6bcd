"""A MariaDB for the dialogs of a run over a memif, and what the journal made of them."""

import shutil
import time
from pathlib import Path

from . import bypass, store
from .mariadb import Server
from .shell import LabError, wait_for

# Memory: the measurement is not of disks.
_FOLDER = Path("/dev/shm/sipfront-memif")


class Store:
    def __init__(self):
        self._server = Server("memif-mariadb", _FOLDER / "mariadb", bypass.NAMESPACE)
        self.overlay = store.mysql_config(self._server.socket)
        self.empty_after = 0.0  # seconds from the last call's end

    def __enter__(self):
        _FOLDER.mkdir(mode=0o700, exist_ok=True)
        self._server.create()
        self._server.sql(f"CREATE DATABASE {store.NAME}")
        return self

    def __exit__(self, *_):
        self._server.remove()
        shutil.rmtree(_FOLDER, ignore_errors=True)

    def make_tables(self, sipfrontctl: Path, configs: list[Path]):
        store.make_tables(sipfrontctl, configs, bypass.NAMESPACE)

    def rows(self) -> int:
        return int(self._server.sql("SELECT COUNT(*) FROM dialog", store.NAME))

    def settle(self, proxy: bypass.Proxy):
        """Until the table is empty, and no host has a load."""
        began = time.monotonic()

        def settled() -> bool:
            page = proxy.page()
            left = page.sum("sipfront_dialogs_active") + page.sum("sipfront_destination_load") + page.sum("sipfront_journal_pending")
            return left == 0 and self.rows() == 0

        try:
            wait_for(settled, "the table to be empty", 120, every=0.2)
        except LabError:
            page = proxy.page()
            raise LabError(f"{self.rows()} rows, {page.sum('sipfront_dialogs_active'):.0f} dialogs and a load of "
                           f"{page.sum('sipfront_destination_load'):.0f} are left") from None
        self.empty_after = time.monotonic() - began

    def summary(self, window: bypass.Window) -> dict:
        """Of the measured time."""
        last = window.last or window.first
        grown = {what: n - window.first.by("sipfront_journal_total", "what").get(what, 0) for what, n in last.by("sipfront_journal_total", "what").items()}
        lag = {f"lag_ms_p{q * 100:g}": 1e3 * last.quantile("sipfront_journal_lag_seconds", q, window.first) for q in (0.5, 0.99)}
        return {**lag, "pending": last.sum("sipfront_journal_pending"), "pending_bytes": last.sum("sipfront_journal_pending_bytes"),
                "empty_after": self.empty_after, "per_second": {what: n / max(window.ended - window.began, 1e-9) for what, n in grown.items() if n}}


def table(of: dict) -> str:
    rates = ", ".join(f"{what} {n:,.0f}" for what, n in of["per_second"].items())
    return (f"\njournal: lag p50 <= {of['lag_ms_p50']:.1f} ms, p99 <= {of['lag_ms_p99']:.1f} ms; {of['pending']:.0f} dialogs ({of['pending_bytes'] / 1e6:.1f} MB) "
            f"waiting at the end of the measured time; table empty and no load {of['empty_after']:.1f} s after the last call\n"
            f"  a second: {rates}\n")

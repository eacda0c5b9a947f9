"""Where a study's data comes from, said so that any process can open the same again."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from domain.errors import ConfigError, DataError
from domain.settings import Settings
from engine.data.importers import Stamp
from engine.data.store.store import MarketStore
from research.market_data import DataKind, FileOptions, MarketData, find_instrument, open_file, simulated
from research.stored import END_NS, StoredOptions, open_stored

HOUR_NS = 3_600_000_000_000


class DataSource(Struct, frozen=True, kw_only=True):
    """One of: a file (`path`), stored data (`stored`, in the folder `store`), hours of the simulated market."""

    path: str = ""
    stored: str = ""
    simulated_hours: float = 0.0
    instrument: str = ""
    kind: DataKind | None = None
    stamp: Stamp = Stamp.OPEN
    tolerate_gaps: bool = False
    funding: str = ""
    store: str = ""
    start_ns: int = 0
    end_ns: int = END_NS
    interval_ns: int = 0
    seed: int = 7
    first_ns: int = 0
    """When the simulated market begins."""

    @property
    def name(self) -> str:
        """For people."""
        return self.path or self.stored or f"{self.simulated_hours:g} h of the simulated market, seed {self.seed}"

    @property
    def short(self) -> str:
        """As part of a name."""
        named = Path(self.path).stem if self.path else self.stored or f"simulated-{self.simulated_hours:g}h"
        return re.sub(r"[^A-Za-z0-9_.-]", "-", named)


def open_source(source: DataSource, core: Settings) -> MarketData:
    """Open it. Raises `DataError` or `ConfigError` in words."""
    fees = core.instruments[0] if core.instruments else None
    if [bool(source.path), bool(source.stored), bool(source.simulated_hours)].count(True) != 1:
        raise ConfigError("say what to run over: --data FILE, --stored INSTRUMENT, or --simulated-hours H")
    if source.path:
        options = FileOptions(
            kind=source.kind,
            instrument=source.instrument,
            instruments=core.instruments,
            stamp=source.stamp,
            interval_ns=source.interval_ns,
            tolerate_gaps=source.tolerate_gaps,
            funding=Path(source.funding) if source.funding else None,
            fees=fees,
        )
        return open_file(Path(source.path), options)
    if source.stored:
        stored = StoredOptions(
            name=source.stored,
            start_ns=source.start_ns,
            end_ns=source.end_ns,
            kind=source.kind,
            interval_ns=source.interval_ns,
            tolerate_gaps=source.tolerate_gaps,
            instruments=core.instruments,
            fees=fees,
        )
        return open_stored(MarketStore(Path(source.store) / "market"), stored)
    found = find_instrument(source.instrument, core.instruments) if source.instrument else fees
    if found is None:
        raise DataError(f"--instrument {source.instrument!r} is not configured")
    return simulated(found, source.seed, source.first_ns, int(source.simulated_hours * HOUR_NS))

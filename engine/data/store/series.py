"""Which stored data: a venue's instrument, a kind, and for candles their interval."""

from __future__ import annotations

import enum
import re
from pathlib import Path

from msgspec import Struct

from domain.errors import ConfigError
from domain.instrument import InstrumentId, parse_instrument_id

_UNITS_NS = {
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_SAFE = re.compile(r"[A-Za-z0-9_-]+")


class Kind(enum.StrEnum):
    """What the rows are."""

    CANDLES = "candles"
    TRADES = "trades"
    FUNDING = "funding"
    """Rates that were charged."""
    BOOKS = "books"
    """Snapshots of the nearest levels."""
    MARKS = "marks"
    """Mark price and the running funding rate, at every change."""


def interval_text(interval_ns: int) -> str:
    """`1m`, `4h`, `1d`: the largest unit that fits."""
    unit = next(unit for unit, ns in reversed(_UNITS_NS.items()) if interval_ns % ns == 0)
    return f"{interval_ns // _UNITS_NS[unit]}{unit}"


def parse_interval(text: str) -> int:
    """Nanoseconds of `1m`, `4h`, `1d`. Raises `ConfigError`."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})([smhdw])", text.strip())
    if match is None:
        raise ConfigError(f"interval {text!r}: expected a number and s, m, h, d or w, such as 1m, 4h or 1d")
    return int(match[1]) * _UNITS_NS[match[2]]


class Series(Struct, frozen=True, kw_only=True):
    """One kind of data of one instrument; `interval_ns` only for candles."""

    instrument: InstrumentId
    kind: Kind
    interval_ns: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be a folder. Raises `ConfigError`; `Unrepresentable` for a bad instrument id."""
        parse_instrument_id(self.instrument)
        symbol, _, venue = self.instrument.partition(".")
        if not _SAFE.fullmatch(symbol) or not _SAFE.fullmatch(venue):
            raise ConfigError(f"{self.instrument!r} cannot be the name of stored data: letters, digits, - and _ only")
        if (self.kind is Kind.CANDLES) != (self.interval_ns > 0):
            raise ConfigError(f"{self.kind}: an interval belongs to candles, and to nothing else")

    @property
    def name(self) -> str:
        """For people: `BTC-USDC-PERP.HYPERLIQUID candles 1m`."""
        return f"{self.instrument} {self.kind}" + (f" {interval_text(self.interval_ns)}" if self.interval_ns else "")

    @property
    def path(self) -> Path:
        """Where it is below the store's folder: venue/instrument/kind."""
        symbol, _, venue = self.instrument.partition(".")
        kind = f"{self.kind}-{interval_text(self.interval_ns)}" if self.interval_ns else str(self.kind)
        return Path(venue) / symbol / kind


def series_at(path: Path) -> Series | None:
    """The series of a folder venue/instrument/kind; None for a folder that is none."""
    venue, symbol, name = path.parts[-3:]
    kind, _, interval = name.partition("-")
    if kind not in {item.value for item in Kind}:
        return None
    return Series(
        instrument=f"{symbol}.{venue}", kind=Kind(kind), interval_ns=parse_interval(interval) if interval else 0
    )

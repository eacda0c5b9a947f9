"""Phemex's past candles and funding rates, page by page: a `HistorySource`.

The venue hands out no past trades. Its limit is 5,000 requests in five minutes and address, and candles count tenfold
of another limit; a download takes its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypeAlias, TypeVar

from msgspec import Struct, field

from domain.errors import ConfigError, DataError, VenueError
from domain.instrument import Instrument
from domain.market import Bar, FundingRate, Trade
from domain.ports import HistoryPage
from exchanges.phemex.config import MS, S
from exchanges.phemex.markets import Products, listed
from exchanges.phemex.wire import Envelope, Rows, data_of
from exchanges.viaccxt.pages import PublicReader

REQUESTS_A_MINUTE = 100
CANDLES = 1_900
"""Of at most 2,000 in one answer."""
RATES = 100
INTERVALS = {
    seconds * S: name
    for name, seconds in (
        ("1m", 60), ("3m", 180), ("5m", 300), ("15m", 900), ("30m", 1_800), ("1h", 3_600), ("2h", 7_200),
        ("3h", 10_800), ("4h", 14_400), ("6h", 21_600), ("12h", 43_200), ("1d", 86_400), ("1w", 604_800),
    )
}  # fmt: skip
"""The candle intervals that the venue has."""
T = TypeVar("T")
Kline: TypeAlias = tuple[int, int, str, str, str, str, str, str, str]
"""Open (seconds), interval (seconds), last close, open, high, low, close, volume, turnover."""


class WireRate(Struct):
    """One of funding-rate-history."""

    rate: Decimal = field(name="fundingRate")
    time_ms: int = field(name="fundingTime")


async def read(reader: PublicReader, path: str, kind: type[T], params: dict[str, str | int] | None = None) -> T:
    """The data of a public answer. Raises `VenueError`, also for a refusal, and `DataError`."""
    found = await reader.read(path, Envelope, params)
    if found.code:
        raise VenueError(f"Phemex did not answer {path}: {found.code} {found.msg}")
    return data_of(found.data, kind, path)


async def read_instruments(reader: PublicReader) -> list[Instrument]:
    """Every contract that is traded now. Raises `VenueError`, `DataError`."""
    return list(listed(await read(reader, "/public/products", Products)))


def seconds_of(interval_ns: int) -> int:
    """A candle's length as the venue says it. Raises `ConfigError` for one that it does not have."""
    if interval_ns not in INTERVALS:
        raise ConfigError(f"Phemex has no candles of {interval_ns / 1e9:g} s; it has {', '.join(INTERVALS.values())}")
    return interval_ns // S


def bar_of(instrument: Instrument, row: Kline) -> Bar:
    """A candle as a bar, stamped with its close. Raises `DataError`, `Unrepresentable`."""
    opened, high, low, closed = (instrument.price(text) for text in row[3:7])
    if not low <= min(opened, closed) <= max(opened, closed) <= high or row[1] * S not in INTERVALS:
        raise DataError(f"{instrument.venue_symbol}: the candle at {row[0]} makes no sense")
    close_ns = (row[0] + row[1]) * S
    return Bar(
        ts_ns=close_ns,
        venue_ts_ns=close_ns,
        instrument=instrument.id,
        interval_ns=row[1] * S,
        open_ts_ns=row[0] * S,
        open=opened,
        high=high,
        low=low,
        close=closed,
        volume=instrument.qty(row[7]),
    )


def bars_of(instrument: Instrument, rows: Iterable[Kline]) -> list[Bar]:
    """Candles as bars, oldest first, whatever order they came in."""
    return sorted((bar_of(instrument, row) for row in rows), key=lambda bar: bar.open_ts_ns)


async def read_candles(
    reader: PublicReader, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int
) -> list[Bar]:  # fmt: skip
    """One page of bars that open in [start_ns, end_ns). Raises `VenueError`, `DataError`, `ConfigError`."""
    params: dict[str, str | int] = {
        "symbol": instrument.venue_symbol, "resolution": seconds_of(interval_ns), "from": -(-start_ns // S),
        "to": -(-end_ns // S),
    }  # fmt: skip
    rows = await read(reader, "/exchange/public/md/v2/kline/list", Rows[Kline], params)
    return [bar for bar in bars_of(instrument, rows.rows) if start_ns <= bar.open_ts_ns < end_ns]


class PhemexHistory:
    """The venue's past market data."""

    name = "phemex"

    def __init__(self, reader: PublicReader) -> None:
        self._reader = reader

    async def instruments(self) -> Sequence[Instrument]:
        """Every contract that is traded now. Raises `VenueError`."""
        return await read_instruments(self._reader)

    async def candles(self, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int) -> HistoryPage[Bar]:
        """Finished bars. Raises `VenueError`, `DataError`, and `ConfigError` for an interval that there is none of."""
        until_ns = min(end_ns, start_ns + CANDLES * interval_ns)
        return HistoryPage(await read_candles(self._reader, instrument, interval_ns, start_ns, until_ns), until_ns)

    async def funding(self, instrument: Instrument, start_ns: int, end_ns: int) -> HistoryPage[FundingRate]:
        """Rates that were charged. Raises `VenueError`, `DataError`."""
        params: dict[str, str | int] = {
            "symbol": f".{instrument.venue_symbol}FR8H", "start": -(-start_ns // MS), "end": (end_ns - 1) // MS,
            "limit": RATES,
        }  # fmt: skip
        path = "/api-data/public/data/funding-rate-history"
        rows = sorted((await read(self._reader, path, Rows[WireRate], params)).rows, key=lambda row: row.time_ms)
        until_ns = end_ns
        if len(rows) >= RATES:  # cut off by the venue: there may be more behind the last one
            until_ns = min(end_ns, rows[-1].time_ms * MS + 1)
        rates = [FundingRate(ts_ns=row.time_ms * MS, instrument=instrument.id, rate=row.rate) for row in rows]
        if any(not rate.rate.is_finite() or abs(rate.rate) > 1 for rate in rates):
            raise DataError(f"{instrument.venue_symbol}: Phemex sent a funding rate that makes no sense")
        return HistoryPage([rate for rate in rates if start_ns <= rate.ts_ns < until_ns], until_ns)

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> HistoryPage[Trade]:  # noqa: ARG002 - the port's
        """Refused. Raises `ConfigError`."""
        raise ConfigError(
            "Phemex's public API hands out no past trades. Record them from now on: "
            f"./moondev data record {instrument.id} --kinds trades"
        )

    async def aclose(self) -> None:
        """Disconnect."""
        await self._reader.aclose()

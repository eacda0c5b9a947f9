"""Bybit's past market data, page by page, for the store of market data."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec
from msgspec import Struct

from domain.errors import ConfigError, DataError, Unrepresentable, VenueError
from domain.instrument import Instrument
from domain.market import Bar, FundingRate, Trade
from domain.ports import HistoryPage
from exchanges.bybit.config import CATEGORY, MS
from exchanges.bybit.markets import Contract, listed
from exchanges.bybit.wire import Envelope, Rows, decoded
from exchanges.viaccxt.pages import PublicReader

T = TypeVar("T")
MINUTE_NS = 60_000_000_000
INTERVALS = {
    minutes * MINUTE_NS: name
    for name, minutes in (
        ("1", 1), ("3", 3), ("5", 5), ("15", 15), ("30", 30), ("60", 60), ("120", 120), ("240", 240), ("360", 360),
        ("720", 720), ("D", 1_440),
    )
}  # fmt: skip
"""The venue's names of intervals; weeks and months do not begin at multiples of their length."""
CANDLE_PAGE = 1_000
FUNDING_PAGE = 200
CALLS_A_MINUTE = 1_200
"""A sixth of what an address may ask."""


class WireRate(Struct, rename="camel"):
    """A funding rate that was charged."""

    symbol: str
    funding_rate: str
    funding_rate_timestamp: str


def name_of(interval_ns: int) -> str:
    """The venue's name of an interval. Raises `ConfigError`."""
    name = INTERVALS.get(interval_ns)
    if name is None:
        has = ", ".join(f"{each // 10**9} s" for each in INTERVALS)
        raise ConfigError(f"Bybit has no candles of {interval_ns / 1e9:g} s; it has {has}")
    return name


def bar_of(instrument: Instrument, interval_ns: int, row: Sequence[str]) -> Bar:
    """One candle: start, open, high, low, close, volume. Raises `DataError`."""
    try:
        opened_ns = int(row[0]) * MS
        opens, high, low, close = (instrument.price(text) for text in row[1:5])
        volume = instrument.round_qty(float(row[5]))
    except (Unrepresentable, ArithmeticError, ValueError, IndexError) as error:
        raise DataError(
            f"Bybit's candle of {instrument.venue_symbol} is not understood: {error}; {row!r:.200}"
        ) from error
    return Bar(
        ts_ns=opened_ns + interval_ns,
        venue_ts_ns=opened_ns + interval_ns,
        instrument=instrument.id,
        interval_ns=interval_ns,
        open_ts_ns=opened_ns,
        open=opens,
        high=high,
        low=low,
        close=close,
        volume=volume,
    )


async def read_rows(
    reader: PublicReader, path: str, kind: type[T], **params: str | int
) -> tuple[list[T], int, str]:  # fmt: skip
    """Rows of a public list, the venue's time in ms, and where the next page begins. Raises `VenueError`."""
    envelope = await reader.read(f"/v5/market/{path}", Envelope, {"category": CATEGORY, **params})
    if envelope.ret_code:
        raise VenueError(f"Bybit did not answer {path}: {envelope.ret_code} {envelope.ret_msg}")
    rows = decoded(envelope.result, Rows[kind], path)  # type: ignore[valid-type]
    return rows.rows, envelope.time, rows.next_page_cursor


async def read_contracts(reader: PublicReader) -> list[Instrument]:
    """Every contract that is traded now. Raises `VenueError`."""
    found: list[Instrument] = []
    cursor: dict[str, str] = {}
    while True:
        rows, _, after = await read_rows(reader, "instruments-info", Contract, limit=1_000, **cursor)
        found += listed(rows)
        if not after or not rows:
            return found
        cursor = {"cursor": after}


async def read_candles(
    reader: PublicReader, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int
) -> list[Bar]:  # fmt: skip
    """One page of finished bars that open in [start_ns, end_ns), oldest first. Raises `VenueError`, `DataError`.

    `ConfigError` for an interval that the venue does not have.
    """
    rows, now_ms, _ = await read_rows(
        reader, "kline", list[str], symbol=instrument.venue_symbol, interval=name_of(interval_ns), limit=CANDLE_PAGE,
        start=-(-start_ns // MS), end=(end_ns - 1) // MS,
    )  # fmt: skip
    bars = sorted((bar_of(instrument, interval_ns, row) for row in rows), key=lambda bar: bar.open_ts_ns)
    return [bar for bar in bars if start_ns <= bar.open_ts_ns < end_ns and bar.ts_ns <= now_ms * MS]


class BybitHistory:
    """The venue's past market data."""

    name = "bybit"

    def __init__(self, reader: PublicReader) -> None:
        self._reader = reader

    async def instruments(self) -> Sequence[Instrument]:
        """Every contract that is traded now. Raises `VenueError`."""
        return await read_contracts(self._reader)

    async def candles(self, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int) -> HistoryPage[Bar]:
        """Finished bars. Raises `VenueError`, and `ConfigError` for an interval that the venue does not have."""
        until_ns = min(end_ns, start_ns + CANDLE_PAGE * interval_ns)
        return HistoryPage(await read_candles(self._reader, instrument, interval_ns, start_ns, until_ns), until_ns)

    async def funding(self, instrument: Instrument, start_ns: int, end_ns: int) -> HistoryPage[FundingRate]:
        """Rates that were charged. Raises `VenueError`, and `DataError` for an answer that makes no sense."""
        until_ns = min(end_ns, start_ns + FUNDING_PAGE * instrument.funding_interval_ns)
        wires, _, _ = await read_rows(
            self._reader, "funding/history", WireRate, symbol=instrument.venue_symbol, limit=FUNDING_PAGE,
            startTime=-(-start_ns // MS), endTime=(until_ns - 1) // MS,
        )  # fmt: skip
        rates = sorted((_rate(instrument, wire) for wire in wires), key=lambda rate: rate.ts_ns)
        if len(rates) >= FUNDING_PAGE and start_ns < rates[0].ts_ns:  # cut off at the old end: ask for less
            return await self.funding(instrument, start_ns, start_ns + (until_ns - start_ns) // 2)
        return HistoryPage([rate for rate in rates if start_ns <= rate.ts_ns < until_ns], until_ns)

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> HistoryPage[Trade]:  # noqa: ARG002 - the port's
        """Refused. Raises `ConfigError`."""
        raise ConfigError(
            "Bybit's public API hands out no past trades. Record them from now on: "
            f"./moondev data record {instrument.id} --kinds trades"
        )

    async def aclose(self) -> None:
        """Disconnect."""
        await self._reader.aclose()


def _rate(instrument: Instrument, wire: WireRate) -> FundingRate:
    try:
        value, ts_ns = Decimal(wire.funding_rate), int(wire.funding_rate_timestamp) * MS
    except (ArithmeticError, ValueError) as error:
        raise DataError(f"Bybit sent the funding rate {msgspec.json.encode(wire)[:200]!r}") from error
    if wire.symbol != instrument.venue_symbol or not value.is_finite():
        raise DataError(f"Bybit sent a funding rate of {wire.symbol!r:.40}, {wire.funding_rate!r:.40}")
    return FundingRate(ts_ns=ts_ns, instrument=instrument.id, rate=value)

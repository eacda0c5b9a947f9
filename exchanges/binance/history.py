"""Binance's past candles, trades and funding rates, page by page: a `HistorySource`.

The limit is 2,400 weight a minute and address; a download takes half of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec import Struct, field

from domain.errors import ConfigError, DataError
from domain.instrument import Instrument
from domain.market import Bar, FundingRate, Trade
from domain.ports import HistoryPage
from exchanges.binance.config import MS
from exchanges.binance.markets import ExchangeInfo, listed
from exchanges.shared.integers import nearest
from exchanges.viaccxt.pages import PublicReader

WEIGHT_A_MINUTE = 1_200
CANDLES, CANDLES_WEIGHT = 1_000, 5
TRADES, TRADES_WEIGHT = 1_000, 20
RATES = 1_000
HOUR_NS = 3_600_000_000_000
INTERVALS = {
    seconds * 1_000_000_000: name
    for name, seconds in (
        ("1m", 60), ("3m", 180), ("5m", 300), ("15m", 900), ("30m", 1_800), ("1h", 3_600), ("2h", 7_200),
        ("4h", 14_400), ("6h", 21_600), ("8h", 28_800), ("12h", 43_200), ("1d", 86_400), ("3d", 259_200),
        ("1w", 604_800),
    )
}  # fmt: skip
"""The candle intervals that the venue has."""


class WireCandle(Struct, gc=False):
    """`k` of a kline message."""

    opened: int = field(name="t")
    closes: int = field(name="T")
    open: str = field(name="o")
    high: str = field(name="h")
    low: str = field(name="l")
    close: str = field(name="c")
    volume: str = field(name="v")
    is_closed: bool = field(name="x", default=True)


class WireRow(Struct, array_like=True, gc=False):
    """One of GET klines."""

    opened: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    closes: int


class WireTrade(Struct, gc=False):
    """One of aggTrades."""

    number: int = field(name="a")
    price: str = field(name="p")
    qty: str = field(name="q")
    time: int = field(name="T")
    is_buyer_maker: bool = field(name="m")


class WireRate(Struct, rename="camel", gc=False):
    """One of fundingRate."""

    symbol: str
    funding_time: int
    funding_rate: Decimal


def bars_of(instrument: Instrument, candles: Iterable[WireCandle | WireRow]) -> list[Bar]:
    """Candles as finished bars, stamped with their close; old ones may be off today's grid. Raises `DataError`."""
    found = []
    for candle in candles:
        texts = (candle.open, candle.high, candle.low, candle.close)
        opened, high, low, closed = (nearest(text, instrument.price_decimals, "Binance") for text in texts)
        interval_ns = (candle.closes + 1 - candle.opened) * MS
        if not low <= min(opened, closed) <= max(opened, closed) <= high or interval_ns not in INTERVALS:
            raise DataError(f"{instrument.venue_symbol}: the candle at {candle.opened} makes no sense")
        close_ns = candle.opened * MS + interval_ns
        found.append(
            Bar(
                ts_ns=close_ns,
                venue_ts_ns=close_ns,
                instrument=instrument.id,
                interval_ns=interval_ns,
                open_ts_ns=candle.opened * MS,
                open=opened,
                high=high,
                low=low,
                close=closed,
                volume=nearest(candle.volume, instrument.qty_decimals, "Binance"),
            )
        )
    return found


async def read_candles(
    reader: PublicReader, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int
) -> list[Bar]:  # fmt: skip
    """One page of bars that open in [start_ns, end_ns), the running one too. Raises `VenueError`, `DataError`."""
    name = INTERVALS.get(interval_ns)
    if name is None:
        raise ConfigError(f"Binance has no candles of {interval_ns / 1e9:g} s; it has {', '.join(INTERVALS.values())}")
    params: dict[str, str | int] = {
        "symbol": instrument.venue_symbol, "interval": name, "startTime": -(-start_ns // MS),
        "endTime": (end_ns - 1) // MS, "limit": CANDLES,
    }  # fmt: skip
    return bars_of(instrument, await reader.read("/fapi/v1/klines", list[WireRow], params, CANDLES_WEIGHT))


class BinanceHistory:
    """The venue's past market data."""

    name = "binance"

    def __init__(self, reader: PublicReader) -> None:
        self._reader = reader

    async def instruments(self) -> Sequence[Instrument]:
        """Every contract that is traded now. Raises `VenueError`."""
        return list(listed(await self._reader.read("/fapi/v1/exchangeInfo", ExchangeInfo)))

    async def candles(self, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int) -> HistoryPage[Bar]:
        """Bars. Raises `VenueError`, `DataError`, and `ConfigError` for an interval that the venue does not have."""
        until_ns = min(end_ns, start_ns + CANDLES * interval_ns)
        bars = await read_candles(self._reader, instrument, interval_ns, start_ns, until_ns)
        return HistoryPage([bar for bar in bars if start_ns <= bar.open_ts_ns < until_ns], until_ns)

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> HistoryPage[Trade]:
        """Aggregated trades: the fills of one taker order at one price. Raises `VenueError`, `DataError`."""
        until_ns = min(end_ns, start_ns + HOUR_NS)
        params: dict[str, str | int] = {"symbol": instrument.venue_symbol, "limit": TRADES}
        span = {"startTime": -(-start_ns // MS), "endTime": (until_ns - 1) // MS}
        path = "/fapi/v1/aggTrades"
        rows = await self._reader.read(path, list[WireTrade], params | span, TRADES_WEIGHT)
        while len(rows) >= TRADES and rows[0].time == rows[-1].time:  # a page that is one millisecond
            more = await self._reader.read(
                path, list[WireTrade], params | {"fromId": rows[-1].number + 1}, TRADES_WEIGHT
            )
            rows += more
            if len(more) < TRADES:
                break
        if len(rows) >= TRADES:  # cut off by the venue: its last millisecond may not be whole
            until_ns = min(until_ns, rows[-1].time * MS)
        trades = [_trade(instrument, row) for row in rows]
        return HistoryPage([trade for trade in trades if start_ns <= trade.ts_ns < until_ns], until_ns)

    async def funding(self, instrument: Instrument, start_ns: int, end_ns: int) -> HistoryPage[FundingRate]:
        """Rates that were charged. Raises `VenueError`, `DataError`."""
        params: dict[str, str | int] = {
            "symbol": instrument.venue_symbol, "startTime": -(-start_ns // MS), "endTime": (end_ns - 1) // MS,
            "limit": RATES,
        }  # fmt: skip
        rows = await self._reader.read("/fapi/v1/fundingRate", list[WireRate], params)
        until_ns = end_ns
        if len(rows) >= RATES:
            until_ns = min(end_ns, rows[-1].funding_time * MS + 1)
        rates = [FundingRate(ts_ns=r.funding_time * MS, instrument=instrument.id, rate=r.funding_rate) for r in rows]
        return HistoryPage([rate for rate in rates if start_ns <= rate.ts_ns < until_ns], until_ns)

    async def aclose(self) -> None:
        """Disconnect."""
        await self._reader.aclose()


def _trade(instrument: Instrument, row: WireTrade) -> Trade:
    ts_ns = row.time * MS
    return Trade(
        ts_ns=ts_ns,
        venue_ts_ns=ts_ns,
        instrument=instrument.id,
        price=nearest(row.price, instrument.price_decimals, "Binance"),
        qty=nearest(row.qty, instrument.qty_decimals, "Binance"),
        side=-1 if row.is_buyer_maker else 1,
        trade_id=str(row.number),
    )

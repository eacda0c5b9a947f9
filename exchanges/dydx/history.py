"""dYdX's past candles, trades and funding rates, page by page: a `HistorySource`.

The indexer takes 100 requests in 10 seconds of one address; a download takes half of that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from domain.errors import ConfigError, DataError
from domain.instrument import Instrument
from domain.market import Bar, FundingRate, Trade
from domain.ports import HistoryPage
from exchanges.dydx.orders import SIDES
from exchanges.dydx.wire import (
    RESOLUTIONS,
    RESOLUTIONS_NS,
    WireCandle,
    WireCandles,
    WireFundingRates,
    WireTrade,
    WireTrades,
    ns_of,
)
from exchanges.viaccxt.pages import PublicReader

REQUESTS_A_MINUTE = 300
CANDLES, TRADES, RATES = 1_000, 1_000, 1_000
"""The venue tells so many at once."""
HOUR_NS = 3_600_000_000_000


def iso(ns: int) -> str:
    """A time as the indexer takes it, to the millisecond and never early."""
    at = datetime.fromtimestamp(-(-ns // 1_000_000) / 1_000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def bar_of(instrument: Instrument, candle: WireCandle) -> Bar:
    """A candle as if it were finished, stamped with its close. Raises `DataError`, `Unrepresentable`."""
    interval_ns = RESOLUTIONS_NS.get(candle.resolution, 0)
    opened_ns = ns_of(candle.started_at)
    prices = [instrument.price(text) for text in (candle.open, candle.high, candle.low, candle.close)]
    opened, high, low, closed = prices
    if not interval_ns or opened_ns % interval_ns or not low <= min(opened, closed) <= max(opened, closed) <= high:
        raise DataError(f"{instrument.venue_symbol}: the candle of {candle.resolution} at {opened_ns} makes no sense")
    volume = Decimal(candle.base_token_volume).scaleb(instrument.qty_decimals)
    return Bar(
        ts_ns=opened_ns + interval_ns,
        venue_ts_ns=opened_ns + interval_ns,
        instrument=instrument.id,
        interval_ns=interval_ns,
        open_ts_ns=opened_ns,
        open=opened,
        high=high,
        low=low,
        close=closed,
        volume=int(volume.to_integral_value()),
    )


def trade_of(instrument: Instrument, trade: WireTrade) -> Trade:
    """A public trade. Raises `DataError`, `Unrepresentable`."""
    side = SIDES.get(trade.side)
    if side is None:
        raise DataError(f"{instrument.venue_symbol}: a trade's side is {trade.side!r:.40}, expected BUY or SELL")
    ts_ns = ns_of(trade.created_at)
    return Trade(
        ts_ns=ts_ns,
        venue_ts_ns=ts_ns,
        instrument=instrument.id,
        price=instrument.price(trade.price),
        qty=instrument.qty(trade.size),
        side=side,
        trade_id=trade.id,
    )


async def read_candles(
    reader: PublicReader, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int
) -> list[Bar]:
    """Bars that open in [start_ns, end_ns), oldest first, the running one too, page by page.

    Raises `VenueError`, `DataError`, and `ConfigError` for an interval that the venue does not have.
    """
    name = RESOLUTIONS.get(interval_ns)
    if name is None:
        raise ConfigError(f"dYdX has no candles of {interval_ns / 1e9:g} s; it has {', '.join(RESOLUTIONS.values())}")
    path, found = f"/candles/perpetualMarkets/{instrument.venue_symbol}", dict[int, Bar]()
    while start_ns < end_ns:
        until_ns = min(end_ns, start_ns + CANDLES * interval_ns)
        params: dict[str, str | int] = {
            "resolution": name, "fromISO": iso(start_ns), "toISO": iso(until_ns), "limit": CANDLES,
        }  # fmt: skip
        page = await reader.read(path, WireCandles, params)
        found |= {bar.open_ts_ns: bar for bar in (bar_of(instrument, candle) for candle in page.candles)}
        start_ns = until_ns
    return [found[opened] for opened in sorted(found)]


class DydxHistory:
    """The venue's past market data."""

    name = "dydx"

    def __init__(self, reader: PublicReader, contracts: Callable[[], Awaitable[Sequence[Instrument]]]) -> None:
        """`contracts` reads them with the fees, which only the chain tells."""
        self._reader = reader
        self._contracts = contracts

    async def instruments(self) -> Sequence[Instrument]:
        """Every active contract, with the fees of a newcomer. Raises `VenueError`."""
        return await self._contracts()

    async def candles(self, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int) -> HistoryPage[Bar]:
        """Bars; where nothing traded there is none. Raises as `read_candles` does."""
        until_ns = min(end_ns, start_ns + CANDLES * interval_ns)
        bars = await read_candles(self._reader, instrument, interval_ns, start_ns, until_ns)
        return HistoryPage([bar for bar in bars if start_ns <= bar.open_ts_ns < until_ns], until_ns)

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> HistoryPage[Trade]:
        """Trades of an hour at most, read backwards. Raises `VenueError`, `DataError`."""
        until_ns = min(end_ns, start_ns + HOUR_NS)
        path, found = f"/trades/perpetualMarket/{instrument.venue_symbol}", dict[str, Trade]()
        before_ns = until_ns
        while True:
            params: dict[str, str | int] = {"limit": TRADES, "createdBeforeOrAt": iso(before_ns)}
            page = [trade_of(instrument, row) for row in (await self._reader.read(path, WireTrades, params)).trades]
            new = [trade for trade in page if trade.trade_id not in found]
            found |= {trade.trade_id: trade for trade in new}
            oldest_ns = min((trade.ts_ns for trade in page), default=0)
            if len(page) < TRADES or not new or oldest_ns < start_ns:
                break
            before_ns = oldest_ns
        inside = [trade for trade in found.values() if start_ns <= trade.ts_ns < until_ns]
        return HistoryPage(sorted(inside, key=lambda trade: (trade.ts_ns, trade.trade_id)), until_ns)

    async def funding(self, instrument: Instrument, start_ns: int, end_ns: int) -> HistoryPage[FundingRate]:
        """Hourly rates. Raises `VenueError`, `DataError`."""
        until_ns = min(end_ns, start_ns + (RATES - 1) * HOUR_NS)  # the rate at its very end comes too
        path = f"/historicalFunding/{instrument.venue_symbol}"
        params: dict[str, str | int] = {"limit": RATES, "effectiveBeforeOrAt": iso(until_ns)}
        told = (await self._reader.read(path, WireFundingRates, params)).historical_funding
        rates = [FundingRate(ts_ns=ns_of(r.effective_at), instrument=instrument.id, rate=r.rate) for r in told]
        inside = [rate for rate in rates if start_ns <= rate.ts_ns < until_ns]
        return HistoryPage(sorted(inside, key=lambda rate: rate.ts_ns), until_ns)

    async def aclose(self) -> None:
        """Disconnect."""
        await self._reader.aclose()

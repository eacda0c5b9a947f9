"""Hyperliquid's past candles and funding rates, page by page: a `HistorySource` on POST /info.

The venue keeps the last 5,000 candles of an interval, all funding rates, and hands out no past trades. Its limit is
1,200 weight a minute and address; a download takes half of it, so that a service on the same address goes on.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal

import aiohttp
import msgspec
from msgspec import Struct

from domain.errors import ConfigError, DataError
from domain.instrument import Instrument
from domain.market import Bar, FundingRate, Trade
from domain.ports import HistoryPage
from exchanges.hyperliquid.config import HyperliquidConfig
from exchanges.hyperliquid.info import InfoClient
from exchanges.hyperliquid.wire import INTERVAL_NAMES, MS, CoinCodec
from exchanges.shared.pace import Pace

WEIGHT_A_MINUTE = 600
CANDLE_PAGE = 4_500
"""Of at most 5,000 that the venue sends at once."""
FUNDING_PAGE = 500
"""The venue answers with at most so many rates."""
HOUR_NS = 3_600_000_000_000
_INFO_WEIGHT, _CANDLES_A_WEIGHT, _ITEMS_A_WEIGHT = 20, 60, 20


class WireFunding(Struct):
    """One rate of fundingHistory."""

    coin: str
    time: int
    rate: str = msgspec.field(name="fundingRate")


_funding = msgspec.json.Decoder(list[WireFunding])


class HyperliquidHistory:
    """The venue's past market data."""

    name = "hyperliquid"

    def __init__(self, config: HyperliquidConfig, pace: Pace | None = None) -> None:
        self._config = config
        self._pace = pace or Pace(WEIGHT_A_MINUTE)
        self._session: aiohttp.ClientSession | None = None

    def _info(self) -> InfoClient:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return InfoClient(self._session, self._config, random.random)

    async def instruments(self) -> Sequence[Instrument]:
        """Every contract that is not delisted. Raises `VenueError`."""
        await self._pace.spend(_INFO_WEIGHT)
        return await self._info().instruments()

    async def candles(self, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int) -> HistoryPage[Bar]:
        """Finished bars. Raises `VenueError`, and `ConfigError` for an interval that the venue does not have."""
        if interval_ns not in INTERVAL_NAMES:
            raise ConfigError(
                f"Hyperliquid has no candles of {interval_ns / 1e9:g} s; it has {', '.join(INTERVAL_NAMES.values())}"
            )
        until_ns = min(end_ns, start_ns + CANDLE_PAGE * interval_ns)
        await self._pace.spend(_INFO_WEIGHT)
        bars = await self._info().bars(CoinCodec(instrument), interval_ns, start_ns, until_ns)
        self._pace.owe(len(bars) // _CANDLES_A_WEIGHT)
        return HistoryPage(bars, until_ns)

    async def funding(self, instrument: Instrument, start_ns: int, end_ns: int) -> HistoryPage[FundingRate]:
        """Hourly rates. Raises `VenueError`, and `DataError` for an answer that makes no sense."""
        until_ns = min(end_ns, start_ns + FUNDING_PAGE * HOUR_NS)
        await self._pace.spend(_INFO_WEIGHT)
        question = {"type": "fundingHistory", "coin": instrument.venue_symbol}
        span = {"startTime": -(-start_ns // MS), "endTime": (until_ns - 1) // MS}
        body = await self._info().ask(question | span)
        try:
            rates = [self._rate(rate, instrument) for rate in _funding.decode(body)]
        except (msgspec.DecodeError, ArithmeticError) as error:
            raise DataError(f"Hyperliquid's funding rates of {instrument.venue_symbol}: {error}") from error
        self._pace.owe(len(rates) // _ITEMS_A_WEIGHT)
        if len(rates) >= FUNDING_PAGE:  # cut off by the venue: there may be more behind the last one
            until_ns = min(until_ns, max(rate.ts_ns for rate in rates) + 1)
        return HistoryPage([rate for rate in rates if start_ns <= rate.ts_ns < until_ns], until_ns)

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> HistoryPage[Trade]:  # noqa: ARG002 - the port's
        """Refused. Raises `ConfigError`."""
        raise ConfigError(
            "Hyperliquid's public API hands out no past trades. Record them from now on: "
            f"./moondev data record {instrument.id} --kinds trades"
        )

    async def aclose(self) -> None:
        """Disconnect."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @staticmethod
    def _rate(rate: WireFunding, instrument: Instrument) -> FundingRate:
        value = Decimal(rate.rate)
        if rate.coin != instrument.venue_symbol or not value.is_finite():
            raise DataError(f"Hyperliquid sent a funding rate of {rate.coin!r:.40}, {rate.rate!r:.40}")
        return FundingRate(ts_ns=rate.time * MS, instrument=instrument.id, rate=value)

"""What was: performance, fills, exposure and prices of a period, for charts and reports. Part of the desk.

Whoever has the projection sets `ledger`, whoever has the market data sets `feed`. Nothing here blocks or raises for
sources that are away: what is missing is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

from domain.errors import MoonDevError
from domain.facts import FactKey, PositionSampled
from domain.instrument import InstrumentId
from domain.market import Bar, Feed, FeedKind
from domain.performance import Candle, Candles, Exposures, Gap, Performance, PricePoint
from domain.ports import Clock, MarketFeed
from domain.views import TradeRow
from engine.core.core import Core
from engine.core.portfolio import equity_fact, position_facts
from engine.desk_views import price, qty
from engine.performance import Now

CANDLES_WITHIN_S = 10.0
MOST_CANDLES = 1_000
"""A venue hands out so many at once without complaint."""


class Ledger(Protocol):
    """Reads periods from the projection."""

    async def performance(self, since_ns: int, until_ns: int, now: Now) -> Performance:
        """What was earned and risked."""
        ...

    async def fills(self, since_ns: int, until_ns: int, instrument: InstrumentId, now: Now) -> Sequence[TradeRow]:
        """Own fills in one instrument, oldest first."""
        ...

    async def exposure(self, since_ns: int, until_ns: int, now: Now) -> Exposures:
        """What was open."""
        ...


class NoLedger:
    """There is no projection here."""

    async def performance(self, since_ns: int, until_ns: int, _now: Now) -> Performance:
        """Says so."""
        return Performance(since_ns=since_ns, until_ns=until_ns, problem="No figures: nothing is recorded here.")

    async def fills(self, _since_ns: int, _until_ns: int, _instrument: InstrumentId, _now: Now) -> Sequence[TradeRow]:
        """None."""
        return ()

    async def exposure(self, _since_ns: int, _until_ns: int, _now: Now) -> Exposures:
        """Says so."""
        return Exposures(problem="No figures: nothing is recorded here.")


class Past:
    """Reads what lies behind the present. Called from the engine's loop."""

    def __init__(self, core: Core, clock: Clock, told: Callable[[], FactKey]) -> None:
        """`told` is the last fact that was published: figures wait until it is in the projection."""
        self._core = core
        self._clock = clock
        self._told = told
        self.ledger: Ledger = NoLedger()
        self.feed: MarketFeed | None = None

    async def performance(self, since_ns: int, until_ns: int) -> Performance:
        """What was earned and risked in [since, until)."""
        return await self.ledger.performance(since_ns, until_ns, self._now())

    async def exposure(self, since_ns: int, until_ns: int) -> Exposures:
        """What was open in [since, until)."""
        return await self.ledger.exposure(since_ns, until_ns, self._now())

    async def fills(self, since_ns: int, until_ns: int, instrument: InstrumentId) -> Sequence[TradeRow]:
        """Own fills in one instrument, oldest first."""
        return await self.ledger.fills(since_ns, until_ns, instrument, self._now())

    async def candles(self, instrument: InstrumentId, interval_ns: int, since_ns: int, until_ns: int) -> Candles:
        """The venue's finished bars of [since, until). `problem` says why there are none, or not all."""
        count = (self._clock.now_ns() - since_ns) // interval_ns + 1
        contract = self._core.instruments.get(instrument)
        if self.feed is None or contract is None:
            return Candles(problem="no market data is connected")
        wanted = Feed(kind=FeedKind.BAR, instrument=instrument, interval_ns=interval_ns)
        try:
            async with asyncio.timeout(CANDLES_WITHIN_S):
                bars = await self.feed.history(wanted, min(count, MOST_CANDLES))
        except TimeoutError:
            return Candles(problem=f"the venue did not answer within {CANDLES_WITHIN_S:.0f} s")
        except (MoonDevError, OSError) as error:
            return Candles(problem=str(error))

        def candle(bar: Bar) -> Candle:
            open_, high, low, close = (price(contract, value) for value in (bar.open, bar.high, bar.low, bar.close))
            return Candle(bar.open_ts_ns, open_, high, low, close, qty(contract, bar.volume))

        inside = [bar for bar in bars if since_ns <= bar.open_ts_ns < until_ns]
        problem = "" if inside else "the venue has none of this period"
        return Candles(interval_ns=interval_ns, candles=tuple(candle(bar) for bar in inside), problem=problem)

    def samples(self, instrument: InstrumentId, since_ns: int, until_ns: int) -> tuple[list[PricePoint], list[Gap]]:
        """Prices as the engine itself sampled them, and the times it knows nothing of: a day of minutes, then hours."""
        kept, contract = self._core.state.samples, self._core.instruments[instrument]
        points: dict[int, PricePoint] = {}
        first_minute = kept.times_ns[0] if kept.times_ns else until_ns
        for series, from_ns, to_ns in ((kept.hours, since_ns, first_minute), (kept, since_ns, until_ns)):
            prices = series.prices.get(instrument, [])
            for ts_ns, value in zip(series.times_ns[len(series.times_ns) - len(prices) :], prices, strict=True):
                if value and from_ns <= ts_ns < to_ns:
                    points[ts_ns] = PricePoint(ts_ns, price(contract, value))
        found = [points[ts_ns] for ts_ns in sorted(points)]
        step_ns = max(self._core.state.settings.execution.equity_sample_ns * 3, 600_000_000_000)
        hour_ns = max(step_ns, 7_200_000_000_000)
        gaps = [
            Gap(a.ts_ns, b.ts_ns)
            for a, b in pairwise(found)
            if b.ts_ns - a.ts_ns > (hour_ns if a.ts_ns < first_minute else step_ns)
        ]
        return found, gaps

    def _now(self) -> Now:
        return now_of(self._core, self._clock.now_ns(), self._told())


def now_of(core: Core, now_ns: int, told: FactKey) -> Now:
    """The books at this moment, valued as a sample would value them."""
    state = core.state
    held: list[PositionSampled] = []
    for account in state.accounts.values():
        held += position_facts(core, account, len(held))
    return Now(
        seq=state.seq,
        ts_ns=max(now_ns, state.ts_ns),
        told=told,
        sample_ns=state.settings.execution.equity_sample_ns,
        equity=tuple(equity_fact(core, account) for account in state.accounts.values()),
        held=tuple(held),
    )

"""One market for people: prices, book, candles, and what is ours there. Part of the desk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal

from domain.instrument import Instrument, InstrumentId
from domain.market import FeedState, Level
from domain.market_views import BookLevel, CandlesView, LiveCandle, MarketView, QuoteView
from domain.ports import Clock
from domain.views import OrderView
from engine import desk_views as views
from engine.core.core import Core
from engine.data.minutes import MINUTE_NS, Minutes
from engine.past import MOST_CANDLES, Past

SHOWN_LEVELS = 20
MILLI_NS = 1_000_000
SECOND_NS = 1_000_000_000
INTERVALS_NS = {
    "1m": MINUTE_NS,
    "5m": 5 * MINUTE_NS,
    "15m": 15 * MINUTE_NS,
    "1h": 60 * MINUTE_NS,
    "4h": 240 * MINUTE_NS,
    "1d": 1440 * MINUTE_NS,
}
"""Lengths of bars that every venue has."""
LATE_NS = 2 * SECOND_NS
"""A venue has a bar so long after its close."""
FAILED_KEPT_NS = 10 * SECOND_NS
KEPT_HISTORIES = 64

Asked = tuple[InstrumentId, int, int]


class MarketDesk:
    """Reads the core's markets. `minutes` is fed by whoever has the market data."""

    def __init__(self, core: Core, clock: Clock, past: Past, orders: Callable[[], Sequence[OrderView]]) -> None:
        """`orders` are the working ones as people are shown them."""
        self.minutes = Minutes(clock.now_ns)
        self._core = core
        self._clock = clock
        self._past = past
        self._orders = orders
        self._histories: dict[Asked, tuple[int, asyncio.Task[CandlesView]]] = {}

    def view(self, instrument: InstrumentId) -> MarketView | None:
        """The market now; None for an instrument that is not configured."""
        contract, market = self._core.instruments.get(instrument), self._core.markets.get(instrument)
        if contract is None or market is None:
            return None
        now_ns = self._clock.now_ns()

        def known(price: int) -> Decimal | None:
            return views.price(contract, price) if price else None

        return MarketView(
            instrument=instrument,
            ts_ns=market.ts_ns,
            seq=self._core.state.seq,
            feed=market.feed.value if market.ts_ns else FeedState.DOWN.value,
            age_ms=max(0, now_ns - market.ts_ns) // MILLI_NS if market.ts_ns else None,
            price=known(market.reference()),
            bid=known(market.bid),
            ask=known(market.ask),
            last=known(market.last),
            mark=known(market.mark),
            funding_rate=market.funding_rate,
            bids=_levels(contract, market.bids or ((market.bid, market.bid_qty),)),
            asks=_levels(contract, market.asks or ((market.ask, market.ask_qty),)),
            candles=self._candles(contract),
            orders=tuple(order for order in self._orders() if order.instrument == instrument),
            quotes=self._quotes(contract),
            positions=tuple(p for p in views.positions(self._core) if p.instrument == instrument and p.qty),
        )

    def _candles(self, contract: Instrument) -> tuple[LiveCandle, ...]:
        return tuple(
            LiveCandle(
                ts_ns=one.open_ts_ns,
                open=views.price(contract, one.open),
                high=views.price(contract, one.high),
                low=views.price(contract, one.low),
                close=views.price(contract, one.close),
                volume=views.qty(contract, one.volume),
                from_ns=one.from_ns,
            )
            for one in self.minutes.last(contract.id)
        )

    def _quotes(self, contract: Instrument) -> tuple[QuoteView, ...]:
        return tuple(
            QuoteView(
                account=slot.account,
                owner=slot.owner,
                side=views.side_word(quote.side),
                price=views.price(contract, quote.price),
                qty=views.qty(contract, quote.qty),
                level=quote.level,
            )
            for slot in self._core.state.slots.values()
            if slot.instrument == contract.id
            for quote in slot.quotes
        )

    async def candles(self, instrument: InstrumentId, interval: str, limit: int) -> CandlesView:
        """The newest finished bars of a configured instrument; `interval` is one of `INTERVALS_NS`.

        The venue is asked once a bar, however many people look, and however often.
        """
        now_ns, interval_ns = self._clock.now_ns(), INTERVALS_NS[interval]
        asked = instrument, interval_ns, min(limit, MOST_CANDLES)
        until_ns, task = self._histories.get(asked, (0, None))
        if task is None or until_ns <= now_ns or task.cancelled():
            task = asyncio.create_task(self._history(*asked), name="candles")
            closes_ns = (now_ns // interval_ns + 1) * interval_ns + LATE_NS
            self._histories.pop(asked, None)
            self._histories[asked] = closes_ns, task
            while len(self._histories) > KEPT_HISTORIES:
                del self._histories[next(iter(self._histories))]
        found = await asyncio.shield(task)
        if found.problem and self._histories.get(asked, (0, None))[1] is task:
            self._histories[asked] = min(self._histories[asked][0], now_ns + FAILED_KEPT_NS), task
        return found

    async def _history(self, instrument: InstrumentId, interval_ns: int, limit: int) -> CandlesView:
        now_ns = self._clock.now_ns()
        since_ns = (now_ns // interval_ns - limit) * interval_ns
        found = await self._past.candles(instrument, interval_ns, since_ns, now_ns)
        points = [] if found.candles else self._past.samples(instrument, since_ns, now_ns)[0]
        return CandlesView(
            instrument=instrument,
            interval_ns=interval_ns,
            candles=found.candles,
            points=tuple(points),
            problem=found.problem,
        )


def _levels(contract: Instrument, levels: Sequence[Level]) -> tuple[BookLevel, ...]:
    return tuple(
        (views.price(contract, price), views.qty(contract, qty)) for price, qty in levels[:SHOWN_LEVELS] if price
    )

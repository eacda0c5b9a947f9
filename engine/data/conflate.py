"""Fewer events for the core, by the events' own time: never by how full a queue is.

Per instrument and cadence window (of the venue's time, else of receipt):

    Bbo, Book, Mark   the first one of a window goes on at once, then only the latest is kept; it goes on when
                      any event shows that the window is over, or at `flush`
    Trade             every one goes on, up to `max_trades` a window; the rest is merged per side into one
                      trade with their total quantity and the last price, and `merged` counts them
    Bar, FeedStatus   always, at once

So the same tape gives the same stream at any speed. What goes on late keeps its own times.

`LagWatch` says when events fall behind the wall clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from domain.instrument import InstrumentId
from domain.market import Bar, Bbo, Book, Feed, FeedKind, FeedState, FeedStatus, Mark, MarketEvent, Trade
from domain.ports import Clock
from domain.settings import Settings

CADENCE_NS = 100_000_000
MAX_TRADES = 50
LAG_NS = 2_000_000_000
_BASELINE_NS = 60_000_000_000


class _Slot:
    """What waits for the end of one window."""

    __slots__ = ("bought", "kept", "sold", "trades", "window")

    def __init__(self) -> None:
        self.window = -1
        self.kept: MarketEvent | None = None
        self.trades = 0
        self.bought: Trade | None = None
        self.sold: Trade | None = None


class Conflator:
    """Takes a feed's events and passes fewer on to `sink`. A `cadence_ns` of 0 passes everything."""

    def __init__(
        self,
        sink: Callable[[MarketEvent | FeedStatus], None],
        cadence_ns: int = CADENCE_NS,
        max_trades: int = MAX_TRADES,
    ) -> None:
        self._sink = sink
        self._cadence_ns = cadence_ns
        self._max_trades = max_trades
        self._slots: dict[tuple[InstrumentId, type], _Slot] = {}
        self._waiting: dict[tuple[InstrumentId, type], _Slot] = {}
        self._window = -1
        self._delay_ns = 0
        self.dropped = 0
        """Events that a later one of the same kind replaced."""
        self.merged = 0
        """Trades that went on as part of another."""

    @property
    def is_waiting(self) -> bool:
        """True when something is kept that `flush` may let go."""
        return bool(self._waiting)

    def put(self, event: MarketEvent | FeedStatus) -> None:
        """Take one event."""
        if not self._cadence_ns or isinstance(event, Bar | FeedStatus):
            self._sink(event)
            return
        event_ns = event.venue_ts_ns or event.ts_ns
        self._delay_ns = event.ts_ns - event_ns if event.ts_ns else 0
        window = event_ns // self._cadence_ns
        if window > self._window:
            self._window = window
            if self._waiting:
                self._release(event)
        key = (event.instrument, type(event))
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = _Slot()
        if window > slot.window:
            slot.window, slot.trades = window, 0
            self._sink(event)
            slot.trades = 1
        elif isinstance(event, Trade):
            self._trade(key, slot, event)
        else:
            self.dropped += slot.kept is not None
            slot.kept = event
            self._waiting[key] = slot

    def flush(self, now_ns: int) -> None:
        """Let go of what waits although no event has shown the end of its window: for quiet markets, by a timer.

        `now_ns` is the clock's; how far the venue's time is behind it was seen at the last event.
        """
        window = (now_ns - self._delay_ns) // self._cadence_ns if self._cadence_ns else 0
        if window > self._window and self._waiting:
            self._window = window
            self._release(None)

    def _trade(self, key: tuple[InstrumentId, type], slot: _Slot, event: Trade) -> None:
        slot.trades += 1
        if slot.trades <= self._max_trades:
            self._sink(event)
            return
        before = slot.bought if event.side > 0 else slot.sold
        if before is not None:
            self.merged += 1
            event = Trade(
                ts_ns=event.ts_ns,
                venue_ts_ns=event.venue_ts_ns,
                instrument=event.instrument,
                price=event.price,
                qty=event.qty + before.qty,
                side=event.side,
                trade_id=event.trade_id,
            )
        if event.side > 0:
            slot.bought = event
        else:
            slot.sold = event
        self._waiting[key] = slot

    def _release(self, newest: Bar | Bbo | Book | Mark | Trade | None) -> None:
        """End the windows that are over; what `newest` itself replaces is dropped."""
        waiting, self._waiting = self._waiting, {}
        for (instrument, kind), slot in waiting.items():
            if slot.kept is not None:
                if newest is not None and newest.instrument == instrument and type(newest) is kind:
                    self.dropped += 1
                else:
                    self._sink(slot.kept)
                    slot.window = self._window
                slot.kept = None
            for trade in (slot.bought, slot.sold):
                if trade is not None:
                    self._sink(trade)
            slot.bought = slot.sold = None


class LagWatch:
    """Passes events on, and says LAG when they come later than usual by more than `bound_ns`, LIVE when that is over.

    "Usual" is the smallest delay of the last one to two minutes, so a clock that is wrong by a constant does
    not matter. The event that shows the lag follows its announcement.
    """

    def __init__(
        self,
        sink: Callable[[MarketEvent | FeedStatus], None],
        venue: str,
        clock: Clock,
        bound_ns: int = LAG_NS,
    ) -> None:
        self._sink = sink
        self._venue = venue
        self._clock = clock
        self._bound_ns = bound_ns
        self._since_ns = 0
        self._best_before = self._best_now = 2**62
        self.lag_ns = 0
        """How much later than usual the last event came."""
        self.is_lagging = False

    def put(self, event: MarketEvent | FeedStatus) -> None:
        """Take one event."""
        if isinstance(event, Bbo | Book | Trade) and event.venue_ts_ns:
            self._measure(event.venue_ts_ns)
        self._sink(event)

    def _measure(self, venue_ns: int) -> None:
        now_ns = self._clock.now_ns()
        delay_ns = now_ns - venue_ns
        if now_ns - self._since_ns > _BASELINE_NS:
            self._since_ns, self._best_before, self._best_now = now_ns, self._best_now, delay_ns
        self._best_now = min(self._best_now, delay_ns)
        self.lag_ns = delay_ns - min(self._best_now, self._best_before)
        if not self.is_lagging and self.lag_ns > self._bound_ns:
            self.is_lagging = True
            self._tell(FeedState.LAG, f"events come {self.lag_ns / 1e9:.1f} s later than usual")
        elif self.is_lagging and self.lag_ns < self._bound_ns // 2:
            self.is_lagging = False
            self._tell(FeedState.LIVE, "caught up")

    def _tell(self, state: FeedState, detail: str) -> None:
        self._sink(FeedStatus(venue=self._venue, state=state, detail=detail))


FLUSH_S = 0.1


async def flush_for_ever(conflator: Conflator, clock: Clock) -> None:
    """Let what waits for the end of its window go on, whether or not another event comes."""
    while True:
        await asyncio.sleep(FLUSH_S)
        conflator.flush(clock.now_ns())


def base_feeds(settings: Settings) -> list[Feed]:
    """What the paper venue matches against, and risk judges by, whatever the strategies read."""
    kinds = (FeedKind.BBO, FeedKind.BOOK, FeedKind.TRADE)
    return [Feed(kind=kind, instrument=i.id) for i in settings.instruments for kind in kinds]

"""A live feed into the store: books, trades, marks with the running funding rate.

    recorder = Recorder(store, [instrument], [Kind.BOOKS, Kind.TRADES], "hyperliquid", clock)
    await feed.start(recorder.put, recorder.feeds())
    await recorder.run()             flushes every `FLUSH_S` until cancelled; then `await recorder.flush()`

A kill loses what came since the last flush, half a minute. The time for which everything was heard is in the
manifest, so what was lost shows as a gap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from domain.instrument import Instrument, InstrumentId
from domain.market import SILENT, Book, Feed, FeedKind, FeedState, FeedStatus, Mark, MarketEvent, Trade
from domain.ports import Clock
from engine.data.store import frames
from engine.data.store.series import Kind, Series
from engine.data.store.spans import Span
from engine.data.store.store import MarketStore

FLUSH_S = 30.0
_SUBSCRIBED = {Kind.BOOKS: FeedKind.BOOK, Kind.TRADES: FeedKind.TRADE, Kind.MARKS: FeedKind.TRADE}
"""Marks come with every subscription of an instrument."""
_KIND_OF: dict[type[Any], Kind] = {Book: Kind.BOOKS, Trade: Kind.TRADES, Mark: Kind.MARKS}
_FRAMES: dict[Kind, Callable[[Any, Instrument], pa.Table]] = {
    Kind.BOOKS: frames.of_books,
    Kind.TRADES: frames.of_trades,
    Kind.MARKS: frames.of_marks,
}
RECORDED = tuple(_FRAMES)
"""The kinds that can be recorded."""


class Recorder:
    """Collects a feed's events and stores them. `rows` counts what was stored, by series."""

    def __init__(
        self, store: MarketStore, instruments: Sequence[Instrument], kinds: Sequence[Kind], source: str, clock: Clock
    ) -> None:
        self._store = store
        self._source = source
        self._clock = clock
        self._series = {
            Series(instrument=instrument.id, kind=kind): instrument for instrument in instruments for kind in kinds
        }
        self._rows: dict[Series, list[MarketEvent]] = {series: [] for series in self._series}
        self._marks: dict[InstrumentId, tuple[Any, ...]] = {}
        self._heard_from_ns = 0
        """Since when everything is heard; 0 = the feed is not connected."""
        self._spans: list[Span] = []
        self.rows: dict[Series, int] = dict.fromkeys(self._series, 0)
        self.outages = 0
        """How often the feed was lost."""
        self._flushing = asyncio.Lock()

    def feeds(self) -> list[Feed]:
        """What the feed has to subscribe."""
        wanted = [Feed(kind=_SUBSCRIBED[series.kind], instrument=series.instrument) for series in self._series]
        return list(dict.fromkeys(wanted))

    def put(self, event: MarketEvent | FeedStatus) -> None:
        """Take an event of the feed; only keeps it."""
        if isinstance(event, FeedStatus):
            self._status(event)
            return
        kind = _KIND_OF.get(type(event))
        rows = self._rows.get(Series(instrument=event.instrument, kind=kind)) if kind else None
        if rows is None:
            return
        if isinstance(event, Mark):
            content = (event.price, event.funding_rate)
            if self._marks.get(event.instrument) == content:
                return
            self._marks[event.instrument] = content
        rows.append(event)

    async def run(self, told: Callable[[], None] = lambda: None, flush_s: float = FLUSH_S) -> None:
        """Store what came, every `flush_s`, and call `told`. Raises `DataError` when the disk refuses."""
        while True:
            await asyncio.sleep(flush_s)
            await self.flush()
            told()

    async def flush(self) -> None:
        """Store everything that came until now. Raises `DataError`."""
        async with self._flushing:
            if self._heard_from_ns:
                self._until(FeedState.LIVE)
            spans, self._spans = self._spans, []
            for series, instrument in self._series.items():
                events, self._rows[series] = self._rows[series], []
                frame = _FRAMES[series.kind](events, instrument)
                done = await asyncio.to_thread(
                    self._store.append, series, frame, self._source, spans, instrument=instrument
                )
                self.rows[series] += done.new

    def _until(self, then: FeedState) -> None:
        """Everything was heard until now; and from now on, unless the feed is silent."""
        now_ns = self._clock.now_ns()
        if self._heard_from_ns:
            self._spans.append((self._heard_from_ns, now_ns))
        self._heard_from_ns = 0 if then in SILENT else now_ns

    def _status(self, status: FeedStatus) -> None:
        """The state of the whole feed; that of one instrument says nothing about what was heard."""
        if status.instrument:
            return
        if status.state in SILENT and self._heard_from_ns:
            self.outages += 1
            self._until(status.state)
        elif status.state is FeedState.LIVE and not self._heard_from_ns:
            self._until(status.state)

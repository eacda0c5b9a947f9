"""A recorded tape made ready for quick replays: integer rows for the exchange, conflated events for the engine.

`Pacer` is what stands between feed and engine live: the conflator and the timer that empties it. A driver runs it
while it plays; `compile_tape` runs it beforehand, so that between two events of the engine the exchange can match
whole batches of rows compiled. Both ways give the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec import Struct

from domain.instrument import InstrumentId
from domain.market import Bar, Bbo, Book, Feed, FeedKind, FeedStatus, Mark, MarketEvent, Trade
from engine.data.arrays import RowWriter
from engine.data.conflate import Conflator
from engine.data.noise import Ints

FLUSH_NS = 100_000_000
"""How often the conflator is asked for what a quiet market has left in it."""
EVERYTHING: frozenset[type] = frozenset({Bar, Bbo, Book, Trade, Mark, FeedStatus})
_OF_KIND: dict[FeedKind, type] = {
    FeedKind.BAR: Bar,
    FeedKind.BBO: Bbo,
    FeedKind.BOOK: Book,
    FeedKind.TRADE: Trade,
}


def needed(feeds: Iterable[Feed]) -> frozenset[type]:
    """Kinds of events that the engine needs: what its strategies read, and a price if they read none of the book."""
    read = {_OF_KIND[feed.kind] for feed in feeds}
    prices: set[type] = set() if read & {Bbo, Book} else {Bbo, Book}
    return frozenset({*read, *prices, Bar, Mark, FeedStatus})


class Pacing(Struct, frozen=True, kw_only=True):
    """How the engine is spared market data: the conflator's cadence, and the kinds of events that reach it at all."""

    conflate_ns: int
    passes: frozenset[type] = EVERYTHING


class Pacer:
    """Lets through to `sink(event, now_ns)` what the live engine would have seen, when it would have."""

    def __init__(self, sink: Callable[[MarketEvent | FeedStatus, int], None], pacing: Pacing) -> None:
        """Nothing is let through yet."""
        self._sink = sink
        self._passes = pacing.passes
        self._conflator = Conflator(self._let_through, pacing.conflate_ns)
        self._flush_ns = 0
        self._now_ns = 0

    def flush_until(self, now_ns: int) -> None:
        """Do what the live timer has done by now; call before an event of that time."""
        if now_ns >= self._flush_ns:
            self._flush(now_ns)

    def put(self, event: MarketEvent | FeedStatus) -> None:
        """Take one event of the tape, in order of time."""
        self._now_ns = event.ts_ns
        if type(event) in self._passes:
            self._conflator.put(event)

    def _flush(self, now_ns: int) -> None:
        conflator = self._conflator
        if not self._flush_ns:
            self._flush_ns = now_ns + FLUSH_NS
        while self._flush_ns <= now_ns:
            if not conflator.is_waiting:
                self._flush_ns += (now_ns - self._flush_ns) // FLUSH_NS * FLUSH_NS + FLUSH_NS
                return
            self._now_ns = self._flush_ns
            conflator.flush(self._flush_ns)
            self._flush_ns += FLUSH_NS

    def _let_through(self, event: MarketEvent | FeedStatus) -> None:
        event.ts_ns = self._now_ns
        self._sink(event, self._now_ns)


class Wake(NamedTuple):
    """An event for the engine at `ts_ns`, when the exchange has seen the first `rows` rows."""

    rows: int
    ts_ns: int
    event: MarketEvent | FeedStatus


class CompiledTape(Struct, frozen=True, kw_only=True):
    """One instrument's tape. `events` counts what was on it before conflation."""

    instrument: InstrumentId
    rows: Ints
    wakes: tuple[Wake, ...]
    events: int


def compile_tape(instrument: InstrumentId, events: Iterable[MarketEvent], pacing: Pacing) -> CompiledTape:
    """Make a tape of one instrument's books, quotes and trades ready; it must have no marks or bars."""
    writer, wakes = RowWriter(), list[Wake]()
    pacer = Pacer(lambda event, now_ns: wakes.append(Wake(writer.count, now_ns, event)), pacing)
    count = 0
    for count, event in enumerate(events, 1):  # noqa: B007 - the last one is the number
        pacer.flush_until(event.ts_ns)
        writer.event(event)
        pacer.put(event)
    return CompiledTape(instrument=instrument, rows=writer.rows(), wakes=tuple(wakes), events=count)

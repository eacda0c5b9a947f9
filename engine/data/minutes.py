"""The minutes of the markets that somebody watches, built from every trade before conflation.

Costs the feed one look at an empty set while nobody watches.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from msgspec import Struct

from domain.instrument import InstrumentId
from domain.market import FeedStatus, MarketEvent, Trade

MINUTE_NS = 60_000_000_000


class Minute(Struct):
    """One minute in integer scale; `from_ns` is the first moment that it was watched."""

    open_ts_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    from_ns: int


class Minutes:
    """The last two minutes of each watched market."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self.watched: frozenset[InstrumentId] = frozenset()
        self._now_ns = now_ns
        self._wanted: dict[int, frozenset[InstrumentId]] = {}
        self._since_ns: dict[InstrumentId, int] = {}
        self._minutes: dict[InstrumentId, list[Minute]] = {}

    def watch(self, watcher: int, instruments: Collection[InstrumentId]) -> None:
        """From now on a watcher looks at these; what nobody looks at is forgotten."""
        now_ns = self._now_ns()
        self._wanted.pop(watcher, None)
        if instruments:
            self._wanted[watcher] = frozenset(instruments)
        self.watched = frozenset().union(*self._wanted.values())
        self._since_ns = {name: self._since_ns.get(name, now_ns) for name in self.watched}
        self._minutes = {name: self._minutes.get(name, []) for name in self.watched}

    def put(self, event: MarketEvent | FeedStatus) -> None:
        """Take any market event. Late trades of the minute before are still counted there."""
        if not isinstance(event, Trade) or event.instrument not in self.watched:
            return
        ts_ns = event.venue_ts_ns or event.ts_ns or self._now_ns()
        begins = ts_ns // MINUTE_NS * MINUTE_NS
        minutes = self._minutes[event.instrument]
        minute = next((one for one in reversed(minutes) if one.open_ts_ns == begins), None)
        price = event.price
        if minute is not None:
            minute.high, minute.low = max(minute.high, price), min(minute.low, price)
            minute.close, minute.volume = price, minute.volume + event.qty
        elif not minutes or begins > minutes[-1].open_ts_ns:
            since_ns = max(begins, self._since_ns[event.instrument])
            minutes.append(Minute(begins, price, price, price, price, event.qty, since_ns))
            del minutes[:-2]

    def last(self, instrument: InstrumentId) -> Sequence[Minute]:
        """The last two minutes in which there were trades, oldest first."""
        return self._minutes.get(instrument, ())

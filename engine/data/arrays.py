"""The integer rows that the paper venue's matching rules read: a tape as one array of (ts_ns, kind, side, price, qty).

    LEVEL   the size shown at a price is now `qty` (0 = gone)
    TRADE   a public trade; `side` is the aggressor's
    TOP     best price of a side with its size; better levels are gone
    CLEAR   forget a side; LEVEL rows follow, and a LOOK when the book is whole again
    LOOK    the ladder has changed as a whole
    MARK    a mark price

The numbers are those of `exchanges/paper/matching.py` (the rooms do not import each other; a test compares them).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np

from domain.market import Bbo, Book, Level, Mark, MarketEvent, Trade
from engine.data.noise import Ints

ROW = 5
LEVEL, TRADE, TOP, CLEAR, LOOK, MARK = 1, 2, 3, 4, 5, 6


class RowWriter:
    """Collects rows, in time order."""

    def __init__(self) -> None:
        self._flat = array("q")

    @property
    def count(self) -> int:
        """Rows so far."""
        return len(self._flat) // ROW

    def top(self, ts_ns: int, side: int, price: int, qty: int) -> None:
        """The best price of a side."""
        self._flat.extend((ts_ns, TOP, side, price, qty))

    def trade(self, ts_ns: int, side: int, price: int, qty: int) -> None:
        """A public trade."""
        self._flat.extend((ts_ns, TRADE, side, price, qty))

    def difference(self, ts_ns: int, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Changed levels; those that are gone come first, so that the ladder is not crossed half way."""
        changes = [(1, price, qty) for price, qty in bids] + [(-1, price, qty) for price, qty in asks]
        changes.sort(key=_stays)
        for side, price, qty in changes:
            self._flat.extend((ts_ns, LEVEL, side, price, qty))

    def snapshot(self, ts_ns: int, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """A whole book."""
        for side, levels in ((1, bids), (-1, asks)):
            self._flat.extend((ts_ns, CLEAR, side, 0, 0))
            for price, qty in levels:
                self._flat.extend((ts_ns, LEVEL, side, price, qty))
        self._flat.extend((ts_ns, LOOK, 0, 0, 0))

    def event(self, event: MarketEvent) -> None:
        """The rows of a market event; bars have none."""
        ts_ns = event.ts_ns
        if isinstance(event, Trade):
            self.trade(ts_ns, event.side, event.price, event.qty)
        elif isinstance(event, Bbo):
            self.top(ts_ns, 1, event.bid, event.bid_qty)
            self.top(ts_ns, -1, event.ask, event.ask_qty)
        elif isinstance(event, Book):
            self.snapshot(ts_ns, event.bids, event.asks)
        elif isinstance(event, Mark):
            self._flat.extend((ts_ns, MARK, 0, event.price, 0))

    def rows(self) -> Ints:
        """Everything collected, as an array of shape (n, 5)."""
        return np.array(self._flat, np.int64).reshape(-1, ROW)


def rows_of(events: Iterable[MarketEvent]) -> Ints:
    """The rows of one instrument's events."""
    writer = RowWriter()
    for event in events:
        writer.event(event)
    return writer.rows()


def _stays(change: tuple[int, int, int]) -> bool:
    return change[2] > 0

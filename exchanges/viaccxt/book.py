"""An order book that is kept here, from a snapshot and the changes after it.

Whether a change follows the last one is the venue's own rule, so its feed decides; what is kept is bounded: levels far
from the touch are forgotten, and come back with the next change of theirs or with the next snapshot.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from operator import itemgetter

from domain.instrument import InstrumentId
from domain.market import Book, Level

DEPTH = 20
"""Levels of a `Book` event."""
KEPT = 2_000
"""Levels of a side that are kept; at twice as many the far ones go."""


class Side:
    """Levels of one side. `sign` is +1 for bids (best = highest), -1 for asks. `prices` are theirs, rising."""

    __slots__ = ("_levels", "_nearest", "_sign", "prices")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._levels: dict[int, Level] = {}
        self.prices: list[int] = []
        self._nearest: tuple[Level, ...] = ()
        """What `nearest` says; empty = not known."""

    def reset(self, levels: Iterable[Level]) -> None:
        """These are all."""
        self._levels = {level[0]: level for level in levels}
        for price in [price for price, qty in self._levels.values() if not qty]:
            del self._levels[price]
        self.prices = sorted(self._levels)
        self._nearest = ()

    def apply(self, levels: Sequence[Level]) -> None:
        """These have changed; quantity 0 = gone."""
        if not levels:
            return
        known, prices = self._levels, self.prices
        for level in levels:
            price, qty = level
            if qty:
                if price not in known:
                    insort(prices, price)
                known[price] = level
            elif price in known:
                del known[price]
                del prices[bisect_left(prices, price)]
        self._nearest = ()
        if len(prices) > 2 * KEPT:
            self._forget()

    def _forget(self) -> None:
        """Let the far levels go."""
        far = slice(-KEPT) if self._sign > 0 else slice(KEPT, None)
        for price in self.prices[far]:
            del self._levels[price]
        del self.prices[far]

    def top(self, count: int) -> tuple[Level, ...]:
        """The best levels, best first."""
        best = self.prices[: -count - 1 : -1] if self._sign > 0 else self.prices[:count]
        if len(best) < 2:  # `itemgetter` then gives no tuple; else it is the quickest way
            return tuple([self._levels[price] for price in best])
        found: tuple[Level, ...] = itemgetter(*best)(self._levels)
        return found

    def nearest(self) -> tuple[Level, ...]:
        """The best `DEPTH` levels, best first; made anew only when something has changed."""
        if not self._nearest:
            self._nearest = self.top(DEPTH)
        return self._nearest


class LocalBook:
    """The book of one instrument. `update` is the venue's number of the last change, -1 = there is no book yet."""

    __slots__ = ("_instrument", "asks", "bids", "update")

    def __init__(self, instrument: InstrumentId) -> None:
        self._instrument = instrument
        self.bids = Side(1)
        self.asks = Side(-1)
        self.update = -1

    def reset(self, bids: Sequence[Level], asks: Sequence[Level], update: int) -> None:
        """A snapshot."""
        self.bids.reset(bids)
        self.asks.reset(asks)
        self.update = update

    def apply(self, bids: Sequence[Level], asks: Sequence[Level], update: int) -> None:
        """A change that follows the last one."""
        self.bids.apply(bids)
        self.asks.apply(asks)
        self.update = update

    def lose(self) -> None:
        """A change is missing: nothing here is true until the next snapshot."""
        self.update = -1

    def event(self, ts_ns: int, venue_ts_ns: int) -> Book:
        """The nearest levels."""
        return Book(
            ts_ns=ts_ns,
            venue_ts_ns=venue_ts_ns,
            instrument=self._instrument,
            bids=self.bids.nearest(),
            asks=self.asks.nearest(),
        )

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is not below the best ask: something was lost that numbers did not show."""
        bids, asks = self.bids.prices, self.asks.prices
        return bool(bids and asks) and bids[-1] >= asks[0]

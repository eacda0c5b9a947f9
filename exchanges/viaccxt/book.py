"""An order book that is kept here, from a snapshot and the changes after it.

Whether a change follows the last one is the venue's own rule, so its feed decides; what is kept is bounded: levels far
from the touch are forgotten, and come back with the next change of theirs or with the next snapshot.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from domain.instrument import InstrumentId
from domain.market import Book, Level

DEPTH = 20
"""Levels of a `Book` event."""
KEPT = 2_000
"""Levels of a side that are kept; at twice as many the far ones go."""


class Side:
    """Prices of one side with their quantities. `sign` is +1 for bids (best = highest), -1 for asks."""

    __slots__ = ("_prices", "_qty", "_sign")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._qty: dict[int, int] = {}
        self._prices: list[int] = []

    def reset(self, levels: Iterable[Level]) -> None:
        """These are all."""
        self._qty = {price: qty for price, qty in dict(levels).items() if qty}
        self._prices = sorted(self._qty)

    def apply(self, levels: Iterable[Level]) -> None:
        """These have changed; quantity 0 = gone."""
        levels = list(levels)
        known, prices = self._qty, self._prices
        count = len(known)
        known.update(levels)
        if len(known) != count:
            for price, _ in levels:
                at = bisect_left(prices, price)
                if at == len(prices) or prices[at] != price:
                    prices.insert(at, price)
        for price in [price for price, qty in levels if not qty]:
            if known.get(price) == 0:
                del known[price]
                del prices[bisect_left(prices, price)]
        if len(prices) > 2 * KEPT:
            far = prices[:-KEPT] if self._sign > 0 else prices[KEPT:]
            for price in far:
                del known[price]
            self._prices = prices[-KEPT:] if self._sign > 0 else prices[:KEPT]

    def top(self, count: int) -> tuple[Level, ...]:
        """The best levels, best first."""
        known = self._qty
        best = self._prices[: -count - 1 : -1] if self._sign > 0 else self._prices[:count]
        return tuple(zip(best, map(known.__getitem__, best), strict=True))

    @property
    def best(self) -> int:
        """The best price; only where there is one."""
        return self._prices[-1 if self._sign > 0 else 0]

    def __len__(self) -> int:
        return len(self._prices)


class LocalBook:
    """The book of one instrument. `update` is the venue's number of the last change, -1 = there is no book yet."""

    __slots__ = ("_instrument", "asks", "bids", "update")

    def __init__(self, instrument: InstrumentId) -> None:
        self._instrument = instrument
        self.bids = Side(1)
        self.asks = Side(-1)
        self.update = -1

    def reset(self, bids: Iterable[Level], asks: Iterable[Level], update: int) -> None:
        """A snapshot."""
        self.bids.reset(bids)
        self.asks.reset(asks)
        self.update = update

    def apply(self, bids: Iterable[Level], asks: Iterable[Level], update: int) -> None:
        """A change that follows the last one."""
        self.bids.apply(bids)
        self.asks.apply(asks)
        self.update = update

    def lose(self) -> None:
        """A change is missing: nothing here is true until the next snapshot."""
        self.update = -1

    def event(self, ts_ns: int, venue_ts_ns: int, depth: int = DEPTH) -> Book:
        """The nearest levels."""
        bids, asks = self.bids.top(depth), self.asks.top(depth)
        return Book(ts_ns=ts_ns, venue_ts_ns=venue_ts_ns, instrument=self._instrument, bids=bids, asks=asks)

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is not below the best ask: something was lost that numbers did not show."""
        return bool(len(self.bids) and len(self.asks)) and self.bids.best >= self.asks.best

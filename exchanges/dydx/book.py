"""The order book that the indexer tells of, uncrossed here.

No single book exists: each node has its own, and the indexer mixes what it hears of them, so its book may be crossed
for a while. The venue's rule for who needs one that is not: a level's time is the number of the message that told it
last. Of two levels that cross the older one goes; of two of the same message the smaller one goes, and is taken off the
larger one. A level that went comes back with its next change.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.instrument import InstrumentId
from domain.market import Level
from exchanges.viaccxt.book import KEPT, LocalBook


class UncrossedBook(LocalBook):
    """A `LocalBook` whose `update` is the number of the last message; `uncrossed` counts levels that had to go."""

    __slots__ = ("_told", "uncrossed")

    def __init__(self, instrument: InstrumentId) -> None:
        super().__init__(instrument)
        self._told: dict[int, dict[int, int]] = {1: {}, -1: {}}
        """By side and price, when it was told last; what is gone is still here for a while."""
        self.uncrossed = 0

    def reset(self, bids: Sequence[Level], asks: Sequence[Level], update: int) -> None:
        """The first message of a subscription."""
        super().reset(bids, asks, update)
        self._told = {1: dict.fromkeys((price for price, _ in bids), update)}
        self._told[-1] = dict.fromkeys((price for price, _ in asks), update)
        self._uncross()

    def apply(self, bids: Sequence[Level], asks: Sequence[Level], update: int) -> None:
        """A later one."""
        super().apply(bids, asks, update)
        for sign, levels, side in ((1, bids, self.bids), (-1, asks, self.asks)):
            told = self._told[sign]
            told.update(dict.fromkeys([price for price, _ in levels], update))
            if len(told) > 4 * KEPT:  # those of levels that are gone
                self._told[sign] = {price: told[price] for price in side.prices}
        self._uncross()

    def _uncross(self) -> None:
        while self.is_crossed:
            [(bid, bid_qty)], [(ask, ask_qty)] = self.bids.top(1), self.asks.top(1)
            self.uncrossed += 1
            age = self._told[1][bid] - self._told[-1][ask]
            if age < 0 or (age == 0 and bid_qty <= ask_qty):
                self.bids.apply([(bid, 0)])
                if age == 0:
                    self.asks.apply([(ask, ask_qty - bid_qty)])
            else:
                self.asks.apply([(ask, 0)])
                if age == 0:
                    self.bids.apply([(bid, bid_qty - ask_qty)])

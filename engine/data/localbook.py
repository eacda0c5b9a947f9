"""An order book kept from differences: the nearest levels on demand, and the venue's own chain of update numbers.

Binance: differences carry first and last update numbers (U, u) and, on futures, the previous last one (pu).
A snapshot with `lastUpdateId` joins the chain where U <= lastUpdateId <= u; every later difference has to
follow without a hole.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from domain.market import Level


class LocalBook:
    """Both sides of one instrument's book. Prices and quantities are integers, quantity 0 removes a level."""

    def __init__(self) -> None:
        self._sizes: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._keys: tuple[list[int], list[int]] = ([], [])
        """Ascending; bids by price, asks by minus price: the best is last on both sides."""

    def clear(self) -> None:
        """Forget everything."""
        for sizes, keys in zip(self._sizes, self._keys, strict=True):
            sizes.clear()
            keys.clear()

    def set_levels(self, side: int, levels: Iterable[Level]) -> None:
        """Write levels of a side (+1 bids, -1 asks)."""
        half = 0 if side > 0 else 1
        sizes, keys = self._sizes[half], self._keys[half]
        for price, qty in levels:
            key = side * price
            if qty and key not in sizes:
                insort(keys, key)
                sizes[key] = qty
            elif qty:
                sizes[key] = qty
            elif sizes.pop(key, 0):
                del keys[bisect_left(keys, key)]

    def nearest(self, side: int, count: int) -> tuple[Level, ...]:
        """The best `count` levels of a side, best first."""
        half = 0 if side > 0 else 1
        sizes, keys = self._sizes[half], self._keys[half]
        return tuple([(side * key, sizes[key]) for key in keys[: -count - 1 : -1]])

    def is_crossed(self) -> bool:
        """True when the best bid is not below the best ask, which no venue's book is."""
        bids, asks = self._keys
        return bool(bids and asks and bids[-1] + asks[-1] >= 0)


class Chain:
    """Binance's update numbers: which differences to use, and where one is missing."""

    def __init__(self) -> None:
        self.last = 0
        """The last update number applied; 0 until a snapshot has come."""
        self._is_joined = False

    def restart(self, snapshot: int) -> None:
        """Begin at a snapshot's `lastUpdateId`."""
        self.last = snapshot
        self._is_joined = False

    def accepts(self, first: int, last: int, previous: int) -> bool | None:
        """Judge a difference: True to apply it, False when it is older than the snapshot, None at a hole.

        `previous` is the futures' `pu`; 0 where the venue sends none (spot).
        """
        if last <= self.last and not self._is_joined:
            return False
        follows = previous == self.last if previous and self._is_joined else first <= self.last + 1
        if not follows or last <= self.last:
            return None
        self._is_joined = True
        self.last = last
        return True

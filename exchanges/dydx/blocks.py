"""The chain's height, by the venue's own words, and what may be sent at it: no question of its own for any order."""

from __future__ import annotations

from collections import deque

from exchanges.dydx.config import NONCE_WINDOW_MS, SHORT_BLOCK_WINDOW

MS = 1_000_000
FIRST_GUESS_NS = 1_000_000_000
"""How long a block takes, until we have seen some."""
SEEN = 20


class Blocks:
    """The newest block that is known, and how fast they come."""

    def __init__(self) -> None:
        self.height = 0
        self.time_ns = 0
        self._seen: deque[tuple[int, int]] = deque(maxlen=SEEN)

    def see(self, height: int, time_ns: int) -> bool:
        """A block; True when it is a new one. `time_ns` is the chain's, 0 = not told."""
        if height <= self.height:
            return False
        self.height = height
        if time_ns:
            self.time_ns = time_ns
            self._seen.append((height, time_ns))
        return True

    @property
    def pace_ns(self) -> int:
        """How long a block takes."""
        if len(self._seen) < 2:
            return FIRST_GUESS_NS
        (first, from_ns), (last, until_ns) = self._seen[0], self._seen[-1]
        return max(1, (until_ns - from_ns) // (last - first))

    def good_til(self, left_ns: int, at_most: int) -> int:
        """The goodTilBlock of an order that is worth `left_ns` more: whole blocks, at least the next one."""
        blocks = min(at_most, SHORT_BLOCK_WINDOW, max(1, left_ns // self.pace_ns))
        return self.height + blocks


class Nonces:
    """Timestamp nonces of one account, chosen so that the chain itself forgets a transaction at its time.

    A nonce is taken for 30 seconds of block time. One that lies so far in the past that they end with the request's
    validity does for stateful orders what goodTilBlock does for short-term ones. Each is used once.
    """

    def __init__(self) -> None:
        self._used: deque[int] = deque(maxlen=10_000)
        self._set: set[int] = set()

    def next(self, until_ns: int) -> int:
        """A nonce that no block after `until_ns` takes; a millisecond later for each that is used already."""
        nonce = until_ns // MS - NONCE_WINDOW_MS
        while nonce in self._set:
            nonce += 1
        if len(self._used) == self._used.maxlen:
            self._set.discard(self._used.popleft())
        self._used.append(nonce)
        self._set.add(nonce)
        return nonce

"""The chain's height, by the venue's own words, and what may be sent at it: no question of its own for any order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from exchanges.dydx.config import NONCE_WINDOW_MS, SHORT_BLOCK_WINDOW
from exchanges.dydx.markets import BlockLimit

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
        self._waiting: set[asyncio.Future[None]] = set()

    def see(self, height: int, time_ns: int) -> bool:
        """A block; True when it is a new one. `time_ns` is the chain's, 0 = not told."""
        if height <= self.height:
            return False
        self.height = height
        if time_ns:
            self.time_ns = time_ns
            self._seen.append((height, time_ns))
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)
        return True

    async def next(self, timeout_s: float) -> bool:
        """Wait for the next block; False when none came in time."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
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


class Allowance:
    """So many requests in so many blocks, as the chain counts them: attempts, whether they succeed or not.

    The node may be one block ahead of what we know, so every span is taken to be one block longer.
    """

    def __init__(self, limits: Iterable[BlockLimit]) -> None:
        self._limits = tuple(limits)
        self._window = max((limit.num_blocks for limit in self._limits), default=0) + 1
        self._sent: deque[int] = deque()

    def may(self, height: int) -> bool:
        """Whether one more fits at this height."""
        while self._sent and self._sent[0] <= height - self._window:
            self._sent.popleft()
        for limit in self._limits:
            inside = sum(1 for sent in self._sent if sent >= height - limit.num_blocks)
            if inside >= limit.limit:
                return False
        return True

    def take(self, height: int) -> None:
        """One was sent."""
        self._sent.append(height)

"""Requests of a download, spread evenly, so that a service on the same address goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pace:
    """At most `weight_a_minute`, spread evenly: whoever spent much waits before the next request."""

    def __init__(
        self,
        weight_a_minute: int,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._a_second = weight_a_minute / 60
        self._now_s = now_s
        self._sleep = sleep
        self._free_s = 0.0

    async def spend(self, weight: int) -> None:
        """Wait until there is room, then take it."""
        wait_s = self._free_s - self._now_s()
        self.owe(weight)
        if wait_s > 0:
            await self._sleep(wait_s)

    def owe(self, weight: int) -> None:
        """What an answer has cost more, by its length: the next request waits for it."""
        self._free_s = max(self._free_s, self._now_s()) + weight / self._a_second
